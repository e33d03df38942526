"""Joins, coalescing, concurrency and the breaker in the evaluator: one event or moment after the other."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from events.model import Event
from sensors import compile
from sensors.cells import Address, MemoryCells
from sensors.evaluate import step, tick
from sensors.model import Decision, Fire, SensorState, Step

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
Moment = tuple[float, Event | None]


def sensor(conditions: str = "", names: str = "a b", **template: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "s", "uid": "u"},
        "spec": {
            "dependencies": [
                {"name": name, "eventSourceName": "src", "eventName": name}
                for name in names.split()
            ],
            "triggers": [
                {"template": {"name": "t", "conditions": conditions, "log": {}, **template}}
            ],
        },
    }


def event(seq: int, subject: str, key: Any = "k", id: str = "", **more: Any) -> Event:
    return Event(
        id=id or f"e{seq}", namespace="default", source="src", subject=subject, type="webhook",
        time=NOW, data=json.dumps({"body": {"key": key, "n": seq, **more}}).encode(), seq=seq,
    )  # fmt: skip


class Player:
    """Plays events and moments; keeps what an outbox would know."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.firings: set[str] = set()
        self.over: set[str] = set()
        self.state = SensorState(cells=MemoryCells({}, self.firings, self.over))
        self.steps: list[Step] = []
        self.edit(raw)

    def edit(self, raw: dict[str, Any]) -> None:
        self.sensor = compile.sensor(raw)
        assert not self.sensor.broken, self.sensor.broken

    def event(self, at: float, what: Event) -> Step:
        return self._keep(step(self.sensor, self.state, what, NOW + timedelta(seconds=at)))

    def until(self, at: float) -> list[Step]:
        """Every timer that is due by then, each once."""
        made = []
        for address in sorted(self.cells, key=lambda a: (self.cells[a].due_at, a)):
            if self.cells[address].due_at <= (NOW + timedelta(seconds=at)).timestamp():
                now = NOW + timedelta(seconds=at)
                made.append(self._keep(tick(self.sensor, self.state, address, now)))
        return made

    @property
    def cells(self) -> dict[Address, Any]:
        kept: Any = self.state.cells
        return dict(kept.cells)

    @property
    def fires(self) -> list[Fire]:
        return [fire for each in self.steps for fire in each.fires]

    @property
    def decisions(self) -> list[Decision]:
        return [decision for each in self.steps for decision in each.decisions]

    def outcomes(self) -> list[tuple[int, str]]:
        return [(decision.seq, decision.outcome) for decision in self.decisions]

    def _keep(self, made: Step) -> Step:
        self.state = made.state
        self.steps.append(made)
        self.firings |= {fire.id for fire in made.fires}
        return made


def join(**more: Any) -> dict[str, Any]:
    return {"key": "body.key", "within": "2h", **more}


def ids(fires: Sequence[Fire]) -> list[dict[str, str]]:
    return [{name: e.id for name, e in fire.events.items()} for fire in fires]


def test_only_events_of_the_same_key_belong_together() -> None:
    play = Player(sensor(join=join()))
    play.event(0, event(1, "a", "mon"))
    play.event(1, event(2, "b", "tue"))
    assert play.fires == []
    play.event(2, event(3, "b", "mon"))
    assert ids(play.fires) == [{"a": "e1", "b": "e3"}]
    assert play.decisions[-1].reason == "'a && b' holds for key 'mon'"


def test_a_key_fires_once_in_its_window_and_again_in_the_next() -> None:
    play = Player(sensor(join=join()))
    for seq, name in ((1, "a"), (2, "b"), (3, "a"), (4, "b")):
        play.event(seq, event(seq, name))
    assert len(play.fires) == 1
    assert [o for _, o in play.outcomes()][-2:] == ["deduplicated", "deduplicated"]
    play.event(7300, event(5, "a"))
    play.event(7301, event(6, "b"))
    assert ids(play.fires) == [{"a": "e1", "b": "e2"}, {"a": "e5", "b": "e6"}]


