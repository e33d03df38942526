"""When hooks start, and what they hang on."""

from typing import Any

import pytest

from controller.dag import fold, retry_run
from controller.dag.model import Reported
from executor.model import Report
from tests.dag.play import LEAF, Play, spec

RETRIED = {**LEAF, "name": "retried", "retryStrategy": {"limit": 1}}
PAIR = {
    "name": "pair",
    "containerSet": {"containers": [{"name": "main", "image": "x"}, {"name": "b", "image": "x"}]},
}


def step(name: str, template: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "template": template, **more}


def steps(*groups: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": "main", "steps": list(groups)}


def dag(*tasks: dict[str, Any]) -> dict[str, Any]:
    return {"name": "main", "dag": {"tasks": list(tasks)}}


def running(root: str) -> dict[str, Any]:
    return {"h": {"template": "leaf", "expression": f"{root}.a.status == 'Running'"}}


def test_a_retried_step_runs_from_its_first_attempt_on() -> None:
    play = Play(spec(steps([step("a", "retried", hooks=running("steps"))]), RETRIED))
    assert play.started == ["wf[0].a(0)", "wf[0].a.hooks.h"]


def test_a_looped_task_runs_as_soon_as_it_is_expanded() -> None:
    play = Play(spec(dag(step("a", "leaf", withItems=["x"], hooks=running("tasks")))))
    assert sorted(play.started) == ["wf.a(0:x)", "wf.a.hooks.h"]


@pytest.mark.parametrize(
    ("main", "started"),
    [
        (steps([step("a", "leaf")]), ["wf[0].a", "wf[0].a.hooks.h"]),
        (dag(step("a", "leaf")), ["wf.a", "wf.a.hooks.h"]),
        (dag(step("a", "leaf"), step("b", "leaf", dependencies=["a"])), ["wf.a"]),
    ],
    ids=["step", "task the dag is run for", "task others wait for"],
)
def test_a_hook_that_waits_for_nothing_starts_with_its_step(
    main: dict[str, Any], started: list[str]
) -> None:
    first = main["steps"][0][0] if "steps" in main else main["dag"]["tasks"][0]
    first["hooks"] = {"h": {"template": "leaf", "expression": "1 == 1"}}
    assert Play(spec(main)).started == started


@pytest.mark.parametrize(("operation", "is_run"), [("stop", True), ("terminate", False)])
def test_an_exit_hook_survives_a_stop_and_no_termination(operation: str, is_run: bool) -> None:
    play = Play(spec(steps([step("a", "leaf", hooks={"exit": {"template": "leaf"}})])))
    play.ask(operation)
    assert (play.run.find("wf[0].a.onExit") is not None) is is_run


@pytest.mark.parametrize(
    ("main", "ended"),
    [
        (steps([step("a", "leaf"), step("z", "leaf")], [step("b", "leaf")]), "wf[0].a"),
        (
            dag(step("a", "leaf"), step("z", "leaf"), step("b", "leaf", dependencies=["a", "z"])),
            "wf.a",
        ),
    ],
    ids=["steps", "dag"],
)
def test_a_step_that_ends_together_with_its_hook_has_ended_once(
    main: dict[str, Any], ended: str
) -> None:
    first = main["steps"][0][0] if "steps" in main else main["dag"]["tasks"][0]
    first["hooks"] = running("steps" if "steps" in main else "tasks")
    play = Play(spec(main))
    play.says(ended, "started")
    tasks = [play.out.pop(name) for name in (ended, f"{ended}.hooks.h")]
    play.step(*(Reported(Report(task=t.id, state="succeeded", at=play.now)) for t in tasks))
    assert play.run.phase == "Running"
    assert all(not name.endswith(".b") for name in play.started)


def test_a_manual_retry_works_inside_a_retried_template_that_had_succeeded() -> None:
    main = {**steps([step("a", "leaf")], [step("b", "leaf")]), "retryStrategy": {"limit": 1}}
    play = Play(spec(main))
    play.ends("wf(0)[0].a")
    play.ends("wf(0)[1].b")
    again = retry_run.retry(play.run, play.now, restart_successful=True, selector="displayName=a")
    play.take(again)
    play.ends("wf(0)[0].a")
    play.ends("wf(0)[1].b")
    assert play.run.phase == "Succeeded"


def test_containers_share_the_flags_of_their_pod() -> None:
    retried = {**PAIR, "retryStrategy": {"limit": 1}}
    play = Play(spec(steps([step("a", "pair")]), retried))
    assert play.run.get("wf[0].a(0).b").flags == play.run.get("wf[0].a(0)").flags


def test_what_follows_a_container_set_hangs_on_its_containers_and_its_exit_hook() -> None:
    play = Play(spec(steps([step("a", "pair", onExit="leaf")], [step("b", "leaf")]), PAIR))
    play.ends("wf[0].a")
    play.ends("wf[0].a.onExit")
    after = play.run.get("wf[1]").id
    for name in ("wf[0].a.main", "wf[0].a.b", "wf[0].a.onExit"):
        assert after in (play.run.get(name).children or ())


def test_an_empty_list_of_items_is_no_loop() -> None:
    play = Play(spec(steps([step("a", "leaf", withItems=[])])))
    assert play.started == ["wf[0].a"]


def test_a_free_place_goes_to_the_first_leaf_and_what_it_needs() -> None:
    main = dag(step("a", "leaf"), step("b", "leaf", dependencies=["a"]), step("c", "leaf"))
    play = Play(spec({**main, "parallelism": 1}))
    play.ends("wf.a")
    play.ends("wf.b")
    assert play.started == ["wf.a", "wf.b", "wf.c"]


def test_a_manual_retry_keeps_the_exit_hooks_of_what_had_succeeded() -> None:
    first = step("a", "leaf", hooks={"exit": {"template": "leaf"}})
    play = Play(spec(steps([first], [step("b", "leaf")]), onExit="leaf"))
    for name, state in (("[0].a", "succeeded"), ("[0].a.onExit", "succeeded"), ("[1].b", "failed")):
        play.ends(f"wf{name}", state)
    play.ends("wf.onExit")
    play.take(retry_run.retry(play.run, play.now))
    assert play.phase("wf[0].a.onExit") == "Succeeded"
    assert play.run.find("wf.onExit") is None


DAEMON = {**LEAF, "name": "daemon", "daemon": True}


@pytest.mark.parametrize("dies", [False, True])
def test_a_hook_that_starts_after_its_daemon_was_up_is_no_second_end_of_a_step(dies: bool) -> None:
    hooked = step("a", "daemon", hooks=running("steps"))
    groups = [hooked, step("b", "leaf"), step("c", "leaf")], [step("d", "leaf")]
    play = Play(spec(steps(*groups), DAEMON))
    play.ask("suspend")
    play.says("wf[0].a", "started", ready=True)
    if dies:
        fold.index(play.run)
    play.ask("resume")
    play.says("wf[0].a", "started", ready=True)
    play.ends("wf[0].b")
    play.ends("wf[0].a.hooks.h")
    assert "wf[1].d" not in play.started
    play.ends("wf[0].c")
    assert "wf[1].d" in play.started


@pytest.mark.parametrize("dies", [False, True])
def test_a_hook_that_starts_after_its_daemon_was_up_is_no_second_end_of_a_task(dies: bool) -> None:
    hooked = step("a", "daemon", hooks=running("tasks"))
    tasks = hooked, step("b", "leaf", dependencies=["a"]), step("c", "leaf")
    play = Play(spec(dag(*tasks), DAEMON))
    play.ask("suspend")
    play.says("wf.a", "started", ready=True)
    if dies:
        fold.index(play.run)
    play.ask("resume")
    play.says("wf.a", "started", ready=True)
    play.ends("wf.a.hooks.h")
    assert play.started.count("wf.b") == 1
    play.ends("wf.b")
    assert play.phase("wf") == "Running"
    play.ends("wf.c")
    assert play.phase("wf") == "Succeeded"
