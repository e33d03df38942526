"""Commands against a running engine, as a person types them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from server.cli.root import SECTIONS, bireme
from tests.server.conftest import TOKEN, Running
from tests.servers.waiting import until

MANIFESTS = """\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: greet}
spec:
  entrypoint: main
  arguments: {parameters: [{name: who, value: world}]}
  templates:
    - name: main
      dag:
        tasks:
          - {name: first, template: say}
          - {name: second, template: say, depends: first}
    - name: say
      container: {image: x, command: [echo, "hello {{workflow.parameters.who}}"]}
---
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: nightly}
spec:
  schedules: ["0 2 * * *"]
  workflowSpec: {workflowTemplateRef: {name: greet}}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: deaf}
spec:
  dependencies: [{name: d, eventSourceName: nobody, eventName: x}]
  triggers: [{template: {name: t, log: {}}}]
"""


class Terminal:
    """Types commands at an engine."""

    def __init__(self, engine: Running) -> None:
        self.engine = engine

    async def type(self, *words: str) -> Result:
        env = {"BIREME_SERVER": self.engine.address, "BIREME_TOKEN": TOKEN, "NO_COLOR": "1"}
        return await asyncio.to_thread(CliRunner().invoke, bireme, list(words), env=env)

    async def says(self, *words: str) -> str:
        """The output of a command that must work."""
        done = await self.type(*words)
        assert done.exit_code == 0, (done.output, done.exception)
        return str(done.stdout)

    async def json(self, *words: str) -> Any:
        return json.loads(await self.says(*words, "-o", "json"))


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    path = tmp_path / "manifests.yaml"
    path.write_text(MANIFESTS)
    return path


@pytest.fixture
async def terminal(engine: Running, manifests: Path) -> Terminal:
    terminal = Terminal(engine)
    said = await terminal.says("apply", str(manifests))
    assert said.splitlines() == [
        "workflowtemplate/greet created",
        "sensor/deaf created",
        "cronworkflow/nightly created",
    ]
    return terminal


async def test_a_template_is_submitted_watched_and_looked_at(terminal: Terminal) -> None:
    said = await terminal.says("submit", "--from", "wftmpl/greet", "-p", "who=you", "--wait")
    assert "greet-" in said
    name = (await terminal.says("list", "-o", "name")).strip()
    assert name.startswith("greet-")
    table = await terminal.says("list")
    assert table.splitlines()[0].split() == [
        "NAME",
        "STATUS",
        "AGE",
        "DURATION",
        "PRIORITY",
        "MESSAGE",
    ]
    assert "Succeeded" in table
    shown = await terminal.says("get", name)
    assert "├─✔ first" in shown
    assert "└─✔ second" in shown
    logs = await terminal.says("logs", name, "second")
    assert logs.strip().endswith(": hello you")
    assert (await terminal.json("get", "@latest"))["status"]["phase"] == "Succeeded"
    assert name in await terminal.says("wait", name)
    explained = await terminal.says("explain", "workflow", name)
    assert "submitted by hand" in explained
    assert "deleted" in await terminal.says("delete", name)
    assert (await terminal.json("list")) == []


APPROVAL = """\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: release}
spec:
  entrypoint: main
  templates:
    - name: main
      steps:
        - - {name: approve, template: ask}
        - - name: act
            template: say
            arguments: {parameters: [{name: text, value: "{{steps.approve.outputs.parameters.answer}}"}]}
    - name: ask
      suspend: {}
      outputs: {parameters: [{name: answer, enum: ["YES", "NO"], valueFrom: {supplied: {}}}]}
    - name: say
      inputs: {parameters: [{name: text}]}
      container: {image: x, command: [echo, "answer {{inputs.parameters.text}}"]}
