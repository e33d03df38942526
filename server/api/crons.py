"""CronWorkflows with their status, and their switch."""

from typing import Any

from aiohttp import web

from server.api import applied, replies
from server.api.routes import Ask, Routes

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
