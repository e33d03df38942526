"""Container sets: nodes below the pod's, moved by what the executor says of each container."""

from typing import Any

import msgspec

from controller.dag import fold, retry_run
from controller.dag.begin import begin
from controller.dag.model import Change
from controller.dag.outbound import of_node
from controller.dag.status import status
from executor.model import ContainerState
from tests.dag.play import Play, spec


def container(name: str, *needs: str) -> dict[str, Any]:
    return {"name": name, "image": "x", "command": ["true"], "dependencies": list(needs)}


SET = {"name": "set", "containerSet": {"containers": [
    container("main", "fetch"), container("fetch"), container("side"),
]}}  # fmt: skip


def phases(play: Play) -> dict[str, str]:
    return {n.name: n.phase for n in play.run.nodes.values() if n.type == "Container"}


def rebuilt(play: Play) -> Any:
    run = begin(play.source)
    fold.fold(run, msgspec.msgpack.decode(msgspec.msgpack.encode(play.history), type=list[Change]))
    fold.index(run)
    return status(run)


def test_containers_hang_on_what_they_depend_on_also_when_that_is_written_later() -> None:
    play = Play(spec(SET))
    edges = {n.name: [play.run.nodes[c].name for c in n.children or ()] for n in play.run.nodes.values()}  # fmt: skip
    assert edges == {
        "wf": ["wf.fetch", "wf.side"],
        "wf.fetch": ["wf.main"],
        "wf.side": [],
        "wf.main": [],
    }
    assert [play.run.nodes[i].name for i in of_node(play.run, play.run.get("wf"))] == [
        "wf.main",
        "wf.side",
    ]


def test_each_report_moves_the_containers_it_names() -> None:
    play = Play(spec(SET))
    play.says("wf", "started", containers=[ContainerState(name="fetch")])
    assert phases(play) == {"wf.main": "Pending", "wf.fetch": "Running", "wf.side": "Pending"}
    told = [ContainerState(name="fetch", code=0), ContainerState(name="side", code=3, message="no")]
    play.says("wf", "progress", containers=told)
    assert phases(play) == {"wf.main": "Pending", "wf.fetch": "Succeeded", "wf.side": "Failed"}
    assert play.message("wf.side") == "side: Error (exit code 3): no"
    assert rebuilt(play) == status(play.run)


def test_a_container_that_has_ended_stays_ended() -> None:
    play = Play(spec(SET))
    play.says("wf", "progress", containers=[ContainerState(name="fetch", code=0)])
    play.says("wf", "progress", containers=[ContainerState(name="fetch", code=1)])
    assert phases(play)["wf.fetch"] == "Succeeded"


def test_a_name_that_no_container_has_is_passed_over() -> None:
    play = Play(spec(SET))
    play.says("wf", "progress", containers=[ContainerState(name="nobody", code=0)])
    assert set(phases(play).values()) == {"Pending"}


def test_containers_end_with_their_pod() -> None:
    play = Play(spec(SET))
    play.says("wf", "started", containers=[ContainerState(name="fetch", code=0)])
    play.ask("terminate")
    message = "workflow shutdown with strategy:  Terminate"
    assert phases(play) == {"wf.main": "Failed", "wf.fetch": "Succeeded", "wf.side": "Failed"}
    assert play.message("wf.main") == message
    assert rebuilt(play) == status(play.run)


def test_a_retry_by_hand_takes_the_pod_although_one_container_succeeded() -> None:
    outer = {"name": "outer", "dag": {"tasks": [
        {"name": "a", "template": "set"}, {"name": "b", "template": "leaf"},
    ]}}  # fmt: skip
    play = Play(spec(outer, SET))
    play.ends("wf.b")
    codes = [ContainerState(name="fetch", code=0), ContainerState(name="main", code=1)]
    play.says("wf.a", "failed", containers=codes)
    play.out.clear()
    assert play.run.phase == "Failed"
    play.take(retry_run.retry(play.run, play.now))
    assert list(play.out) == ["wf.a"]
    assert set(phases(play).values()) == {"Pending"}
    play.ends("wf.a")
    assert play.run.phase == "Succeeded"
