"""Held firings, dead ones and failed events, as a person looks at them and decides."""

from copy import deepcopy
from typing import Any

import pytest

from tests.server.conftest import Running
from tests.server.test_api_events import APPLY, free_port, manifests, post
from tests.server.test_cli_engine import Terminal


async def apply(engine: Running, **template: Any) -> tuple[str, dict[str, Any]]:
    port = free_port()
    sensor, source = deepcopy(manifests(port))
    sensor["spec"]["triggers"][0]["template"].update(template)
    for manifest in (sensor, source):
        done = await engine.ask("POST", APPLY, {"manifest": manifest})
        assert done.status == 200, done
    return f"http://127.0.0.1:{port}/orders", sensor


async def test_held_firings_are_listed_shown_released_and_discarded(engine: Running) -> None:
    url, _ = await apply(engine, breaker={"max": 1, "per": "1h"})
    terminal = Terminal(engine)
    for number in (1, 2, 3):
        assert await post(url, number=number) == 200
    first, second = (item["id"] for item in await terminal.json("held", "list"))
    assert "held for review" in await terminal.says("held", "get", first)
    assert "2 held" in await terminal.says("sensors", "list")
    assert f"{first} released: pending" in await terminal.says("held", "release", first)
    await terminal.says("held", "discard", second)
    assert await terminal.json("held", "list") == []
    again = await terminal.type("held", "release", second)
    assert (again.exit_code, "is discarded" in again.stderr) == (1, True)
    assert "held go: more than 1 firings" in (await terminal.says("explain", "event", "3")).replace(
        "order ", ""
    )


async def test_a_decision_says_who_released_and_who_discarded(
    engine: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    url, _ = await apply(engine, breaker={"max": 1, "per": "1h"})
    terminal = Terminal(engine)
    for number in (1, 2, 3):
        await post(url, number=number)
    first, second = (item["id"] for item in await terminal.json("held", "list"))
    await terminal.says("held", "release", first)
    await terminal.says("held", "discard", second)
    assert "released by ada" in await terminal.says("held", "get", first)
    assert "discarded by ada" in await terminal.says("held", "get", second)


async def test_what_waits_under_which_key_is_shown(engine: Running) -> None:
    url, _ = await apply(engine, coalesce={"key": "body.state", "quiet": "1h"})
    await post(url, number=1)
    shown = await Terminal(engine).says("sensors", "get", "orders")
    assert "go coalesce key 'paid': event 1 of order" in shown
    assert "1 waiting" in shown


async def test_a_failed_event_is_listed_and_driven_again_once_the_sensor_is_right(
    engine: Running,
) -> None:
    url, sensor = await apply(engine, join={"key": "body.nope", "within": "1h"})
    terminal = Terminal(engine)
    await post(url, number=1)
    [failed] = await terminal.json("dlq", "list")
    assert failed["reason"] == "join.key: the event has nothing at 'body.nope'"
    assert "at sensor default/orders" in await terminal.says("dlq", "get", failed["id"])
    assert "error: join.key" in await terminal.says("dlq", "redrive", failed["id"])
    sensor["spec"]["triggers"][0]["template"]["join"]["key"] = "body.state"
    await engine.ask("POST", APPLY, {"manifest": sensor})
    assert "fired" in await terminal.says("dlq", "redrive", failed["id"])
    assert await terminal.json("dlq", "list") == []
    missing = await terminal.type("dlq", "get", failed["id"])
    assert (missing.exit_code, "there is no failed event" in missing.stderr) == (1, True)