"""
ASKED = ("--node-field-selector", "displayName=approve")


@pytest.fixture
async def asking(terminal: Terminal, tmp_path: Path) -> str:
    """The name of a workflow that waits for an answer."""
    path = tmp_path / "release.yaml"
    path.write_text(APPROVAL)
    await terminal.says("apply", str(path))
    await terminal.says("submit", "--from", "wftmpl/release")
    name = (await terminal.says("list", "-o", "name")).strip()

    async def waits() -> bool:
        return '"Suspend"' in await terminal.says("get", name, "-o", "json")

    await until(waits, "the step waits for a person")
    return name


async def test_a_waiting_step_is_answered_and_goes_on(terminal: Terminal, asking: str) -> None:
    await terminal.says("resume", asking, *ASKED, "--output-parameter", "answer=YES")
    assert asking in await terminal.says("wait", asking)
    assert (await terminal.says("logs", asking, "act")).strip().endswith(": answer YES")


async def test_a_waiting_step_may_be_ended_with_a_reason(terminal: Terminal, asking: str) -> None:
    await terminal.says("node", "set", asking, *ASKED, "--phase", "Failed", "--message", "no")
    assert (await terminal.type("wait", asking)).exit_code == 1
    assert "✖ approve" in await terminal.says("get", asking)
    idle = await terminal.type("node", "set", asking, *ASKED)
    assert idle.exit_code == 2
    assert "nothing to set" in idle.output


async def test_an_engine_that_decides_itself_has_no_workers(terminal: Terminal) -> None:
    assert "the engine decides itself" in (await terminal.type("sensors", "workers")).stderr
    assert await terminal.json("sensors", "workers") == []


async def test_an_answer_that_is_no_choice_is_refused_with_the_choices(
    terminal: Terminal, asking: str
) -> None:
    refused = await terminal.type(
        "node", "set", asking, *ASKED, "--output-parameter", "answer=MAYBE"
    )
    assert refused.exit_code != 0
    assert "'answer': found 'MAYBE', expected one of 'YES', 'NO'" in refused.stderr


async def test_an_output_is_supplied_to_named_nodes_only(terminal: Terminal) -> None:
    refused = await terminal.type("resume", "any", "--output-parameter", "answer=YES")
    assert refused.exit_code == 2
    assert "--node-field-selector" in refused.output


async def test_a_cron_workflow_is_listed_switched_and_started_by_hand(terminal: Terminal) -> None:
    assert "0 2 * * *" in await terminal.says("cron", "list")
    await terminal.says("cron", "suspend", "nightly")
    assert (await terminal.json("cron", "get", "nightly"))["spec"]["suspend"] is True
    await terminal.says("cron", "resume", "nightly")
    assert "NextScheduledTimes" in await terminal.says("cron", "get", "nightly")
    await terminal.says("submit", "--from", "cronwf/nightly", "--wait")
    assert (await terminal.says("list", "-o", "name")).startswith("nightly-")


async def test_sensors_and_events_say_what_there_is(terminal: Terminal) -> None:
    assert "nobody/x" in await terminal.says("sensors", "list")
    assert "none yet" in await terminal.says("sensors", "get", "deaf")
    told = await terminal.says("explain", "sensor", "deaf")
    assert "none yet" in told
    assert "cannot hear nobody/x: no EventSource 'nobody' (There is: none.)" in told
    done = await terminal.type("events", "list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "No events yet" in done.stderr
    missing = await terminal.type("explain", "event", "17")
    assert missing.exit_code == 1
    assert "no event '17' in the log" in missing.stderr


async def test_applying_again_changes_nothing_and_deleting_by_file_removes_all(
    terminal: Terminal, manifests: Path
) -> None:
    again = await terminal.says("apply", str(manifests))
    assert {line.split()[1] for line in again.splitlines()} == {"unchanged"}
    await terminal.says("delete", "sensor/deaf")
    assert (await terminal.json("sensors", "list")) == []
    gone = await terminal.type("delete", "sensor/deaf")
    assert gone.exit_code == 1
    assert 'Sensor "deaf" not found' in gone.stderr


async def test_a_wrong_manifest_is_refused_with_file_line_and_advice(
    terminal: Terminal, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(MANIFESTS.replace("entrypoint", "entrypiont", 1))
    for command in (["apply", str(wrong)], ["lint", str(wrong)]):
        done = await terminal.type(*command)
        assert done.exit_code == 1
        assert f"{wrong}:5:" in done.stderr
        assert "entrypoint" in done.stderr


async def test_a_wrong_token_and_a_silent_server_are_told_apart(engine: Running) -> None:
    runner = CliRunner()
    typed = ["list", "--server", engine.address, "--token", "wrong"]
    refused = await asyncio.to_thread(runner.invoke, bireme, typed)
    assert refused.exit_code == 1
    assert "token not valid" in refused.stderr
    typed = ["list", "--server", "http://127.0.0.1:1"]
    silent = await asyncio.to_thread(runner.invoke, bireme, typed)
    assert silent.exit_code == 1
    assert "no engine answers at http://127.0.0.1:1" in silent.stderr


def test_without_an_engine_a_command_says_how_to_start_one(tmp_path: Path) -> None:
    env = {
        "BIREME_DATA_DIR": str(tmp_path),
        "BIREME_STATE_DIR": str(tmp_path),
        "HOME": str(tmp_path),
    }
    done = CliRunner().invoke(bireme, ["list"], env=env)
    assert done.exit_code == 1
    assert "bireme up DIR" in done.stderr


@pytest.mark.parametrize("name", [name for section in SECTIONS.values() for name in section])
def test_every_command_has_examples_and_the_help_line_of_the_table(name: str) -> None:
    help_lines = {n: text for section in SECTIONS.values() for n, (_, text) in section.items()}
    command = bireme.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert command.short_help == help_lines[name]
    done = CliRunner().invoke(bireme, [name, "--help"])
    assert done.exit_code == 0
    subcommands = getattr(command, "commands", {})
    for sub in subcommands.values():
        assert "Examples:" in (sub.help or ""), sub.name
    assert subcommands or "Examples:" in (command.help or "")


def test_a_misspelt_command_is_corrected() -> None:
    done = CliRunner().invoke(bireme, ["sumbit"])
    assert done.exit_code == 2
    assert "did you mean 'submit'" in done.stderr


def test_kinds_name_every_family() -> None:
    done = CliRunner().invoke(bireme, ["kinds", "-o", "json"])
    found = json.loads(done.stdout)
    assert list(found) == [
        "sources", "buses", "filters", "manifestSources", "triggers", "backends", "artifacts",
    ]  # fmt: skip
    assert all(names == sorted(names) and names for names in found.values())
