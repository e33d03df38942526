"""Workflows written with hera, the Python SDK of Argo: each lints without a complaint and runs to its end."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from bireme.manifests.lint import lint

hera = pytest.importorskip("hera.workflows")
models = pytest.importorskip("hera.workflows.models")

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DAG, Container, Parameter, Steps, Step = (
    hera.DAG, hera.Container, hera.Parameter, hera.Steps, hera.Step,
)  # fmt: skip
Task, Workflow, script = hera.Task, hera.Workflow, hera.script
GATHERED = "[{'text': 'N01'}, {'text': 'N02'}, {'text': 'N03'}]"
TYPES = """(1, 'a: b', [1, '2', {'a': None}], {'x': [1]}, True, 2.5, None, 'd\u00e9 "q" \\'x\\' \\\\ {z')"""
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


def a_sequence_gathered_whole() -> Any:
    with Workflow(generate_name="gathered-", entrypoint="s") as made, Steps(name="s"):
        numbered = keep(
            name="numbered",
            arguments={"text": "{{item}}"},
            with_sequence=models.Sequence(start="1", end="3", format="n%02d"),
        )
        say(name="all", arguments=[numbered.get_parameters_as("message")])
    return made


def objects_mapped_and_reduced() -> Any:
    @script(image="python:3.11", command=["python3"])
    def produce() -> None:
        import json

        print(json.dumps([{"n": n, "name": f"x{n}"} for n in range(4)]))

    @script(
        image="python:3.11",
        command=["python3"],
        outputs=[Parameter(name="made", value_from=models.ValueFrom(path="/tmp/made"))],
    )
    def square(n: int, name: str) -> None:
        import json

        with open("/tmp/made", "w") as file:
            json.dump({"name": name, "square": n * n}, file)

    @script(image="python:3.11", command=["python3"])
    def reduce(values: list) -> None:  # type: ignore[type-arg]
        print(sum(value["square"] for value in values), values[-1]["name"])

    with Workflow(generate_name="reduce-", entrypoint="d", parallelism=2) as made, DAG(name="d"):
        produced = produce()
        arguments = {"n": "{{item.n}}", "name": "{{item.name}}"}
        squared = square(with_param=produced.result, arguments=arguments)
        reduced = reduce(arguments={"values": "{{tasks.square.outputs.parameters.made}}"})
        produced >> squared >> reduced
    return made


def arguments_of_every_type() -> Any:
    @script(image="python:3.11", command=["python3"])
    def told(
        whole: int,
        text: str,
        listed: list,  # type: ignore[type-arg]
        mapped: dict,  # type: ignore[type-arg]
        flag: bool,
        real: float,
        absent: str | None = None,
        odd: str = "d\u00e9 \"q\" 'x' \\ {z",
    ) -> None:
        print(repr((whole, text, listed, mapped, flag, real, absent, odd)))

    arguments = {
        "whole": 1, "text": "a: b", "listed": [1, "2", {"a": None}],
        "mapped": {"x": [1]}, "flag": True, "real": 2.5,
    }  # fmt: skip
    with Workflow(generate_name="types-", entrypoint="s") as made, Steps(name="s"):
        told(name="told", arguments=arguments)
    return made


def annotated_parameters_and_artifacts() -> Any:
    @script(constructor="inline", image="python:3.11", command=["python3"])
    def counted(
        amount: Annotated[int, Parameter(name="amount", description="how many")] = 3,
        unit: Annotated[str, Parameter(name="unit", enum=["kg", "g"])] = "kg",
    ) -> None:
        print(amount * 2, unit)

    with Workflow(generate_name="annotated-", entrypoint="s") as made, Steps(name="s"):
        counted(name="usual")
        counted(name="other", arguments={"amount": 5, "unit": "g"})
    return made


def recursion() -> Any:
    @script(image="python:3.11", command=["python3"])
    def after(n: int) -> None:
        print(n + 1)

    count = [Parameter(name="n", value=0)]
    with (
        Workflow(generate_name="again-", entrypoint="loop") as made,
        Steps(name="loop", inputs=count) as loop,
    ):
        counted = after(name="count", arguments={"n": "{{inputs.parameters.n}}"})
        loop(name="again", arguments={"n": counted.result}, when=f"{counted.result} < 3")
    return made


def containers_of_one_pod() -> Any:
    shared = models.VolumeMount(name="shared", mount_path="/shared")
    with (
        Workflow(generate_name="set-", entrypoint="set") as made,
        hera.ContainerSet(
            name="set",
            volumes=[hera.EmptyDirVolume(name="shared", mount_path="/shared")],
            volume_mounts=[shared],
        ),
    ):
        first = hera.ContainerNode(name="first", args=["echo one > /shared/a"], **Shell)
        second = hera.ContainerNode(name="second", args=["echo two > /shared/b"], **Shell)
        main = hera.ContainerNode(name="main", args=["cat /shared/a /shared/b"], **Shell)
        [first, second] >> main
    return made


def results_of_tasks() -> Any:
    with Workflow(generate_name="depends-", entrypoint="d") as made:
        ends = Container(
            name="ends",
            args=["exit {{inputs.parameters.code}}"],
            inputs=[Parameter(name="code")],
            **Shell,
        )
        with DAG(name="d", target="judged"):
            good = ends(name="good", arguments={"code": 0})
            bad = ends(name="bad", arguments={"code": 1})
            good.on_success(say(name="praised", arguments={"message": "well done"}))
            bad.on_failure(say(name="swept", arguments={"message": "cleaned"}))
            good.on_error(say(name="never", arguments={"message": "never"}))
            words = "{{=join([tasks.good.status, tasks.bad.status, tasks.never.status], ' ')}}"
            say(
                name="judged", arguments={"message": words},
                depends="praised && swept && (never.Omitted || never.Skipped) && bad.Failed && good",
            )  # fmt: skip
    return made


def outputs_for_the_whole_workflow() -> Any:
    with Workflow(generate_name="global-", entrypoint="s") as made:
        write = Container(
            name="write", args=["echo shared > /tmp/o"],
            outputs=[Parameter(name="o", global_name="word", value_from=models.ValueFrom(path="/tmp/o"))],
            **Shell,
        )  # fmt: skip
        bye = Container(name="bye", args=["echo {{workflow.outputs.parameters.word}}"], **Shell)
        made.on_exit = bye
        with Steps(name="s"):
            write(name="write")
            say(name="said", arguments={"message": "{{workflow.outputs.parameters.word}}"})
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
    "a sequence gathered whole": (a_sequence_gathered_whole, {"all": GATHERED}),
    "objects mapped and reduced": (objects_mapped_and_reduced, {"reduce": "14 x3"}),
    "arguments of every type": (arguments_of_every_type, {"told": TYPES}),
    "annotated arguments": (annotated_parameters_and_artifacts, {"usual": "6 kg", "other": "10 g"}),
    "recursion": (recursion, {"again[1].again[0].count": "3"}),
    "containers of one pod": (containers_of_one_pod, {}),
    "results of tasks": (results_of_tasks, {"judged": "Succeeded Failed Omitted"}),
    "outputs of the workflow": (
        outputs_for_the_whole_workflow,
        {"said": "shared", "onExit": "shared"},
    ),
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
