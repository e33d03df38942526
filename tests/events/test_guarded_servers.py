"""Real servers with TLS and passwords: what is right opens them, what is wrong is told by its field, and mended."""

import base64
import gc
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.servers import (
    apache_kafka,
    certificates,
    mosquitto,
    nats,
    nats_operator,
    process,
    rabbitmq,
    redis,
)
from tests.servers.waiting import until

PASSWORD = "hunter2"
# Clients leave the sockets of handshakes that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Guarded(NamedTuple):
    """A server, how a source listens to it, and how a message gets there."""

    spec: dict[str, Any]
    send: Callable[[bytes], Awaitable[Any]]


def ref(key: str) -> dict[str, str]:
    return {"name": "guard", "key": key}


TLS = {"caCertSecret": ref("ca")}


class Authority(NamedTuple):
    ours: certificates.Pair
    server: certificates.Pair

    def context(self) -> Any:
        import ssl

        return ssl.create_default_context(cafile=str(self.ours.certificate))


@pytest.fixture
def authority(bench: Any, tmp_path: Path) -> Authority:
    ours = certificates.authority(tmp_path)
    bench.secrets.values["guard", "ca"] = ours.certificate.read_bytes()
    bench.secrets.values["guard", "user"] = b"us"
    bench.secrets.values["guard", "password"] = PASSWORD.encode() + b"\n"
    return Authority(ours, certificates.signed(tmp_path, ours, "server"))


def redis_server(by: Authority) -> Iterator[Guarded]:
    from redis.asyncio import Redis

    with redis.running("--requirepass", PASSWORD, secure=by.server) as server:

        async def send(value: bytes) -> None:
            where = {"port": server.port, "password": PASSWORD, "ssl": True}
            async with Redis(**where, ssl_ca_certs=str(by.ours.certificate)) as client:
                await client.publish("a", value)

        address = f"127.0.0.1:{server.port}"
        event = {"hostAddress": address, "channels": ["a"], "password": ref("password"), "tls": TLS}
        yield Guarded({"redis": {"a": event}}, send)


def mqtt_server(by: Authority) -> Iterator[Guarded]:
    from aiomqtt import Client

    salt = b"twelve bytes"
    digest = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), salt, 101)
    shown = [base64.b64encode(one).decode() for one in (salt, digest)]
    users = by.server.key.parent / "users"
    users.write_text(f"us:$7$101${shown[0]}${shown[1]}\n")
    lines = [
        f"certfile {by.server.certificate}", f"keyfile {by.server.key}", f"password_file {users}",
        "user root",  # else it gives up its rights before it reads those
    ]  # fmt: skip
    with mosquitto.running(*lines, anonymous=False) as server:

        async def send(value: bytes) -> None:
            name = {"username": "us", "password": PASSWORD}
            async with Client("127.0.0.1", server.port, **name, tls_context=by.context()) as client:
                await client.publish("a", value, qos=1)

        auth = {"username": ref("user"), "password": ref("password")}
        url = f"ssl://127.0.0.1:{server.port}"
        event = {"url": url, "topic": "a", "clientId": "us", "auth": auth, "tls": TLS}
        yield Guarded({"mqtt": {"a": event}}, send)


def nats_server(by: Authority) -> Iterator[Guarded]:
    import nats as library

    files = ["--tlscert", str(by.server.certificate), "--tlskey", str(by.server.key)]
    with nats.running("--tls", *files, "--user", "us", "--pass", PASSWORD) as server:
        url = f"tls://127.0.0.1:{server.port}"

        async def send(value: bytes) -> None:
            name = {"user": "us", "password": PASSWORD}
            client = await library.connect(url, tls=by.context(), **name)
            await client.publish("a", value)
            await client.close()

        auth = {"basic": {"username": ref("user"), "password": ref("password")}}
        yield Guarded({"nats": {"a": {"url": url, "subject": "a", "auth": auth, "tls": TLS}}}, send)


