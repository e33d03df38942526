"""Followers see every workflow they follow, its latest state, and its end."""

import asyncio
from types import SimpleNamespace

from controller.model import Json
from controller.watchers import Watchers


def run(uid: str, namespace: str = "default") -> SimpleNamespace:
    return SimpleNamespace(uid=uid, namespace=namespace, name=uid)


async def test_a_slow_follower_sees_the_latest_state_once() -> None:
    watchers, state = Watchers(), {"v": 0}

    async def describe(uid: str) -> Json:
        return {"uid": uid, **state}

    with watchers.follow(lambda namespace, name: True) as follower:
        watchers.tell(run("a"), "ADDED")
        for version in range(1, 6):
            state["v"] = version
            watchers.tell(run("a"))
        change = await follower.next(describe)
        assert (change.type, change.object) == ("ADDED", {"uid": "a", "v": 5})
        waiting = asyncio.ensure_future(follower.next(describe))
        await asyncio.sleep(0)
        assert not waiting.done()
        watchers.tell(run("b"))
        assert (await waiting).object["uid"] == "b"


async def test_a_deleted_workflow_is_told_with_what_it_was() -> None:
    watchers = Watchers()

    async def gone(uid: str) -> None:
        return None

    with watchers.follow(lambda namespace, name: namespace == "mine") as follower:
        watchers.tell(run("x", "other"), "DELETED", lambda: {"uid": "x"})
        watchers.tell(run("a", "mine"))
        watchers.tell(run("b", "mine"), "DELETED", lambda: {"uid": "b"})
        change = await follower.next(gone)
        assert (change.type, change.object) == ("DELETED", {"uid": "b"})


def test_telling_costs_no_description_when_nobody_follows() -> None:
    asked: list[str] = []
    Watchers().tell(run("a"), "MODIFIED", lambda: {"made": asked.append("made")})
    assert asked == []
