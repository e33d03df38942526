"""How workers share the sensors: pure, and played through with workers that die, hang and have wrong clocks."""

import random
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from sensors.sharing import Lease, Picture, Wishes, wishes

NONE: frozenset[str] = frozenset()
SENSORS = tuple(f"default/s{n}" for n in range(7))


def picture(held: dict[str, str], *alive: str) -> Picture:
    return Picture(frozenset(alive), {sensor: Lease(who, 1) for sensor, who in held.items()})


def test_one_worker_takes_everything_that_nobody_alive_holds() -> None:
    held = {"a": "", "b": "dead", "c": "me"}
    found = wishes(picture(held, "me"), "me", frozenset("abc"), NONE)
    assert set(found.take) == {"a", "b"}
    assert found.give == ()


def test_a_worker_takes_nothing_from_one_that_is_alive() -> None:
    held = dict.fromkeys("abcd", "other")
    assert wishes(picture(held, "me", "other"), "me", frozenset("abcd"), NONE) == Wishes()


def test_who_has_more_than_its_share_gives_back_what_is_not_busy_and_lets_the_rest_run_out() -> (
    None
):
    held = dict.fromkeys("abcd", "me")
    found = wishes(picture(held, "me", "new"), "me", frozenset("abcd"), NONE)
    assert len(found.give) == 2
    busy = frozenset(found.give[:1])
    again = wishes(picture(held, "me", "new"), "me", frozenset("abcd"), busy)
    assert (again.rest, again.give) == (found.give[:1], found.give[1:])


def test_a_sensor_whose_manifest_has_not_been_read_is_neither_taken_nor_kept() -> None:
    found = wishes(picture({"a": "", "b": "me"}, "me"), "me", NONE, NONE)
    assert found == Wishes(give=("b",))


@given(st.integers(0, 40), st.integers(1, 9))
def test_shares_add_up_to_the_whole_and_differ_by_one_at_most(sensors: int, workers: int) -> None:
    names = [f"w{n}" for n in range(workers)]
    known = frozenset(f"s{n}" for n in range(sensors))
    free = Picture(frozenset(names), dict.fromkeys(known, Lease("", 0)))
    wanted = [len(wishes(free, name, known, NONE).take) for name in names]
    assert sum(wanted) == sensors
    assert max(wanted) - min(wanted) <= 1


@dataclass
class Table:
    """The rows, and the only clock that counts. A commit is checked against them as `OfAWorker.check` does it."""

    now: float = 0.0
    until: dict[str, float] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=lambda: dict.fromkeys(SENSORS, Lease("", 0)))
    decided: list[tuple[str, int, str, int]] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SENSORS, 0))

    def alive(self) -> frozenset[str]:
        return frozenset(name for name, until in self.until.items() if until > self.now)


@dataclass
class Player:
    """A worker whose own clock is anything, and which may not notice for long that it has been given up."""

    name: str
    skew: float
    believes: dict[str, int] = field(default_factory=dict)
    wakes_at: float = 0.0

    def beat(self, table: Table) -> None:
        table.until[self.name] = table.now + 5
        seen = Picture(table.alive(), dict(table.leases))
        found = wishes(seen, self.name, frozenset(SENSORS), NONE)
        for sensor in found.give:
            table.leases[sensor] = Lease("", table.leases[sensor].epoch + 1)
        for sensor in found.take:
            if table.leases[sensor].worker not in table.alive():
                table.leases[sensor] = Lease(self.name, table.leases[sensor].epoch + 1)
        self.believes = {s: x.epoch for s, x in table.leases.items() if x.worker == self.name}

    def decide(self, table: Table, newest: int) -> None:
        for sensor, epoch in self.believes.items():
            if table.leases[sensor] != Lease(self.name, epoch):
                continue  # fenced off: the transaction is undone
            for seq in range(table.positions[sensor] + 1, newest + 1):
                table.decided.append((sensor, seq, self.name, epoch))
            table.positions[sensor] = newest


def play(seed: int) -> Table:
    """Half a minute of workers that hang for up to 20 s at any moment, with clocks hours apart; then calm."""
    chance = random.Random(seed)
    table = Table()
    players = [Player(f"w{n}", chance.uniform(-7200, 7200)) for n in range(4)]
    for step in range(400):
        table.now += 0.1
        player = chance.choice(players)
        if step < 300 and chance.random() < 0.02:
            player.wakes_at = table.now + chance.uniform(0, 20)
        if player.wakes_at <= table.now or step >= 320:
            chance.choice((player.beat, lambda t: None))(table)
            player.decide(table, step)
    for player in players * 2:
        player.beat(table)
    for player in players:
        player.decide(table, 400)
    return table


def test_no_event_is_decided_twice_or_left_out_by_workers_that_hang_and_whose_clocks_are_wrong() -> (
    None
):
    for seed in range(200):
        table = play(seed)
        decided = [(sensor, seq) for sensor, seq, _, _ in table.decided]
        assert len(decided) == len(set(decided)) == 400 * len(SENSORS), f"seed {seed}"


def test_in_the_end_every_sensor_is_held_by_a_fair_share_of_workers() -> None:
    for seed in range(200):
        held = [lease.worker for lease in play(seed).leases.values()]
        assert all(held), f"seed {seed}"
        assert sorted(held.count(f"w{n}") for n in range(4)) == [1, 2, 2, 2], f"seed {seed}"
