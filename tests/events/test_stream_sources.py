"""Sources of messages against their real servers: payloads, acknowledgement after durable, servers that go and come."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from bireme.storage.ports import StorageUnavailable
from tests.servers import mosquitto, nats, process, rabbitmq, redis
from tests.servers.waiting import until


def payload(event: Any) -> Any:
    return json.loads(event.data)


def bodies(events: Any) -> list[Any]:
    return [payload(event)["body"] for event in events]


async def again(bench: Any) -> None:
    """Until the source listens, after its server came back."""
    await until(lambda: bench.bank.status()[0].state == "listening", "it listens again")


async def fails(bench: Any) -> str:
    await until(lambda: bench.bank.status()[0].state == "waiting to restart", "it is said")
    return str(bench.bank.status()[0].error)


class AwayForAWhile:
    """The log's disk is full for the first two publications."""

    def __init__(self, bench: Any) -> None:
        self.refused = 0
        self._publish = bench.bus.publish
        bench.bus.publish = self

    async def __call__(self, events: Any, also: Any = None) -> Any:
        if self.refused < 2:
            self.refused += 1
            raise StorageUnavailable("the disk is full")
        return await self._publish(events, also)


@pytest.fixture
def nats_server() -> Iterator[process.Server]:
    with nats.running() as server:
        yield server


@pytest.fixture
def redis_server() -> Iterator[process.Server]:
    with redis.running() as server:
        yield server


@pytest.fixture
def mqtt_server() -> Iterator[process.Server]:
    with mosquitto.running() as server:
        yield server


@pytest.fixture(scope="module")
def rabbit() -> Iterator[process.Server]:
    with rabbitmq.running() as server:
        yield server


async def nats_send(port: int, subject: str, *values: bytes, **options: Any) -> None:
    import nats as library

    client = await library.connect(f"nats://127.0.0.1:{port}", **options)
    for value in values:
        await client.publish(subject, value, headers={"Trace": "t1"})
    await client.flush()
    await client.close()


async def stream_made(port: int) -> None:
    import nats as library

    client = await library.connect(f"nats://127.0.0.1:{port}")
    await client.jetstream().add_stream(name="ORDERS", subjects=["orders.*"])
    await client.close()


def nats_config(port: int, **more: Any) -> dict[str, Any]:
    url = f"nats://127.0.0.1:{port}"
    return {"nats": {"orders": {"url": url, "subject": "orders.*", "jsonBody": True, **more}}}


async def test_a_nats_message_is_an_event(bench: Any, nats_server: process.Server) -> None:
    await bench.apply(nats_config(nats_server.port, metadata={"m": "x"}))
    await nats_send(nats_server.port, "orders.new", b'{"n": 1}')
    (event,) = await bench.arrived(1)
    assert payload(event) == {
        "subject": "orders.new",
        "body": {"n": 1},
        "header": {"Trace": ["t1"]},
        "metadata": {"m": "x"},
    }


async def test_a_nats_body_without_json_is_base64(bench: Any, nats_server: process.Server) -> None:
    await bench.apply(nats_config(nats_server.port, jsonBody=False))
    await nats_send(nats_server.port, "orders.new", b"\xff")
    assert bodies(await bench.arrived(1)) == [base64.b64encode(b"\xff").decode()]


async def test_nats_messages_wait_while_the_log_is_away(
    bench: Any, nats_server: process.Server
) -> None:
    away = AwayForAWhile(bench)
    await bench.apply(nats_config(nats_server.port))
    await nats_send(nats_server.port, "orders.new", *(b"%d" % n for n in range(20)))
    assert bodies(await bench.arrived(20)) == list(range(20))
    assert away.refused == 2


async def test_a_nats_server_that_goes_is_said_and_found_again(
    bench: Any, nats_server: process.Server
) -> None:
    await bench.apply(nats_config(nats_server.port))
    nats_server.kill()
    assert str(nats_server.port) in await fails(bench)
    nats_server.start()
    await again(bench)
    await nats_send(nats_server.port, "orders.new", b"1")
    assert bodies(await bench.arrived(1)) == [1]


async def test_nats_wants_its_token(bench: Any) -> None:
    with nats.running("--auth", "t0ken") as server:
        await bench.apply(nats_config(server.port))
        assert "uthorization" in await fails(bench)
        bench.secrets.values["nats", "token"] = b"t0ken\n"
        auth = {"token": {"name": "nats", "key": "token"}}
        await bench.apply(nats_config(server.port, auth=auth))
        await nats_send(server.port, "orders.new", b"1", token="t0ken")
        assert bodies(await bench.arrived(1)) == [1]


