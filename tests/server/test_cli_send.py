"""`bireme send` to real servers: what is sent becomes an event of the source that its manifest describes."""

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
import yaml

from server.senders.ports import concrete
from server.settings import Settings
from tests.events.test_kafka_source import make_topic
from tests.server.conftest import Running
from tests.server.test_cli_engine import Terminal
from tests.servers import kafka, mosquitto, moto, nats, process, rabbitmq, redis
from tests.servers.waiting import until

T = TypeVar("T")
PASSWORD = "hunter22"
SECRET = {"name": "shop", "key": "password"}


class Rig(NamedTuple):
    """A kind as it is typed, the event in its manifest, and where a message of it lies."""

    kind: str
    spec: dict[str, Any]
    lies: str


def kafka_rig() -> Iterator[Rig]:
    with kafka.running() as server:
        topic = run(make_topic(server, partitions=1))
        event = {"url": f"127.0.0.1:{server.port}", "topic": topic, "jsonBody": True}
        yield Rig(
            "kafka", {"kafka": {"placed": {**event, "partition": "0"}}}, f"{topic}, partition 0"
        )


def nats_rig() -> Iterator[Rig]:
    with nats.running("--auth", PASSWORD) as server:
        event = {"url": f"nats://127.0.0.1:{server.port}", "subject": "orders.*"}
        more = {"auth": {"token": SECRET}, "jsonBody": True}
        yield Rig("nats", {"nats": {"placed": {**event, **more}}}, "subject orders.sent")


def redis_rig() -> Iterator[Rig]:
    with redis.running("--requirepass", PASSWORD) as server:
        event = {"hostAddress": f"127.0.0.1:{server.port}", "password": SECRET}
        more = {"channels": ["orders", "refunds"], "jsonBody": True}
        yield Rig("redis", {"redis": {"placed": {**event, **more}}}, "channel orders")


def redis_stream_rig() -> Iterator[Rig]:
    with redis.running("--requirepass", PASSWORD) as server:
        event = {"hostAddress": f"127.0.0.1:{server.port}", "password": SECRET}
        spec = {"redisStream": {"placed": {**event, "streams": ["orders"]}}}
        yield Rig("redis-stream", spec, "stream orders, entry ")


def mqtt_rig() -> Iterator[Rig]:
    with mosquitto.running() as server:
        event = {"url": f"tcp://127.0.0.1:{server.port}", "topic": "shop/+/orders"}
        spec = {"mqtt": {"placed": {**event, "jsonBody": True}}}
        yield Rig("mqtt", spec, "topic shop/sent/orders")


def amqp_rig() -> Iterator[Rig]:
    guest = {"name": "shop", "key": "user"}
    with rabbitmq.running() as server:
        event = {
            "url": f"amqp://127.0.0.1:{server.port}/",
            "auth": {"username": guest, "password": guest},
            "exchangeName": "shop",
            "exchangeType": "topic",
            "routingKey": "orders.#",
            "jsonBody": True,
        }
        yield Rig("amqp", {"amqp": {"placed": event}}, "exchange shop, routing key orders.sent")


def sqs_rig() -> Iterator[Rig]:
    with moto.running() as server:
        make_queue(server)
        event = {"queue": "orders", "waitTimeSeconds": 1, "jsonBody": True, **moto.account(server)}
        yield Rig("sqs", {"sqs": {"placed": event}}, "queue orders, message ")


def make_queue(server: process.Server) -> None:
    async def make() -> None:
        async with moto.client(server, "sqs") as client:
            await client.create_queue(QueueName="orders")

    run(make())


