from typing import Any

import pytest

from controller.dag import fold, names, phase
from controller.dag.advance import RULES
from controller.dag.begin import begin
from controller.dag.model import ImpossibleState
from controller.dag.status import summary
from controller.dag.turn import Turn
from tests.dag.play import LEAF, Play, spec


@pytest.mark.parametrize("moves", [phase.MOVES, phase.REOPENS, phase.RUN_MOVES])
def test_only_the_moves_of_the_table_are_allowed(
    moves: dict[phase.Phase, frozenset[phase.Phase]],
) -> None:
    for old, allowed in moves.items():
        for new in moves:
            if new == old or new in allowed:
                phase.check(moves, old, new)
            else:
                with pytest.raises(phase.IllegalMove):
                    phase.check(moves, old, new)


def test_a_fact_that_cannot_be_is_told_with_its_node() -> None:
    play = Play(spec(LEAF))
    play.ends("wf")
    with pytest.raises(
        ImpossibleState, match=r"node wf \(wf\): there is no move from Succeeded to Failed"
    ):
        Turn(play.run, play.now, RULES).move(play.run.get("wf"), "Failed")


def test_two_names_with_one_digest_get_two_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    def coarse(text: str) -> int:
        return len(text)

    monkeypatch.setattr(names, "fnv1a", coarse)
    main = {"name": "main", "steps": [[{"name": "a", "template": "leaf", "withItems": [1, 2]}]]}
    play = Play(spec(main))
    first, second = (play.run.get(n) for n in ("wf[0].a(0:1)", "wf[0].a(1:2)"))
    assert first.id != second.id
    again = begin(play.source)
    fold.fold(again, play.history)
    fold.index(again)
    assert again.get("wf[0].a(1:2)").id == second.id
    play.ends("wf[0].a(0:1)")
    play.ends("wf[0].a(1:2)")
    assert play.run.phase == "Succeeded"


def test_a_reference_that_never_resolves_fails_at_once_and_says_what_to_do() -> None:
    step = {"name": "b", "template": "leaf", "when": "{{steps.a.outputs.result}} == 1"}
    play = Play(spec({"name": "main", "steps": [[{"name": "a", "template": "leaf"}, step]]}))
    assert play.run.phase == "Failed"
    assert "failed to resolve {{steps.a.outputs.result}}" in play.run.message
    assert "an earlier group" in play.run.message


def test_reports_that_come_twice_or_late_change_nothing() -> None:
    play = Play(spec({"name": "main", "steps": [[{"name": n, "template": "leaf"} for n in "ab"]]}))
    task = play.out["wf[0].a"]
    play.ends("wf[0].a")
    before = len(play.history)
    play.out["wf[0].a"] = task
    play.ends("wf[0].a", "failed")
    assert play.phase("wf[0].a") == "Succeeded"
    assert len(play.history) == before


def test_progress_is_counted_as_it_comes() -> None:
    play = Play(spec({"name": "main", "steps": [[{"name": n, "template": "leaf"} for n in "ab"]]}))
    play.says("wf[0].a", "progress", progress="3/10")
    assert summary(play.run)["progress"] == "3/11"
    play.ends("wf[0].a")
    assert summary(play.run)["progress"] == "10/11"


def test_a_step_that_is_left_over_when_the_run_ends_is_stopped() -> None:
    main = {
        "name": "main",
        "steps": [
            [
                {"name": "a", "template": "leaf"},
                {"name": "b", "template": "leaf", "withItems": [1], "when": "{{item}} +"},
            ]
        ],
    }
    play = Play(spec(main))
    assert play.run.phase == "Failed"
    assert play.stopped == ["wf[0].a"]


def test_the_tables_can_be_printed() -> None:
    assert "Running -> Error, Failed, Succeeded" in phase.table(phase.MOVES)


def test_a_dag_that_fails_fast_gives_up_when_its_children_failed_during_a_pause() -> None:
    retried = {**LEAF, "name": "retried", "retryStrategy": {"limit": 1}}
    skipped = {"name": "b", "template": "leaf", "withItems": [1], "when": "1 == 2"}
    hooked = {**skipped, "hooks": {"exit": {"template": "leaf"}}}
    tasks = [{"name": "a", "template": "retried"}, hooked]
    play = Play(spec({"name": "main", "dag": {"tasks": tasks}, "failFast": True}, retried))
    play.ask("suspend")
    play.ends("wf.b.onExit", "failed")
    play.ends("wf.a(0)", "failed")
    play.ask("resume")
    assert (play.run.phase, play.out) == ("Failed", {})


@pytest.mark.parametrize(
    ("of_workflow", "of_template", "archive"),
    [
        (None, None, {}),
        (True, None, {"archiveLogs": True}),
        (True, False, {"archiveLogs": False}),
        (False, True, {"archiveLogs": True}),
    ],
)
def test_whether_logs_are_archived_is_said_by_the_template_or_else_by_the_workflow(
    of_workflow: bool | None, of_template: bool | None, archive: dict[str, bool]
) -> None:
    own = {} if of_template is None else {"archiveLocation": {"archiveLogs": of_template}}
    whole = {} if of_workflow is None else {"archiveLogs": of_workflow}
    play = Play(spec({**LEAF, "name": "main", **own}, **whole))
    assert play.out["wf"].archive == archive


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"dependencies": ["gone"]}, "task 'b': it needs 'gone', which is no task of this dag"),
        ({"depends": "gone"}, "task 'b': it needs 'gone', which is no task of this dag"),
        ({"depends": "a.Bogus"}, "task 'b': depends: task result 'Bogus' for task 'a' is invalid"),
        ({"depends": "a &&"}, "task 'b': depends: unexpected token EOF"),
        ({"depends": "b"}, "task 'b': it waits for itself, through what it needs"),
    ],
)
def test_a_dag_that_validation_should_have_refused_is_an_error_of_its_node(
    task: dict[str, Any], message: str
) -> None:
    tasks = [{"name": "a", "template": "leaf"}, {"name": "b", "template": "leaf", **task}]
    play = Play(spec({"name": "main", "dag": {"tasks": tasks}}))
    assert (play.phase("wf"), play.run.phase, play.started) == ("Error", "Error", [])
    assert play.message("wf").startswith(message)


@pytest.mark.parametrize("text", ["{{=1 +}}", "{{= foo( }}", "{{=}}", "{{= inputs. }}"])
def test_a_leaf_with_an_expression_that_cannot_be_read_is_not_started(text: str) -> None:
    play = Play(spec({"name": "main", "container": {"image": "x", "args": [f"a {text}"]}}))
    assert (play.phase("wf"), play.run.phase, play.started) == ("Error", "Error", [])
    assert play.message("wf").startswith(f"{text} does not parse: ")


def test_an_expression_whose_variables_are_not_there_is_left_to_the_step() -> None:
    play = Play(spec({"name": "main", "container": {"image": "x", "args": ["{{= gone.x }}"]}}))
    assert play.out["wf"].template["container"]["args"] == ["{{= gone.x }}"]
