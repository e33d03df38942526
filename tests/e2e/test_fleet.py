"""A fleet of real processes: one engine with its standby, sensor workers that are killed and stopped under load."""

import importlib.util
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.engine import Engine, free_port, post
from tests.e2e.fleet import SENSOR, SOURCE, SensorWorker, engine

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SENSORS = 6
TAKE_OVER_S = 10.0

SUBMITTING = """
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: submitting}
spec:
  dependencies: [{name: hook, eventSourceName: load, eventName: hook}]
  triggers:
    - template:
        name: go
        argoWorkflow:
          operation: submit
          source:
            resource:
              apiVersion: argoproj.io/v1alpha1
              kind: Workflow
              metadata: {generateName: run-}
              spec:
                entrypoint: main
                arguments: {parameters: [{name: n, value: none}]}
                templates:
                  - name: main
                    container:
                      image: none
                      command: [sh, -c]
                      args: ['echo "{{workflow.parameters.n}}" >> %s']
          parameters:
            - src: {dependencyName: hook, dataKey: body.n}
              dest: spec.arguments.parameters.0.value
"""

BINDING = """
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: tell}
spec:
  entrypoint: main
  arguments: {parameters: [{name: n, value: none}]}
  templates:
    - name: main
      container:
        image: none
        command: [sh, -c]
        args: ['echo "{{workflow.parameters.n}}" >> %s']
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowEventBinding
metadata: {name: names}
spec:
  event: {selector: discriminator == "names"}
  submit:
    workflowTemplateRef: {name: tell}
    arguments: {parameters: [{name: n, valueFrom: {event: payload.n}}]}
"""


