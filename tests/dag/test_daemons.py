"""A daemon that is up is in nobody's way: what it was started for gets the place it had."""

from typing import Any

import pytest

from controller.dag import fold
from controller.dag.begin import begin
from tests.dag.play import LEAF, Play, spec

DAEMON = {"name": "server", "daemon": True, "container": LEAF["container"]}
STEPS = [[{"name": "up", "template": "server"}], [{"name": "a", "template": "leaf"}]]
DAG = {
    "tasks": [
        {"name": "up", "template": "server"},
        {"name": "a", "template": "leaf", "dependencies": ["up"]},
    ]
}


def playing(body: dict[str, Any], where: str) -> Play:
    main = {"name": "main", **body, **({"parallelism": 1} if where == "template" else {})}
    more = {"parallelism": 1} if where == "workflow" else {}
    return Play(spec(main, DAEMON, **more))


@pytest.mark.parametrize("where", ["workflow", "template"])
@pytest.mark.parametrize(
    ("body", "server", "client"),
    [({"steps": STEPS}, "wf[0].up", "wf[1].a"), ({"dag": DAG}, "wf.up", "wf.a")],
)
def test_what_a_daemon_serves_gets_the_only_place(
    body: dict[str, Any], server: str, client: str, where: str
) -> None:
    play = playing(body, where)
    assert list(play.out) == [server]
    play.says(server, "started", ready=True)
    assert client in play.out
    play.ends(client)
    assert play.run.phase == "Succeeded"
    assert play.stopped == [server]


@pytest.mark.parametrize("where", ["workflow", "template"])
def test_a_daemon_that_is_not_up_yet_keeps_its_place(where: str) -> None:
    steps = [[*STEPS[0], *STEPS[1]]]
    play = playing({"steps": steps}, where)
    play.says("wf[0].up", "started", ready=False)
    assert list(play.out) == ["wf[0].up"]
    play.says("wf[0].up", "started", ready=True)
    assert "wf[0].a" in play.out


def test_one_that_dies_and_is_tried_again_waits_for_a_place_like_any_other() -> None:
    daemon = {**DAEMON, "retryStrategy": {"limit": 1}}
    main = {"name": "main", "steps": STEPS}
    play = Play(spec(main, daemon, parallelism=1))
    play.says("wf[0].up(0)", "started", ready=True)
    assert "wf[1].a" in play.out
    play.ends("wf[0].up(0)", "failed")
    assert "wf[0].up(1)" not in play.out
    play.ends("wf[1].a")
    assert play.run.phase in ("Succeeded", "Running")


def test_a_restart_finds_the_place_free() -> None:
    play = playing({"steps": STEPS}, "workflow")
    play.says("wf[0].up", "started", ready=True)
    again = begin(play.source)
    fold.fold(again, play.history)
    fold.index(again)
    assert again.index.active_pods == play.run.index.active_pods == {"": 1, again.get("wf").id: 1}
    assert list(again.index.placeless) == [again.get("wf[0].up").id]
