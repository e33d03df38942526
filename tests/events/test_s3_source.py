"""The s3 source against moto, a real server in another process: queues three ways, listing, data sets."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.servers import moto, process
from tests.servers.waiting import until


@pytest.fixture(scope="module")
def aws() -> Iterator[process.Server]:
    with moto.running() as server:
        yield server


class Store:
    """A bucket of its own, and the clients a test needs."""

    def __init__(self, s3: Any, sqs: Any, sns: Any, bridge: Any, name: str) -> None:
        self.s3, self.sqs, self.sns, self.bridge, self.name = s3, sqs, sns, bridge, name

    async def put(self, key: str, body: bytes = b"a,b\n") -> None:
        await self.s3.put_object(Bucket=self.name, Key=key, Body=body)

    async def queue(self) -> str:
        url = (await self.sqs.create_queue(QueueName=self.name))["QueueUrl"]
        found = await self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    async def notify(self, **configuration: Any) -> None:
        await self.s3.put_bucket_notification_configuration(
            Bucket=self.name, NotificationConfiguration=configuration
        )

    async def to_queue(self, *events: str) -> None:
        names = list(events) or ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
        arn = await self.queue()
        await self.notify(QueueConfigurations=[{"QueueArn": arn, "Events": names}])

    async def to_topic(self) -> None:
        arn = await self.queue()
        topic = (await self.sns.create_topic(Name=self.name))["TopicArn"]
        await self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        events = ["s3:ObjectCreated:*"]
        await self.notify(TopicConfigurations=[{"TopicArn": topic, "Events": events}])

    async def to_bridge(self) -> None:
        arn = await self.queue()
        await self.notify(EventBridgeConfiguration={})
        pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [self.name]}}}
        await self.bridge.put_rule(Name=self.name, EventPattern=json.dumps(pattern))
        await self.bridge.put_targets(Rule=self.name, Targets=[{"Id": "1", "Arn": arn}])

    async def waiting(self) -> int:
        url = (await self.sqs.get_queue_url(QueueName=self.name))["QueueUrl"]
        found = await self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        words = found["Attributes"]
        return sum(int(words[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible"))

    async def send(self, body: str) -> None:
        url = (await self.sqs.get_queue_url(QueueName=self.name))["QueueUrl"]
        await self.sqs.send_message(QueueUrl=url, MessageBody=body)

    async def is_worked_off(self) -> bool:
        return await self.waiting() == 0


@pytest.fixture
async def store(aws: process.Server, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    name = f"bucket-{abs(hash(request.node.name))}"
    async with (
        moto.client(aws, "s3") as s3,
        moto.client(aws, "sqs") as sqs,
        moto.client(aws, "sns") as sns,
        moto.client(aws, "events") as bridge,
    ):
        await s3.create_bucket(Bucket=name)
        yield Store(s3, sqs, sns, bridge, name)


@pytest.fixture
def apply(bench: Any, aws: process.Server, store: Store) -> Callable[..., Any]:
    bench.secrets.values["aws", "access"] = b"test"
    bench.secrets.values["aws", "secret"] = b"test"

    async def with_(**config: Any) -> None:
        event = {"bucket": store.name, **moto.account(aws), **config}
        await bench.apply({"s3": {"uploads": event}}, "landing")

    return with_


def queue(store: Store, **config: Any) -> dict[str, Any]:
    return {"queue": store.name, "waitTimeSeconds": 1, **config}


def payloads(events: Any) -> list[Any]:
    return [json.loads(event.data) for event in events]


async def test_an_upload_is_an_event_and_the_test_event_is_none(
    bench: Any, store: Store, apply: Any
) -> None:
    await store.to_queue()
    await apply(sqs=queue(store), metadata={"team": "etl"}, filter={"suffix": ".csv"})
    await store.put("in/a b+ü.csv")
    await store.put("in/other.txt")
    (event,) = await bench.arrived(1)
    (payload,) = payloads([event])
    assert payload["bucket"] == store.name
    assert payload["key"] == "in/a b+ü.csv"
    assert payload["eventName"] == "s3:ObjectCreated:Put"
    assert payload["size"] == 4
    assert payload["record"]["s3"]["bucket"]["name"] == store.name
    assert payload["metadata"] == {"team": "etl"}
    assert event.attributes == {"foundby": "notification"}
    await until(store.is_worked_off)
    assert len(await bench.events()) == 1


@pytest.mark.parametrize("way", ["to_topic", "to_bridge"])
async def test_notifications_may_come_through_sns_or_event_bridge(
    bench: Any, store: Store, apply: Any, way: str
) -> None:
    await getattr(store, way)()
    await apply(sqs=queue(store))
    await store.put("in/a b.csv")
    (payload,) = payloads(await bench.arrived(1))
    assert payload["key"] == "in/a b.csv"
    assert payload["eventName"] == "s3:ObjectCreated:Put"
    await until(store.is_worked_off)


async def test_a_notification_delivered_twice_is_one_event(
    bench: Any, store: Store, apply: Any
) -> None:
    await store.queue()
    record = {
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "s3": {
            "bucket": {"name": store.name},
            "object": {"key": "k", "size": 1, "eTag": "e", "sequencer": "0055AED6DCD90281E5"},
        },
    }
    await store.send(json.dumps({"Records": [record]}))
    await store.send(json.dumps({"Records": [record, record]}))
    await store.send("not json")
    await apply(sqs=queue(store))
    await until(store.is_worked_off)
    assert len(await bench.events()) == 1
    assert bench.bank.status()[0].duplicates == 2


async def test_what_no_notification_told_is_found_and_said_so(
    bench: Any, store: Store, apply: Any
) -> None:
    await store.queue()  # the bucket notifies nobody
    await store.put("before.csv")
    reconcile = {"interval": "1s", "grace": "1ms"}
    await apply(sqs=queue(store), reconcile=reconcile)
    await store.put("missed.csv")
    (event,) = await bench.arrived(1)
    assert payloads([event])[0]["key"] == "missed.csv"
    assert payloads([event])[0]["foundBy"] == "listing"
    assert event.attributes == {"foundby": "listing"}


async def test_a_notification_after_the_listing_found_the_object_is_no_second_event(
    bench: Any, store: Store, apply: Any
) -> None:
    await store.queue()
    await apply(sqs=queue(store), reconcile={"interval": "1s", "grace": "1ms"})
    await store.put("late.csv")
    await bench.arrived(1)
    found = await store.s3.head_object(Bucket=store.name, Key="late.csv")
    record = {
        "eventName": "ObjectCreated:Put",
        "eventTime": found["LastModified"].isoformat(),
        "s3": {
            "bucket": {"name": store.name},
            "object": {
                "key": "late.csv",
                "eTag": found["ETag"].strip('"'),
                "sequencer": "0055AED6DCD90281E5",
            },
        },
    }
    await store.send(json.dumps({"Records": [record]}))
    await until(store.is_worked_off)
    await until(lambda: bench.bank.status()[0].duplicates == 1)
    assert len(await bench.events()) == 1


async def test_a_bucket_without_notifications_is_polled(
    bench: Any, store: Store, apply: Any
) -> None:
    await store.put("before.csv")
    await apply(poll={"interval": "100ms"}, events=["s3:ObjectCreated:*", "s3:ObjectRemoved:*"])
    await store.put("new.csv")
    await bench.arrived(1)
    await store.s3.delete_object(Bucket=store.name, Key="before.csv")
    names = [(one["key"], one["eventName"]) for one in payloads(await bench.arrived(2))]
    assert names == [
        ("new.csv", "s3:ObjectCreated:Put"),
        ("before.csv", "s3:ObjectRemoved:Delete"),
    ]


async def test_what_came_while_the_engine_was_down_is_found_by_the_next_listing(
    bench: Any, store: Store, apply: Any
) -> None:
    await apply(poll={"interval": "1h"})
    await bench.bank.remove("default", "landing")
    await store.put("meanwhile.csv")
    await apply(poll={"interval": "1h"})
    assert [one["key"] for one in payloads(await bench.arrived(1))] == ["meanwhile.csv"]
    await bench.bank.remove("default", "landing")
    await apply(poll={"interval": "1h"})
    assert len(await bench.events()) == 1


async def test_existing_objects_are_events_when_asked_for(
    bench: Any, store: Store, apply: Any
) -> None:
    await store.put("before.csv")
    await apply(poll={"interval": "1h", "existing": True})
    assert [one["key"] for one in payloads(await bench.arrived(1))] == ["before.csv"]


async def test_a_data_set_is_one_event_when_its_marker_comes(
    bench: Any, store: Store, apply: Any
) -> None:
    await store.to_queue()
    await apply(sqs=queue(store), dataSet={"prefix": "in/{day}/", "marker": "_SUCCESS"})
    await store.put("in/2026-11-26/_SUCCESS", b"")  # notifications have no order: listing has
    await store.put("in/2026-11-27/b.csv")
    await store.put("in/2026-11-27/a.csv")
    await store.put("in/2026-11-27/_SUCCESS", b"")
    await bench.arrived(2)
    await until(store.is_worked_off)
    await store.put("in/2026-11-27/late.csv")
    await until(store.is_worked_off)
    first, second = sorted(payloads(await bench.events()), key=lambda one: one["dataSet"])
    assert (first["dataSet"], first["count"]) == ("in/2026-11-26/", 0)
    assert second["values"] == {"day": "2026-11-27"}
    assert [one["key"] for one in second["objects"]] == [
        "in/2026-11-27/a.csv",
        "in/2026-11-27/b.csv",
    ]
    assert second["size"] == 8


async def test_a_data_set_waits_for_all_that_its_manifest_names(
    bench: Any, store: Store, apply: Any
) -> None:
    await store.to_queue()
    await apply(sqs=queue(store), dataSet={"prefix": "in/{run}/", "manifest": "manifest.json"})
    listed = {"entries": [{"url": f"s3://{store.name}/in/7/a"}, {"url": "b"}]}
    await store.put("in/7/manifest.json", json.dumps(listed).encode())
    await store.put("in/broken/manifest.json", b"{")
    await store.put("in/7/a")
    await until(store.is_worked_off)
    assert (await bench.database.read("SELECT count(*) FROM events"))[0][0] == 0
    await store.put("in/7/b")
    (payload,) = payloads(await bench.arrived(1))
    assert [one["key"] for one in payload["objects"]] == ["in/7/a", "in/7/b"]


async def test_a_data_set_survives_a_restart_in_the_middle(
    bench: Any, store: Store, apply: Any
) -> None:
    await store.to_queue()
    # A receive that is cut short may have taken messages with it, until their invisibility ends.
    way = queue(store, visibilityTimeout=2)
    config = {"sqs": way, "dataSet": {"prefix": "in/{run}/", "count": 2, "list": False}}
    await apply(**config)
    await store.put("in/7/a")
    await until(store.is_worked_off)
    await bench.bank.remove("default", "landing")
    await store.put("in/7/b")
    await apply(**config)
    (payload,) = payloads(await bench.arrived(1))
    assert [one["key"] for one in payload["objects"]] == ["in/7/a", "in/7/b"]


async def test_a_data_set_is_completed_by_what_only_a_listing_shows(
    bench: Any, store: Store, apply: Any
) -> None:
    await store.queue()
    rule = {"prefix": "in/{run}/", "patterns": ["a-*", "b"]}
    await apply(sqs=queue(store), dataSet=rule, reconcile={"interval": "1s", "grace": "1ms"})
    await store.put("in/7/a-1")
    await store.put("in/7/b")
    (event,) = await bench.arrived(1)
    assert event.attributes == {"foundby": "listing"}
    assert {one["foundBy"] for one in payloads([event])[0]["objects"]} == {"listing"}


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({}, "exactly one of sqs, listen, webhook and poll"),
        ({"poll": {}, "listen": True}, "exactly one of sqs, listen, webhook and poll"),
        ({"poll": {"interval": "soon"}}, "poll.interval"),
        ({"poll": {}, "reconcile": {}}, "reconcile goes with notifications"),
        ({"poll": {}, "dataSet": {"prefix": "a/"}}, "exactly one of marker, manifest"),
        ({"poll": {}, "dataSet": {"prefix": "{a}/{a}/", "count": 1}}, "may stand in it once"),
        ({"poll": {}, "bucket": ""}, "bucket is missing"),
        ({"sqs": {"queue": "q", "waitTimeSeconds": 60}}, "sqs.waitTimeSeconds"),
        ({"listen": True, "endpoint": ""}, "listen needs endpoint"),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, apply: Any, config: dict[str, Any], complaint: str
) -> None:
    await apply(**config)
    (status,) = bench.bank.status()
    assert status.state == "refused"
    assert complaint in status.error


async def test_a_bucket_that_is_not_there_is_named(bench: Any, apply: Any) -> None:
    await apply(poll={}, bucket="no-such-bucket")
    (status,) = bench.bank.status()
    assert status.state == "waiting to restart"
    assert "'no-such-bucket'" in status.error
