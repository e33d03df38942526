"""What waits for people: held firings, dead firings, events that could not be evaluated; and what a sensor keeps."""

from typing import Any

from aiohttp import web

from bireme.kit.errors import NotFound
from sensors import account, cell_store, pages, quarantine
from sensors import store as decided
from server.api import replies
from server.api.routes import Ask, Routes

routes = Routes()
BASE = "/api/v1/bireme"


@routes.add("GET", BASE + "/firings/{firing}", "get", "firings")
async def firing(ask: Ask) -> web.StreamResponse:
    """A firing, why it came to be, and what came of it."""
    return replies.reply(await account.firing(ask.deck.database, ask.part("firing")))


@routes.add("PUT", BASE + "/firings/{firing}/redrive", "redrive", "firings")
async def redrive(ask: Ask) -> web.StreamResponse:
    await ask.deck.sensors.redrive(ask.part("firing"))
    return replies.reply({})


@routes.add("PUT", BASE + "/firings/{firing}/release", "release", "firings")
async def release(ask: Ask) -> web.StreamResponse:
    status = await ask.deck.sensors.review.release(ask.part("firing"), ask.query("by"))
    return replies.reply({"status": status})


@routes.add("PUT", BASE + "/firings/{firing}/discard", "discard", "firings")
async def discard(ask: Ask) -> web.StreamResponse:
    await ask.deck.sensors.review.discard(ask.part("firing"), ask.query("by"))
    return replies.reply({})


@routes.add("GET", BASE + "/quarantine", "list", "quarantine")
async def failed(ask: Ask) -> web.StreamResponse:
    """Events that could not be evaluated, newest first, by pages."""
    limit = max(1, min(ask.number("limit", 200), 1000))
    found = await quarantine.listed(
        ask.deck.database,
        namespace=ask.query("namespace"),
        sensor=ask.query("sensor"),
        after=pages.mark(ask.query("continue")),
        limit=limit + 1,
    )
    return replies.reply(pages.answer(found, limit))


@routes.add("GET", BASE + "/quarantine/{failed}", "get", "quarantine")
async def one_failed(ask: Ask) -> web.StreamResponse:
    found = await quarantine.listed(ask.deck.database, id=ask.part("failed"))
    if not found:
        raise NotFound(f"there is no failed event {ask.part('failed')}")
    return replies.reply(found[0])


@routes.add("PUT", BASE + "/quarantine/{failed}/redrive", "redrive", "quarantine")
async def try_again(ask: Ask) -> web.StreamResponse:
    """Evaluate the event anew; how each dependency and trigger decided."""
    made = await ask.deck.sensors.review.redrive(ask.part("failed"))
    outcomes = [
        {"outcome": d.outcome, "reason": d.reason, "trigger": d.trigger, "dependency": d.dependency}
        for d in made
    ]
    return replies.reply({"decisions": outcomes})


@routes.add("PUT", BASE + "/quarantine/{failed}/discard", "discard", "quarantine")
async def throw_away(ask: Ask) -> web.StreamResponse:
    await ask.deck.sensors.review.discard(ask.part("failed"), ask.query("by"))
    return replies.reply({})


@routes.add("GET", BASE + "/sensor-counts/{namespace}", "list", "sensors")
async def counts(ask: Ask) -> web.StreamResponse:
    """How many firings of each status, failed events and waiting keys each sensor has."""
    return replies.reply({"sensors": await account.counts(ask.deck.database, ask.namespace)})


@routes.add("GET", BASE + "/sensor-state/{namespace}/{name}", "get", "sensors")
async def state(ask: Ask) -> web.StreamResponse:
    """What a sensor has waiting: partial conditions, and what is kept by key, the next due first."""
    namespace, name = ask.namespace, ask.part("name")
    ask.deck.objects.get("Sensor", namespace, name)
    key = f"{namespace}/{name}"
    found: dict[str, Any] = {
        "conditions": await account.partial(ask.deck.database, key),
        "keys": await cell_store.of_sensor(ask.deck.database, key),
        "held": await decided.firings(
            ask.deck.database, namespace=namespace, sensor=name, status="held"
        ),
        "failed": await quarantine.listed(ask.deck.database, namespace=namespace, sensor=name),
        "counts": (await account.counts(ask.deck.database, namespace)).get(key, {}),
    }
    return replies.reply(found)