def test_a_missing_partner_is_told_by_name_when_the_window_ends() -> None:
    play = Player(sensor(join=join()))
    play.event(0, event(1, "a"))
    assert play.until(7199) == []
    play.until(7200)
    [*_, last] = play.decisions
    assert (last.seq, last.outcome, last.dependency) == (1, "expired", "a")
    assert "nothing came from b for key 'k' within 7200 s" in last.reason
    assert json.loads(last.detail)["missing"] == ["b"]
    assert play.cells == {}


def test_an_event_that_comes_after_its_window_does_not_meet_the_old_partner_although_the_timer_is_late() -> (
    None
):
    play = Player(sensor(join=join()))
    play.event(0, event(1, "a"))
    play.event(8000, event(2, "b"))
    assert play.fires == []
    assert play.outcomes() == [(1, "waiting"), (1, "expired"), (2, "waiting")]


def test_on_timeout_fire_partial_fires_with_what_is_there() -> None:
    play = Player(sensor(join=join(onTimeout="fire-partial")))
    play.event(0, event(1, "a"))
    play.until(7200)
    assert ids(play.fires) == [{"a": "e1"}]
    assert play.outcomes() == [(1, "waiting"), (1, "expired"), (1, "fired")]


def test_on_timeout_dead_letter_is_a_firing_that_is_dead_from_the_start() -> None:
    play = Player(sensor(join=join(onTimeout="dead-letter")))
    play.event(0, event(1, "a"))
    play.until(7200)
    [fire] = play.fires
    assert (fire.status, "nothing came from b" in fire.reason) == ("dead", True)


def test_latest_keeps_the_newest_and_first_the_oldest_event() -> None:
    for mode, kept in (("latest", "e2"), ("first", "e1")):
        play = Player(sensor(join=join(mode=mode)))
        for seq, name in ((1, "a"), (2, "a"), (3, "b")):
            play.event(seq, event(seq, name))
        assert ids(play.fires) == [{"a": kept, "b": "e3"}]
        assert ((1 if kept == "e2" else 2), "superseded") in play.outcomes()


def test_all_fires_at_the_end_of_the_window_with_every_event() -> None:
    play = Player(sensor(join=join(mode="all")))
    for seq, name in ((1, "a"), (2, "b"), (3, "a")):
        play.event(seq, event(seq, name))
    assert play.fires == []
    play.until(7201)
    [fire] = play.fires
    body = json.loads(fire.events["a"].data)
    assert [item["body"]["n"] for item in body["events"]] == [1, 3]
    assert body["body"]["n"] == 3
    assert [seq for seq, outcome in play.outcomes() if outcome == "fired"] == [1, 3, 2]


def test_zip_pairs_in_order_and_expires_each_event_by_its_own_age() -> None:
    play = Player(sensor(join=join(mode="zip", within="10s")))
    for at, name in ((1, "a"), (2, "a"), (3, "b"), (5, "a")):
        play.event(at, event(at, name))
    assert ids(play.fires) == [{"a": "e1", "b": "e3"}]
    play.until(12)
    assert play.outcomes()[-1] == (2, "expired")
    play.event(13, event(13, "b"))
    assert ids(play.fires)[-1] == {"a": "e5", "b": "e13"}


def test_each_dependency_may_have_a_key_of_its_own_and_a_key_may_be_an_expression() -> None:
    key = {"a": "body.key", "b": '{{= split(body.file, ".")[0] }}'}
    play = Player(sensor(join={"key": key, "within": "1h"}))
    play.event(0, event(1, "a", "2026-01-01"))
    play.event(1, event(2, "b", file="2026-01-01.csv"))
    assert ids(play.fires) == [{"a": "e1", "b": "e2"}]


def test_an_event_without_key_is_an_error_and_not_a_mismatch() -> None:
    play = Player(sensor(join=join(key="body.nope")))
    play.event(0, event(1, "a"))
    [decision] = play.decisions
    assert decision.outcome == "error"
    assert decision.reason == "join.key: the event has nothing at 'body.nope'"
    assert decision.path == "spec.triggers[0].template.join.key"


