"""Joins against a model that looks at all events at once, for any events, times and conditions."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from bireme.lang import conditions
from tests.sensors.test_joins_and_gathering import Player, event, join, sensor

WITHIN = 10
CONDITIONS = ("a && b", "a && (b || c)", "a && b && c", "(a && b) || c")
Given = list[tuple[int, str, str]]
Set = frozenset[tuple[str, int]]

moments = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from("abc"), st.sampled_from("xy")), max_size=14
)


def arrivals(steps: Given) -> list[tuple[int, int, str, str]]:
    """(seq, moment, dependency, key): the first number of each step is the time since the one before."""
    at, found = 0, []
    for seq, (later, name, key) in enumerate(steps, 1):
        at += later
        found.append((seq, at, name, key))
    return found


@dataclass
class Model:
    """One key, by brute force: windows are cut first, then each is looked at as a whole."""

    text: str
    mode: str
    fired: set[Set] = field(default_factory=set)
    expired: set[int] = field(default_factory=set)

    def play(self, events: list[tuple[int, int, str]]) -> None:
        test = conditions.compile(self.text, ("a", "b", "c"))
        mine = [item for item in events if item[2] in test.names]
        if self.mode == "zip":
            self._zip(mine, test)
            return
        while mine:
            opened = mine[0][1]
            window = [item for item in mine if item[1] < opened + WITHIN]
            mine = mine[len(window) :]
            self._window(window, test)

    def _window(self, window: list[tuple[int, int, str]], test: conditions.Condition) -> None:
        if self.mode == "all":
            if test.evaluate({name for _, _, name in window}):
                self.fired.add(frozenset((name, seq) for seq, _, name in window))
            else:
                self.expired |= {seq for seq, _, _ in window}
            return
        for end in range(1, len(window) + 1):
            chosen: dict[str, int] = {}
            for seq, _, name in window[:end]:
                if self.mode == "latest" or name not in chosen:
                    chosen[name] = seq
            if test.evaluate(set(chosen)):
                self.fired.add(frozenset(chosen.items()))
                return
        self.expired |= set(chosen.values())

    def _zip(self, events: list[tuple[int, int, str]], test: conditions.Condition) -> None:
        queues: dict[str, list[tuple[int, int]]] = {}
        for seq, at, name in events:
            for waiting in queues.values():
                while waiting and waiting[0][1] + WITHIN <= at:
                    self.expired.add(waiting.pop(0)[0])
            queues.setdefault(name, []).append((seq, at))
            here = {n for n, waiting in queues.items() if waiting}
            if test.evaluate(here):
                self.fired.add(frozenset((n, queues[n].pop(0)[0]) for n in here))
        self.expired |= {seq for waiting in queues.values() for seq, _ in waiting}


@settings(max_examples=400, deadline=None)
@given(
    moments,
    st.sampled_from(CONDITIONS),
    st.sampled_from(("latest", "first", "all", "zip")),
    st.booleans(),
)
def test_a_join_fires_and_expires_what_a_look_at_everything_would(
    steps: Given, text: str, mode: str, timers_ring: bool
) -> None:
    given = arrivals(steps)
    play = Player(sensor(text, names="a b c", join=join(mode=mode, within=f"{WITHIN}s")))
    for seq, at, name, key in given:
        if timers_ring:
            play.until(at)
        play.event(at, event(seq, name, key))
    end = given[-1][1] if given else 0
    for later in range(end, end + 2 * WITHIN + 2):
        play.until(later)
    fired, expired = set(), set()
    for key in "xy":
        model = Model(text, mode)
        model.play([(seq, at, name) for seq, at, name, k in given if k == key])
        fired |= model.fired
        expired |= model.expired
    found = {}
    for decision in play.decisions:
        if decision.outcome == "fired":
            found.setdefault(decision.firing, set()).add((decision.dependency, decision.seq))
    assert {frozenset(members) for members in found.values()} == fired
    assert {d.seq for d in play.decisions if d.outcome == "expired"} == expired
    assert play.cells == {}


@settings(max_examples=200, deadline=None)
@given(moments, st.integers(2, 6), st.booleans())
def test_gathering_loses_nothing_and_gives_nothing_twice(
    steps: Given, most: int, timers_ring: bool
) -> None:
    wish = {"key": "body.key", "quiet": "5s", "max": "12s", "maxEvents": most}
    play = Player(sensor("a || b", names="a b c", coalesce=wish))
    given = [item for item in arrivals(steps) if item[2] != "c"]
    for seq, at, name, key in given:
        if timers_ring:
            play.until(at)
        play.event(at, event(seq, name, key))
    play.until(10_000)
    fired = [d for d in play.decisions if d.outcome == "fired"]
    assert sorted(d.seq for d in fired) == [seq for seq, _, _, _ in given]
    for fire in play.fires:
        members = [d.seq for d in fired if d.firing == fire.id]
        assert len(members) <= most
        times = sorted(at for seq, at, _, _ in given if seq in members)
        assert times[-1] - times[0] <= 12
        assert len({key for seq, _, _, key in given if seq in members}) == 1
