"""Locks and places: who waits for the one does not keep the other from somebody who needs both."""

from typing import Any

from controller.dag.model import Acquire, Effect, Locked, Release, Reported
from executor.model import Report
from tests.dag.play import LEAF, Play, spec

MUTEX = {"synchronization": {"mutexes": [{"name": "m"}]}}


def asked(effects: list[Effect], kind: type[Any]) -> list[str]:
    return [e.holder for e in effects if isinstance(e, kind)]


def test_a_step_without_a_place_gives_its_lock_back_and_asks_again_once_there_is_one() -> None:
    """`outer` has the only place, and inside it a step needs the lock that `alone` was given meanwhile."""
    main = {
        "name": "main",
        "parallelism": 1,
        "steps": [
            [{"name": "alone", "template": "locked"}, {"name": "outer", "template": "inner"}]
        ],
    }
    inner = {"name": "inner", "steps": [[{"name": "a", "template": "locked"}]]}
    locked = {"name": "locked", **MUTEX, "container": LEAF["container"]}
    play = Play(spec(main, inner, locked))
    alone, inside = play.run.get("wf[0].alone").id, play.run.get("wf[0].outer[0].a").id

    assert asked(play.step(Locked(holder=alone)), Release) == [alone]
    assert list(play.out) == []
    play.step(Locked(holder=inside))
    assert list(play.out) == ["wf[0].outer[0].a"]

    task = play.out.pop("wf[0].outer[0].a")
    effects = play.step(_ended(play, task.id))
    assert asked(effects, Acquire) == [alone]
    play.step(Locked(holder=alone))
    play.ends("wf[0].alone")
    assert play.run.phase == "Succeeded"


def _ended(play: Play, task: str) -> Reported:

    return Reported(Report(task=task, state="succeeded", at=play.now))
