"""CronWorkflows with their status, and their switch."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from bireme.lang import cron_words
from controller import backfill, schedule
from controller.model import rfc3339
from server.api import applied, replies
from server.api.routes import Ask, BadRequest, Routes

routes = Routes()
BASE = "/api/v1/cron-workflows/{namespace}"


async def _with_status(ask: Ask, manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = manifest["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    found = await ask.deck.crons.get(namespace, name)
    upcoming = ask.deck.crons.preview(namespace, name, count=3)
    times = [at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in upcoming]
    return {**found, "status": {**(found.get("status") or {}), "nextScheduledTimes": times}}


applied.declare(routes, BASE, "cronworkflows", "CronWorkflow", "cronWorkflow", _with_status)


@routes.add("PUT", BASE + "/{name}/suspend", "suspend", "cronworkflows")
async def suspend(ask: Ask) -> web.StreamResponse:
    return replies.reply(await ask.deck.crons.suspend(ask.namespace, ask.part("name")))


@routes.add("PUT", BASE + "/{name}/resume", "resume", "cronworkflows")
async def resume(ask: Ask) -> web.StreamResponse:
    return replies.reply(await ask.deck.crons.resume(ask.namespace, ask.part("name")))


@routes.add("GET", BASE + "/{name}/preview", "get", "cronworkflows")
async def preview(ask: Ask) -> web.StreamResponse:
    """The next `count` moments (after `from`), and each schedule in words."""
    namespace, name = ask.namespace, ask.part("name")
    count = min(max(ask.number("count", 5), 1), 1000)
    after = _time(ask.query("from")) if ask.query("from") else None
    times = ask.deck.crons.preview(namespace, name, count, after)
    found = await ask.deck.crons.get(namespace, name)
    texts = schedule.timetable(found["spec"]).schedules
    return replies.reply(
        {"times": [rfc3339(at) for at in times], "words": [cron_words.words(t) for t in texts]}
    )


def _time(text: str) -> datetime:
    try:
        at = msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise BadRequest("query parameter from: expected a time as in RFC 3339") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@routes.add("POST", BASE + "/{name}/backfill", "backfill", "cronworkflows")
async def backfill_(ask: Ask) -> web.StreamResponse:
    asked = backfill.options(await ask.body())
    return replies.reply(await ask.deck.crons.backfill(ask.namespace, ask.part("name"), asked))
