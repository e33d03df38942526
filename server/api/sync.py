"""The limits of semaphores that manifests call by `database.key`, under Argo's paths; the list is ours."""

from typing import Any, Literal

import msgspec
from aiohttp import web

from server.api import replies
from server.api.routes import Ask, BadRequest, Routes

routes = Routes()
BASE = "/api/v1/sync/{namespace}"


class _Asked(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Argo's CreateSyncLimitRequest and UpdateSyncLimitRequest; namespace and key of the path win."""

    key: str = ""
    limit: int = 0
    type: Literal["", "CONFIG_MAP", "DATABASE"] = ""
    cm_name: str = ""
    namespace: str = ""


async def _asked(ask: Ask) -> _Asked:
    try:
        asked = msgspec.convert(await ask.body(), _Asked)
    except msgspec.ValidationError as error:
        raise BadRequest(f"the body: {error}") from error
    _check_type(asked.type, asked.cm_name)
    return asked


def _check_type(kind: str, config_map: str) -> None:
    """Argo leaves out the type CONFIG_MAP, which is its default, and then names the map."""
    if kind == "DATABASE" or not (kind or config_map):
        return
    if kind in ("", "CONFIG_MAP"):
        raise BadRequest(
            "type: found CONFIG_MAP, expected DATABASE; a limit in a config map is changed by applying its manifest"
        )
    raise BadRequest(f"type: found '{kind}', expected DATABASE")


def _shown(namespace: str, key: str, size: int) -> dict[str, Any]:
    return {"namespace": namespace, "key": key, "limit": size, "type": "DATABASE"}


@routes.add("GET", BASE, "list", "synclimits")
async def list_(ask: Ask) -> web.StreamResponse:
    kept = ask.deck.controller.sync_limits.list(ask.namespace)
    return replies.reply({"items": [_shown(*at, size) for at, size in kept.items()]})


@routes.add("POST", BASE, "create", "synclimits")
async def create(ask: Ask) -> web.StreamResponse:
    asked = await _asked(ask)
    await ask.deck.controller.sync_limits.create(ask.namespace, asked.key, asked.limit)
    return replies.reply(_shown(ask.namespace, asked.key, asked.limit))


@routes.add("GET", BASE + "/{key}", "get", "synclimits")
async def get(ask: Ask) -> web.StreamResponse:
    _check_type(ask.query("type"), ask.query("cmName"))
    key = ask.part("key")
    size = ask.deck.controller.sync_limits.get(ask.namespace, key)
    return replies.reply(_shown(ask.namespace, key, size))


@routes.add("PUT", BASE + "/{key}", "update", "synclimits")
async def update(ask: Ask) -> web.StreamResponse:
    asked, key = await _asked(ask), ask.part("key")
    await ask.deck.controller.sync_limits.update(ask.namespace, key, asked.limit)
    return replies.reply(_shown(ask.namespace, key, asked.limit))


@routes.add("DELETE", BASE + "/{key}", "delete", "synclimits")
async def delete(ask: Ask) -> web.StreamResponse:
    _check_type(ask.query("type"), ask.query("cmName"))
    await ask.deck.controller.sync_limits.delete(ask.namespace, ask.part("key"))
    return replies.reply({})
