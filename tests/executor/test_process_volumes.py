"""Volumes as directories: who shares what, what is in it beforehand, where outputs in a volume are found."""

from pathlib import Path
from typing import Any

import pytest

from bireme.kit.errors import NotFound
from executor.model import Task
from tests.executor.bench import Bench, exists, make_task, open_process_backend, text

CLAIM = {"name": "work", "claimTemplate": True}


class Vault:
    """One secret and one config map, each with two keys."""

    def secret(self, namespace: str, name: str, key: str) -> bytes:
        self.keys("secret", namespace, name)
        return f"secret {key}".encode()

    def config(self, namespace: str, name: str, key: str) -> str:
        return f"config {key}"

    def keys(self, kind: str, namespace: str, name: str) -> list[str]:
        if name != "known":
            raise NotFound(f"{kind} '{name}' not found")
        return ["a", "b"]


@pytest.fixture(params=["namespaces", "turns"])
async def bench(request: pytest.FixtureRequest, root: Path) -> Any:
    backend = open_process_backend(root, secrets=Vault(), view=request.param)
    yield Bench(backend)
    await backend.close()


def mounting(node: str, script: str, volume: str, path: str, **fields: Any) -> Task:
    mount = {"name": volume, "mountPath": path, **fields.pop("mount", {})}
    own = {k: fields.pop(k) for k in ("volumes_of_run", "run", "id") if k in fields}
    container = {
        "image": "x",
        "command": ["sh", "-c"],
        "args": [script],
        "volumeMounts": [mount],
        **fields.pop("container", {}),
    }
    if "volumes_of_run" in own:
        own["volumes"] = own.pop("volumes_of_run")
    return make_task(node, {"container": container, **fields}, **own)


@pytest.fixture
def at(tmp_path: Path) -> str:
    """A mount path that no other test uses, so that `turns` do not meet."""
    (tmp_path / "mnt").mkdir()
    return str(tmp_path / "mnt/vol")


async def test_an_empty_dir_is_the_steps_own_and_shared_by_its_containers(
    bench: Bench, at: str
) -> None:
    volumes = [{"name": "tmp", "emptyDir": {}}]
    init = {
        "name": "i",
        "command": ["sh", "-c"],
        "args": [f"echo hi > {at}/f"],
        "volumeMounts": [{"name": "tmp", "mountPath": at}],
    }
    outputs = {"parameters": [{"name": "p", "valueFrom": {"path": f"{at}/f"}}]}
    one = mounting(
        "one",
        f"cat {at}/f",
        "tmp",
        at,
        volumes=volumes,
        initContainers=[init],
        outputs=outputs,
    )
    report = await bench.run(one)
    assert report.state == "succeeded", report.message
    assert report.outputs is not None
    assert report.outputs.parameters == {"p": "hi"}
    two = mounting("two", f"test ! -e {at}/f", "tmp", at, volumes=volumes)
    assert (await bench.run(two)).state == "succeeded"
    assert not exists(at)


async def test_a_claim_of_the_run_is_shared_by_its_steps_and_by_no_other_run(
    bench: Bench, at: str
) -> None:
    write = mounting("write", f"echo hi > {at}/f", "work", at, volumes_of_run=[CLAIM])
    read = mounting("read", f"cat {at}/f", "work", at, volumes_of_run=[CLAIM])
    other = mounting(
        "read", f"cat {at}/f", "work", at, volumes_of_run=[CLAIM], run="run-2", id="run-2/read"
    )
    assert (await bench.run(write)).state == "succeeded"
    assert (await bench.run(read)).state == "succeeded"
    assert await bench.log(read) == b"hi\n"
    assert (await bench.run(other)).state == "failed"


async def test_the_claims_of_a_run_go_with_its_last_step(bench: Bench, at: str, root: Path) -> None:
    task = mounting("write", f"echo hi > {at}/f", "work", at, volumes_of_run=[CLAIM])
    await bench.run(task)
    assert exists(root / "steps/run-1/.volumes/work/f")
    await bench.backend.forget([task.id])
    assert not exists(root / "steps/run-1")


async def test_a_named_claim_lives_on_from_run_to_run(bench: Bench, at: str, root: Path) -> None:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "mine"}}]
    await bench.run(mounting("write", f"echo hi > {at}/f", "v", at, volumes=volumes))
    assert text(root / "volumes/default/mine/f") == "hi\n"


async def test_config_maps_and_secrets_are_files(bench: Bench, at: str, root: Path) -> None:
    secret = [{"name": "s", "secret": {"secretName": "known"}}]
    task = mounting("s", f"cat {at}/a {at}/b", "s", at, volumes=secret)
    assert (await bench.run(task)).state == "succeeded"
    assert await bench.log(task) == b"secret asecret b"
    assert not exists(root / "steps/run-1/s.volumes/s")
    items = [{"key": "b", "path": "deep/x"}]
    config = [{"name": "c", "configMap": {"name": "known", "items": items}}]
    task = mounting("c", f"cat {at}/deep/x; ls {at}", "c", at, volumes=config)
    await bench.run(task)
    assert await bench.log(task) == b"config bdeep\n"


