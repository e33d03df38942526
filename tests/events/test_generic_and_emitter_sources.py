"""generic against a real gRPC server, emitter against an MQTT broker."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.sources import generic
from tests.events.stream_bench import bodies, fails, payload
from tests.servers import mosquitto


@asynccontextmanager
async def eventing(*events: bytes, token: str = "") -> AsyncIterator[tuple[int, list[Any]]]:
    """A gRPC server of a user: its port, and what it was asked."""
    from grpc import (
        StatusCode,
        aio,
        method_handlers_generic_handler,
        unary_stream_rpc_method_handler,
    )

    asked: list[Any] = []

    async def start(request: bytes, context: Any) -> AsyncIterator[bytes]:
        asked.append(dict(generic.decode(request)))
        said = dict(context.invocation_metadata())
        if token and said.get("authorization") != f"Bearer {token}":
            await context.abort(StatusCode.UNAUTHENTICATED, "who are you")
        await context.send_initial_metadata(())
        for event in events:
            yield generic.encode({1: b"e", 2: event})
        await asyncio.get_running_loop().create_future()

    server = aio.server()
    methods = {"StartEventSource": unary_stream_rpc_method_handler(start)}
    server.add_generic_rpc_handlers((method_handlers_generic_handler("generic.Eventing", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port, asked
    await server.stop(None)


def own(port: int, **more: Any) -> dict[str, Any]:
    config = {"url": f"127.0.0.1:{port}", "config": "c", "insecure": True, "jsonBody": True}
    return {"generic": {"own": {**config, **more}}}


async def test_events_of_a_grpc_server_are_events(
    bench: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with eventing(b'{"n": 1}', b"{", b"2") as (port, asked):
        await bench.apply(own(port, metadata={"m": "x"}))
        events = await bench.arrived(2)
    assert payload(events[0]) == {"body": {"n": 1}, "metadata": {"m": "x"}}
    assert bodies(events) == [{"n": 1}, 2]
    assert asked[0] == {1: b"own", 2: b"c"}
    assert "message_is_poison" in capsys.readouterr().out


async def test_a_grpc_server_is_told_the_token_and_its_refusal_is_said(bench: Any) -> None:
    async with eventing(b"\xff", token="t") as (port, _):
        await bench.apply(own(port, jsonBody=False))
        assert "who are you" in await fails(bench)
        bench.secrets.values["own", "token"] = b"t\n"
        secret = {"name": "own", "key": "token"}
        await bench.apply(own(port, jsonBody=False, authSecret=secret))
        assert bodies(await bench.arrived(1)) == [base64.b64encode(b"\xff").decode()]


@given(st.dictionaries(st.integers(1, 500), st.binary(max_size=300)))
def test_a_message_is_read_as_it_was_written(values: dict[int, bytes]) -> None:
    assert dict(generic.decode(generic.encode(values))) == values


@given(st.binary(max_size=40))
def test_any_bytes_are_a_message_or_a_complaint(message: bytes) -> None:
    with suppress(ValueError):
        assert all(isinstance(value, bytes) for _, value in generic.decode(message))


async def test_an_emitter_message_is_an_event_that_hides_the_key(bench: Any) -> None:
    from aiomqtt import Client

    with mosquitto.running() as server:
        config = {
            "broker": f"tcp://127.0.0.1:{server.port}",
            "channelKey": "KEY",
            "channelName": "house/hall",
            "jsonBody": True,
        }
        await bench.apply({"emitter": {"rooms": config}})
        async with Client("127.0.0.1", server.port) as client:
            await client.publish("KEY/house/hall/", b"21")
        (event,) = await bench.arrived(1)
    assert payload(event) == {"topic": "house/hall/", "body": 21}
