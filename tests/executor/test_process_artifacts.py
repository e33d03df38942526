"""Artifacts between steps: saved by one, loaded by the next, and what is said when that cannot be."""

from pathlib import Path
from typing import Any

import pytest

from executor.model import Report
from executor.ports import DiscardsArtifacts
from tests.executor.bench import Bench, exists, shell, text

MISSING = "no such file or directory"


def taking(*artifacts: dict[str, Any]) -> dict[str, Any]:
    return {"artifacts": list(artifacts)}


def saved(report: Report, name: str) -> dict[str, Any]:
    assert report.state == "succeeded", report.message
    assert report.outputs is not None
    return report.outputs.artifacts[name]


@pytest.mark.parametrize(
    "archive", [{}, {"archive": {"none": {}}}, {"archive": {"zip": {}}}], ids=str
)
async def test_a_file_goes_from_one_step_to_the_next(bench: Bench, archive: dict[str, Any]) -> None:
    made = taking({"name": "a", "path": "/tmp/made.txt", **archive})
    artifact = saved(await bench.run(shell("make", "echo hi > /tmp/made.txt", outputs=made)), "a")
    read = shell("read", "cat /tmp/in/here", inputs=taking({**artifact, "path": "/tmp/in/here"}))
    await bench.run(read)
    assert await bench.log(read) == b"hi\n"


async def test_a_directory_goes_from_one_step_to_the_next(bench: Bench) -> None:
    made = taking({"name": "tree", "path": "/out"})
    script = "mkdir -p /out/sub && echo 1 > /out/sub/one && echo 2 > /out/two"
    artifact = saved(await bench.run(shell("make", script, outputs=made)), "tree")
    read = shell(
        "read", "cd /in && find . -type f | sort", inputs=taking({**artifact, "path": "/in"})
    )
    await bench.run(read)
    assert await bench.log(read) == b"./sub/one\n./two\n"


async def test_a_sub_path_of_an_unpacked_directory_can_be_taken(bench: Bench) -> None:
    made = taking({"name": "tree", "path": "/out", "archive": {"none": {}}})
    artifact = saved(
        await bench.run(shell("make", "mkdir /out && echo 2 > /out/two", outputs=made)), "tree"
    )
    wanted = taking({**artifact, "path": "/in", "subPath": "two"})
    read = shell("read", "cat /in", inputs=wanted)
    await bench.run(read)
    assert await bench.log(read) == b"2\n"


async def test_raw_artifacts_get_their_content_and_mode(bench: Bench) -> None:
    raw = {
        "name": "tool",
        "path": "/bin/bireme-tool",
        "mode": 0o755,
        "raw": {"data": "#!/bin/sh\necho ran"},
    }
    task = shell("raw", "bireme-tool", inputs=taking(raw))
    await bench.run(task)
    assert await bench.log(task) == b"ran\n"
    assert not exists("/bin/bireme-tool")


async def test_an_input_never_overwrites_the_machines_own_file(bench: Bench) -> None:
    before = text("/etc/hostname")
    task = shell(
        "etc",
        "cat /etc/hostname",
        inputs=taking({"name": "h", "path": "/etc/hostname", "raw": {"data": "mine"}}),
    )
    await bench.run(task)
    assert await bench.log(task) == b"mine"
    assert text("/etc/hostname") == before


async def test_outputs_are_saved_when_the_command_failed(bench: Bench) -> None:
    made = taking({"name": "a", "path": "/tmp/a"}, {"name": "b", "path": "/tmp/b"})
    report = await bench.run(shell("fails", "echo hi > /tmp/a; exit 1", outputs=made))
    assert (report.state, report.message) == ("failed", "main: Error (exit code 1)")
    assert report.outputs is not None
    assert set(report.outputs.artifacts) == {"a"}


async def test_missing_outputs_are_an_error_that_names_each(bench: Bench) -> None:
    outputs = {
        "artifacts": [
            {"name": "a", "path": "/tmp/a"},
            {"name": "o", "path": "/tmp/o", "optional": True},
        ],
        "parameters": [
            {"name": "p", "valueFrom": {"path": "/tmp/p"}},
            {"name": "d", "valueFrom": {"path": "/tmp/d", "default": "fallback"}},
        ],
    }
    report = await bench.run(shell("lazy", "true", outputs=outputs))
    assert report.state == "error"
    assert f"outputs.artifacts[0] ('a'): /tmp/a: {MISSING}" in report.message
    assert f"output parameter 'p': open /tmp/p: {MISSING}" in report.message
    assert "'o'" not in report.message
    assert report.outputs is not None
    assert report.outputs.parameters == {"d": "fallback"}


