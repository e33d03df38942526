"""Messages that can be no event: kept aside, bounded, and never in the way of others."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bireme.kit.clock import SystemClock
from bireme.kit.errors import NotFound
from bireme.storage.ports import StorageUnavailable
from events import poison
from events.ports import Place, PoisonMessage, Surroundings
from events.streams import MOST_BYTES, Forwarder, body, event
from tests.servers.waiting import until

PLACE = Place("default", "hooks", "nsq", "orders")


class Days:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 26, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


def message(number: int = 1, raw: bytes = b"no json") -> PoisonMessage:
    return PoisonMessage("this is no JSON", {"offset": number}, raw)


async def test_what_comes_again_is_one_row_with_its_count(database: Any) -> None:
    shelf = poison.StoredPoison(database, SystemClock())
    for _ in range(3):
        await shelf.keep(PLACE, [message()])
    (found,) = await poison.listed(database, namespace="default", source="hooks")
    assert (found["times"], found["bytes"], found["place"]) == (3, 7, {"offset": 1})
    assert (await poison.find(database, found["id"]))["body"] == "no json"


async def test_of_a_large_body_only_the_beginning_is_kept(database: Any) -> None:
    await poison.StoredPoison(database, SystemClock()).keep(PLACE, [message(raw=b"\xff" * 10**6)])
    (found,) = await poison.listed(database)
    shown = await poison.find(database, found["id"])
    assert shown["bytes"] == 10**6
    assert base64.b64decode(shown["bodyBase64"]) == b"\xff" * poison.MOST_BYTES


async def test_the_oldest_go_beyond_the_bound_of_a_source_and_the_age(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poison, "MOST_EACH", 3)
    clock = Days()
    shelf = poison.StoredPoison(database, clock)  # type: ignore[arg-type]  # it only asks what day it is
    await shelf.keep(Place("default", "other", "nsq", "x"), [message(0)])
    for number in range(5):
        clock.at += timedelta(days=1)
        await shelf.keep(PLACE, [message(number)])
    assert [one["place"]["offset"] for one in await poison.listed(database)] == [0, 2, 3, 4]
    clock.at += timedelta(days=30)
    await shelf.keep(PLACE, [message(5)])
    assert [one["place"]["offset"] for one in await poison.listed(database)] == [4, 5]


async def test_what_is_discarded_is_gone(database: Any) -> None:
    await poison.StoredPoison(database, SystemClock()).keep(PLACE, [message()])
    (found,) = await poison.listed(database)
    await poison.discard(database, found["id"])
    with pytest.raises(NotFound):
        await poison.discard(database, found["id"])
    with pytest.raises(NotFound):
        await poison.find(database, found["id"])


async def test_a_forwarder_sets_aside_before_it_returns(bench: Any) -> None:
    """Then the source acknowledges: what the store could not keep would be lost."""
    kept: list[PoisonMessage] = []
    published: list[Any] = []

    async def set_aside(found: Any) -> None:
        assert published == []
        kept.extend(found)

    async def publish(events: Any) -> Any:
        published.extend(events)

    around = Surroundings(
        place=PLACE, clock=SystemClock(), ids=bench.bank._ids, secrets=bench.secrets,
        state=bench.bank._state, http=bench.listeners, set_aside=set_aside,
    )  # fmt: skip
    forward = Forwarder[bytes](
        around, lambda raw: event({"body": body(raw, True)}, None), lambda raw: {"size": len(raw)}
    )
    large = b'"' + b"x" * MOST_BYTES + b'"'
    assert await forward(publish, [b"{}", b"{", large]) == [b"{", large]  # type: ignore[arg-type]
    assert [one.where for one in kept] == [{"size": 1}, {"size": len(large)}]
    assert kept[1].reason == f"{len(large)} bytes, at most {MOST_BYTES} make an event"
    assert len(published) == 1


async def test_nothing_is_acknowledged_while_poison_cannot_be_kept(bench: Any) -> None:
    tries = 0

    class Full:
        async def keep(self, place: Place, found: Any) -> None:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise StorageUnavailable("the disk is full")

    bench.bank._poison = Full()
    await bench.apply({"calendar": {"tick": {"interval": "1h"}}})
    (inlet,) = bench.bank._inlets.values()
    await inlet._set_aside([message()])
    await until(lambda: tries == 3)
    assert bench.bank.status()[0].poison == 1
