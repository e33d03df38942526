"""The door of the API: nothing undeclared, nothing without a token, errors in Argo's shape."""

import re
from typing import Any

import pytest

from server.api import app
from tests.server.conftest import Running

PUBLIC = {"/healthz", "/readyz"}


def test_every_route_declares_what_it_does_on_which_resource() -> None:
    routes = app.declared()
    assert all(route.verb and route.resource for route in routes)
    assert {route.path for route in routes if route.public} == PUBLIC
    places = [(route.method, route.path) for route in routes]
    assert len(places) == len(set(places))


async def test_the_router_serves_the_declared_routes_and_no_others(engine: Running) -> None:
    served = app.build(engine.deck, token="t", max_body_bytes=1).router.routes()
    found = {(r.method, r.resource.canonical) for r in served if r.resource is not None}
    declared = set()
    for route in app.declared():
        path = re.sub(r":[^{}]*}", "}", route.path)
        declared.add((route.method, path))
        if route.method == "GET":
            declared.add(("HEAD", path))
    assert found - declared == set()


async def test_no_route_answers_a_stranger(engine: Running) -> None:
    for route in app.declared():
        if route.public:
            continue
        path = route.path.replace(
            "{operation:suspend|resume|stop|terminate|retry|resubmit|set}", "stop"
        )
        for name in ("namespace", "name", "pod", "event", "firing", "kind", "key"):
            path = path.replace(f"{{{name}}}", "x")
        for token in ("", "wrong", "a token for test"):
            answer = await engine.ask(route.method, path, token=token)
            assert answer.status == 401, (route, answer)
            assert answer.body["code"] == 16
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/api/v1/workflows/default/x/healthz", "/api/v1/healthz", "/healthz/", "//readyz"],
)
async def test_a_path_that_resembles_a_public_one_is_behind_the_door(
    engine: Running, path: str
) -> None:
    assert (await engine.ask("GET", path, token="")).status == 401


async def test_health_is_public_and_readiness_follows_the_engine(engine: Running) -> None:
    assert (await engine.ask("GET", "/healthz", token="")).status == 200
    assert (await engine.ask("GET", "/readyz", token="")).status == 200
    engine.deck.is_ready = False
    assert (await engine.ask("GET", "/readyz", token="")).status == 503


@pytest.mark.parametrize(
    ("method", "path", "raw", "status", "code"),
    [
        ("GET", "/api/v1/workflows/default/none", None, 404, 5),
        ("GET", "/api/v1/nowhere", None, 404, 5),
        ("DELETE", "/api/v1/version", None, 405, 12),
        ("POST", "/api/v1/workflows/default", b"{", 400, 3),
        ("POST", "/api/v1/workflows/default", b"[]", 400, 3),
        ("POST", "/api/v1/workflows/default", b"{}", 400, 3),
        ("GET", "/api/v1/workflows/default?listOptions.limit=many", None, 400, 3),
        ("GET", "/api/v1/workflows/default?listOptions.fieldSelector=a.b=c", None, 400, 3),
        ("POST", "/api/v1/workflows/default/submit", b'{"resourceKind":"Pod"}', 400, 3),
    ],
)
async def test_errors_carry_code_and_message(
    engine: Running, method: str, path: str, raw: bytes | None, status: int, code: int
) -> None:
    answer = await engine.ask(method, path, raw=raw)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert answer.body["message"]


async def test_a_body_over_the_cap_is_refused(engine: Running) -> None:
    raw = b'{"workflow":"' + b"x" * engine.deck.settings.max_request_bytes + b'"}'
    answer = await engine.ask("POST", "/api/v1/workflows/default", raw=raw)
    assert answer.status == 413


async def test_info_version_and_user_have_what_clients_insist_on(engine: Running) -> None:
    version: dict[str, Any] = await engine.get("/api/v1/version")
    assert set(version) == {
        "version", "buildDate", "gitCommit", "gitTag", "gitTreeState", "goVersion", "compiler", "platform",
    }  # fmt: skip
    assert (await engine.get("/api/v1/info"))["links"] == []
    assert (await engine.get("/api/v1/userinfo"))["subject"] == "token"