async def test_an_input_without_a_location_is_an_error_unless_it_is_optional(bench: Bench) -> None:
    nowhere = {"name": "n", "path": "/tmp/n"}
    report = await bench.run(shell("needs", "true", inputs=taking(nowhere)))
    assert report.state == "error"
    assert "inputs.artifacts[0] ('n') has no location" in report.message
    fine = await bench.run(shell("may", "true", inputs=taking({**nowhere, "optional": True})))
    assert fine.state == "succeeded"


async def test_an_artifact_that_is_gone_is_an_error_unless_it_is_optional(bench: Bench) -> None:
    gone = {"name": "g", "path": "/tmp/g", "local": {"key": "default/old/x.tgz"}}
    report = await bench.run(shell("needs", "true", inputs=taking(gone)))
    assert "there is nothing under local.key 'default/old/x.tgz'" in report.message
    fine = await bench.run(shell("may", "true", inputs=taking({**gone, "optional": True})))
    assert fine.state == "succeeded"


async def test_a_store_of_a_later_release_is_named_with_its_field(bench: Bench) -> None:
    bucket = {"name": "b", "path": "/tmp/b", "s3": {"bucket": "x", "endpoint": "y", "key": "z"}}
    report = await bench.run(shell("s3in", "true", inputs=taking(bucket)))
    assert report.state == "error"
    assert (
        "inputs.artifacts[0].s3 ('b'): artifact store s3 comes with a later release"
        in report.message
    )
    report = await bench.run(shell("s3out", "touch /tmp/b", outputs=taking(bucket)))
    assert "outputs.artifacts[0].s3 ('b'): artifact store s3 comes with a later" in report.message


async def test_an_output_with_only_a_key_goes_to_the_local_store_under_it(
    bench: Bench, root: Path
) -> None:
    keyed = taking(
        {"name": "k", "path": "/tmp/k", "archive": {"none": {}}, "s3": {"key": "a/b.txt"}}
    )
    artifact = saved(await bench.run(shell("key", "echo k > /tmp/k", outputs=keyed)), "k")
    assert artifact["local"] == {"key": "a/b.txt"}
    assert text(root / "artifacts" / "a" / "b.txt") == "k\n"


async def test_a_key_that_leads_out_of_the_store_is_refused(bench: Bench, root: Path) -> None:
    keyed = taking({"name": "k", "path": "/tmp/k", "local": {"key": "../../k"}})
    report = await bench.run(shell("key", "echo k > /tmp/k", outputs=keyed))
    assert report.state == "error"
    assert "must be a relative path without '..'" in report.message
    assert not exists(root.parent / "k")


async def test_the_log_is_kept_as_an_artifact_when_asked(bench: Bench, root: Path) -> None:
    task = shell(
        "logged", "echo out; echo err >&2", archive={"archiveLogs": True}, capture_result=True
    )
    artifact = saved(await bench.run(task), "main-logs")
    assert text(root / "artifacts" / artifact["local"]["key"]) == "out\nerr\n"


async def test_discarded_artifacts_are_gone_and_the_others_stay(bench: Bench, root: Path) -> None:
    strategy = {"artifactGC": {"strategy": "OnWorkflowCompletion"}}
    outputs = {"artifacts": [{"name": n, "path": n, **strategy} for n in ("a", "b")]}
    report = await bench.run(shell("make", "touch a b", outputs=outputs))
    assert report.outputs is not None
    first, second = report.outputs.artifacts.values()
    assert first["artifactGC"] == strategy["artifactGC"]
    assert isinstance(bench.backend, DiscardsArtifacts)
    assert await bench.backend.discard([first, first]) == []
    assert not exists(root / "artifacts" / first["local"]["key"])
    assert exists(root / "artifacts" / second["local"]["key"])
    [problem] = await bench.backend.discard([{"name": "x", "s3": {"bucket": "b", "key": "k"}}])
    assert "artifact 'x'" in problem
