"""What is more than one advance may start goes on in the next: nobody can tell afterwards, and no advance is long."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.dag import turn
from controller.dag.advance import advance, replan
from controller.dag.begin import begin
from controller.dag.model import Advance, Begin, Change, Reported, StartTask, Tick, WakeAt
from controller.dag.state import Run
from controller.dag.status import status
from executor.model import Outputs, Report
from tests.dag.play import Play, spec
from tests.dag.test_property import NOW, rebuilt, source, specs

WIDE = {"name": "each", "template": "leaf", "withSequence": {"count": 3_500}}


class Sliced:
    """A run that takes its inputs in slices of `size`; after some of them it is made anew from its history."""

    def __init__(self, spec: dict[str, Any], size: int, crashes: list[bool]) -> None:
        self.spec, self.size, self.crashes = spec, size, crashes
        self.run: Run = begin(source(spec))
        self.history: list[Change] = []
        self.out: dict[str, str] = {}

    def take(self, *inputs: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(turn, "SLICE", self.size)
            done = advance(self.run, inputs, NOW)
            while self._goes_on(done):
                if self.crashes and self.crashes.pop():
                    self.run = rebuilt(self.spec, self.history)
                    done = replan(self.run, NOW)
                else:
                    done = advance(self.run, [Tick()], NOW)

    def _goes_on(self, done: Advance) -> bool:
        self.history += done.changes
        for effect in done.effects:
            if isinstance(effect, StartTask):
                assert effect.task.node_name not in self.out, "a task is started once"
                self.out[effect.task.node_name] = effect.task.id
        return any(isinstance(e, WakeAt) and e.at == NOW for e in done.effects)


def picture(run: Run) -> Any:
    """The run's status, where the order in which siblings came to be does not count."""
    found = status(run)
    for node in found["nodes"].values():
        for key in ("children", "outboundNodes"):
            if key in node:
                node[key] = sorted(node[key])
    return msgspec.json.decode(msgspec.json.encode(found, order="deterministic"))


def hooked(names: list[str]) -> int:
    """Hooks and exit handlers do not queue for a place."""
    return sum(1 for name in names if ".onExit" in name)


def without(spec: dict[str, Any], *fields: str) -> dict[str, Any]:
    """The spec, but for these fields of its own and of its templates."""
    kept = {k: v for k, v in spec.items() if k not in fields}
    templates = [{k: v for k, v in t.items() if k not in fields} for t in spec["templates"]]
    return {**kept, "templates": templates}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    spec=specs(),
    size=st.integers(1, 4),
    crashes=st.lists(st.booleans(), max_size=6),
    data=st.data(),
)
def test_slices_come_to_what_one_advance_would(
    spec: dict[str, Any], size: int, crashes: list[bool], data: st.DataObject
) -> None:
    unlimited = without(spec, "failFast", "parallelism")
    whole, sliced = Sliced(unlimited, 1_000, []), Sliced(unlimited, size, crashes)
    given: list[Any] = [Begin()]
    ended: set[str] = set()
    while True:
        whole.take(*given)
        sliced.take(*given)
        assert picture(sliced.run) == picture(whole.run)
        assert sliced.out == whole.out
        ready = sorted(whole.out.keys() - ended)
        if not ready or whole.run.phase != "Running":
            return
        name = data.draw(st.sampled_from(ready))
        ended.add(name)
        state: Any = data.draw(st.sampled_from(["succeeded", "succeeded", "failed"]))
        left = Outputs(exit_code="0" if state == "succeeded" else "1")
        given = [Reported(Report(task=whole.out[name], state=state, at=NOW, outputs=left))]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    spec=specs(),
    size=st.integers(1, 4),
    crashes=st.lists(st.booleans(), max_size=6),
    bad=st.integers(0, 3),
)
def test_slices_change_who_takes_a_free_place_first_but_not_what_comes_of_it(
    spec: dict[str, Any], size: int, crashes: list[bool], bad: int
) -> None:
    limited = without(spec, "failFast")
    ends = []
    for played in (Sliced(limited, 1_000, []), Sliced(limited, size, crashes)):
        played.take(Begin())
        ended: set[str] = set()
        while ready := sorted(played.out.keys() - ended):
            assert len(ready) - hooked(ready) <= limited.get("parallelism", 1_000)
            ended.add(ready[0])
            state: Any = "failed" if bad and len(ready[0]) % bad else "succeeded"
            left = Outputs(exit_code="0" if state == "succeeded" else "1")
            report = Report(task=played.out[ready[0]], state=state, at=NOW, outputs=left)
            played.take(Reported(report))
        ends.append({name: node["phase"] for name, node in picture(played.run)["nodes"].items()})
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    "main",
    [
        {"name": "main", "steps": [[WIDE]]},
        {"name": "main", "dag": {"tasks": [WIDE]}},
        {
            "name": "main",
            "dag": {"tasks": [{"name": f"t{i}", "template": "leaf"} for i in range(3_500)]},
        },
    ],
    ids=["steps", "loop", "dag"],
)
def test_no_advance_starts_more_than_a_slice(main: dict[str, Any]) -> None:
    play = Play(spec(main))
    counts = [len(play.out)]
    while play.wake is not None:
        play.wake = None
        play.step(Tick())
        counts.append(len(play.out))
    assert len(play.out) == 3_500
    assert max(b - a for a, b in zip([0, *counts], counts, strict=False)) <= turn.SLICE
    assert len(counts) == 3_500 // turn.SLICE + 1


def test_a_fan_out_that_is_stopped_midway_ends() -> None:
    play = Play(spec({"name": "main", "steps": [[WIDE]]}))
    play.ask("terminate")
    while play.wake is not None and play.run.phase == "Running":
        play.wake = None
        play.step(Tick())
    for name in list(play.out):
        play.ends(name, "failed", "stopped")
    assert play.run.phase == "Failed"
    assert len(play.started) == turn.SLICE - 2
