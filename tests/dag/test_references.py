"""What steps can refer to of others that is not their parameters: machines, artifacts of the whole workflow."""

from typing import Any

from controller.dag.model import Reported
from controller.dag.status import status
from executor.model import Outputs, Report
from tests.dag.play import Play, spec

MAKER = {
    "name": "maker",
    "container": {"image": "x", "command": ["true"]},
    "outputs": {"artifacts": [{"name": "out", "path": "/out", "globalName": "kept"}]},
}
TAKER = {
    "name": "taker",
    "inputs": {
        "parameters": [{"name": "p", "default": ""}],
        "artifacts": [{"name": "in", "path": "/in", "optional": True}],
    },
    "container": {"image": "x", "command": ["echo", "{{inputs.parameters.p}}"]},
}  # fmt: skip
SAVED = {"out": {"name": "out", "path": "/out", "local": {"key": "k"}}}


def after(argument: dict[str, Any]) -> Play:
    """A workflow whose second step takes the argument from what the first one left."""
    steps = [
        [{"name": "make", "template": "maker"}],
        [{"name": "take", "template": "taker", "arguments": argument}],
    ]
    play = Play(spec({"name": "main", "steps": steps}, MAKER, TAKER))
    task = play.out.pop("wf[0].make")
    left = Outputs(artifacts=SAVED)
    play.step(Reported(Report(task=task.id, state="succeeded", at=play.now, outputs=left, host="m1")))  # fmt: skip
    return play


def test_a_step_knows_the_machine_of_an_earlier_one_when_it_asks() -> None:
    asked = {"parameters": [{"name": "p", "value": "{{steps.make.hostNodeName}}"}]}
    play = after(asked)
    assert play.out["wf[1].take"].template["container"]["command"] == ["echo", "m1"]
    shown = status(play.run)["nodes"][play.run.get("wf[0].make").id]
    assert shown["hostNodeName"] == "m1"


def test_nobody_keeps_the_machine_when_nobody_asks() -> None:
    play = after({"parameters": [{"name": "p", "value": "x"}]})
    assert play.run.get("wf[0].make").host == ""


def test_an_artifact_of_the_workflow_is_found_by_its_global_name() -> None:
    plain = {"name": "in", "from": "{{workflow.outputs.artifacts.kept}}"}
    found = after({"artifacts": [plain]}).out["wf[1].take"].template["inputs"]["artifacts"]
    assert found == [{"name": "in", "path": "/in", "optional": True, "local": {"key": "k"}}]


def test_an_expression_can_choose_an_artifact_of_the_workflow() -> None:
    chosen = {"name": "in", "fromExpression": "true ? workflow.outputs.artifacts.kept : nil"}
    found = after({"artifacts": [chosen]}).out["wf[1].take"].template["inputs"]["artifacts"]
    assert found[0]["local"] == {"key": "k"}


def test_the_exit_handler_can_be_given_an_artifact_of_the_workflow() -> None:
    given = {"artifacts": [{"name": "in", "from": "{{workflow.outputs.artifacts.kept}}"}]}
    hooks = {"exit": {"template": "taker", "arguments": given}}
    main = {"name": "main", "steps": [[{"name": "make", "template": "maker"}]]}
    play = Play(spec(main, MAKER, TAKER, hooks=hooks))
    play.ends("wf[0].make", artifacts=SAVED)
    found = play.out["wf.onExit"].template["inputs"]["artifacts"]
    assert (found[0]["name"], found[0]["local"]) == ("in", {"key": "k"})