async def test_a_jetstream_message_is_one_event_though_nobody_listened_and_servers_died(
    bench: Any, nats_server: process.Server
) -> None:
    await stream_made(nats_server.port)
    spec = nats_config(nats_server.port, jetstream={"oldest": True})
    await nats_send(nats_server.port, "orders.new", *(b"%d" % n for n in range(10)))
    await bench.apply(spec)
    await bench.arrived(10)
    await bench.bank.remove("default", "hooks")
    await nats_send(nats_server.port, "orders.new", *(b"%d" % n for n in range(10, 20)))
    await bench.apply(spec)
    await bench.arrived(20)
    nats_server.kill()
    nats_server.start()
    await nats_send(nats_server.port, "orders.new", *(b"%d" % n for n in range(20, 30)))
    assert bodies(await bench.arrived(30)) == list(range(30))


async def test_jetstream_delivers_again_what_was_not_acknowledged_and_it_stays_one_event(
    bench: Any, nats_server: process.Server
) -> None:
    """The acknowledgement is lost: the consumer is made anew and begins at the oldest."""
    await stream_made(nats_server.port)
    await nats_send(nats_server.port, "orders.new", b"1", b"2")
    await bench.apply(nats_config(nats_server.port, jetstream={"oldest": True, "durable": "a"}))
    await bench.arrived(2)
    await bench.apply(nats_config(nats_server.port, jetstream={"oldest": True, "durable": "b"}))
    await until(lambda: bench.bank.status()[0].duplicates == 2)
    assert bodies(await bench.events()) == [1, 2]


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


def topic(port: int, **more: Any) -> dict[str, Any]:
    url = f"tcp://127.0.0.1:{port}"
    return {"mqtt": {"heat": {"url": url, "topic": "house/#", "jsonBody": True, **more}}}


async def mqtt_send(port: int, *values: str) -> None:
    from aiomqtt import Client

    async with Client("127.0.0.1", port) as client:
        for value in values:
            await client.publish("house/hall", value, qos=1)


async def test_an_mqtt_message_is_an_event(bench: Any, mqtt_server: process.Server) -> None:
    await bench.apply(topic(mqtt_server.port, metadata={"m": "x"}))
    await mqtt_send(mqtt_server.port, "21.50")
    (event,) = await bench.arrived(1)
    assert payload(event) == {
        "topic": "house/hall",
        "messageId": 1,
        "body": 21.5,
        "metadata": {"m": "x"},
    }


async def test_mqtt_messages_sent_while_nobody_listened_come_later(
    bench: Any, mqtt_server: process.Server
) -> None:
    await bench.apply(topic(mqtt_server.port))
    await bench.bank.remove("default", "hooks")
    await mqtt_send(mqtt_server.port, *map(str, range(40)))
    await bench.apply(topic(mqtt_server.port))
    assert bodies(await bench.arrived(40)) == list(range(40))


async def test_an_mqtt_message_is_not_acknowledged_before_it_is_durable(
    bench: Any, mqtt_server: process.Server
) -> None:
    """The source is stopped with a message in hand; the broker has it still."""
    held = asyncio.Event()
    publish = bench.bus.publish

    async def hang(events: Any, also: Any = None) -> Any:
        held.set()
        await asyncio.get_running_loop().create_future()

    bench.bus.publish = hang
    await bench.apply(topic(mqtt_server.port))
    await mqtt_send(mqtt_server.port, "7")
    await asyncio.wait_for(held.wait(), 10)
    await bench.bank.remove("default", "hooks")
    bench.bus.publish = publish
    await bench.apply(topic(mqtt_server.port))
    assert bodies(await bench.arrived(1)) == [7]


async def test_an_mqtt_broker_that_goes_is_said_and_found_again(
    bench: Any, mqtt_server: process.Server
) -> None:
    await bench.apply(topic(mqtt_server.port))
    mqtt_server.kill()
    assert str(mqtt_server.port) in await fails(bench)
    mqtt_server.start()
    await again(bench)
    await mqtt_send(mqtt_server.port, "1")
    assert bodies(await bench.arrived(1)) == [1]


def exchange(port: int, name: str, **more: Any) -> dict[str, Any]:
    config = {
        "url": f"amqp://guest:guest@127.0.0.1:{port}/",
        "exchangeName": name,
        "exchangeType": "topic",
        "routingKey": "orders.*",
        "queueDeclare": {"name": f"q-{name}", "durable": True},
        "jsonBody": True,
        **more,
    }
    return {"amqp": {"orders": config}}


async def amqp_send(port: int, name: str, *values: bytes, **properties: Any) -> None:
    import aio_pika

    connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{port}/")
    channel = await connection.channel()
    found = await channel.get_exchange(name)
    for value in values:
        message = aio_pika.Message(value, delivery_mode=2, **properties)
        await found.publish(message, "orders.new")
    await connection.close()


