from typing import Any

import pytest

from controller.dag import fold, retry_run
from controller.dag.advance import advance, replan
from controller.dag.begin import begin
from controller.dag.model import OperationRefused, Tick
from controller.dag.status import status
from tests.dag.play import LEAF, NOW, Play, source, spec

TWO_STEPS = {
    "name": "main",
    "steps": [[{"name": "a", "template": "leaf"}], [{"name": "b", "template": "leaf"}]],
}
GATE = {"name": "gate", "suspend": {}}
GATED = {
    "name": "main",
    "steps": [[{"name": "a", "template": "gate"}], [{"name": "b", "template": "leaf"}]],
}
BACKOFF = {**LEAF, "name": "main", "retryStrategy": {"limit": 3, "backoff": {"duration": "1m"}}}


def test_a_suspended_run_takes_reports_but_starts_nothing_until_it_is_resumed() -> None:
    play = Play(spec(TWO_STEPS))
    play.ask("suspend")
    play.ends("wf[0].a")
    assert play.started == ["wf[0].a"]
    assert play.phase("wf[0].a") == "Succeeded"
    play.ask("resume")
    assert play.started == ["wf[0].a", "wf[1].b"]
    play.ends("wf[1].b")
    assert play.run.phase == "Succeeded"


def test_an_exit_hook_missed_while_suspended_runs_after_the_resume() -> None:
    step = {"name": "a", "template": "leaf", "hooks": {"exit": {"template": "leaf"}}}
    play = Play(spec({"name": "main", "steps": [[step]]}))
    play.ask("suspend")
    play.ends("wf[0].a")
    play.ask("resume")
    assert play.started == ["wf[0].a", "wf[0].a.onExit"]
    play.ends("wf[0].a.onExit")
    assert play.run.phase == "Succeeded"


def test_resume_ends_the_waiting_of_suspend_nodes() -> None:
    play = Play(spec(GATED, GATE))
    play.ask("resume", by={"User": "ann"})
    assert play.message("wf[0].a") == "Resumed by: map[User:ann]"
    assert "wf[1].b" in play.out


def test_a_suspend_node_with_a_duration_goes_on_by_itself() -> None:
    play = Play(spec(GATED, {**GATE, "suspend": {"duration": "90"}}))
    assert play.wake is not None
    assert (play.wake - NOW).total_seconds() == 90
    play.later(89)
    assert play.phase("wf[0].a") == "Running"
    play.later(1)
    assert play.phase("wf[0].a") == "Succeeded"


def test_stop_fails_what_runs_and_still_runs_the_exit_handler() -> None:
    play = Play(spec(TWO_STEPS, onExit="leaf"))
    play.ask("stop")
    assert play.stopped == ["wf[0].a"]
    assert play.message("wf[0].a") == "workflow shutdown with strategy:  Stop"
    play.ends("wf.onExit")
    assert (play.run.phase, play.run.message) == ("Failed", "Stopped with strategy 'Stop'")


def test_terminate_does_not_run_the_exit_handler() -> None:
    play = Play(spec(TWO_STEPS, onExit="leaf"))
    play.ask("terminate")
    assert (play.run.phase, play.started) == ("Failed", ["wf[0].a"])


def test_stop_does_not_wait_for_a_backoff() -> None:
    play = Play(spec(BACKOFF))
    play.ends("wf(0)", "failed")
    assert play.message("wf") == "Backoff for 1 minute 0 seconds"
    play.ask("stop")
    assert play.run.phase == "Failed"
    assert play.message("wf") == "Stopped with strategy 'Stop'"


@pytest.mark.parametrize("kind", ["suspend", "resume", "stop", "terminate", "set"])
def test_a_run_that_has_ended_refuses_operations(kind: str) -> None:
    play = Play(spec(LEAF))
    play.ends("wf")
    before = status(play.run)
    with pytest.raises(OperationRefused):
        play.ask(kind, selector="displayName=wf")
    assert status(play.run) == before


def test_set_gives_supplied_outputs_to_the_steps_that_follow() -> None:
    gate = {**GATE, "outputs": {"parameters": [{"name": "who", "valueFrom": {"supplied": {}}}]}}
    echo = {
        "name": "echo",
        "inputs": {"parameters": [{"name": "m"}]},
        "container": {"image": "x", "args": ["{{inputs.parameters.m}}"]},
    }
    asks = {"parameters": [{"name": "m", "value": "{{steps.a.outputs.parameters.who}}"}]}
    main = {
        "name": "main",
        "steps": [
            [{"name": "a", "template": "gate"}],
            [{"name": "b", "template": "echo", "arguments": asks}],
        ],
    }
    play = Play(spec(main, gate, echo))
    with pytest.raises(OperationRefused, match="raw output parameter 'who' has not been set"):
        play.ask("resume")
    play.ask("set", selector="displayName=a", outputs={"who": "ann"})
    play.ask("resume")
    assert play.out["wf[1].b"].template["container"]["args"] == ["ann"]


