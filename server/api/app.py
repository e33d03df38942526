"""The web application: declared routes behind one door. What is not declared does not exist."""

import hmac
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from bireme.kit.errors import BiremeError
from server.api import (
    archived,
    artifacts,
    crons,
    events,
    health,
    info,
    memo,
    own,
    replies,
    review,
    sources_and_sensors,
    sync,
    templates,
    workflows,
)
from server.api.routes import DECK, Ask, Route
from server.deck import Deck

log = structlog.get_logger(__name__)

MODULES = (
    workflows,
    artifacts,
    archived,
    templates,
    crons,
    sources_and_sensors,
    events,
    info,
    own,
    review,
    memo,
    sync,
    health,
)
Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


def declared() -> list[Route]:
    """Every route there is."""
    return [route for module in MODULES for route in module.routes.declared]


def build(deck: Deck, *, token: str, max_body_bytes: int) -> web.Application:
    """The application. Every route but the public ones asks for `Authorization: Bearer <token>`."""
    app = web.Application(client_max_size=max_body_bytes, middlewares=[_errors, _door(token)])
    app[DECK] = deck
    for route in declared():
        app.router.add_route(route.method, route.path, partial(_serve, route))
    return app


async def _serve(route: Route, request: web.Request) -> web.StreamResponse:
    return await route.handler(Ask(request, request.app[DECK]))


def _door(token: str) -> Middleware:
    expected = token.encode()
    public = frozenset(route.path for route in declared() if route.public)

    @web.middleware
    async def door(request: web.Request, handler: Next) -> web.StreamResponse:
        """Unknown paths are behind the door too: a stranger learns nothing about what exists."""
        resource = request.match_info.route.resource
        is_public = resource is not None and resource.canonical in public
        if not is_public and not _knows(request, expected):
            response = replies.failure(
                replies.UNAUTHENTICATED,
                "token not valid: send the header 'Authorization: Bearer TOKEN'"
                " (the engine keeps its token in its data directory)",
            )
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        return await handler(request)

    return door


def _knows(request: web.Request, expected: bytes) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), expected)


@web.middleware
async def _errors(request: web.Request, handler: Next) -> web.StreamResponse:
    """The boundary where every error becomes an answer; a bug is logged here, once, and told without its insides."""
    try:
        return await handler(request)
    except BiremeError as error:
        if error.blame != "user":
            log.warning("request_failed", path=request.path, error=str(error))
        return replies.failure_of(error)
    except web.HTTPRequestEntityTooLarge as error:
        return replies.failure(replies.INVALID, f"the body is too large: {error.text}", status=413)
    except web.HTTPException as error:
        return _of_http(request, error)
    except Exception as error:
        log.error("request_crashed", path=request.path, exc_info=error)
        return replies.failure(replies.INTERNAL, "internal error; the engine's log has the details")


def _of_http(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    if error.status == 404:
        return replies.failure(replies.NOT_FOUND, f"no such path: {request.path}")
    if error.status == 405:
        return replies.failure(12, f"{request.method} is not allowed on {request.path}", status=405)
    return replies.failure(replies.INVALID, error.reason, status=error.status)
