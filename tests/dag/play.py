"""A run under a hand-driven executor, for tests that look at one behaviour."""

from datetime import UTC, datetime, timedelta
from typing import Any

from controller.dag import retry_run
from controller.dag.advance import advance
from controller.dag.begin import begin
from controller.dag.model import (
    Advance,
    Begin,
    Change,
    Effect,
    Input,
    Operation,
    Reported,
    Source,
    StartTask,
    StopTask,
    Tick,
    WakeAt,
)  # fmt: skip
from executor.model import Outputs, Report, Task

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEAF = {"name": "leaf", "container": {"image": "x", "command": ["true"]}}


def source(spec: dict[str, Any], **fields: Any) -> Source:
    return Source(uid="u", name="wf", namespace="d", spec=spec, created=NOW, **fields)


def spec(*templates: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"entrypoint": templates[0]["name"], "templates": [*templates, LEAF], **fields}


class Play:
    """Keeps the clock, the tasks that are out and everything that happened."""

    def __init__(self, spec: dict[str, Any], **fields: Any) -> None:
        self.source = source(spec, **fields)
        self.run = begin(self.source)
        self.now = NOW
        self.out: dict[str, Task] = {}
        self.started: list[str] = []
        self.stopped: list[str] = []
        self.wake: datetime | None = None
        self.history: list[Change] = []
        self.step(Begin())

    def step(self, *inputs: Input) -> list[Effect]:
        return self.take(advance(self.run, inputs, self.now))

    def take(self, done: Advance) -> list[Effect]:
        self.history += done.changes
        for effect in done.effects:
            if isinstance(effect, StartTask):
                self.out[effect.task.node_name] = effect.task
                self.started.append(effect.task.node_name)
            elif isinstance(effect, StopTask):
                name = next(n for n, t in self.out.items() if t.id == effect.id)
                self.stopped.append(name)
                del self.out[name]
            elif isinstance(effect, WakeAt):
                self.wake = effect.at
        return done.effects

    def ends(self, name: str, state: Any = "succeeded", message: str = "", **outputs: Any) -> None:
        task = self.out.pop(name)
        left = Outputs(**outputs) if outputs else None
        self.step(
            Reported(Report(task=task.id, state=state, at=self.now, message=message, outputs=left))
        )

    def says(self, name: str, state: Any, **fields: Any) -> None:
        self.step(Reported(Report(task=self.out[name].id, state=state, at=self.now, **fields)))

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.step(Tick())

    def ask(self, kind: Any, **fields: Any) -> None:
        self.step(Operation(kind=kind, **fields))

    def retry(self, **fields: Any) -> None:
        self.take(retry_run.retry(self.run, self.now, **fields))

    def phase(self, name: str) -> str:
        return self.run.get(name).phase

    def message(self, name: str) -> str:
        return self.run.get(name).message
