"""The pulsar source, by the library's own client, against a fake of the broker, which is too large to fetch."""

import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bireme.storage.ports import StorageUnavailable
from tests.servers import certificates, process, pulsar
from tests.servers.waiting import until

REF = {"name": "pulsar", "key": "x"}


@pytest.fixture
async def broker() -> AsyncIterator[pulsar.Pulsar]:
    async with pulsar.running(pulsar.Pulsar()) as fake:
        yield fake


@pytest.fixture
def bench(broker: pulsar.Pulsar, bench: Any) -> Any:
    """The broker outlives its client."""
    return bench


async def apply(bench: Any, broker: pulsar.Pulsar, **config: Any) -> None:
    event = {"url": broker.url, "topics": ["orders"], "type": "shared", "jsonBody": True, **config}
    await bench.apply({"pulsar": {"ship": event}})


async def test_a_message_becomes_one_event_and_is_acknowledged(
    bench: Any, broker: pulsar.Pulsar
) -> None:
    await apply(bench, broker, metadata={"team": "shop"})
    sent = broker.send(b'{"n": 1.50}', key="customer-7")
    (event,) = await bench.arrived(1)
    payload = json.loads(event.data)
    assert payload == {
        "key": "customer-7", "publishTime": "2026-11-26 14:00:00.123 +0000 UTC",
        "body": {"n": 1.5}, "metadata": {"team": "shop"},
    }  # fmt: skip
    assert next(iter(payload)) == "key"
    assert b'"body":{"n":1.50}' in event.data
    await until(lambda: broker.subscription("ship").acknowledged == [sent])


async def test_without_json_the_body_is_base64(bench: Any, broker: pulsar.Pulsar) -> None:
    await apply(bench, broker, jsonBody=False, type="exclusive")
    broker.send(b"\xff\x00")
    (event,) = await bench.arrived(1)
    assert base64.b64decode(json.loads(event.data)["body"]) == b"\xff\x00"


async def test_several_topics_are_read_by_one_subscription(
    bench: Any, broker: pulsar.Pulsar
) -> None:
    broker.topics["persistent://public/default/returns"] = []
    await apply(bench, broker, topics=["orders", "returns"])
    broker.send(b"1")
    broker.send(b"2", topic="returns")
    assert {json.loads(one.data)["body"] for one in await bench.arrived(2)} == {1, 2}


async def test_poison_is_acknowledged_and_does_not_stop_the_others(
    bench: Any, broker: pulsar.Pulsar
) -> None:
    await apply(bench, broker)
    sent = [broker.send(b"no json"), broker.send(b"{}")]
    await until(lambda: sorted(broker.subscription("ship").acknowledged) == sent)
    assert len(await bench.events()) == 1


async def test_what_comes_again_after_the_line_was_cut_is_one_event(
    bench: Any, broker: pulsar.Pulsar
) -> None:
    publish, tries = bench.bus.publish, 0

    async def away(events: Any, also: Any = None) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            await publish(events, also)
            broker.hang_up()
        raise StorageUnavailable("the disk is full")

    bench.bus.publish = away
    await apply(bench, broker)
    sent = broker.send(b"{}")
    await until(lambda: tries >= 2, "it is tried again")
    assert broker.subscription("ship").acknowledged == []
    bench.bus.publish = publish
    await until(lambda: broker.subscription("ship").acknowledged == [sent])
    assert len(await bench.events()) == 1
    broker.send(b"{}")
    assert len(await bench.arrived(2)) == 2


async def test_what_was_sent_while_nobody_listened_comes_later(
    bench: Any, broker: pulsar.Pulsar
) -> None:
    await apply(bench, broker)
    await bench.bank.remove("default", "hooks")
    broker.send(b"{}")
    await apply(bench, broker)
    assert len(await bench.arrived(1)) == 1


async def test_a_token_opens_the_broker_and_a_wrong_one_is_told(
    bench: Any, broker: pulsar.Pulsar
) -> None:
    broker.token = "right"
    bench.secrets.values["pulsar", "token"] = b"hunter2"
    token = {"authTokenSecret": {"name": "pulsar", "key": "token"}}
    await apply(bench, broker, **token)
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert "does not accept our token" in status.error
    assert "hunter2" not in status.error
    bench.secrets.values["pulsar", "token"] = b"right\n"
    await until(lambda: bench.bank.status()[0].state == "listening", "it comes back")


async def test_a_certificate_opens_a_broker_that_the_authority_vouches_for(
    bench: Any, tmp_path: Path
) -> None:
    authority = certificates.authority(tmp_path)
    own, client = (certificates.signed(tmp_path, authority, name) for name in ("broker", "client"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    context.load_cert_chain(own.certificate, own.key)
    context.verify_mode = ssl.CERT_REQUIRED
    texts = {"ca": authority.texts[0], "cert": client.texts[0], "key": client.texts[1]}
    bench.secrets.values |= {("pulsar", name): text.encode() for name, text in texts.items()}
    refs = {"caCertSecret": "ca", "clientCertSecret": "cert", "clientKeySecret": "key"}
    tls = {field: {"name": "pulsar", "key": key} for field, key in refs.items()}
    async with pulsar.running(pulsar.Pulsar(tls=context)) as guarded:
        await apply(bench, guarded, tls=tls)
        guarded.send(b"1")
        assert json.loads((await bench.arrived(1))[0].data)["body"] == 1
        await bench.bank.remove("default", "hooks")


async def test_a_topic_that_is_missing_is_told(bench: Any, broker: pulsar.Pulsar) -> None:
    await apply(bench, broker, topics=["nowhere"])
    assert "TopicNotFound" in bench.bank.status()[0].error


async def test_a_broker_that_is_away_is_named(bench: Any, broker: pulsar.Pulsar) -> None:
    gone = f"pulsar://127.0.0.1:{process.free_port()}"
    await apply(bench, broker, url=gone)
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert gone in status.error


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"url": "broker:6650"}, "url is 'broker:6650'"),
        ({"topics": []}, "topics is missing"),
        ({"type": "failover"}, "type is 'failover': shared or exclusive"),
        ({"authAthenzParams": {"a": "b"}}, "authAthenzParams.providerDomain is missing"),
        ({"authAthenzSecret": REF}, "the key to authAthenzParams, which is missing"),
        (
            {"authAthenzParams": {"providerDomain": "p", "ztsUrl": "http://z"}},
            "authAthenzSecret is missing",
        ),
        ({"tls": {"clientCertSecret": REF}}, "clientCertSecret and clientKeySecret go together"),
        (
            {"authTokenSecret": REF, "tls": {"clientCertSecret": REF, "clientKeySecret": REF}},
            "one says who we are",
        ),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, broker: pulsar.Pulsar, config: dict[str, Any], complaint: str
) -> None:
    await apply(bench, broker, **config)
    status = bench.bank.status()[0]
    assert status.state == "refused"
    assert complaint in status.error