async def test_one_file_of_a_config_map_can_be_mounted(bench: Bench, at: str) -> None:
    config = [{"name": "c", "configMap": {"name": "known"}}]
    task = mounting("c", f"cat {at}", "c", at, volumes=config, mount={"subPath": "a"})
    await bench.run(task)
    assert await bench.log(task) == b"config a"


async def test_a_missing_secret_is_an_error_unless_it_is_optional(bench: Bench, at: str) -> None:
    report = await bench.run(
        mounting("s", "true", "s", at, volumes=[{"name": "s", "secret": {"secretName": "no"}}])
    )
    assert (report.state, report.message) == (
        "error",
        "volume 's' secret 'no': secret 'no' not found",
    )
    may = [{"name": "s", "secret": {"secretName": "no", "optional": True}}]
    assert (await bench.run(mounting("o", f"ls {at}", "s", at, volumes=may))).state == "succeeded"


async def test_inputs_and_outputs_in_a_volume_lie_in_the_volume(bench: Bench, at: str) -> None:
    volumes = [{"name": "tmp", "emptyDir": {}}]
    inputs = {"artifacts": [{"name": "in", "path": f"{at}/in", "raw": {"data": "abc"}}]}
    outputs = {"artifacts": [{"name": "out", "path": f"{at}/out", "archive": {"none": {}}}]}
    task = mounting(
        "io", f"cp {at}/in {at}/out", "tmp", at, volumes=volumes, inputs=inputs, outputs=outputs
    )
    report = await bench.run(task)
    assert report.state == "succeeded", report.message


REFUSED = {
    "no such volume": ({"volumes": []}, "there is no volume 'v'"),
    "unknown kind": ({"volumes": [{"name": "v", "nfs": {"server": "x"}}]}, "volume 'v' is a nfs"),
    "leading out": (
        {"volumes": [{"name": "v", "emptyDir": {}}], "mount": {"subPath": "../x"}},
        "subPath '../x' leads out of the volume",
    ),
    "claim name": (
        {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "../x"}}]},
        "'../x' cannot be the name of a volume",
    ),
    "host path": (
        {"volumes": [{"name": "v", "hostPath": {"path": "/no/such/place"}}]},
        "hostPath '/no/such/place' does not exist on this machine",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_a_mount_that_cannot_be_had_is_refused_by_field(
    bench: Bench, at: str, case: str
) -> None:
    fields, message = REFUSED[case]
    report = await bench.run(mounting("m", "true", "v", at, **fields))
    assert report.state == "error"
    assert "template 'm' container.volumeMounts[0]" in report.message
    assert message in report.message


async def test_two_volumes_at_one_path_are_refused(bench: Bench, at: str) -> None:
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]
    side = {"name": "s", "command": ["true"], "volumeMounts": [{"name": "b", "mountPath": at}]}
    report = await bench.run(mounting("m", "true", "a", at, volumes=volumes, sidecars=[side]))
    assert "another container mounts another volume" in report.message


async def test_a_read_only_mount_cannot_be_written(root: Path, at: str) -> None:
    backend = open_process_backend(root, view="namespaces")
    volumes = [{"name": "v", "emptyDir": {}}]
    task = mounting("ro", f"touch {at}/x", "v", at, volumes=volumes, mount={"readOnly": True})
    assert (await Bench(backend).run(task)).state == "failed"
    await backend.close()


async def test_env_from_brings_every_value(root: Path) -> None:
    backend = open_process_backend(root, secrets=Vault())
    bundles = [
        {"secretRef": {"name": "known"}, "prefix": "S_"},
        {"configMapRef": {"name": "known"}},
    ]
    container = {"command": ["sh", "-c"], "args": ["echo $S_a $b"], "envFrom": bundles}
    bench, task = Bench(backend), make_task("env", {"container": container})
    await bench.run(task)
    assert await bench.log(task) == b"secret a config b\n"
    await backend.close()


async def test_a_host_path_is_the_machines_own(bench: Bench, at: str, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    volumes = [{"name": "v", "hostPath": {"path": str(tmp_path / "shared")}}]
    task = mounting("h", f"echo hi > {at}/f", "v", at, volumes=volumes)
    assert (await bench.run(task)).state == "succeeded"
    assert text(tmp_path / "shared/f") == "hi\n"
    made = [{"name": "v", "hostPath": {"path": str(tmp_path / "new"), "type": "DirectoryOrCreate"}}]
    await bench.run(mounting("n", f"touch {at}/f", "v", at, volumes=made))
    assert exists(tmp_path / "new/f")


async def test_a_volume_cannot_be_called_like_a_way_out(bench: Bench, at: str) -> None:
    volumes = [{"name": "../../x", "emptyDir": {}}]
    report = await bench.run(mounting("m", "true", "../../x", at, volumes=volumes))
    assert "'../../x' cannot be the name of a volume" in report.message
