"""EventSources with the state of each of their events, and Sensors with what keeps their triggers from firing."""

from typing import Any

import msgspec
from aiohttp import web

from events import rewind
from server.api import applied, replies
from server.api.routes import Ask, Routes

routes = Routes()


async def _with_state(ask: Ask, manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = manifest["metadata"]
    events = [
        msgspec.to_builtins(status)
        for status in ask.deck.sources.status()
        if (status.namespace, status.name) == (metadata["namespace"], metadata["name"])
    ]
    faulty = next((e["state"] for e in events if e["state"] != "listening"), "listening")
    return {**manifest, "status": {"state": faulty, "events": events}}


async def _with_problems(ask: Ask, manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = manifest["metadata"]
    problems = ask.deck.sensors.problems(metadata["namespace"], metadata["name"])
    return {**manifest, "status": {"problems": problems}} if problems else manifest


applied.declare(
    routes,
    "/api/v1/event-sources/{namespace}",
    "eventsources",
    "EventSource",
    "eventSource",
    _with_state,
)
applied.declare(
    routes, "/api/v1/sensors/{namespace}", "sensors", "Sensor", "sensor", _with_problems
)


@routes.add("PUT", "/api/v1/event-sources/{namespace}/{name}/rewind", "rewind", "eventsources")
async def rewind_source(ask: Ask) -> web.StreamResponse:
    """`{"event": …, "to": "beginning" | "OFFSET" | "TIME"}`: the source reads again from there."""
    body = await ask.body()
    to = rewind.parse(str(body.get("to") or ""))
    subject = str(body.get("event") or "")
    await ask.deck.sources.rewind(ask.part("namespace"), ask.part("name"), subject, to)
    return replies.reply({})