async def test_an_amqp_message_is_an_event_with_all_that_upstream_shows(
    bench: Any, rabbit: process.Server
) -> None:
    await bench.apply(exchange(rabbit.port, "shape", metadata={"m": "x"}))
    await amqp_send(rabbit.port, "shape", b'{"n": 1}', message_id="i", priority=3, expiration=60)
    (event,) = await bench.arrived(1)
    assert payload(event) == {
        "contentType": "",
        "contentEncoding": "",
        "deliveryMode": 2,
        "priority": 3,
        "correlationId": "",
        "replyTo": "",
        "expiration": "60000",
        "messageId": "i",
        "timestamp": "0001-01-01 00:00:00 +0000 UTC",
        "type": "",
        "appId": "",
        "exchange": "shape",
        "routingKey": "orders.new",
        "body": {"n": 1},
        "metadata": {"m": "x"},
    }


async def test_amqp_messages_are_acknowledged_only_once_durable_and_wait_for_us(
    bench: Any, rabbit: process.Server
) -> None:
    held = asyncio.Event()
    publish = bench.bus.publish

    async def hang(events: Any, also: Any = None) -> Any:
        held.set()
        await asyncio.get_running_loop().create_future()

    bench.bus.publish = hang
    await bench.apply(exchange(rabbit.port, "held"))
    await amqp_send(rabbit.port, "held", b"0")
    await asyncio.wait_for(held.wait(), 10)
    await bench.bank.remove("default", "hooks")
    await amqp_send(rabbit.port, "held", *(b"%d" % n for n in range(1, 10)))
    bench.bus.publish = publish
    await bench.apply(exchange(rabbit.port, "held"))
    assert bodies(await bench.arrived(10)) == list(range(10))


async def test_an_amqp_message_with_an_id_is_one_event_however_often_it_comes(
    bench: Any, rabbit: process.Server
) -> None:
    await bench.apply(exchange(rabbit.port, "twice"))
    await amqp_send(rabbit.port, "twice", b"1", b"1", b"2", message_id="i")
    assert bodies(await bench.arrived(2)) == [1, 2]
    assert bench.bank.status()[0].duplicates == 1


async def test_amqp_poison_goes_to_the_dead_letter_exchange(
    bench: Any, rabbit: process.Server
) -> None:
    import aio_pika

    connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{rabbit.port}/")
    channel = await connection.channel()
    dead = await channel.declare_queue("dead", durable=True)
    arguments = 'x-dead-letter-exchange: ""\nx-dead-letter-routing-key: dead\n'
    queue = {"name": "q-poison", "durable": True, "arguments": arguments}
    await bench.apply(exchange(rabbit.port, "poison", queueDeclare=queue))
    await amqp_send(rabbit.port, "poison", b"1", b"{", b"2")
    assert bodies(await bench.arrived(2)) == [1, 2]
    found: list[bytes] = []

    async def is_dead() -> bool:
        message = await dead.get(fail=False, no_ack=True)
        found.extend([message.body] if message else [])
        return found == [b"{"]

    await until(is_dead, "the message is dead")
    await connection.close()


async def test_an_amqp_broker_that_goes_is_said_and_nothing_is_lost(
    bench: Any, rabbit: process.Server
) -> None:
    await bench.apply(exchange(rabbit.port, "gone"))
    await amqp_send(rabbit.port, "gone", b"1")
    await bench.arrived(1)
    rabbit.kill()
    assert "broker" in await fails(bench)
    rabbit.start()
    await until(lambda: bench.bank.status()[0].state == "listening", "it listens", 60)
    await amqp_send(rabbit.port, "gone", b"2")
    assert bodies(await bench.arrived(2)) == [1, 2]


@pytest.mark.parametrize(
    ("kind", "config", "said"),
    [
        ("nats", {"subject": "a"}, "url is missing"),
        ("nats", {"url": "nats://a"}, "subject is missing"),
        ("nats", {"url": "nats://a", "subjects": "a"}, "subjects"),
        ("redis", {"hostAddress": "a", "channels": ["a"]}, "expected host:port"),
        ("redis", {"hostAddress": "a:1"}, "channels is missing"),
        ("redisStream", {"hostAddress": "a:1"}, "streams is missing"),
        ("mqtt", {"url": "tcp://a:1"}, "topic is missing"),
        ("mqtt", {"url": "http://a:1", "topic": "a"}, "tcp://broker:1883"),
        ("amqp", {"exchangeType": "topic", "routingKey": "a"}, "url and urlSecret"),
        ("amqp", {"url": "amqp://a", "routingKey": "a"}, "exchangeType is missing"),
        ("amqp", {"url": "amqp://a", "exchangeType": "topic"}, "routingKey is missing"),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, kind: str, config: dict[str, Any], said: str
) -> None:
    await bench.apply({kind: {"orders": config}})
    (status,) = bench.bank.status()
    assert status.state == "refused"
    assert said in status.error
