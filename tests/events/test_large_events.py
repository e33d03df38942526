"""Events larger than a bus takes, on real servers: set aside with a sentence that helps, and in nobody's way."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from bireme.kit.clock import SystemClock
from bireme.kit.ids import RandomIds
from events.buses.kafka import KafkaBus
from events.ports import BusAway, BusSurroundings, TooLarge
from tests.events import bus_rigs
from tests.events.bus_rigs import Rig
from tests.events.conftest import GivenSecrets
from tests.events.test_buses import event, take
from tests.servers import apache_kafka, nats, process

MOST = 100_000
ADVICE = {"jetstream": "max_payload of the NATS server", "kafka": "max.message.bytes of the topic"}


@pytest.fixture(scope="module")
def kafka_port() -> int:
    return process.free_port()


@pytest.fixture(scope="module")
def brokers(kafka_port: int) -> Iterator[process.Server]:
    public = f"advertised.listeners=PLAINTEXT://127.0.0.1:{kafka_port}"
    with apache_kafka.running(public, f"message.max.bytes={MOST}") as server:
        yield server


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.Server]:
    config = tmp_path_factory.mktemp("nats") / "nats.conf"
    config.write_text(f"max_payload: {MOST}\n")
    with nats.running("-c", str(config)) as server:
        yield server


@pytest.fixture(params=["jetstream", "kafka"])
async def rig(
    request: pytest.FixtureRequest, tmp_path: Path, kafka_port: int
) -> AsyncIterator[Rig]:
    is_kafka = request.param == "kafka"
    server = request.getfixturevalue("brokers" if is_kafka else "streams")
    port = kafka_port if is_kafka else process.free_port()
    async with bus_rigs.remote(request.param, server, port) as remote:
        remote.advice = ADVICE[request.param]  # type: ignore[attr-defined]
        yield remote


async def test_nothing_of_a_publication_with_a_large_event_is_accepted_and_only_that_one_is_named(
    rig: Rig,
) -> None:
    large = event("large", data=b"x" * MOST)
    with pytest.raises(TooLarge) as told:
        await rig.bus.publish([event("a"), large, event("b")])
    assert list(told.value.reasons) == ["large"]
    with pytest.raises(TooLarge):
        await rig.bus.publish([large])
    await rig.bus.publish([event("c")])
    assert [one.id for one in await take(rig.bus.read("c", 0), 1)] == ["c"]


async def test_the_limit_is_what_the_server_takes(rig: Rig) -> None:
    """To the byte, as we count: the largest that passes our look is taken by the server, alone and among others."""
    with pytest.raises(TooLarge) as told:
        await rig.bus.publish([event("e", data=b"x" * MOST)])
    size = int(told.value.reasons["e"].split(" bytes")[0].split()[-1])
    fits = event("e", data=b"x" * (2 * MOST - size))
    await rig.bus.publish([fits])
    await rig.bus.publish([event("1"), msgspec.structs.replace(fits, id="f"), event("2")])
    with pytest.raises(TooLarge):
        await rig.bus.publish([event("e", data=fits.data + b"x")])
    assert [one.id for one in await take(rig.bus.read("c", 0), 4)] == ["e", "1", "f", "2"]


@pytest.mark.parametrize("rig", ["kafka"], indirect=True)
async def test_a_limit_that_is_lowered_is_learnt_from_the_first_refusal(
    rig: Rig, kafka_port: int
) -> None:
    await rig.bus.publish([event("before", data=b"x" * 60_000)])
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{kafka_port}")
    await admin.start()
    change = {"max.message.bytes": "50000"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, rig.bus._topic, change)])
    await admin.close()
    large = event("large", data=b"x" * 60_000)
    with pytest.raises(BusAway):
        await rig.bus.publish([large])
    with pytest.raises(TooLarge, match="at most 50000"):
        await rig.bus.publish([large])
    await rig.bus.publish([event("after")])


async def test_a_limit_that_the_brokers_keep_to_themselves_is_learnt_from_their_refusals() -> None:
    authority = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    free = "allow.everyone.if.no.acl.found=true"
    with apache_kafka.running(authority, free, f"message.max.bytes={MOST}") as server:
        apache_kafka.allow(server, "kept", "Read", "Write", "Describe", "Create")
        around = BusSurroundings("default", "b", SystemClock(), RandomIds(), GivenSecrets())
        bus = KafkaBus(KafkaBus.Config(url=f"127.0.0.1:{server.port}", topic="kept"), around)
        large = event("large", data=b"x" * MOST)
        with pytest.raises(BusAway):
            await bus.publish([event("a"), large, event("b")])
        with pytest.raises(TooLarge) as told:
            await bus.publish([event("a"), large, event("b")])
        assert list(told.value.reasons) == ["large"]
        await bus.publish([event("a"), event("b")])
        assert [one.id for one in await take(bus.read("c", 0), 2)] == ["a", "b"]
        await bus.close()


async def test_many_small_events_do_not_become_one_that_is_too_large(rig: Rig) -> None:
    many = [event(f"{n}", data=b"x" * 1000) for n in range(300)]
    await rig.bus.publish(many)
    assert [one.id for one in await take(rig.bus.read("c", 0), 300)] == [one.id for one in many]


async def test_a_sender_of_a_large_event_is_told_so_and_those_behind_it_go_on(
    bench: Any, rig: Any, free_port: Any
) -> None:
    bench.bus = rig.bus
    port = free_port()
    hook = {"port": str(port), "endpoint": "/ce", "method": "POST"}
    await bench.apply({"cloudevents": {"orders": {"webhook": hook}}})

    async def post(*names: str) -> int:
        events = [
            {"specversion": "1.0", "id": name, "source": "/shop", "type": "order"}
            | {"data": "x" * (MOST if name == "large" else 1)}
            for name in names
        ]
        kind = {"Content-Type": "application/cloudevents-batch+json"}
        url = f"http://127.0.0.1:{port}/ce"
        async with bench.client.post(url, data=json.dumps(events), headers=kind) as answer:
            return int(answer.status)

    assert [await post("a", "large", "b"), await post("large"), await post("c")] == [413, 413, 200]
    assert len(await take(rig.bus.read("c", 0), 1)) == 1
    (found,) = await bench.poison()
    assert found["times"] == 2
    assert found["reason"].startswith("EventSource default/hooks, event orders ")
    assert f"the bus takes at most {MOST}" in found["reason"]
    assert rig.advice in found["reason"]
    status = bench.bank.status()[0]
    assert (status.accepted, status.poison, status.failed) == (1, 2, 0)
