"""What becomes of a dag when something in it broke off before it came to its ends."""

from typing import Any

import pytest

from tests.dag.play import LEAF, Play, spec

ITEMS = {"name": "a", "template": "leaf", "withItems": [1, 2]}


def body(kind: str, holder: dict[str, Any], **more: Any) -> dict[str, Any]:
    inside = {"steps": [[holder]]} if kind == "steps" else {"dag": {"tasks": [holder]}}
    return {"name": "inner", **inside, **more}


def outer(**more: Any) -> dict[str, Any]:
    tasks = [{"name": "x", "template": "inner", **more}]
    tasks.append({"name": "y", "template": "leaf", "dependencies": ["x"]})
    return {"name": "main", "dag": {"tasks": tasks}}


def ended(inner: dict[str, Any], **more: Any) -> Play:
    """One pod fails, whatever else there is succeeds."""
    play = Play(spec(outer(**more), inner))
    if play.out:
        play.ends(sorted(play.out)[0], "failed")
    while play.out:
        play.ends(next(iter(play.out)))
    return play


@pytest.mark.parametrize("more", [{}, {"withItems": ["z"]}], ids=["once", "in a loop"])
@pytest.mark.parametrize("kind", ["steps", "dag"])
def test_a_dag_whose_first_task_failed_fast_fails(kind: str, more: dict[str, Any]) -> None:
    play = ended(body(kind, ITEMS, failFast=True), **more)
    assert play.run.get("wf.x").phase == "Failed"
    assert play.run.get("wf.y").phase == "Omitted"
    assert play.run.phase == "Failed"


@pytest.mark.parametrize("condition", ["true", "false"])
@pytest.mark.parametrize("kind", ["steps", "dag"])
def test_a_dag_whose_first_task_could_not_be_concluded_is_in_error(
    kind: str, condition: str
) -> None:
    left = {"name": "p", "valueFrom": {"parameter": "{{steps.a.outputs.nothing}}"}}
    only = {"name": "a", "template": "leaf", "when": condition}
    play = Play(spec(outer(), body(kind, only, outputs={"parameters": [left]})))
    if play.out:
        play.ends(next(iter(play.out)))
    assert play.run.get("wf.y").phase == "Omitted"
    assert play.run.phase == "Error"


def test_a_dag_whose_first_task_failed_as_usual_fails() -> None:
    play = ended(body("steps", ITEMS))
    assert play.run.get("wf.y").phase == "Omitted"
    assert play.run.phase == "Failed"


def test_what_broke_off_deep_inside_makes_the_dag_fail() -> None:
    deep = {**body("dag", ITEMS, failFast=True), "name": "deep"}
    beside = [{"name": "b", "template": "leaf"}, {"name": "c", "template": "deep"}]
    play = Play(spec(outer(), {"name": "inner", "steps": [beside]}, deep))
    play.ends("wf.x[0].b")
    play.ends("wf.x[0].c.a(0:1)", "failed")
    play.ends("wf.x[0].c.a(1:2)")
    assert play.run.get("wf.x").phase == "Failed"
    assert play.run.phase == "Failed"


def test_the_hook_of_a_task_that_failed_does_not_make_up_for_it() -> None:
    retried = {**LEAF, "name": "inner", "retryStrategy": {"limit": 0}}
    play = Play(spec(outer(hooks={"exit": {"template": "leaf"}}), retried))
    play.ends("wf.x(0)", "failed")
    play.ends("wf.x.onExit")
    assert play.run.get("wf.y").phase == "Omitted"
    assert play.run.phase == "Failed"


def test_a_task_that_hangs_on_a_loop_is_no_round_of_it() -> None:
    main = outer(withItems=["z"])
    late = {"name": "z", "template": "leaf", "depends": "x.AllFailed && y.Omitted"}
    main["dag"]["tasks"][1] = {"name": "y", "template": "leaf", "depends": "x"}
    main["dag"]["tasks"].append(late)
    play = Play(spec(main, body("steps", ITEMS, failFast=True)))
    play.ends("wf.x(0:z)[0].a(0:1)", "failed")
    play.ends("wf.x(0:z)[0].a(1:2)")
    assert "wf.z" in play.out
