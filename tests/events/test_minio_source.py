"""The minio source, and `s3` with `listen` and `webhook`, against a fake MinIO in front of moto's storage."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from events import sigv4
from tests.servers import minio, moto, process
from tests.servers.waiting import until


@pytest.fixture(scope="module")
def storage() -> Iterator[process.Server]:
    with moto.running() as server:
        yield server


@pytest.fixture
async def server(storage: process.Server) -> AsyncIterator[minio.Minio]:
    async with minio.running(storage) as running:
        yield running


class Through:
    """A client of the server: what it does is notified. What is done behind its back is not."""

    def __init__(self, s3: Any, behind: Any, bucket: str) -> None:
        self.s3, self.behind, self.bucket = s3, behind, bucket

    async def put(self, key: str, body: bytes = b"x") -> None:
        await self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    async def put_unseen(self, key: str) -> None:
        await self.behind.put_object(Bucket=self.bucket, Key=key, Body=b"y")

    async def delete(self, key: str) -> None:
        await self.s3.delete_object(Bucket=self.bucket, Key=key)


@pytest.fixture
async def store(
    server: minio.Minio, storage: process.Server, request: pytest.FixtureRequest
) -> AsyncIterator[Through]:
    name = f"bucket-{abs(hash(request.node.name))}"
    async with (
        moto.client_at(server.port, "s3") as s3,
        moto.client(storage, "s3") as behind,
    ):
        await behind.create_bucket(Bucket=name)
        yield Through(s3, behind, name)


@pytest.fixture
def apply(bench: Any, server: minio.Minio, store: Through) -> Callable[..., Any]:
    bench.secrets.values["aws", "access"] = b"test"
    bench.secrets.values["aws", "secret"] = b"test"

    async def with_(**config: Any) -> None:
        event = {
            "endpoint": f"127.0.0.1:{server.port}",
            "insecure": True,
            "bucket": {"name": store.bucket},
            "events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
            "accessKey": {"name": "aws", "key": "access"},
            "secretKey": {"name": "aws", "key": "secret"},
            **config,
        }
        await bench.apply({"minio": {"uploads": event}}, "landing")

    return with_


def told(events: Any) -> list[tuple[str, str]]:
    records = [json.loads(event.data)["notification"][0] for event in events]
    return [(one["eventName"], one["s3"]["object"]["key"]) for one in records]


async def test_a_notification_is_an_event_with_the_servers_own_record(
    bench: Any, store: Through, apply: Any, server: minio.Minio
) -> None:
    await store.put_unseen("before.csv")
    await apply(filter={"suffix": ".csv"}, metadata={"team": "etl"})
    await store.put("in/a b.csv")
    await store.put("in/other.txt")
    await store.delete("in/a b.csv")
    first, second = await bench.arrived(2)
    assert told([first, second]) == [
        ("s3:ObjectCreated:Put", "in%2Fa%20b.csv"),
        ("s3:ObjectRemoved:Delete", "in%2Fa%20b.csv"),
    ]
    assert list(json.loads(first.data)) == ["notification", "metadata"]
    (asked, headers) = server.asked[0]
    assert asked.getall("events") == ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    assert asked["suffix"] == ".csv"
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=test/")


async def test_what_the_stream_missed_is_found_when_it_is_back(
    bench: Any, store: Through, apply: Any, server: minio.Minio
) -> None:
    await apply()
    server.deaf = True
    await store.put("missed.csv")
    server.deaf = False
    server.cut()
    (event,) = await bench.arrived(1)
    assert told([event]) == [("s3:ObjectCreated:Put", "missed.csv")]
    assert event.attributes == {"foundby": "listing"}
    await until(lambda: bench.bank.status()[0].state == "listening")
    await store.put("live.csv")
    assert told(await bench.arrived(2))[1] == ("s3:ObjectCreated:Put", "live.csv")


async def test_wrong_keys_are_said(bench: Any, apply: Any, server: minio.Minio) -> None:
    server.refused = True
    await apply()
    (status,) = bench.bank.status()
    assert status.state == "waiting to restart"
    assert "check accessKey and secretKey" in status.error


async def test_s3_listens_too(
    bench: Any, store: Through, storage: process.Server, server: minio.Minio
) -> None:
    bench.secrets.values["aws", "access"] = bench.secrets.values["aws", "secret"] = b"test"
    account = {**moto.account(storage), "endpoint": f"http://127.0.0.1:{server.port}"}
    await bench.apply({"s3": {"uploads": {"bucket": store.bucket, "listen": True, **account}}})
    await store.put("a")
    (event,) = await bench.arrived(1)
    payload = json.loads(event.data)
    assert (payload["key"], payload["sequencer"][:3]) == ("a", "17C")


async def test_s3_takes_minios_webhook(
    bench: Any, free_port: Callable[[], int], store: Through
) -> None:
    bench.secrets.values["hook", "token"] = b"s3cret"
    port = free_port()
    webhook = {
        "endpoint": "/minio",
        "port": str(port),
        "authSecret": {"name": "hook", "key": "token"},
    }
    await bench.apply({"s3": {"uploads": {"bucket": "b", "webhook": webhook}}})
    record = {
        "eventName": "s3:ObjectCreated:Put",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "s3": {"bucket": {"name": "b"}, "object": {"key": "in%2Fk", "sequencer": "17C"}},
    }
    body = {"EventName": "s3:ObjectCreated:Put", "Key": "b/in/k", "Records": [record]}
    url, signed = f"http://127.0.0.1:{port}/minio", {"Authorization": "Bearer s3cret"}
    for _ in range(2):
        async with bench.client.post(url, json=body, headers=signed) as answer:
            assert answer.status == 200
    async with bench.client.post(url, json={"no": 1}, headers=signed) as answer:
        assert answer.status == 400
    async with bench.client.post(url, json=body) as answer:
        assert answer.status == 401
    assert [json.loads(one.data)["key"] for one in await bench.events()] == ["in/k"]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"bucket": None}, "bucket.name is missing"),
        ({"endpoint": "http://minio:9000"}, "endpoint is host:port"),
        ({"events": []}, "events is missing"),
        ({"secretKey": None}, "accessKey and secretKey are needed"),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, apply: Any, config: dict[str, Any], complaint: str
) -> None:
    await apply(**config)
    (status,) = bench.bank.status()
    assert status.state == "refused"
    assert complaint in status.error


def test_requests_are_signed_as_the_aws_client_signs_them() -> None:
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    now = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    query = sigv4.query([("events", "s3:ObjectCreated:*"), ("prefix", "a b/é"), ("suffix", "")])
    ours = sigv4.headers(
        host="minio:9000",
        path="/bucket",
        query=query,
        region="us-east-1",
        access_key="AK",
        secret_key="SK",
        now=now,
    )
    theirs = AWSRequest("GET", f"http://minio:9000/bucket?{query}")
    theirs.context["timestamp"] = ours["X-Amz-Date"]
    theirs.headers["X-Amz-Date"] = ours["X-Amz-Date"]
    theirs.headers["X-Amz-Content-SHA256"] = ours["X-Amz-Content-Sha256"]
    signer = auth.S3SigV4Auth(Credentials("AK", "SK"), "s3", "us-east-1")
    canonical = signer.canonical_request(theirs)
    text = signer.string_to_sign(theirs, canonical)
    assert ours["Authorization"].endswith(signer.signature(text, theirs))
