"""The archive of finished workflows, as Argo's API asks for it."""

import msgspec
from aiohttp import web

from controller.fields import Fields
from server.api import replies
from server.api.routes import Ask, Routes
from server.api.workflows import wanted

routes = Routes()
BASE = "/api/v1/archived-workflows"


@routes.add("GET", BASE, "list", "archivedworkflows")
async def list_(ask: Ask) -> web.StreamResponse:
    """By labels (the phase is one), name, start and end, page by page."""
    query = msgspec.structs.replace(wanted(ask), namespace=ask.query("namespace"))
    page = await ask.deck.controller.archive.search(query)
    metadata = {"continue": page.continue_, "remainingItemCount": page.remaining or None}
    answer = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowList",
        "metadata": {key: value for key, value in metadata.items() if value},
        "items": page.items,
    }
    return replies.reply(Fields(ask.query("fields")).clean(answer))


@routes.add("GET", BASE + "-label-keys", "list", "archivedworkflows")
async def label_keys(ask: Ask) -> web.StreamResponse:
    return replies.reply({"items": await ask.deck.controller.archive.label_keys()})


@routes.add("GET", BASE + "-label-values", "list", "archivedworkflows")
async def label_values(ask: Ask) -> web.StreamResponse:
    selector = ask.query("listOptions.labelSelector")
    return replies.reply({"items": await ask.deck.controller.archive.label_values(selector)})


@routes.add("GET", BASE + "/{uid}", "get", "archivedworkflows")
async def get(ask: Ask) -> web.StreamResponse:
    """By uid; with `name` and `namespace` in the query, and `-` for the uid, by name."""
    uid = ask.part("uid")
    found = await ask.deck.controller.archive.get(
        "" if uid == "-" else uid, ask.query("namespace"), ask.query("name")
    )
    return replies.reply(found)


@routes.add("DELETE", BASE + "/{uid}", "delete", "archivedworkflows")
async def delete(ask: Ask) -> web.StreamResponse:
    await ask.deck.controller.archive.delete(ask.part("uid"))
    return replies.reply({})


@routes.add("PUT", BASE + "/{uid}/{operation:retry|resubmit}", "operate", "archivedworkflows")
async def operate(ask: Ask) -> web.StreamResponse:
    options = {k: v for k, v in (await ask.body()).items() if k not in ("uid", "name", "namespace")}
    archive = ask.deck.controller.archive
    return replies.reply(await archive.operate(ask.part("uid"), ask.part("operation"), options))
