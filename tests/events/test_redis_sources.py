"""Sources `redis` and `redisStream` against a real server: payloads, acknowledgement once durable, servers that go."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from tests.events.stream_bench import again, bodies, fails, payload
from tests.servers import process, redis
from tests.servers.waiting import until


@pytest.fixture
def redis_server() -> Iterator[process.Server]:
    with redis.running() as server:
        yield server


async def redis_do(port: int, work: Callable[[Any], Awaitable[Any]]) -> Any:
    from redis.asyncio import Redis

    async with Redis(port=port) as client:
        return await work(client)


def channels(port: int, **more: Any) -> dict[str, Any]:
    return {
        "redis": {"orders": {"hostAddress": f"127.0.0.1:{port}", "channels": ["a", "b"], **more}}
    }


async def test_a_redis_message_is_an_event_with_a_plain_text_body(
    bench: Any, redis_server: process.Server
) -> None:
    await bench.apply(channels(redis_server.port))
    await redis_do(redis_server.port, lambda client: client.publish("b", '{"n":1}'))
    (event,) = await bench.arrived(1)
    assert payload(event) == {"channel": "b", "pattern": "", "body": '{"n":1}'}


async def test_a_redis_json_body_is_embedded_and_poison_is_told(
    bench: Any, redis_server: process.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    await bench.apply(channels(redis_server.port, jsonBody=True))
    for value in ("{", "1.50"):
        await redis_do(redis_server.port, lambda client, value=value: client.publish("a", value))
    (event,) = await bench.arrived(1)
    assert b'"body":1.50' in event.data
    assert "message_is_poison" in capsys.readouterr().out


async def test_a_redis_server_that_goes_is_said_and_found_again(
    bench: Any, redis_server: process.Server
) -> None:
    await bench.apply(channels(redis_server.port))
    redis_server.kill()
    assert str(redis_server.port) in await fails(bench)
    redis_server.start()
    await again(bench)
    await redis_do(redis_server.port, lambda client: client.publish("a", "1"))
    assert bodies(await bench.arrived(1)) == ["1"]


async def test_redis_wants_its_password(bench: Any) -> None:
    with redis.running("--requirepass", "p") as server:
        await bench.apply(channels(server.port))
        assert "uthentication" in await fails(bench)
        bench.secrets.values["redis", "password"] = b"p\n"
        await bench.apply(channels(server.port, password={"name": "redis", "key": "password"}))
        assert bench.bank.status()[0].state == "listening"


def entries(port: int, **more: Any) -> dict[str, Any]:
    address = f"127.0.0.1:{port}"
    return {"redisStream": {"orders": {"hostAddress": address, "streams": ["s1", "s2"], **more}}}


async def add(port: int, *numbers: int) -> None:
    for number in numbers:
        await redis_do(port, lambda client, number=number: client.xadd("s1", {"n": number}))


async def test_an_entry_of_a_redis_stream_is_an_event(
    bench: Any, redis_server: process.Server
) -> None:
    await bench.apply(entries(redis_server.port))
    id_ = await redis_do(redis_server.port, lambda client: client.xadd("s2", {"a": 1, "b": "x"}))
    (event,) = await bench.arrived(1)
    values = {"a": "1", "b": "x"}
    assert payload(event) == {"stream": "s2", "message_id": id_.decode(), "values": values}


async def test_a_redis_stream_loses_and_repeats_nothing_when_servers_die(
    bench: Any, redis_server: process.Server
) -> None:
    port = redis_server.port
    spec = entries(port)
    await bench.apply(spec)
    await add(port, *range(10))
    await bench.arrived(10)
    await bench.bank.remove("default", "hooks")
    await add(port, *range(10, 20))
    await bench.apply(spec)
    await bench.arrived(20)
    redis_server.kill()
    await fails(bench)
    redis_server.start()
    await add(port, *range(20, 30))
    events = await bench.arrived(30)
    assert [int(payload(event)["values"]["n"]) for event in events] == list(range(30))


async def test_what_a_redis_stream_delivered_and_nobody_acknowledged_comes_first(
    bench: Any, redis_server: process.Server
) -> None:
    port = redis_server.port
    await redis_do(port, lambda client: client.xgroup_create("s1", "g", "$", mkstream=True))
    await add(port, 1, 2)
    await redis_do(port, lambda client: client.xreadgroup("g", "argo-events-worker", {"s1": ">"}))
    await bench.apply(entries(port, consumerGroup="g"))
    assert len(await bench.arrived(2)) == 2

    async def is_done() -> bool:
        found = await redis_do(port, lambda client: client.xpending("s1", "g"))
        return bool(found["pending"] == 0)

    await until(is_done, "everything is acknowledged")