def kafka_server(by: Authority) -> Iterator[Guarded]:
    from aiokafka import AIOKafkaProducer

    both = by.server.key.parent / "both.pem"
    both.write_text(by.server.key.read_text() + by.server.certificate.read_text())
    plain = process.free_port()
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    settings = [
        f"listeners=SASL_SSL://127.0.0.1:{{port}},PLAINTEXT://127.0.0.1:{plain},"
        "CONTROLLER://127.0.0.1:{controller}",
        "listener.security.protocol.map=SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms=PLAIN",
        f'listener.name.sasl_ssl.plain.sasl.jaas.config={module} required user_us="{PASSWORD}";',
        "ssl.keystore.type=PEM",
        f"ssl.keystore.location={both}",
    ]
    with apache_kafka.running(*settings) as server:

        async def send(value: bytes) -> None:
            producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{plain}")
            await producer.start()
            await producer.send_and_wait("a", value)
            await producer.stop()

        sasl = {"userSecret": ref("user"), "passwordSecret": ref("password")}
        url = f"127.0.0.1:{server.port}"
        event = {"url": url, "topic": "a", "partition": "0", "tls": TLS, "sasl": sasl}
        yield Guarded({"kafka": {"a": event}}, send)


def amqp_server(by: Authority) -> Iterator[Guarded]:
    import aio_pika

    secure = process.free_port()
    lines = [
        f"listeners.ssl.1 = 127.0.0.1:{secure}",
        f"ssl_options.certfile = {by.server.certificate}",
        f"ssl_options.keyfile = {by.server.key}",
        f"ssl_options.cacertfile = {by.ours.certificate}",
        "ssl_options.verify = verify_none",
        "default_user = us",
        f"default_pass = {PASSWORD}",
        "default_user_tags.administrator = true",
    ]
    with rabbitmq.running(*lines, user=f"us:{PASSWORD}") as server:

        async def send(value: bytes) -> None:
            plain = f"amqp://us:{PASSWORD}@127.0.0.1:{server.port}/"
            async with await aio_pika.connect(plain) as connection:
                channel = await connection.channel()
                exchange = await channel.get_exchange("a")
                await exchange.publish(aio_pika.Message(value), "a")

        auth = {"username": ref("user"), "password": ref("password")}
        event = {"url": f"amqps://127.0.0.1:{secure}/", "exchangeName": "a", "routingKey": "a"}
        more = {"exchangeType": "direct", "auth": auth, "tls": TLS}
        yield Guarded({"amqp": {"a": {**event, **more}}}, send)


MAKERS = {
    "redis": redis_server, "mqtt": mqtt_server, "nats": nats_server, "kafka": kafka_server,
    "amqp": amqp_server,
}  # fmt: skip


@pytest.fixture(params=list(MAKERS))
def guarded(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Guarded]:
    yield from MAKERS[request.param](authority)
    gc.collect()


async def fails(bench: Any) -> str:
    await until(lambda: bench.bank.status()[0].state == "waiting to restart", patience_s=30)
    return str(bench.bank.status()[0].error)


async def works(bench: Any, guarded: Guarded) -> None:
    await until(lambda: bench.bank.status()[0].state == "listening", patience_s=30)
    await guarded.send(b"1")
    (event,) = await bench.arrived(1, patience_s=30)
    assert json.loads(event.data)["body"] in ("1", "MQ==")


async def test_a_wrong_certificate_is_told_by_its_field_and_can_be_mended(
    bench: Any, guarded: Guarded, tmp_path: Path
) -> None:
    right = bench.secrets.values["guard", "ca"]
    (tmp_path / "other").mkdir()
    other = certificates.authority(tmp_path / "other")
    bench.secrets.values["guard", "ca"] = other.certificate.read_bytes()
    await bench.apply(guarded.spec)
    assert "tls.caCertSecret does not vouch for the server" in await fails(bench)
    bench.secrets.values["guard", "ca"] = right
    await works(bench, guarded)


async def test_a_wrong_password_is_told_without_it_and_can_be_mended(
    bench: Any, guarded: Guarded
) -> None:
    bench.secrets.values["guard", "password"] = b"an-old-one"
    await bench.apply(guarded.spec)
    error = await fails(bench)
    assert any(word in error.lower() for word in ("auth", "password", "not authorized"))
    if "kafka" not in guarded.spec:
        assert "is not accepted, check the secrets it names" in error
    assert "an-old-one" not in error
    bench.secrets.values["guard", "password"] = PASSWORD.encode()
    await works(bench, guarded)


