"""Steps of several processes: container sets, init containers, sidecars, daemons with probes."""

import os
import signal
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from executor.model import ContainerState, Task
from tests.executor.bench import (
    Bench,
    exists,
    make_task,
    open_process_backend,
    runner_pid,
    text,
    until_true,
)
from tests.servers.process import free_port


def sh(script: str, **fields: Any) -> dict[str, Any]:
    return {"image": "x", "command": ["sh", "-c"], "args": [script], **fields}


def named(name: str, script: str, *needs: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **sh(script, **fields), **({"dependencies": [*needs]} if needs else {})}


def pod(node: str, *containers: dict[str, Any], **fields: Any) -> Task:
    """A container set; fields of the task apart, all goes into the template."""
    own = {k: fields.pop(k) for k in ("capture_result",) if k in fields}
    body = {"containers": [*containers], **fields.pop("set", {})}
    return make_task(node, {"containerSet": body, **fields}, **own)


def beside(node: str, main: str, **fields: Any) -> Task:
    return make_task(node, {"container": sh(main), **fields})


async def test_containers_run_in_the_order_of_their_needs_in_one_directory(bench: Bench) -> None:
    task = pod(
        "set",
        named("main", "cat words", "a", "b"),
        named("a", "echo -n 'one ' >> words"),
        named("b", "echo two >> words", "a"),
        capture_result=True,
    )
    report = await bench.run(task)
    assert report.state == "succeeded"
    assert report.outputs is not None
    assert report.outputs.result == "one two"
    assert {c.name: c.code for c in report.containers} == {"a": 0, "b": 0, "main": 0}


async def test_the_first_failure_names_the_step_and_what_needs_it_is_not_run(bench: Bench) -> None:
    task = pod("set", named("a", "exit 3"), named("main", "touch ran", "a"), named("z", "exit 0"))
    report = await bench.run(task)
    assert (report.state, report.message) == ("failed", "a: Error (exit code 3)")
    told = {c.name: (c.code, c.message) for c in report.containers}
    assert told["main"] == (64, "dependency a exited with non-zero code")
    assert told["z"] == (0, "")
    assert report.outputs is not None
    assert report.outputs.exit_code == "64"


async def test_a_set_without_main_has_no_exit_code(bench: Bench) -> None:
    report = await bench.run(pod("set", named("a", "exit 0"), named("b", "exit 0", "a")))
    assert report.state == "succeeded"
    assert report.outputs is None or report.outputs.exit_code is None


async def test_a_container_is_tried_again_in_place(bench: Bench) -> None:
    script = "echo x >> tries; test $(wc -l < tries) -ge 3"
    retry = {"retryStrategy": {"retries": "3", "duration": "10ms"}}
    report = await bench.run(pod("set", named("main", script), set=retry))
    assert report.state == "succeeded"
    less = {"retryStrategy": {"retries": 2}}
    assert (await bench.run(pod("less", named("main", script), set=less))).state == "failed"


async def test_the_output_of_all_containers_is_the_log_and_that_of_main_the_result(
    bench: Bench,
) -> None:
    task = pod(
        "set", named("a", "echo from a"), named("main", "echo from main", "a"), capture_result=True
    )
    report = await bench.run(task)
    assert report.outputs is not None
    assert report.outputs.result == "from main"
    assert sorted((await bench.log(task)).splitlines()) == [b"from a", b"from main"]


async def test_each_container_has_its_environment_and_knows_its_name(bench: Bench) -> None:
    task = pod(
        "set",
        named("a", "echo $ARGO_CONTAINER_NAME $V $BIREME_TASK", env=[{"name": "V", "value": "1"}]),
        named("main", "echo $ARGO_CONTAINER_NAME ${V-none}", "a"),
    )
    await bench.run(task)
    assert await bench.log(task) == b"a 1 run-1/set\nmain none\n"


async def test_containers_share_the_private_paths_of_the_step(bench: Bench) -> None:
    outputs = {"parameters": [{"name": "p", "valueFrom": {"path": "/tmp/shared-by-set"}}]}
    task = pod(
        "set",
        named("a", "echo hi > /tmp/shared-by-set"),
        named("main", "cat /tmp/shared-by-set", "a"),
        outputs=outputs,
    )
    report = await bench.run(task)
    assert report.outputs is not None
    assert report.outputs.parameters == {"p": "hi"}
    assert not exists("/tmp/shared-by-set")


async def test_a_command_that_does_not_exist_is_named_with_its_container(bench: Bench) -> None:
    report = await bench.run(
        pod("set", {"name": "a", "command": ["no-such"]}, named("main", "true"))
    )
    assert report.state == "error"
    assert "containerSet.containers[0]: command 'no-such' was not found" in report.message


async def test_a_stop_reaches_every_container_and_starts_no_more(bench: Bench, root: Path) -> None:
    task = pod(
        "set", named("a", "touch up; sleep 60"), named("b", "sleep 60"), named("main", "true", "a")
    )
    await bench.start(task)
    await until_true(lambda: exists(root / "steps/run-1/set/up"))
    await bench.backend.stop(task.id, timedelta(seconds=20))
    report = await bench.end(task)
    assert (report.state, report.message) == ("failed", "a: Error (exit code 143)")
    assert {c.name: c.code for c in report.containers} == {"a": 143, "b": 143, "main": 143}


async def test_states_of_a_running_set_are_told(bench: Bench, root: Path) -> None:
    task = pod(
        "set", named("a", "exit 0"), named("main", "while ! test -e go; do sleep 0.05; done", "a")
    )
    await bench.start(task)
    report = await bench.until(task, "progress")
    assert report.containers == [ContainerState(name="a", code=0), ContainerState(name="main")]
    (root / "steps/run-1/set/go").touch()
    assert (await bench.end(task)).state == "succeeded"


