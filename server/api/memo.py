"""The cache of memoized steps. Cache and key stand in the query: what is left out is said by leaving it out."""

from aiohttp import web

from bireme.kit.errors import NotFound
from server.api import replies
from server.api.routes import Ask, BadRequest, Routes

routes = Routes()
BASE = "/api/v1/bireme/memo/{namespace}"


@routes.add("GET", BASE, "list", "memo")
async def list_(ask: Ask) -> web.StreamResponse:
    """The entries of the namespace, or of its `cache`, without their outputs; at most `limit`."""
    limit = min(max(ask.number("limit", 500), 1), 10_000)
    found = await ask.deck.controller.memo.list(ask.namespace, ask.query("cache"), limit=limit)
    return replies.reply({"items": found})


@routes.add("GET", BASE + "/entry", "get", "memo")
async def get(ask: Ask) -> web.StreamResponse:
    """The entry of `cache` under `key`, with its outputs."""
    cache, key = ask.query("cache"), ask.query("key")
    found = await ask.deck.controller.memo.get(ask.namespace, cache, key)
    if found is None:
        raise NotFound(f'cache "{cache}" of namespace {ask.namespace} has no entry "{key}"')
    return replies.reply(found)


@routes.add("DELETE", BASE, "delete", "memo")
async def clear(ask: Ask) -> web.StreamResponse:
    """Forget the entry of `cache` under `key`; without `key` the cache, without both all of the namespace."""
    _check_is_meant(ask)
    count = await ask.deck.controller.memo.clear(
        ask.namespace, ask.query("cache"), ask.query("key")
    )
    return replies.reply({"cleared": count})


def _check_is_meant(ask: Ask) -> None:
    """A name that came out empty, or a missing one, must not clear more than was meant."""
    if not ask.namespace:
        raise BadRequest("name one namespace: the caches of all of them are not cleared at once")
    given = ask.request.query
    for name in ("cache", "key"):
        if name in given and not given[name]:
            raise BadRequest(f"query parameter {name}: found nothing; leave it out to clear more")
    if "key" in given and "cache" not in given:
        raise BadRequest("query parameter key: name its cache too")
