"""Deadlines at every level: of the workflow, of templates, of waiting, in retries and nested steps, beside daemons."""

from datetime import timedelta
from typing import Any

from tests.dag.play import LEAF, NOW, Play, spec

LATE = "Step exceeded its deadline"


def after(seconds: int) -> Any:
    return NOW + timedelta(seconds=seconds)


def leaf(**fields: Any) -> dict[str, Any]:
    return {"name": "main", "container": LEAF["container"], **fields}


def test_a_templates_deadline_counts_from_the_start_of_its_step() -> None:
    play = Play(spec(leaf(activeDeadlineSeconds=30)))
    assert play.out["wf"].deadline == after(30)


def test_the_earliest_deadline_is_the_steps() -> None:
    play = Play(spec(leaf(activeDeadlineSeconds=30, timeout="20s"), activeDeadlineSeconds=10))
    assert play.out["wf"].deadline == after(10)
    assert Play(spec(leaf(activeDeadlineSeconds=30, timeout="20s"))).out["wf"].deadline == after(20)


def test_every_attempt_has_the_whole_of_its_templates_deadline() -> None:
    play = Play(spec(leaf(activeDeadlineSeconds=30, retryStrategy={"limit": 2})))
    play.later(25)
    play.ends("wf(0)", "failed")
    assert play.out["wf(1)"].deadline == after(55)


def test_no_attempt_begins_after_the_workflows_deadline() -> None:
    play = Play(spec(leaf(retryStrategy={"limit": 5}), activeDeadlineSeconds=60))
    play.later(60)
    assert play.started == ["wf(0)"]
    assert play.message("wf(0)") == LATE
    assert (play.run.phase, play.phase("wf")) == ("Failed", "Failed")
    assert play.message("wf").startswith("retry exceeded workflow deadline 2026-01-01 00:01:00")


def test_waiting_too_long_fails_an_attempt_and_the_next_one_waits_anew() -> None:
    play = Play(spec(leaf(pendingTimeout="10s", retryStrategy={"limit": 1})))
    play.later(10)
    assert (play.phase("wf(0)"), play.message("wf(0)")) == ("Failed", "timeout")
    assert play.started == ["wf(0)", "wf(1)"]
    play.says("wf(1)", "started")
    play.later(60)
    assert play.phase("wf(1)") == "Running"


def test_the_workflows_deadline_reaches_into_nested_steps_and_ends_the_suspended() -> None:
    inner = {
        "name": "inner",
        "steps": [[{"name": "a", "template": "leaf"}, {"name": "b", "template": "gate"}]],
    }
    main = {"name": "main", "steps": [[{"name": "in", "template": "inner"}]]}
    gate = {"name": "gate", "suspend": {}}
    play = Play(spec(main, inner, gate, activeDeadlineSeconds=60))
    play.later(59)
    assert play.run.phase == "Running"
    play.later(1)
    for name in ("wf[0].in[0].a", "wf[0].in[0].b"):
        assert (play.phase(name), play.message(name)) == ("Failed", LATE)
    assert play.phase("wf[0].in") == play.run.phase == "Failed"
    assert play.stopped == ["wf[0].in[0].a"]


def test_a_suspension_that_ends_before_the_deadline_is_not_late() -> None:
    steps = [[{"name": "nap", "template": "gate"}], [{"name": "a", "template": "leaf"}]]
    gate = {"name": "gate", "suspend": {"duration": "30s"}}
    play = Play(spec({"name": "main", "steps": steps}, gate, activeDeadlineSeconds=60))
    play.later(30)
    assert play.phase("wf[0].nap") == "Succeeded"
    assert play.out["wf[1].a"].deadline == after(60)


def test_a_daemon_is_not_late_but_ends_with_what_is() -> None:
    daemon = {"name": "server", "daemon": True, "container": LEAF["container"]}
    steps = [[{"name": "up", "template": "server"}], [{"name": "a", "template": "leaf"}]]
    play = Play(spec({"name": "main", "steps": steps}, daemon, activeDeadlineSeconds=60))
    play.says("wf[0].up", "started", ready=True)
    play.says("wf[1].a", "started")
    play.later(60)
    assert (play.phase("wf[1].a"), play.phase("wf[0].up")) == ("Failed", "Succeeded")
    assert sorted(play.stopped) == ["wf[0].up", "wf[1].a"]
    assert play.run.phase == "Failed"


def test_the_exit_handler_begins_after_the_deadline_and_has_none() -> None:
    play = Play(spec(leaf(), onExit="leaf", activeDeadlineSeconds=60))
    play.later(60)
    assert play.phase("wf") == "Failed"
    assert play.out["wf.onExit"].deadline is None
    play.later(600)
    play.ends("wf.onExit")
    assert play.run.phase == "Failed"


def test_a_retry_that_keeps_off_the_hosts_of_failures_is_accepted() -> None:
    strategy = {"limit": 1, "affinity": {"nodeAntiAffinity": {}}}
    play = Play(spec(leaf(retryStrategy=strategy)))
    play.ends("wf(0)", "failed")
    play.ends("wf(1)")
    assert play.run.phase == "Succeeded"
