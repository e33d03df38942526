"""Whoever has no token gets 401 from everything that the router serves; two health checks excepted.

What is asked is the router that is served, not the list it was made from: a route added by another way is found too.
"""

import re
from collections.abc import Iterator
from typing import cast

import pytest

from server.api import app
from server.deck import Deck
from tests.server.conftest import Running, engine, settings

__all__ = ["engine", "settings"]

PUBLIC = {"/healthz", "/readyz"}


def served() -> Iterator[tuple[str, str]]:
    """Every method and path of the real router, the parts of a path filled in."""
    router = app.build(cast("Deck", None), token="t", max_body_bytes=1).router
    for route in router.routes():
        assert route.resource is not None
        known = route.resource.get_info()
        path = known.get("path") or _filled(known["formatter"], known["pattern"])
        yield route.method, path


def _filled(formatter: str, pattern: re.Pattern[str]) -> str:
    """A path that the route's own pattern accepts: `x` for a part, or the first of the words it may be."""
    words = {
        name: choice.split("|")[0]
        for name, choice in re.findall(r"\(\?P<(\w+)>([\w|-]+)\)", pattern.pattern)
    }
    path = re.sub(r"\{(\w+)\}", lambda part: words.get(part[1], "x"), formatter)
    assert pattern.fullmatch(path), (path, pattern.pattern)
    return path


SERVED = sorted(set(served()))
BEHIND = [(method, path) for method, path in SERVED if path not in PUBLIC]


def test_only_health_checks_are_public() -> None:
    assert {path for _, path in SERVED} >= PUBLIC
    assert {route.path for route in app.declared() if route.public} == PUBLIC
    assert len(BEHIND) > 50


FORGED = ["", "wrong", "a token for test", "a token for tests2"]


async def test_no_route_of_the_router_answers_without_a_token(engine: Running) -> None:
    for method, path in BEHIND:
        for token in FORGED:
            answer = await engine.ask(method, path, token=token)
            assert answer.status == 401, (method, path, token, answer)
            assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_the_token_opens_what_was_closed(engine: Running) -> None:
    for path in ("/api/v1/info", "/metrics"):
        assert (await engine.ask("GET", path, token="")).status == 401
        assert (await engine.ask("GET", path)).status == 200


@pytest.mark.parametrize("place", ["?token={}", "?access_token={}", "?authorization=Bearer%20{}"])
async def test_a_token_in_the_address_opens_nothing(engine: Running, place: str) -> None:
    """Addresses end up in the logs of proxies."""
    path = "/api/v1/info" + place.format("a%20token%20for%20tests")
    assert (await engine.ask("GET", path, token="")).status == 401


async def test_a_stranger_is_turned_away_before_the_body_is_read(engine: Running) -> None:
    """Broken JSON would be a 400: the door is asked first."""
    answer = await engine.ask("POST", "/api/v1/workflows/default", raw=b"{broken", token="")
    assert answer.status == 401