def _postgres() -> ModuleType:
    """tests/postgres.py, which is no package's module."""
    spec = importlib.util.spec_from_file_location(
        "bireme_test_postgres", Path(__file__).parents[1] / "postgres.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def url() -> Iterator[str]:
    postgres = _postgres()
    with postgres.running() as server:
        yield str(postgres.url_or_skip(server))


class Sender(threading.Thread):
    """Posts numbered events until told to stop; remembers which were answered 200, and which were in doubt."""

    def __init__(self, port: int, pause_s: float = 0.01, first: int = 0) -> None:
        super().__init__(daemon=True)
        self.first = first
        self.url, self.pause_s = f"http://127.0.0.1:{port}/hook", pause_s
        self.accepted, self.unsure = set[int](), set[int]()
        self.stopping = threading.Event()

    def run(self) -> None:
        n = self.first
        while not self.stopping.wait(self.pause_s):
            n += 1
            status = post(self.url, b'{"n":"%d"}' % n)
            (self.accepted if status == 200 else self.unsure).add(n)

    def end(self) -> None:
        self.stopping.set()
        self.join()


class Rows:
    """Looks into the database, on a connection of its own for every question."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        import asyncio

        import asyncpg

        async def ask() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(self.url)
            try:
                return [tuple(row) for row in await connection.fetch(sql, *params)]
            finally:
                await connection.close()

        return asyncio.run(ask())


def until(holds: Callable[[], bool], wait_s: float, what: str) -> float:
    """Wait until it holds; the seconds that took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < wait_s, f"not within {wait_s} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - begun


@pytest.fixture
def started() -> Iterator[list[Any]]:
    """What has to be ended, however the test ends."""
    found: list[Any] = []
    yield found
    for one in found:
        if isinstance(one, Engine):
            if one.process is not None and one.process.poll() is None:
                one.kill()
        else:
            one.kill()


def held_by(rows: Rows, worker: SensorWorker) -> list[str]:
    """The sensors whose lease names the worker."""
    return [
        sensor
        for (sensor,) in rows(
            "SELECT sensor FROM sensor_leases WHERE worker LIKE $1", f"%-{worker.pid}-%"
        )
    ]


def fleet_of_one(
    tmp_path: Path, url: str, started: list[Any], text: str
) -> tuple[Engine, SensorWorker]:
    """An engine on these manifests, and a worker that holds the one sensor in them."""
    head = engine(tmp_path, url)
    started.append(head)
    head.write("load.yaml", text)
    head.start()
    worker = SensorWorker(tmp_path / "w", url)
    started.append(worker)
    until(lambda: bool(held_by(Rows(url), worker)), 20, "the worker holds the sensor")
    return head, worker


def shares_are_fair(told: dict[str, Any]) -> bool:
    """Whether three workers hold two or three sensors each and none is free: what a hand-over ends in."""
    held = Counter(lease["worker"] for lease in told["leases"])
    return (
        len(told["leases"]) == SENSORS + 1
        and set(held) == {item["worker"] for item in told["items"]}
        and sorted(held.values()) == [2, 2, 3]
    )


def test_workers_that_die_or_hang_lose_nothing_and_fire_nothing_twice(
    tmp_path: Path, url: str, started: list[Any]
) -> None:
    rows, port, ran = Rows(url), free_port(), tmp_path / "ran"
    head = engine(tmp_path, url)
    started.append(head)
    sensors = "".join(SENSOR % {"n": n} for n in range(SENSORS)) + SUBMITTING % ran
    head.write("load.yaml", SOURCE % port + sensors)
    head.start()
    workers = [SensorWorker(tmp_path / f"w{n}", url) for n in range(3)]
    started.extend(workers)
    until(lambda: shares_are_fair(head.call("/api/v1/bireme/workers")), 30, "fair shares")

    sender = Sender(port)
    sender.start()
    until(lambda: len(sender.accepted) > 30, 30, "events are accepted")

    hung = workers[0]
    were_held = held_by(rows, hung)
    hung.signal(signal.SIGSTOP)
    moved = until(lambda: not held_by(rows, hung), TAKE_OVER_S, "a hung worker's sensors move")
    hung.signal(signal.SIGCONT)
    until(lambda: bool(held_by(rows, hung)), 10, "a worker that comes back gets a share")
    assert were_held
    assert moved < TAKE_OVER_S

    for n in range(3):
        workers[n].kill()
        until(
            lambda n=n: not held_by(rows, workers[n]), TAKE_OVER_S, "a dead worker's sensors move"
        )
        workers[n] = SensorWorker(tmp_path / f"again{n}", url)
        started.append(workers[n])
        until(lambda n=n: bool(held_by(rows, workers[n])), 20, "a new worker gets a share")

    sender.end()
    [(events,)] = rows("SELECT count(*) FROM events")
    assert events >= len(sender.accepted)
    expected = [(f"load-{n}", events) for n in range(SENSORS)] + [("submitting", events)]

    def decided() -> list[tuple[Any, ...]]:
        return rows("SELECT sensor, count(*) FROM decisions GROUP BY sensor ORDER BY sensor")

    until(lambda: decided() == expected, 30, f"events = decisions: {decided()} of {events}")
    [(distinct,)] = rows("SELECT count(DISTINCT (sensor, seq)) FROM decisions")
    assert distinct == events * (SENSORS + 1)
    assert {o for (o,) in rows("SELECT DISTINCT outcome FROM decisions")} == {"fired"}
    assert len(rows("SELECT DISTINCT worker FROM decisions")) >= 4
    pending = "SELECT count(*) FROM firings WHERE status <> 'fired'"
    until(lambda: rows(pending) == [(0,)], 30, "every firing was acted on")
    done = "SELECT count(*) FROM runs WHERE phase = 'Succeeded'"
    until(lambda: rows(done) == [(events,)], 60, "one workflow for every event")
    lines = Counter(ran.read_text().split())
    assert set(lines.values()) == {1}
    assert {str(n) for n in sender.accepted} <= set(lines)
    assert all(one.stop() == 0 for one in workers)
    assert rows("SELECT count(*) FROM sensor_leases WHERE worker <> ''") == [(0,)]


def test_a_standby_takes_over_within_seconds_when_the_engine_is_killed(
    tmp_path: Path, url: str, started: list[Any]
) -> None:
    rows, port, ran = Rows(url), free_port(), tmp_path / "ran"
    first, second = engine(tmp_path, url), engine(tmp_path, url)
    started.extend((first, second))
    first.write("load.yaml", SOURCE % port + SUBMITTING % ran)
    first.start()
    started.append(SensorWorker(tmp_path / "w", url))
    waiting = threading.Thread(target=second.start, args=(60,), daemon=True)
    waiting.start()
    sender = Sender(port)
    sender.start()
    until(lambda: len(sender.accepted) > 20, 30, "events are accepted")
    until(lambda: b"engine_stands_by" in second.log.read_bytes(), 20, "the second one waits")
    assert waiting.is_alive()

    first.kill()
    before = len(sender.accepted)
    took = until(lambda: len(sender.accepted) > before + 5, TAKE_OVER_S, "the standby serves")
    waiting.join()
    assert took < TAKE_OVER_S
    sender.end()
    done = "SELECT count(*) FROM runs WHERE phase = 'Succeeded'"
    until(
        lambda: rows(done) == rows("SELECT count(*) FROM events"),
        60,
        "one workflow for every event",
    )
    lines = Counter(ran.read_text().split())
    assert set(lines.values()) == {1}
    assert {str(n) for n in sender.accepted} <= set(lines)
    assert second.stop() == 0


def test_an_engine_that_evaluates_alone_takes_everything_from_the_workers(
    tmp_path: Path, url: str, started: list[Any]
) -> None:
    rows, port = Rows(url), free_port()
    head, worker = fleet_of_one(tmp_path, url, started, SOURCE % port + SENSOR % {"n": 0})
    assert held_by(rows, worker) == ["default/load-0"]
    assert head.stop() == 0
    alone = Engine(tmp_path, "--database", url)
    started.append(alone)
    alone.start()
    for n in range(10):
        assert post(f"http://127.0.0.1:{port}/hook", b'{"n":"%d"}' % n) == 200
    assert rows("SELECT worker, count(*) FROM decisions GROUP BY worker") == [("", 10)]
    assert worker.stop() == 0
    assert alone.stop() == 0


def test_an_event_that_comes_after_an_edit_is_decided_by_the_edited_sensor(
    tmp_path: Path, url: str, started: list[Any]
) -> None:
    rows, port = Rows(url), free_port()
    text = SOURCE % port + SENSOR % {"n": 0}
    head, worker = fleet_of_one(tmp_path, url, started, text)
    changes = "SELECT value FROM fleet WHERE name = 'objects'"
    for n in range(5):
        before = rows(changes)
        head.write("load.yaml", text.replace("name: note", f"name: note-{n}"))
        until(lambda before=before: rows(changes) != before, 20, "the edit is applied")
        assert post(f"http://127.0.0.1:{port}/hook", b"{}") == 200
    decided = "SELECT trigger_name FROM decisions ORDER BY seq"
    until(lambda: len(rows(decided)) == 5, 20, "every event is decided")
    assert rows(decided) == [(f"note-{n}",) for n in range(5)]
    assert worker.stop() == 0
    assert head.stop() == 0


def test_what_a_worker_left_in_the_outbox_is_acted_on_within_seconds(
    tmp_path: Path, url: str, started: list[Any]
) -> None:
    rows, port = Rows(url), free_port()
    _, holder = fleet_of_one(tmp_path, url, started, SOURCE % port + SENSOR % {"n": 0})
    for _ in range(5):
        assert post(f"http://127.0.0.1:{port}/hook", b"{}") == 200
    pending = "SELECT count(*) FROM firings WHERE status <> 'fired'"
    fired = "SELECT count(*) FROM firings WHERE status = 'fired'"
    until(lambda: rows(fired) == [(5,)], 20, "all have fired")

    holder.signal(signal.SIGSTOP)
    rows("UPDATE firings SET status = 'pending'")
    other = SensorWorker(tmp_path / "w1", url)
    started.append(other)
    until(lambda: bool(held_by(rows, other)), 20, "the other one takes over")
    until(lambda: rows(pending) == [(0,)], 5, "what was left is acted on")


def test_what_is_posted_to_the_api_is_decided_by_the_worker_that_holds_the_binding(
    tmp_path: Path, url: str, started: list[Any]
) -> None:
    rows = Rows(url)
    ran = tmp_path / "ran"
    head, worker = fleet_of_one(tmp_path, url, started, BINDING % ran)
    assert held_by(rows, worker) == ["default/event-binding:names"]
    for n in range(5):
        body = {"n": str(n)}
        head.call("/api/v1/events/default/names", body)
    done = "SELECT count(*) FROM runs WHERE phase = 'Succeeded'"
    until(lambda: rows(done) == [(5,)], 30, "one workflow for each")
    assert sorted(ran.read_text().split()) == [str(n) for n in range(5)]
    assert [outcome for (outcome,) in rows("SELECT outcome FROM decisions")] == ["fired"] * 5
    assert worker.stop() == 0
    assert head.stop() == 0