async def test_a_nats_server_that_knows_us_by_our_nkey(bench: Any, tmp_path: Path) -> None:
    import nats as library
    import nkeys

    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(seed).public_key.decode()
    config = tmp_path / "nats.conf"
    us = f"user: us, password: {PASSWORD}"
    config.write_text(f"authorization {{ users: [ {{ nkey: {public} }}, {{ {us} }} ] }}")
    with nats.running("-c", str(config)) as server:

        async def send(value: bytes) -> None:
            url = f"nats://us:{PASSWORD}@127.0.0.1:{server.port}"
            client = await library.connect(url)
            await client.publish("a", value)
            await client.close()

        url = f"nats://127.0.0.1:{server.port}"
        event = {"url": url, "subject": "a", "auth": {"nkey": ref("seed")}}
        bench.secrets.values["guard", "seed"] = nkeys.encode_seed(
            os.urandom(32), nkeys.PREFIX_BYTE_USER
        )
        await bench.apply({"nats": {"a": event}})
        assert "authorization" in (await fails(bench)).lower()
        bench.secrets.values["guard", "seed"] = seed + b"\n"
        await works(bench, Guarded({}, send))


async def test_a_nats_certificate_whose_time_is_over_is_no_fault_of_ours_and_can_be_mended(
    bench: Any, authority: Authority, tmp_path: Path
) -> None:
    pair = authority.server
    right = pair.certificate.read_text()
    pair.certificate.write_text(certificates.expired(tmp_path, authority.ours, pair))
    files = ["--tlscert", str(pair.certificate), "--tlskey", str(pair.key)]
    with nats.running("--tls", *files) as server:
        url = f"tls://127.0.0.1:{server.port}"
        await bench.apply({"nats": {"a": {"url": url, "subject": "a", "tls": TLS}}})
        error = await fails(bench)
        assert "certificate has expired; renew it there" in error
        assert "caCertSecret" not in error
        pair.certificate.write_text(right)
        server.kill()
        server.start()

        async def send(value: bytes) -> None:
            import nats as library

            client = await library.connect(url, tls=authority.context())
            await client.publish("a", value)
            await client.close()

        await works(bench, Guarded({}, send))


async def test_a_nats_token_that_is_wrong_can_be_mended(bench: Any) -> None:
    import nats as library

    with nats.running("--auth", PASSWORD) as server:
        url = f"nats://127.0.0.1:{server.port}"

        async def send(value: bytes) -> None:
            client = await library.connect(url, token=PASSWORD)
            await client.publish("a", value)
            await client.close()

        bench.secrets.values["guard", "token"] = b"an-old-one"
        event = {"url": url, "subject": "a", "auth": {"token": ref("token")}}
        await bench.apply({"nats": {"a": event}})
        error = await fails(bench)
        assert "auth is not accepted, check the secrets it names" in error
        assert "an-old-one" not in error
        bench.secrets.values["guard", "token"] = PASSWORD.encode() + b"\n"
        await works(bench, Guarded({}, send))


async def test_a_creds_file_of_another_operator_is_told_and_can_be_mended(bench: Any) -> None:
    import nats as library
    from nats.aio.client import RawCredentials

    operator, other = nats_operator.Operator(), nats_operator.Operator()
    with nats_operator.running(operator) as server:
        url = f"nats://127.0.0.1:{server.port}"

        async def send(value: bytes) -> None:
            client = await library.connect(url, user_credentials=RawCredentials(operator.creds()))
            await client.publish("a", value)
            await client.close()

        bench.secrets.values["guard", "creds"] = other.creds().encode()
        event = {"url": url, "subject": "a", "auth": {"credential": ref("creds")}}
        await bench.apply({"nats": {"a": event}})
        assert "auth is not accepted, check the secrets it names" in await fails(bench)
        bench.secrets.values["guard", "creds"] = operator.creds().encode()
        await works(bench, Guarded({}, send))
