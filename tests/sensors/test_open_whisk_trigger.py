"""The openWhisk trigger against a server that answers as OpenWhisk's API does."""

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sensors.errors import BadSensor, TriggerFailed
from tests.sensors.acting import Actor, payload, ref


async def test_an_action_is_invoked_with_the_credentials(make_event: Any) -> None:
    seen: list[tuple[str, str, str]] = []

    async def action(request: web.Request) -> web.Response:
        seen.append((request.path_qs, request.headers["Authorization"], await request.text()))
        return web.json_response({"activationId": "x"}, status=202)

    app = web.Application()
    app.router.add_post("/{path:.*}", action)
    server = TestServer(app)
    await server.start_server()
    block = {
        "host": str(server.make_url("")), "actionName": "images/resize",
        "authToken": ref("auth"), "payload": payload(),
    }  # fmt: skip
    events = {"a": make_event("e1")}
    async with Actor("openWhisk", auth="user:password") as actor:
        assert (await actor.fire(events, **block)).status == 202
        with pytest.raises(TriggerFailed, match="status 202 is not allowed"):
            await actor.fire(events, {"status": {"allow": [200]}}, **block, namespace="team")
    await server.close()
    assert seen[0] == (
        "/api/v1/namespaces/_/actions/images/resize?blocking=true",
        "Basic dXNlcjpwYXNzd29yZA==",
        '{"n":1}',
    )
    assert seen[1][0].startswith("/api/v1/namespaces/team/")


def test_an_action_without_a_name_is_refused() -> None:
    with pytest.raises(BadSensor, match=r"openWhisk\.actionName is missing"):
        Actor("openWhisk").prepared({}, host="h")
