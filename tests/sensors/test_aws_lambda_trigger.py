"""The awsLambda trigger on moto's Lambda, which answers without running anything; failures by a server of our own."""

import base64
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from tests.sensors.acting import Actor, payload, ref
from tests.servers import moto, process


@pytest.fixture(scope="module")
def aws() -> Iterator[process.Server]:
    with moto.running() as server:
        yield server


@pytest.fixture
async def actor() -> AsyncIterator[Actor]:
    async with Actor("awsLambda", access="test-access", secret="test-secret") as made:
        yield made


def block(port: int, name: str = "resize", **more: Any) -> dict[str, Any]:
    return {
        "functionName": name, "region": "us-east-1", "endpoint": f"http://127.0.0.1:{port}",
        "accessKey": ref("access"), "secretKey": ref("secret"), "payload": payload(), **more,
    }  # fmt: skip


async def function(aws: process.Server, name: str) -> None:
    async with aiohttp.ClientSession() as client:
        settings = {"lambda": {"use_docker": False}}
        url = f"http://127.0.0.1:{aws.port}/moto-api/config"
        async with client.post(url, json=settings) as answer:
            assert answer.ok
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("f.py", "def handler(event, context): return event")
    async with moto.client(aws, "iam") as iam:
        role = await iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    async with moto.client(aws, "lambda") as client:
        await client.create_function(
            FunctionName=name, Runtime="python3.11", Role=role["Role"]["Arn"],
            Handler="f.handler", Code={"ZipFile": code.getvalue()},
        )  # fmt: skip


async def test_a_function_is_invoked(aws: process.Server, actor: Actor, make_event: Any) -> None:
    await function(aws, "resize")
    events = {"a": make_event("e1")}
    assert (await actor.fire(events, **block(aws.port))).status == 200
    asynchronous = block(aws.port, invocationType="Event")
    assert (await actor.fire(events, **asynchronous)).status == 202
    with pytest.raises(TriggerFailed, match="http response status 202 is not allowed"):
        await actor.fire(events, {"status": {"allow": [200]}}, **asynchronous)


async def test_a_function_that_does_not_exist_is_not_tried_again(
    actor: Actor, make_event: Any
) -> None:
    async def unknown(request: web.Request) -> web.Response:
        code = {"X-Amzn-ErrorType": "ResourceNotFoundException"}
        return web.json_response({"Message": "Function not found"}, status=404, headers=code)

    async with served(unknown) as port:
        with pytest.raises(TriggerRefused, match=r"function none: .*Function not found"):
            await actor.fire({"a": make_event("e1")}, **block(port, "none"))


@asynccontextmanager
async def served(handler: Any) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_post("/{path:.*}", handler)
    server = TestServer(app)
    await server.start_server()
    yield server.port or 0
    await server.close()


async def test_a_function_that_has_failed_is_a_failure_although_the_status_is_200(
    actor: Actor, make_event: Any
) -> None:
    seen: list[str] = []

    async def fail(request: web.Request) -> web.Response:
        seen.append(request.headers["X-Amz-Client-Context"])
        return web.json_response(
            {"errorMessage": "boom"}, headers={"X-Amz-Function-Error": "Unhandled"}
        )

    async with served(fail) as port:
        with pytest.raises(TriggerFailed, match=r"function resize failed: .*boom"):
            await actor.fire({"a": make_event("e1")}, **block(port))
    context = json.loads(base64.b64decode(seen[0]))
    assert context == {"custom": {"idempotencyKey": "f1"}}


async def test_a_service_that_is_not_there_is_worth_a_retry(actor: Actor, make_event: Any) -> None:
    with pytest.raises(TriggerFailed, match="cannot be reached"):
        await actor.fire({"a": make_event("e1")}, **block(1))


def test_what_cannot_be_invoked_is_refused() -> None:
    actor = Actor("awsLambda")
    with pytest.raises(BadSensor, match=r"awsLambda\.region is missing"):
        actor.prepared({}, functionName="f")
    with pytest.raises(BadSensor, match="invocationType is 'Later'"):
        actor.prepared({}, functionName="f", region="r", payload=payload(), invocationType="Later")
