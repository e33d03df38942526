"""A run made like one that went wrong: for any workflow, only what had not succeeded is done, and all of that."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.dag import fold
from controller.dag.advance import advance
from controller.dag.begin import begin
from controller.dag.model import Begin, Change, Reported, Source, StartTask, Tick, WakeAt
from controller.dag.phase import BAD
from controller.dag.reuse import keep_what_succeeded, plant
from controller.dag.state import Run
from controller.dag.status import status
from executor.model import Outputs, Report
from tests.dag.test_property import NOW, source, specs


def play(run: Run, bad: frozenset[str]) -> tuple[list[Change], list[str], set[str]]:
    """To the end, steps of `bad` names failing: its history, what was started, what of it succeeded."""
    history: list[Change] = []
    started: list[str] = []
    succeeded: set[str] = set()
    inputs: list[Any] = [Begin()]
    now = NOW
    while inputs:
        done = advance(run, inputs, now)
        history += done.changes
        inputs = []
        for effect in done.effects:
            if isinstance(effect, StartTask):
                name = effect.task.node_name.removeprefix(run.name)
                started.append(name)
                state: Any = "failed" if name in bad else "succeeded"
                succeeded |= {name} if state == "succeeded" else set()
                left = Outputs(exit_code="0" if state == "succeeded" else "1")
                report = Report(task=effect.task.id, state=state, at=now, outputs=left)
                inputs.append(Reported(report))
            elif isinstance(effect, WakeAt):
                now = max(now, effect.at)
                inputs.append(Tick())
    return history, started, succeeded


def leaf_names(spec: dict[str, Any]) -> list[str]:
    """What the steps of the workflow are called when none of them fails, hooks apart."""
    _, started, _ = play(begin(source(spec)), frozenset())
    return [name for name in started if ".onExit" not in name]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=specs(), data=st.data())
def test_what_succeeded_is_not_done_again_and_everything_else_is(
    spec: dict[str, Any], data: st.DataObject
) -> None:
    names = leaf_names(spec)
    bad = frozenset(data.draw(st.sets(st.sampled_from(names), max_size=4)) if names else ())
    old = begin(source(spec))
    _, _, succeeded = play(old, bad)
    if old.phase not in ("Failed", "Error"):
        return
    keep_what_succeeded(old, NOW, {})
    made = Source(uid="v", name="other", namespace="d", spec=spec, created=NOW)
    run = begin(made)
    planted = plant(run, old, NOW)
    kept = {n.name.removeprefix("other") for n in run.nodes.values() if "original" in n.message}
    # A failure after which something succeeded stays as it was, as in a manual retry (spec G.6).
    stays = [n for n in run.nodes.values() if n.type == "Pod" and n.phase in BAD]
    history, started, _ = play(run, frozenset())
    assert stays or run.phase == "Succeeded", status(run)
    assert kept <= succeeded
    assert kept.isdisjoint(started)
    assert len(started) == len(set(started))
    again = begin(made)
    stored = msgspec.msgpack.encode([*planted, *history])
    fold.fold(again, msgspec.msgpack.decode(stored, type=list[Change]))
    fold.index(again)
    assert status(again) == status(run)
