"""The PostgreSQL server crashes, stays away and cuts connections under load: senders are told, and counts are exact."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.engine import Engine, free_port
from tests.e2e.fleet import SENSOR, SOURCE, SensorWorker, engine
from tests.e2e.test_fleet import (
    SUBMITTING,
    Rows,
    Sender,
    _postgres,
    held_by,
    started,
    until,
)

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
__all__ = ["started"]

SENSORS = ("load-0", "submitting")
AWAY_S = 4.0
RECOVERY_S = 10.0
CUTS = 25
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def server() -> Iterator[Any]:
    with _postgres().running() as running:
        yield running


class Load:
    """Senders on one engine, and what the database has to say about them in the end."""

    def __init__(self, rows: Rows, port: int, ran: Path) -> None:
        self.rows, self.ran = rows, ran
        self.senders = [Sender(port, first=1_000_000 * n) for n in range(4)]
        for sender in self.senders:
            sender.start()
        self.flows("events are accepted")

    @property
    def accepted(self) -> set[int]:
        return set().union(*(sender.accepted for sender in self.senders))

    def flows(self, what: str) -> None:
        """Wait until new events are accepted."""
        before = len(self.accepted)
        until(lambda: len(self.accepted) > before + 20, RECOVERY_S, what)

    def refused(self) -> int:
        return sum(len(sender.unsure) for sender in self.senders)

    def end(self) -> None:
        """Nothing accepted is lost, every event is decided once by every sensor, runs once and does its step once."""
        for sender in self.senders:
            sender.end()
        [(events,)] = self.rows("SELECT count(*) FROM events")
        assert events >= len(self.accepted)
        decided = (
            "SELECT sensor, count(*), count(DISTINCT seq) FROM decisions GROUP BY 1 ORDER BY 1"
        )
        exact = [(sensor, events, events) for sensor in SENSORS]
        until(lambda: self.rows(decided) == exact, 40, f"{self.rows(decided)} of {events}")
        assert self.rows("SELECT DISTINCT outcome FROM decisions") == [("fired",)]
        done = "SELECT count(*) FROM runs WHERE phase = 'Succeeded'"
        until(lambda: self.rows(done) == [(events,)], 60, f"{self.rows(done)} of {events} ran")
        assert self.rows("SELECT count(*) FROM runs") == [(events,)]
        lines = Counter(self.ran.read_text().split())
        assert set(lines.values()) == {1}
        assert {str(n) for n in self.accepted} <= set(lines)
        assert len(lines) == events


def crash_and_stay_away(server: Any, load: Load) -> None:
    """Crash, at once back; then a crash after which it stays away for some seconds."""
    server.stop("immediate")
    server.start()
    load.flows("events are accepted after a crash")
    server.stop("immediate")
    accepted, refused = len(load.accepted), load.refused()
    time.sleep(AWAY_S)
    assert len(load.accepted) <= accepted + len(load.senders)
    assert load.refused() > refused + 10, "senders are answered, and told that it did not work"
    server.start()
    load.flows("events are accepted after an absence")


def cut_again_and_again(load: Load) -> None:
    for _ in range(CUTS):
        load.rows(CUT)
        load.flows("events are accepted after a cut")


@pytest.mark.parametrize("how", ["crash", "cut"])
def test_a_lone_engine_survives_its_database_with_exact_counts(
    tmp_path: Path, server: Any, started: list[Any], how: str
) -> None:
    url = _postgres().url_or_skip(server)
    port, ran = free_port(), tmp_path / "ran"
    head = Engine(tmp_path, "--database", url)
    started.append(head)
    head.write("load.yaml", SOURCE % port + SENSOR % {"n": 0} + SUBMITTING % ran)
    head.start()
    load = Load(Rows(url), port, ran)
    if how == "crash":
        crash_and_stay_away(server, load)
    else:
        cut_again_and_again(load)
    assert head.process is not None
    assert head.process.poll() is None
    load.end()
    assert head.stop() == 0


@pytest.mark.parametrize("how", ["crash", "cut"])
def test_a_fleet_survives_its_database_with_exact_counts(
    tmp_path: Path, server: Any, started: list[Any], how: str
) -> None:
    url = _postgres().url_or_skip(server)
    rows, port, ran = Rows(url), free_port(), tmp_path / "ran"
    head = engine(tmp_path, url)
    started.append(head)
    head.write("load.yaml", SOURCE % port + SENSOR % {"n": 0} + SUBMITTING % ran)
    head.start()
    workers = [SensorWorker(tmp_path / f"w{n}", url) for n in range(2)]
    started.extend(workers)
    until(lambda: all(held_by(rows, worker) for worker in workers), 30, "each holds a sensor")
    load = Load(rows, port, ran)
    if how == "crash":
        crash_and_stay_away(server, load)
    else:
        cut_again_and_again(load)
    assert head.process is not None
    assert head.process.poll() is None
    assert [worker.process.poll() for worker in workers] == [None, None]
    load.end()
    assert [worker.stop() for worker in workers] == [0, 0]
    assert head.stop() == 0
