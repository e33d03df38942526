"""Health and metrics. Health is public and says nothing but whether; metrics need the token."""

from aiohttp import web

from server.api.routes import Ask, Routes
from server.metrics import render

routes = Routes()


@routes.add("GET", "/healthz", "get", "health", public=True)
async def healthz(ask: Ask) -> web.StreamResponse:
    return web.Response(text="ok\n")


@routes.add("GET", "/readyz", "get", "health", public=True)
async def readyz(ask: Ask) -> web.StreamResponse:
    """200 once the database is open, objects are loaded, live runs adopted; 503 before that and while stopping."""
    if ask.deck.is_ready:
        return web.Response(text="ok\n")
    return web.Response(text="not ready\n", status=503)


@routes.add("GET", "/metrics", "get", "metrics")
async def metrics(ask: Ask) -> web.StreamResponse:
    text = await render(ask.deck)
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4"})