def run(made: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(made)


RIGS = {
    "kafka": kafka_rig, "nats": nats_rig, "redis": redis_rig, "redis-stream": redis_stream_rig, "mqtt": mqtt_rig,
    "amqp": amqp_rig, "sqs": sqs_rig,
}  # fmt: skip


@pytest.fixture(params=list(RIGS))
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    yield from RIGS[request.param]()


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An engine with a folder of secrets that the command shares."""
    folder = tmp_path / "secrets"
    kept = {"shop/user": "guest", "aws/access": "test", "aws/secret": "test"}
    for name, value in {**kept, "shop/password": PASSWORD}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(value)
    monkeypatch.setenv("BIREME_SECRETS_DIR", str(folder))
    return replace(settings, secrets_dir=folder)


class Shop:
    """A terminal beside an engine whose EventSources come and go."""

    def __init__(self, engine: Running, folder: Path) -> None:
        self.terminal, self._folder = Terminal(engine), folder
        self._deck = engine.deck

    async def apply(self, spec: dict[str, Any], name: str = "shop") -> None:
        manifest = {
            "apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
            "metadata": {"name": name}, "spec": spec,
        }  # fmt: skip
        path = self._folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(manifest))
        await self.terminal.says("apply", str(path))

    async def listens(self) -> None:
        async def is_listening() -> bool:
            applied = await self.terminal.json("events", "sources")
            events = [event for one in applied for event in one["status"]["events"]]
            return all(event["state"] == "listening" for event in events)

        await until(is_listening, "it listens", 30)

    async def event(self) -> Any:
        """The data of the only event there is."""

        async def is_here() -> bool:
            return bool(await self.terminal.json("events", "list"))

        await until(is_here, "the event", 30)
        (event,) = await self.terminal.json("events", "list")
        whole = await self.terminal.json("events", "get", event["id"])
        return whole["data"]

    async def refused(self, *words: str) -> str:
        done = await self.terminal.type("send", *words)
        assert (done.exit_code, done.stdout) == (1, "")
        return str(done.stderr)


@pytest.fixture
def shop(engine: Running, tmp_path: Path) -> Shop:
    return Shop(engine, tmp_path)


async def test_what_is_sent_is_an_event_of_the_source(shop: Shop, rig: Rig) -> None:
    await shop.apply(rig.spec)
    await shop.listens()
    said = await shop.terminal.says("send", rig.kind, "--set", "total=500")
    (key,) = rig.spec
    assert f"eventsource/shop spec.{key}.placed: {rig.lies}" in said
    data = await shop.event()
    found = data.get("body") or data["values"]
    assert (found["state"], int(found["total"])) == ("paid", 500)


async def test_where_there_is_no_such_source_that_is_said(shop: Shop) -> None:
    said = await shop.refused("nats")
    assert said == (
        "Error: no nats source is applied in namespace default; apply an EventSource first\n"
    )


def away(port: int, *channels: str) -> dict[str, Any]:
    return {"hostAddress": f"127.0.0.1:{port}", "channels": list(channels)}


async def test_one_of_several_sources_is_chosen_by_its_names(shop: Shop) -> None:
    with redis.running() as server:
        here, nowhere = away(server.port, "a"), away(process.free_port(), "b")
        await shop.apply({"redis": {"x": nowhere, "y": nowhere}}, "far")
        await shop.apply({"redis": {"x": here}}, "near")
        assert (
            "3 redis events are applied: far/x, far/y, near/x; choose by --source and --event"
            in (await shop.refused("redis"))
        )
        assert "no redis event is near/z; applied: far/x, far/y, near/x" in (
            await shop.refused("redis", "--source", "near", "--event", "z")
        )
        assert "eventsource/far spec.redis.y: " in await shop.refused("redis", "--event", "y")
        await until(lambda: sending(shop), "near/x has it", 30)


async def sending(shop: Shop) -> bool:
    done = await shop.terminal.type("send", "redis", "--source", "near", "--to", "a")
    return done.exit_code == 0 and "channel a" in done.stdout


AWAY = {
    "kafka": {"url": "127.0.0.1:1", "topic": "a", "partition": "0"},
    "s3": {
        "bucket": "a", "region": "us-east-1", "endpoint": "http://127.0.0.1:1", "poll": {"interval": "1h"},
    },
    "nats": {"url": "nats://127.0.0.1:1", "subject": "a"},
    "redis": away(1, "a"),
    "redisStream": {"hostAddress": "127.0.0.1:1", "streams": ["a"]},
    "mqtt": {"url": "tcp://127.0.0.1:1", "topic": "a"},
    "amqp": {
        "url": "amqp://127.0.0.1:1/", "exchangeName": "a", "exchangeType": "direct", "routingKey": "a",
    },
    "sqs": {"queue": "a", "region": "us-east-1", "endpoint": "http://127.0.0.1:1"},
}  # fmt: skip


@pytest.mark.parametrize("key", list(AWAY))
async def test_a_server_that_is_away_is_told_by_source_field_and_address(
    shop: Shop, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto.KEYS.items():
        monkeypatch.setenv(name, value)
    await shop.apply({key: {"placed": AWAY[key]}})
    said = await shop.refused({"redisStream": "redis-stream"}.get(key, key))
    assert said.startswith(f"Error: eventsource/shop spec.{key}.placed: ")
    assert "127.0.0.1:1" in said
    assert said.count("\n") == 1


async def test_an_object_is_put_where_the_chosen_source_looks(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with moto.running() as server:
        async with moto.client(server, "s3") as client:
            await client.create_bucket(Bucket="near")
        event = {**moto.account(server), "poll": {"interval": "1s", "existing": True}}
        near = {**event, "bucket": "near", "filter": {"prefix": "in/", "suffix": ".csv"}}
        await shop.apply({"s3": {"far": {**event, "bucket": "far"}, "near": near}})
        assert "shop/far, shop/near; choose by --source and --event" in await shop.refused("s3")
        assert (
            "--to"
            in (await shop.terminal.type("send", "s3", "--event", "far", "--to", "s3://b/k")).stderr
        )
        said = await shop.terminal.says("send", "s3", "--event", "near")
        assert "eventsource/shop spec.s3.near: s3://near/in/sent-" in said
        await shop.terminal.says("send", "s3", "--event", "near", "--to", "out/of.it")
        data = await shop.event()
        assert data["key"] in said
        assert (data["key"].endswith(".csv"), data["size"]) == (True, 23)


async def test_bytes_that_are_no_text_are_no_message_of_a_queue(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "order.bin"
    file.write_bytes(b"\xff")
    await shop.apply({"sqs": {"placed": AWAY["sqs"]}})
    assert "a queue takes text only" in await shop.refused("sqs", "--file", str(file))


async def test_a_library_that_is_missing_is_told_of_the_command_that_needs_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.apply({"redis": {"placed": AWAY["redis"]}})
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    said = await shop.refused("redis")
    needed = "bireme send redis needs the extra 'redis': pip install 'bireme[redis]'"
    assert said == f"Error: eventsource/shop spec.redis.placed: {needed}\n"


async def test_a_secret_that_only_the_engine_has_is_named_with_what_to_do(shop: Shop) -> None:
    event = {**away(1, "a"), "password": {"name": "shop", "key": "other"}}
    await shop.apply({"redis": {"placed": event}})
    said = await shop.refused("redis")
    for word in ('secret "shop" key "other"', "BIREME_SECRET_SHOP_OTHER", "stay with the engine"):
        assert word in said


async def test_a_message_that_nobody_would_have_is_no_success(shop: Shop) -> None:
    with redis.running() as server:
        await shop.apply({"redis": {"placed": away(server.port, "a")}})
        await shop.listens()
        assert "nobody listens to channel b" in await shop.refused("redis", "--to", "b")


async def test_a_file_is_sent_as_it_is(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "order.txt"
    file.write_bytes(b"no JSON\n")
    with redis.running() as server:
        await shop.apply({"redis": {"placed": away(server.port, "a")}})
        await shop.listens()
        await shop.terminal.says("send", "redis", "--file", str(file))
        assert (await shop.event())["body"] == "no JSON\n"


@pytest.mark.parametrize(
    ("pattern", "separator", "place"),
    [("a.*.b", ".", "a.sent.b"), ("a.>", ".", "a.sent"), ("a*.b", ".", "a*.b"), ("a", "/", "a")],
)
def test_a_place_that_the_pattern_covers(pattern: str, separator: str, place: str) -> None:
    assert concrete(pattern, separator, one="*", rest=">") == place


async def test_an_unknown_event_of_github_is_refused_with_the_known_ones(shop: Shop) -> None:
    done = await shop.terminal.type("send", "github", "--event", "pish", "--to", "http://x/")
    assert (done.exit_code, "expected push, pull_request, ping" in done.stderr) == (2, True)


async def test_a_stream_of_nats_confirms_what_it_has(shop: Shop) -> None:
    import nats as library

    with nats.running() as server:
        url = f"nats://127.0.0.1:{server.port}"
        client = await library.connect(url)
        event = {"url": url, "subject": "orders.>", "jetstream": {"oldest": True}}
        await shop.apply({"nats": {"placed": event}})
        assert "spec.nats.placed: " in await shop.refused("nats")  # nothing has the subject yet
        await client.jetstream().add_stream(name="shop", subjects=["orders.>"])
        await client.close()
        said = await shop.terminal.says("send", "nats")
        assert "orders.sent: stream shop, message 1" in said
        assert (await shop.event())["subject"] == "orders.sent"