async def test_a_set_outlives_engine_and_runner(root: Path) -> None:
    first = Bench(open_process_backend(root))
    task = pod(
        "set", named("a", "while ! test -e go; do sleep 0.02; done"), named("main", "exit 4", "a")
    )
    await first.start(task)
    await first.until(task, "started")
    await until_true(lambda: exists(root / "steps/run-1/set.containers"))
    await first.backend.close()
    os.kill(runner_pid(root), signal.SIGKILL)
    second = Bench(open_process_backend(root))
    await second.backend.adopt([task])
    await second.until(task, "started")
    (root / "steps/run-1/set/go").touch()
    report = await second.end(task)
    assert {c.name: c.code for c in report.containers} == {"a": 0, "main": 4}
    assert (report.state, report.message) == ("failed", "main: Error (exit code 4)")
    await second.backend.close()


# --- init containers and sidecars -------------------------------------------------------------------------------


async def test_init_containers_come_first_and_one_by_one(bench: Bench) -> None:
    init = [named("one", "echo 1 >> order"), named("two", "echo 2 >> order")]
    task = beside("init", "echo 3 >> order; cat order", initContainers=init)
    assert (await bench.run(task)).state == "succeeded"
    assert await bench.log(task) == b"1\n2\n3\n"


async def test_a_failed_init_container_is_an_error_and_main_is_never_run(
    bench: Bench, root: Path
) -> None:
    init = [named("one", "exit 2"), named("two", "touch two")]
    report = await bench.run(beside("init", "touch main", initContainers=init))
    assert (report.state, report.message) == ("error", "one: Error (exit code 2)")
    assert list((root / "steps/run-1/init").iterdir()) == []


async def test_sidecars_run_beside_main_and_end_with_it(bench: Bench, root: Path) -> None:
    side = "trap 'echo bye > bye; exit 0' TERM; touch up; while true; do sleep 0.05; done"
    main = "while ! test -e up; do sleep 0.02; done; echo done"
    task = beside("side", main, sidecars=[named("helper", side)])
    assert (await bench.run(task)).state == "succeeded"
    assert text(root / "steps/run-1/side/bye") == "bye\n"


async def test_what_a_sidecar_started_ends_with_it(bench: Bench, root: Path) -> None:
    side = "sleep 60 & echo $! > pid; wait"
    main = "while ! test -s pid; do sleep 0.02; done"
    report = await bench.run(beside("side", main, sidecars=[named("helper", side)]))
    assert report.state == "succeeded"
    pid = text(root / "steps/run-1/side/pid").strip()
    await until_true(lambda: not exists(f"/proc/{pid}"))


SIDECARS = {
    "ended by our signal": ("sleep 60", "succeeded", ""),
    "ended well": ("true", "succeeded", ""),
    "failed by itself": ("exit 5", "failed", "helper: Error (exit code 5)"),
}


@pytest.mark.parametrize("case", SIDECARS)
async def test_only_a_sidecar_that_fails_by_itself_fails_the_step(bench: Bench, case: str) -> None:
    script, state, message = SIDECARS[case]
    report = await bench.run(beside("side", "sleep 0.2", sidecars=[named("helper", script)]))
    assert (report.state, report.message) == (state, message)


async def test_main_speaks_before_its_sidecars(bench: Bench) -> None:
    report = await bench.run(beside("side", "exit 7", sidecars=[named("helper", "exit 5")]))
    assert report.message == "main: Error (exit code 7)"
    assert report.outputs is not None
    assert report.outputs.exit_code == "7"


# --- daemons ----------------------------------------------------------------------------------------------------

SERVE = (
    "import http.server, sys, time; time.sleep(0.2); "
    "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()"
)


@pytest.mark.parametrize("way", ["tcpSocket", "httpGet", "exec"])
async def test_a_daemon_is_ready_once_its_probe_succeeds(
    bench: Bench, root: Path, way: str
) -> None:
    port = free_port()
    probe: dict[str, Any] = {
        "tcpSocket": {"port": "web"},
        "httpGet": {"port": port, "path": "/"},
        "exec": {"command": ["python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {port}))"]},
    }  # fmt: skip
    container = {
        "command": ["python3", "-c", SERVE, str(port)],
        "ports": [{"name": "web", "containerPort": port}],
        "readinessProbe": {way: probe[way], "periodSeconds": 0.05, "timeoutSeconds": 5},
    }
    task = make_task("daemon", {"container": container, "daemon": True})
    await bench.start(task)
    while not (report := await bench.until(task, "started")).ready:
        bench.reports.remove(report)
    socket.create_connection(("127.0.0.1", port)).close()
    await bench.backend.stop(task.id, timedelta(seconds=20))
    assert (await bench.end(task)).message == "main: Error (exit code 143)"


async def test_a_daemon_without_probes_is_ready_at_once(bench: Bench) -> None:
    task = make_task("daemon", {"container": sh("sleep 60"), "daemon": True})
    await bench.start(task)
    assert (await bench.until(task, "started")).ready
    await bench.backend.stop(task.id, timedelta(seconds=20))
    await bench.end(task)


async def test_an_unknown_probe_or_port_is_refused_by_field(bench: Bench) -> None:
    grpc = {"container": {**sh("true"), "readinessProbe": {"grpc": {"port": 1}}}, "daemon": True}
    report = await bench.run(make_task("g", grpc))
    assert (
        "template 'g' container.readinessProbe: known here: exec, tcpSocket, httpGet"
        in report.message
    )
    port = {
        "container": {**sh("true"), "startupProbe": {"tcpSocket": {"port": "web"}}},
        "daemon": True,
    }
    report = await bench.run(make_task("p", port))
    assert "startupProbe.tcpSocket.port: no port is called 'web'" in report.message
