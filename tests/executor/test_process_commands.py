"""What a template's container or script becomes on this machine, with real processes."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from bireme.kit.clock import SystemClock
from bireme.kit.errors import NotFound
from executor.backends.process import ProcessBackend
from tests.executor.bench import (
    Bench,
    exists,
    make_task,
    open_process_backend,
    shell,
    text,
    until_true,
)


class Vault:
    """One secret and one config map."""

    def secret(self, namespace: str, name: str, key: str) -> bytes:
        if (namespace, name, key) != ("default", "token", "value"):
            raise NotFound(f"secret {namespace}/{name} has no key '{key}'")
        return b"s3cr3t"

    def config(self, namespace: str, name: str, key: str) -> str:
        return f"{name}.{key}"


def container(node: str, **fields: Any) -> Any:
    return make_task(node, {"container": {"image": "alpine:3", **fields}})


async def test_a_script_runs_its_source_with_its_command_and_captures_standard_output_alone(
    bench: Bench,
) -> None:
    script = {
        "image": "x",
        "command": ["python3"],
        "source": "import sys\nprint(6 * 7)\nsys.stderr.write('e')",
    }
    report = await bench.run(make_task("py", {"script": script}, capture_result=True))
    assert report.outputs is not None
    assert report.outputs.result == "42"


async def test_a_script_without_a_command_is_run_by_sh(bench: Bench) -> None:
    task = make_task("plain", {"script": {"image": "x", "source": "echo $0 | tail -c 8"}})
    await bench.run(task)
    assert await bench.log(task) == b".script\n"


async def test_a_long_result_keeps_its_last_256_kib(bench: Bench) -> None:
    report = await bench.run(
        shell("long", "head -c 300000 /dev/zero | tr '\\0' a; echo; echo end", capture_result=True)
    )
    assert report.outputs is not None
    assert report.outputs.result is not None
    assert len(report.outputs.result) == 256 * 1024
    assert report.outputs.result.endswith("a\nend")


async def test_environment_holds_argos_names_the_manifests_values_and_references(
    root: Path,
) -> None:
    bench = Bench(open_process_backend(root, secrets=Vault()))
    env = [
        {"name": "PLAIN", "value": "a"},
        {"name": "TWICE", "value": "$(PLAIN)-$(NOBODY)-$$"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "value"}}},
        {"name": "SETTING", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {
            "name": "MAYBE",
            "valueFrom": {"secretKeyRef": {"name": "no", "key": "x", "optional": True}},
        },
    ]
    words = "$TWICE $TOKEN $SETTING ${MAYBE-unset} $ARGO_NODE_ID $ARGO_WORKFLOW_NAME $ARGO_CONTAINER_NAME"
    task = container("env", command=["sh", "-c"], args=[f'echo "{words}"'], env=env)
    await bench.run(task)
    assert await bench.log(task) == b"a-$(NOBODY)-$ s3cr3t c.k unset env wf main\n"
    await bench.backend.close()


async def test_the_engines_tokens_are_not_inherited(root: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "BIREME_TOKEN": "x", "LANG": "C"}
    bench = Bench(ProcessBackend(root, SystemClock(), environment=environment))
    task = container("bare", command=["env"])
    await bench.run(task)
    names = {line.partition(b"=")[0] for line in (await bench.log(task)).splitlines()}
    assert b"BIREME_TOKEN" not in names
    assert {b"PATH", b"LANG", b"BIREME_TASK"} <= names
    await bench.backend.close()


async def test_a_missing_secret_is_an_error_that_names_field_and_reference(root: Path) -> None:
    bench = Bench(open_process_backend(root, secrets=Vault()))
    env = [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "other", "key": "x"}}}]
    report = await bench.run(container("nosecret", command=["true"], env=env))
    assert report.state == "error"
    assert "env[0].valueFrom.secretKeyRef: secret default/other has no key 'x'" in report.message
    await bench.backend.close()


async def test_a_command_that_does_not_exist_is_an_error_with_advice(bench: Bench) -> None:
    report = await bench.run(container("typo", command=["no-such-program"]))
    assert report.state == "error"
    for part in ("template 'typo'", "'no-such-program'", "'alpine:3' is not used", "install"):
        assert part in report.message


async def test_a_template_without_a_command_says_that_the_image_is_not_used(bench: Bench) -> None:
    report = await bench.run(container("entry"))
    assert report.state == "error"
    assert "no command" in report.message
    assert "add `command: [...]`" in report.message


async def test_a_template_for_another_backend_is_named(bench: Bench) -> None:
    report = await bench.run(make_task("res", {"resource": {"action": "get"}}))
    assert (report.state, "template 'res' has resource" in report.message) == ("error", True)


async def test_a_file_that_cannot_be_executed_is_an_error_not_a_failure(
    bench: Bench, root: Path
) -> None:
    broken = root / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    report = await bench.run(container("broken", command=[str(broken)]))
    assert report.state == "error"
    assert "cannot start" in report.message


async def test_an_argument_no_process_can_have_is_an_error_and_others_go_on(bench: Bench) -> None:
    report = await bench.run(container("nul", command=["echo", "a\0b"]))
    assert (report.state, report.message) == (
        "error",
        "cannot start '/usr/bin/echo': embedded null byte",
    )
    env = [{"name": "A=B", "value": "x"}]
    assert (await bench.run(container("name", command=["true"], env=env))).state == "error"
    assert (await bench.run(container("long", command=["echo", "x" * 300_000]))).state == "error"
    assert (await bench.run(container("fine", command=["true"]))).state == "succeeded"


async def test_the_working_directory_is_the_manifests_or_the_steps_own(
    bench: Bench, tmp_path: Path
) -> None:
    task = container("there", command=["pwd"], workingDir=str(tmp_path))
    await bench.run(task)
    assert await bench.log(task) == f"{tmp_path}\n".encode()
    own = container("own", command=["sh", "-c", "ls -A; pwd"])
    await bench.run(own)
    assert (await bench.log(own)).endswith(b"/steps/run-1/own\n")
    assert (await bench.log(own)).count(b"\n") == 1


async def test_a_missing_working_directory_is_an_error_with_advice(bench: Bench) -> None:
    report = await bench.run(container("nowhere", command=["pwd"], workingDir="/no/such/place"))
    assert report.state == "error"
    assert "workingDir '/no/such/place' does not exist" in report.message


async def test_memory_limits_hold(bench: Bench) -> None:
    script = "b = bytearray(300 << 20)"
    limits = {"resources": {"limits": {"memory": "100Mi", "cpu": "1"}}}
    report = await bench.run(container("eater", command=["python3", "-c", script], **limits))
    assert report.message == "main: Error (exit code 1)"
    fine = await bench.run(container("modest", command=["python3", "-c", "1"], **limits))
    assert fine.state == "succeeded"


async def test_a_quantity_that_is_none_is_named(bench: Bench) -> None:
    limits = {"resources": {"limits": {"memory": "much"}}}
    report = await bench.run(container("odd", command=["true"], **limits))
    assert "resources.limits.memory: found 'much'" in report.message


async def test_what_a_step_leaves_in_the_background_ends_with_it(bench: Bench) -> None:
    task = shell("leaves", "sleep 100 & echo $!")
    await bench.run(task)
    pid = int(await bench.log(task))
    stat = f"/proc/{pid}/stat"
    await until_true(lambda: not exists(stat) or text(stat).rpartition(")")[2].split()[0] in "ZX")


async def test_fifty_megabytes_of_output_are_streamed_and_not_held(bench: Bench) -> None:
    task = shell("loud", "head -c 50000000 /dev/zero")
    await bench.run(task)
    sizes = [len(chunk) async for chunk in bench.backend.logs(task.id, False)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 1 << 16


async def test_a_log_over_its_limit_keeps_its_beginning_and_its_end(root: Path) -> None:
    bench = Bench(open_process_backend(root, log_bytes=8 << 20))
    task = shell("endless", "echo first; head -c 30000000 /dev/zero | tr '\\0' x; echo; echo last")
    await bench.run(task)
    log = await bench.log(task)
    assert log.startswith(b"first\n")
    assert log.endswith(b"x\nlast\n")
    assert 4_000_000 < len(log) < 6_000_000
    assert bench.reports[-1].state == "succeeded"
    await bench.backend.close()


async def test_what_a_step_writes_as_its_progress_comes_with_its_end(bench: Bench) -> None:
    report = await bench.run(
        shell("slow", "echo 1/2 > $ARGO_PROGRESS_FILE; echo 2/2 >> $ARGO_PROGRESS_FILE")
    )
    assert report.progress == "2/2"


async def test_no_more_than_parallel_run_at_once_and_a_waiting_one_can_be_stopped(
    root: Path,
) -> None:
    bench = Bench(open_process_backend(root, parallel=1))
    first, second, third = (
        shell("first", "sleep 0.2"),
        shell("second", "true"),
        shell("third", "true"),
    )
    await bench.start(first, second, third)
    await bench.backend.stop(second.id, timedelta(seconds=1))
    assert (await bench.end(second)).message == "stopped before it was started"
    await bench.end(third)
    order = [report.task for report in bench.reports if report.state in ("started", "succeeded")]
    assert order == [first.id, first.id, third.id, third.id]
    await bench.backend.close()
