"""Messages that could be no event, as a person finds and discards them."""

from typing import Any

from events.poison import StoredPoison
from events.ports import Place, PoisonMessage
from tests.server.conftest import Running
from tests.server.test_cli_engine import Terminal


async def test_poison_is_listed_shown_and_discarded(engine: Running) -> None:
    shelf = StoredPoison(engine.deck.database, engine.deck.clock)
    place = Place("default", "orders", "kafka", "message")
    where: dict[str, Any] = {"topic": "orders", "offset": 7}
    await shelf.keep(place, [PoisonMessage("this is no JSON", where, b"{oops")])
    terminal = Terminal(engine)
    listed = await terminal.says("events", "list", "--poison", "--source", "orders")
    for word in ("orders", "message", "offset=7 topic=orders", "this is no JSON"):
        assert word in listed
    (one,) = await terminal.json("events", "list", "--poison")
    assert (one["bytes"], one["times"], one["kind"]) == (5, 1, "kafka")
    assert "body: '{oops'" in await terminal.says("events", "get", one["id"])
    assert f"{one['id']} discarded" in await terminal.says("events", "discard", one["id"])
    assert await terminal.json("events", "list", "--poison") == []
    again = await terminal.type("events", "discard", one["id"])
    assert (again.exit_code, "there is no poison message" in again.stderr) == (1, True)


async def test_poison_of_another_namespace_is_not_listed(engine: Running) -> None:
    shelf = StoredPoison(engine.deck.database, engine.deck.clock)
    place = Place("other", "orders", "kafka", "message")
    await shelf.keep(place, [PoisonMessage("this is no JSON", {}, b"{oops")])
    assert await Terminal(engine).json("events", "list", "--poison") == []
