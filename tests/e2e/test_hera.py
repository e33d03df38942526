"""Workflows written with hera, the Python SDK of Argo: each lints without a complaint and runs to its end."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bireme.manifests.lint import lint

hera = pytest.importorskip("hera.workflows")
models = pytest.importorskip("hera.workflows.models")

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DAG, Container, Parameter, Steps, Step = (
    hera.DAG, hera.Container, hera.Parameter, hera.Steps, hera.Step,
)  # fmt: skip
Task, Workflow, script = hera.Task, hera.Workflow, hera.script
Shell = {"image": "alpine", "command": ["sh", "-c"]}


@script(image="python:3.11", command=["python3"])
def say(message: str) -> None:
    print(message)


@script(image="python:3.11", command=["python3"])
def squares(upto: int) -> None:
    import json

    print(json.dumps([n * n for n in range(upto)]))


@script(image="python:3.11", command=["python3"])
def total(numbers: list) -> None:  # type: ignore[type-arg]
    print(sum(int(n) for n in numbers))


@script(
    image="python:3.11",
    command=["python3"],
    outputs=[hera.Parameter(name="text", value_from={"path": "/tmp/text"})],
)
def keep(text: str) -> None:
    with open("/tmp/text", "w") as file:
        file.write(text.upper())


def diamond() -> Any:
    with Workflow(generate_name="diamond-", entrypoint="d") as made, DAG(name="d"):
        a, b, c, d = (say(name=n, arguments={"message": n}) for n in "abcd")
        a >> [b, c] >> d
    return made


def steps_with_a_result() -> Any:
    with Workflow(generate_name="result-", entrypoint="s") as made, Steps(name="s") as s:
        first = say(name="first", arguments={"message": "hello"})
        with s.parallel():
            say(name="left", arguments={"message": first.result})
            say(name="right", arguments={"message": "right"})
    return made


def fan_out_and_in() -> Any:
    with Workflow(generate_name="fan-", entrypoint="d", parallelism=4) as made, DAG(name="d"):
        numbers = squares(name="numbers", arguments={"upto": 5})
        each = say(name="each", arguments={"message": "{{item}}"}, with_param=numbers.result)
        summed = total(name="summed", arguments={"numbers": numbers.result})
        numbers >> each >> summed
    return made


def outputs_as_parameters() -> Any:
    with Workflow(generate_name="outputs-", entrypoint="s") as made, Steps(name="s"):
        kept = keep(name="kept", arguments={"text": "loud"})
        say(name="said", arguments={"message": kept.get_parameter("text").with_name("message")})
    return made


def retried() -> Any:
    with Workflow(generate_name="retried-", entrypoint="flaky") as made:
        Container(
            name="flaky",
            args=['test "{{retries}}" -ge 2'],
            retry_strategy=hera.RetryStrategy(
                limit=3, backoff=models.Backoff(duration="1s", factor=1)
            ),
            **Shell,
        )
    return made


def suspended_for_a_second() -> Any:
    with Workflow(generate_name="nap-", entrypoint="s") as made:
        nap = hera.Suspend(name="nap", duration=1)
        with Steps(name="s"):
            nap(name="wait")
            say(name="after", arguments={"message": "woken"})
    return made


def with_hooks_and_an_exit_handler() -> Any:
    with Workflow(generate_name="hooks-", entrypoint="d") as made:
        told = Container(name="told", args=["echo {{workflow.status}}"], **Shell)
        made.on_exit = told
        with DAG(name="d"):
            running = models.LifecycleHook(
                template="told", expression='tasks["a"].status == "Succeeded"'
            )
            say(name="a", arguments={"message": "x"}, hooks={"done": running})
    return made


def conditions() -> Any:
    with Workflow(generate_name="when-", entrypoint="d") as made, DAG(name="d"):
        coin = say(name="coin", arguments={"message": "heads"})
        heads = say(name="heads", arguments={"message": "won"}, when=f"{coin.result} == heads")
        tails = say(name="tails", arguments={"message": "lost"}, when=f"{coin.result} == tails")
        coin >> [heads, tails]
    return made


def a_failure_that_is_expected() -> Any:
    with Workflow(generate_name="failing-", entrypoint="d") as made:
        broken = Container(name="broken", args=["exit 3"], **Shell)
        with DAG(name="d", target="cleanup"):
            bad = broken(name="bad")
            cleanup = say(name="cleanup", arguments={"message": "swept"})
            bad.on_failure(cleanup)
    return made


def artifacts() -> Any:
    with Workflow(generate_name="artifacts-", entrypoint="s") as made:
        write = Container(
            name="write",
            args=["echo content > /tmp/out.txt"],
            outputs=[hera.Artifact(name="file", path="/tmp/out.txt")],
            **Shell,
        )
        read = Container(
            name="read",
            args=["grep content /tmp/in.txt"],
            inputs=[hera.Artifact(name="file", path="/tmp/in.txt")],
            **Shell,
        )
        with Steps(name="s"):
            written = write(name="written")
            read(name="read", arguments=[written.get_artifact("file")])
    return made


def loops_over_objects() -> Any:
    with Workflow(generate_name="items-", entrypoint="s") as made:
        echo = Container(
            name="echo",
            args=["echo {{inputs.parameters.text}}"],
            inputs=[Parameter(name="text")],
            **Shell,
        )
        with Steps(name="s"):
            people = [{"name": "ann", "age": 7}, {"name": "bo", "age": 9}]
            text = Parameter(name="text", value="{{item.name}} is {{item.age}}")
            echo(name="each", arguments=[text], with_items=people)
    return made


def nested_with_arguments_of_the_workflow() -> Any:
    arguments = [Parameter(name="who", value="world", enum=["world", "moon"])]
    with Workflow(generate_name="nested-", entrypoint="outer", arguments=arguments) as made:
        with Steps(name="inner", inputs=[Parameter(name="who")]) as inner:
            say(name="say", arguments={"message": "hello {{inputs.parameters.who}}"})
        with DAG(name="outer"):
            inner(name="call", arguments={"who": "{{workflow.parameters.who}}"})
    return made


def metrics_and_timeouts() -> Any:
    counted = hera.Counter(name="runs", help="How often it ran.", value="1")
    with Workflow(generate_name="metrics-", entrypoint="m", metrics=counted) as made:
        Container(name="m", args=["true"], timeout="60s", active_deadline_seconds=60, **Shell)
    return made


WORKFLOWS: dict[str, tuple[Callable[[], Any], dict[str, str]]] = {
    "a diamond": (diamond, {"d": "d"}),
    "steps that hand on a result": (steps_with_a_result, {"left": "hello"}),
    "a fan out and in": (fan_out_and_in, {"each(4:16)": "16", "summed": "30"}),
    "an output parameter": (outputs_as_parameters, {"said": "LOUD"}),
    "a retry": (retried, {}),
    "a suspension": (suspended_for_a_second, {"after": "woken"}),
    "hooks and an exit handler": (with_hooks_and_an_exit_handler, {"a.hooks.done": "Running"}),
    "conditions": (conditions, {"heads": "won"}),
    "a failure that is expected": (a_failure_that_is_expected, {"cleanup": "swept"}),
    "artifacts": (artifacts, {}),
    "a loop over objects": (loops_over_objects, {"each(1:age:9,name:bo)": "bo is 9"}),
    "nested templates": (nested_with_arguments_of_the_workflow, {"say": "hello world"}),
    "metrics and timeouts": (metrics_and_timeouts, {}),
}


@pytest.mark.parametrize("case", WORKFLOWS.values(), ids=WORKFLOWS)
def test_a_workflow_written_with_hera_lints_and_runs(
    case: tuple[Callable[[], Any], dict[str, str]], tmp_path: Path
) -> None:
    build, results = case
    file = tmp_path / "workflow.yaml"
    file.write_text(build().to_yaml())

    problems, count = lint([(file.read_text(), file.name)])
    assert (problems, count) == ([], 1)

    command = [sys.executable, "-m", "server", "run", str(file), "--log", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    ended = json.loads(done.stdout)
    assert (ended["status"]["phase"], done.returncode) == ("Succeeded", 0), done.stderr
    lines = done.stderr.splitlines()
    for step, text in results.items():
        assert [line for line in lines if line.endswith(f".{step}: {text}")], done.stderr