CHOICE = {"name": "answer", "valueFrom": {"supplied": {}}}


@pytest.mark.parametrize(
    ("template", "arguments"),
    [
        ({"outputs": {"parameters": [{**CHOICE, "enum": ["YES", "NO"]}]}}, {}),
        (
            {
                "inputs": {
                    "parameters": [{"name": "answer", "default": "NO", "enum": ["YES", "NO"]}]
                },
                "outputs": {"parameters": [CHOICE]},
            },
            {},
        ),
        (
            {"inputs": {"parameters": [{"name": "answer"}]}, "outputs": {"parameters": [CHOICE]}},
            {"parameters": [{"name": "answer", "value": '{"enum": ["YES", "NO"]}'}]},
        ),
    ],
)
def test_a_value_that_is_none_of_the_choices_is_refused_with_their_names(
    template: dict[str, Any], arguments: dict[str, Any]
) -> None:
    step = {"name": "a", "template": "gate", "arguments": arguments}
    play = Play(spec({"name": "main", "steps": [[step]]}, {**GATE, **template}))
    before = status(play.run)
    with pytest.raises(
        OperationRefused, match="'answer': found 'MAYBE', expected one of 'YES', 'NO'"
    ):
        play.ask("set", selector="displayName=a", outputs={"answer": "MAYBE"})
    assert status(play.run) == before
    play.ask("set", selector="displayName=a", outputs={"answer": "YES"})
    play.ask("resume")
    assert play.run.phase == "Succeeded"


@pytest.mark.parametrize("value", ["", "NO", "{", '{"enum": 1}', "[1]"])
def test_without_choices_any_value_may_be_supplied(value: str) -> None:
    template = {
        **GATE,
        "inputs": {"parameters": [{"name": "answer"}]},
        "outputs": {"parameters": [CHOICE]},
    }
    given = {"parameters": [{"name": "answer", "value": value}]}
    step = {"name": "a", "template": "gate", "arguments": given}
    play = Play(spec({"name": "main", "steps": [[step]]}, template))
    play.ask("set", selector="displayName=a", outputs={"answer": "MAYBE"})
    assert play.phase("wf[0].a") == "Running"


def test_the_workflow_deadline_fails_what_runs() -> None:
    play = Play(spec(TWO_STEPS, activeDeadlineSeconds=60))
    assert play.out["wf[0].a"].deadline == play.run.deadline
    play.later(60)
    assert play.message("wf[0].a") == "Step exceeded its deadline"
    assert (play.run.phase, play.stopped) == ("Failed", ["wf[0].a"])


def test_a_retry_by_hand_keeps_what_succeeded_and_folds_like_any_other_change() -> None:
    play = Play(spec(TWO_STEPS))
    play.ends("wf[0].a")
    play.ends("wf[1].b", "failed")
    play.take(retry_run.retry(play.run, play.now))
    assert play.started == ["wf[0].a", "wf[1].b", "wf[1].b"]
    again = begin(play.source)
    fold.fold(again, play.history)
    fold.index(again)
    assert status(again) == status(play.run)
    play.ends("wf[1].b")
    assert (play.run.phase, play.run.message) == ("Succeeded", "")


def test_a_retry_by_hand_with_other_parameters_expands_loops_anew() -> None:
    main = {
        "name": "main",
        "steps": [[{"name": "a", "template": "leaf", "withParam": "{{workflow.parameters.l}}"}]],
    }
    play = Play(spec(main, arguments={"parameters": [{"name": "l", "value": "[1]"}]}))
    play.ends("wf[0].a(0:1)", "failed")
    play.take(retry_run.retry(play.run, play.now, parameters={"l": "[2, 3]"}))
    assert sorted(play.out) == ["wf[0].a(0:2)", "wf[0].a(1:3)"]


def test_a_running_run_is_not_retried() -> None:
    play = Play(spec(LEAF))
    with pytest.raises(OperationRefused, match="Cannot retry a workflow in phase Running"):
        retry_run.retry(play.run, NOW)


def test_a_restart_asks_for_exactly_the_tasks_that_were_out() -> None:
    play = Play(
        spec({"name": "main", "dag": {"tasks": [{"name": n, "template": "leaf"} for n in "abc"]}})
    )
    play.ends("wf.b")
    again = begin(source(play.source.spec))
    fold.fold(again, play.history)
    fold.index(again)
    assert fold.pending_tasks(again) == [play.out["wf.a"], play.out["wf.c"]]
    assert replan(again, NOW).changes == []
    assert advance(again, [Tick()], NOW).effects == []
