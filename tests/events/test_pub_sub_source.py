"""The pubSub source against a fake of Pub/Sub's REST API: the service and its emulator cannot be started here."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bireme.storage.ports import StorageUnavailable
from tests.servers import process, pubsub, webapi
from tests.servers.waiting import until

TOPIC = "projects/shop/topics/orders"
SUBSCRIPTION = "projects/shop/subscriptions/ship"


@pytest.fixture
async def service() -> AsyncIterator[pubsub.PubSub]:
    fake = pubsub.PubSub(TOPIC)
    async with webapi.running(fake):
        yield fake


async def apply(bench: Any, service: pubsub.PubSub, **config: Any) -> None:
    event = {
        "projectID": "shop", "topic": "orders", "subscriptionID": "ship", "jsonBody": True,
        "endpoint": service.url, **config,
    }  # fmt: skip
    await bench.apply({"pubSub": {"orders": event}})


async def test_a_message_becomes_one_event_and_is_acknowledged(
    bench: Any, service: pubsub.PubSub
) -> None:
    await apply(bench, service, metadata={"team": "shop"})
    sent = service.send(b'{"n": 1.50}', kind="new")
    (event,) = await bench.arrived(1)
    payload = json.loads(event.data)
    assert list(payload) == ["id", "body", "attributes", "publishTime", "metadata"]
    assert payload["id"] == sent
    assert payload["attributes"] == {"kind": "new"}
    assert payload["publishTime"] == "2026-11-26 14:00:00.12 +0000 UTC"
    assert b'"body":{"n":1.50}' in event.data
    await until(lambda: service.acked == [sent], "it is acknowledged")


async def test_bytes_are_base64_without_json_body(bench: Any, service: pubsub.PubSub) -> None:
    await apply(bench, service, jsonBody=False)
    service.send("plain ✓".encode())
    payload = json.loads((await bench.arrived(1))[0].data)
    assert base64.b64decode(payload["body"]).decode() == "plain ✓"
    assert payload["attributes"] == {}


async def test_a_message_that_is_delivered_twice_is_one_event(
    bench: Any, service: pubsub.PubSub
) -> None:
    await apply(bench, service)
    name = service.send(b"1")
    await until(lambda: service.acked == [name])
    service.send(b"1", name)
    await until(lambda: service.acked == [name, name])
    assert len(await bench.events()) == 1
    assert bench.bank.status()[0].duplicates == 1


async def test_a_message_is_not_acknowledged_while_the_log_cannot_be_written(
    bench: Any, service: pubsub.PubSub
) -> None:
    publish, tries = bench.bus.publish, 0

    async def away(events: Any, also: Any = None) -> Any:
        nonlocal tries
        tries += 1
        raise StorageUnavailable("the disk is full")

    bench.bus.publish = away
    await apply(bench, service)
    name = service.send(b"{}")
    await until(lambda: tries >= 2, "it is tried again")
    assert service.acked == []
    assert len(service.leased) == 1
    bench.bus.publish = publish
    await until(lambda: service.acked == [name])
    assert len(await bench.events()) == 1


async def test_poison_is_acknowledged_and_does_not_stop_the_others(
    bench: Any, service: pubsub.PubSub
) -> None:
    await apply(bench, service)
    sent = {service.send(b"no json"), service.send(b"{}")}
    await until(lambda: set(service.acked) == sent)
    assert len(await bench.events()) == 1


async def test_poison_goes_back_where_there_is_a_dead_letter_topic(
    bench: Any, service: pubsub.PubSub
) -> None:
    service.subscribe(SUBSCRIPTION, TOPIC, deadLetterPolicy={"maxDeliveryAttempts": 5})
    await apply(bench, service)
    poison, good = service.send(b"no json"), service.send(b"{}")
    await until(lambda: (service.acked, service.returned) == ([good], [poison]))
    assert len(await bench.events()) == 1


async def test_a_subscription_is_made_when_it_is_missing_and_is_kept(
    bench: Any, service: pubsub.PubSub
) -> None:
    await apply(bench, service)
    assert service.subscriptions[SUBSCRIPTION]["topic"] == TOPIC
    await bench.bank.close()
    assert SUBSCRIPTION in service.subscriptions


async def test_a_subscription_is_deleted_at_the_end_when_that_is_wanted(
    bench: Any, service: pubsub.PubSub
) -> None:
    await apply(bench, service, deleteSubscriptionOnFinish=True, subscriptionID="")
    assert len(service.subscriptions) == 1
    await bench.bank.close()
    assert service.subscriptions == {}


async def test_a_subscription_of_another_topic_is_not_read(
    bench: Any, service: pubsub.PubSub
) -> None:
    service.subscribe(SUBSCRIPTION, "projects/shop/topics/others")
    await apply(bench, service)
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert f"a subscription of projects/shop/topics/others, not of {TOPIC}" in status.error


async def test_a_topic_that_is_not_there_is_told(bench: Any, service: pubsub.PubSub) -> None:
    await apply(bench, service, topic="nowhere")
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert "topic not found" in status.error


async def test_a_service_that_was_away_is_listened_to_again(
    bench: Any, service: pubsub.PubSub
) -> None:
    await apply(bench, service, deleteSubscriptionOnFinish=True)
    service.is_away = True
    await until(lambda: bench.bank.status()[0].state == "waiting to restart")
    service.is_away = False
    assert SUBSCRIPTION in service.subscriptions
    service.send(b"{}")
    assert len(await bench.arrived(1)) == 1


async def test_a_large_message_arrives_whole(bench: Any, service: pubsub.PubSub) -> None:
    await apply(bench, service)
    body = json.dumps("x" * 5_000_000).encode()
    service.send(body)
    (event,) = await bench.arrived(1)
    assert body in event.data


async def test_a_service_account_is_exchanged_for_a_token(bench: Any) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    fake = pubsub.PubSub(TOPIC, token="google-token", public_key=key.public_key())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account", "client_email": "ship@shop", "private_key": pem.decode(),
        "private_key_id": "1", "token_uri": f"{fake.url}/token", "project_id": "shop",
    }  # fmt: skip
    bench.secrets.values["google", "account"] = json.dumps(account).encode()
    async with webapi.running(fake):
        await apply(bench, fake, credentialSecret={"name": "google", "key": "account"})
        fake.send(b"{}")
        assert len(await bench.arrived(1)) == 1


async def test_a_secret_that_is_no_account_is_told_without_its_words(
    bench: Any, service: pubsub.PubSub
) -> None:
    bench.secrets.values["google", "account"] = b"hunter2"
    await apply(bench, service, credentialSecret={"name": "google", "key": "account"})
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert "credentialSecret" in status.error
    assert "hunter2" not in status.error


async def test_an_endpoint_that_is_away_is_named(bench: Any, service: pubsub.PubSub) -> None:
    gone = f"http://127.0.0.1:{process.free_port()}"
    await apply(bench, service, endpoint=gone)
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert gone in status.error


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"projectID": ""}, "projectID is missing"),
        ({"topic": "", "subscriptionID": ""}, "must specify topic or subscriptionID"),
        (
            {"topic": "", "topicProjectID": "other"},
            "you can't specify topicProjectID if you don't specify topic",
        ),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, service: pubsub.PubSub, config: dict[str, Any], complaint: str
) -> None:
    await apply(bench, service, **config)
    status = bench.bank.status()[0]
    assert status.state == "refused"
    assert complaint in status.error
