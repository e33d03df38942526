"""Retention is not held up by sensors that have nothing to see, nor by sensors that are gone."""

from datetime import UTC, datetime
from pathlib import Path

from benchmarks.sensors import _event, _Nothing, sensor
from bireme.kit.clock import FixedClock
from bireme.kit.ids import CountedIds
from bireme.storage.open import open_database
from events.buses.sqlite import SqliteBus
from sensors.run import SensorBank
from sensors.surroundings import Surroundings


async def test_an_idle_and_a_removed_sensor_let_the_log_be_trimmed(tmp_path: Path) -> None:
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    database = await open_database(tmp_path / "log.db")
    around = Surroundings(clock, CountedIds(), _Nothing(), _Nothing(), database=database)
    bank = SensorBank(database, around)
    bus = SqliteBus(database, clock, bank.consume, pass_over=bank.pass_over)
    for number, source in enumerate(("idle", "gone")):
        bank.add(sensor(number, source))
    await bank.catch_up()
    bank.remove("default", "s1")
    for number in range(5):
        await bus.publish([_event(number)])
    await database.write(bank.pass_over)
    cursors = await database.read("SELECT consumer, position FROM cursors")
    await bank.close()
    await database.close()
    assert cursors == [("sensor:default/s0", 5)]