def test_the_same_event_twice_waits_once() -> None:
    play = Player(sensor(join=join()))
    play.event(0, event(1, "a", id="x"))
    play.event(1, event(2, "a", id="x"))
    assert play.outcomes() == [(1, "waiting"), (2, "deduplicated")]


def test_an_edit_expires_what_waited_under_the_old_definition_and_only_that() -> None:
    play = Player(sensor(join=join(), names="a b c"))
    play.event(0, event(1, "a"))
    play.event(1, event(2, "b"))
    raw = sensor(join=join(), names="a b c")
    raw["spec"]["dependencies"][0]["filters"] = {"data": []}
    play.edit(raw)
    play.event(2, event(3, "c"))
    assert play.outcomes()[2:] == [(1, "expired"), (3, "waiting")]
    play.event(3, event(4, "a"))
    assert ids(play.fires) == [{"a": "e4", "b": "e2", "c": "e3"}]


def test_a_join_taken_out_expires_what_waits_when_its_timer_rings() -> None:
    play = Player(sensor(join=join()))
    play.event(0, event(1, "a"))
    play.edit(sensor())
    play.until(7200)
    assert play.outcomes()[-1] == (1, "expired")
    assert play.cells == {}


def test_a_clock_set_back_does_not_keep_a_window_open_for_longer() -> None:
    play = Player(sensor(join=join(mode="all", within="10s")))
    play.event(1000, event(1, "a"))
    play.event(0, event(2, "b"))
    play.until(10)
    assert len(play.fires) == 1


def test_two_hundred_events_make_one_firing_that_has_them_all() -> None:
    play = Player(sensor(names="a", coalesce={"quiet": "30s"}))
    for seq in range(1, 201):
        play.event(seq * 0.1, event(seq, "a"))
    assert play.fires == []
    play.until(60)
    [fire] = play.fires
    numbers = [item["body"]["n"] for item in json.loads(fire.events["a"].data)["events"]]
    assert numbers == list(range(1, 201))
    assert sum(outcome == "fired" for _, outcome in play.outcomes()) == 200


def test_gathering_ends_when_quiet_at_the_latest_moment_or_when_full() -> None:
    cases: dict[str, tuple[dict[str, Any], list[float], int]] = {
        "quiet": ({"quiet": "5s"}, [0, 4, 8], 1),
        "max": ({"quiet": "5s", "max": "8s"}, [0, 4, 7.5], 1),
        "full": ({"quiet": "5s", "maxEvents": 2}, [0, 1], 1),
        "two batches": ({"quiet": "5s", "maxEvents": 2}, [0, 1, 2], 2),
    }
    for name, (wish, moments, firings) in cases.items():
        play = Player(sensor(names="a", coalesce=wish))
        for seq, at in enumerate(moments, 1):
            play.event(at, event(seq, "a"))
        assert len(play.fires) < firings or name in ("full",), name
        play.until(moments[-1] + (0.6 if name == "max" else 5))
        assert len(play.fires) == firings, name


def test_deliver_last_and_first_give_one_event() -> None:
    for deliver, kept in (("last", "e2"), ("first", "e1")):
        play = Player(sensor(names="a", coalesce={"quiet": "5s", "deliver": deliver}))
        play.event(0, event(1, "a"))
        play.event(1, event(2, "a"))
        play.until(7)
        assert ids(play.fires) == [{"a": kept}]


def test_keys_are_gathered_apart() -> None:
    play = Player(sensor(names="a", coalesce={"quiet": "5s", "key": "body.key"}))
    for seq, key in enumerate("xyxy", 1):
        play.event(seq, event(seq, "a", key))
    play.until(20)
    assert len(play.fires) == 2


