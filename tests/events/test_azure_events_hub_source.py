"""The azureEventsHub source against a fake that speaks AMQP 1.0: the service's emulator is a container only."""

import base64
import gc
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bireme.storage.ports import StorageUnavailable
from tests.servers import azure_bus, process
from tests.servers.waiting import until

# The library leaves the sockets of lines that were cut to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
async def hub() -> AsyncIterator[azure_bus.AzureBus]:
    async with azure_bus.running(azure_bus.AzureBus()) as fake:
        yield fake
    gc.collect()


@pytest.fixture
def bench(hub: azure_bus.AzureBus, bench: Any) -> Any:
    """The service outlives its client."""
    return bench


async def apply(bench: Any, hub: azure_bus.AzureBus, **config: Any) -> None:
    bench.secrets.values.setdefault(("azure", "policy"), azure_bus.POLICY.encode())
    bench.secrets.values.setdefault(("azure", "key"), azure_bus.KEY.encode())
    event = {
        "endpoint": f"amqp://127.0.0.1:{hub.port}", "hubName": "orders",
        "sharedAccessKeyName": {"name": "azure", "key": "policy"},
        "sharedAccessKey": {"name": "azure", "key": "key"}, **config,
    }  # fmt: skip
    await bench.apply({"azureEventsHub": {"orders": event}})


def bodies(events: Any) -> list[bytes]:
    return [base64.b64decode(json.loads(event.data)["body"]) for event in events]


async def test_what_comes_after_the_first_start_is_an_event(
    bench: Any, hub: azure_bus.AzureBus
) -> None:
    await hub.append("0", b"before")
    await apply(bench, hub, metadata={"team": "shop"})
    await hub.append("0", b"\xff\x00", key="customer-7", message_id="m1")
    (event,) = await bench.arrived(1)
    assert json.loads(event.data) == {
        "id": "m1", "partitionKey": "customer-7", "body": base64.b64encode(b"\xff\x00").decode(),
        "metadata": {"team": "shop"},
    }  # fmt: skip


async def test_an_id_that_is_no_text_is_shown_as_one(bench: Any, hub: azure_bus.AzureBus) -> None:
    await apply(bench, hub)
    await hub.append("0", b"x", message_id=b"\xff1")
    (event,) = await bench.arrived(1)
    assert json.loads(event.data)["id"] == "\ufffd1"


async def test_what_came_while_it_was_away_is_read_in_order(
    bench: Any, hub: azure_bus.AzureBus
) -> None:
    await apply(bench, hub)
    await hub.append("0", b"a")
    await bench.arrived(1)
    await bench.bank.remove("default", "hooks")
    for partition, body in (("0", b"b"), ("1", b"x"), ("0", b"c")):
        await hub.append(partition, body)
    await apply(bench, hub)
    found = bodies(await bench.arrived(4))
    assert [body for body in found if body != b"x"] == [b"a", b"b", b"c"]
    assert bench.bank.status()[0].duplicates == 0


async def test_nothing_is_lost_or_twice_when_the_log_and_the_line_fail(
    bench: Any, hub: azure_bus.AzureBus
) -> None:
    publish, tries = bench.bus.publish, 0

    async def away(events: Any, also: Any = None) -> Any:
        nonlocal tries
        tries += 1
        if tries == 2:
            await hub.hang_up()
        if tries < 4:
            raise StorageUnavailable("the disk is full")
        return await publish(events, also)

    bench.bus.publish = away
    await apply(bench, hub)
    await hub.append("1", b"a")
    await hub.append("1", b"b")
    await bench.arrived(2)
    await hub.append("1", b"c")
    assert bodies(await bench.arrived(3)) == [b"a", b"b", b"c"]


async def test_a_wrong_key_is_told_without_the_key(bench: Any, hub: azure_bus.AzureBus) -> None:
    bench.secrets.values["azure", "key"] = b"hunter2"
    await apply(bench, hub)
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert "sharedAccessKey was refused" in status.error
    assert "hunter2" not in status.error


async def test_a_service_that_is_away_comes_back(bench: Any, hub: azure_bus.AzureBus) -> None:
    await apply(bench, hub, endpoint=f"amqp://127.0.0.1:{process.free_port()}")
    assert bench.bank.status()[0].state == "waiting to restart"
    assert bench.bank.status()[0].error.startswith("hub orders: ")
    await apply(bench, hub)
    await until(lambda: bench.bank.status()[0].state == "listening")


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"hubName": ""}, "hubName is missing"),
        ({"endpoint": ""}, "fqdn is missing"),
        ({"endpoint": "localhost"}, "endpoint is 'localhost'"),
        ({"sharedAccessKey": None}, "sharedAccessKeyName and sharedAccessKey"),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, hub: azure_bus.AzureBus, config: dict[str, Any], complaint: str
) -> None:
    await apply(bench, hub, **config)
    status = bench.bank.status()[0]
    assert status.state == "refused"
    assert complaint in status.error