def test_joined_sets_can_be_gathered() -> None:
    play = Player(sensor(join=join(mode="zip"), coalesce={"quiet": "5s"}))
    for seq, name in enumerate("abab", 1):
        play.event(seq, event(seq, name))
    play.until(20)
    [fire] = play.fires
    for name, numbers in (("a", [1, 3]), ("b", [2, 4])):
        body = json.loads(fire.events[name].data)
        assert [item["body"]["n"] for item in body["events"]] == numbers


def concurrency(**more: Any) -> dict[str, Any]:
    return sensor(names="a", concurrency={"key": "body.key", **more})


def test_a_queued_firing_starts_when_the_run_before_it_has_ended() -> None:
    play = Player(concurrency())
    first, second = (play.event(seq, event(seq, "a")).fires[0] for seq in (1, 2))
    assert (first.status, second.status) == ("pending", "queued")
    assert play.until(8)[-1].starts == ()
    play.over.add(first.id)
    assert play.until(20)[-1].starts == (second.id,)
    assert play.decisions[-1].firing == second.id


def test_a_new_push_replaces_the_run_of_its_branch_only() -> None:
    play = Player(concurrency(onConflict="replace"))
    old = play.event(1, event(1, "a", "main")).fires[0]
    other = play.event(2, event(2, "a", "dev"))
    new = play.event(3, event(3, "a", "main"))
    assert other.ends == ()
    [ended] = new.ends
    assert (ended.id, ended.by) == (old.id, new.fires[0].id)
    superseded = new.decisions[0]
    assert (superseded.seq, superseded.outcome, superseded.firing) == (1, "superseded", old.id)
    assert json.loads(superseded.detail)["by"] == new.fires[0].id


def test_drop_is_a_decision_and_no_firing() -> None:
    play = Player(concurrency(onConflict="drop"))
    play.event(1, event(1, "a"))
    made = play.event(2, event(2, "a"))
    assert (made.fires, made.decisions[0].outcome) == ((), "dropped")
    assert "1 of 1 slots of key 'k' are taken" in made.decisions[0].reason


def test_a_repeated_event_replaces_nothing() -> None:
    play = Player(concurrency(onConflict="replace"))
    play.event(1, event(1, "a", id="x"))
    made = play.event(2, event(2, "a", id="x"))
    assert (made.ends, made.fires, made.decisions[0].outcome) == ((), (), "deduplicated")


def test_a_limit_taken_out_starts_all_that_wait() -> None:
    play = Player(concurrency())
    for seq in (1, 2, 3):
        play.event(seq, event(seq, "a"))
    play.edit(sensor(names="a"))
    assert len(play.until(20)[-1].starts) == 2


def test_firings_beyond_the_budget_are_held_until_the_span_is_over() -> None:
    play = Player(sensor(names="a", breaker={"max": 2, "per": "1m"}))
    for seq in range(1, 5):
        play.event(seq, event(seq, "a"))
    assert [fire.status for fire in play.fires] == ["pending", "pending", "held", "held"]
    assert play.outcomes()[-1] == (4, "held")
    play.event(62, event(5, "a"))
    assert play.fires[-1].status == "pending"


def test_what_cannot_work_is_a_broken_trigger_that_says_so() -> None:
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "no window": ({"join": {"key": "k"}}, "join.within is missing"),
        "no time": ({"coalesce": {"key": "k"}}, "coalesce needs quiet or max"),
        "a typo": ({"join": {"key": "k", "withn": "2h"}}, "withn"),
        "a mode": ({"join": {"within": "2h", "mode": "some"}}, "Invalid enum value 'some'"),
        "a key too few": ({"join": {"key": {"a": "x"}, "within": "1h"}}, "join.key lacks b"),
        "no budget": ({"breaker": {"per": "1m"}}, "breaker needs max above 0"),
        "no slot": ({"concurrency": {"limit": 0}}, "concurrency.limit is 0"),
        "an expression": ({"join": {"key": "{{= a + }}", "within": "1h"}}, "join.key"),
    }
    for name, (template, said) in cases.items():
        [rule] = compile.sensor(sensor(**template)).broken
        assert said in rule.broken, name
