"""Azure's sources opened by an identity of the machine: Microsoft's own library, fakes of the machine and the services.

The services have TLS and names of Azure's own; the clients are led to the fakes instead.
"""

import gc
import json
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import pytest

from events import azure_identity, azure_queue
from tests.servers import azure_bus, azure_machine, webapi
from tests.servers import azure_queue as fake_queue
from tests.servers.waiting import until

pytest.importorskip("azure.identity")

# The library leaves the sockets of lines that were cut to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

HOST = "shop.servicebus.windows.net"


@pytest.fixture
async def machine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[azure_machine.Machine]:
    fake = azure_machine.Machine()
    for name, value in fake.environment.items():
        monkeypatch.setenv(name, value)
    async with webapi.running(fake):
        yield fake


@pytest.fixture
async def bus() -> AsyncIterator[azure_bus.AzureBus]:
    async with azure_bus.running(azure_bus.AzureBus()) as fake:
        yield fake
    gc.collect()


@pytest.fixture
async def queue(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[fake_queue.AzureQueue]:
    fake = fake_queue.AzureQueue()
    monkeypatch.setattr(azure_queue, "_ENDPOINT", f"{fake.url}/{{}}")
    async with webapi.running(fake):
        yield fake


@pytest.fixture
def bench(machine: Any, bus: Any, queue: Any, bench: Any) -> Any:
    """Machine and services outlive their client."""
    return bench


def led(monkeypatch: pytest.MonkeyPatch, path: str, bus: azure_bus.AzureBus) -> None:
    """The client of `path` to the fake, without TLS."""
    module, _, name = path.rpartition(".")
    kind: Any = getattr(import_module(module), name)

    class Led(kind):  # type: ignore[misc]
        def __init__(self, host: str, *given: Any, **more: Any) -> None:
            assert host == HOST
            super().__init__(f"127.0.0.1:{bus.port}", *given, use_tls=False, **more)

    monkeypatch.setattr(path, Led)


async def test_a_storage_account_is_opened_by_the_machines_identity(
    bench: Any, machine: azure_machine.Machine, queue: fake_queue.AzureQueue
) -> None:
    queue.token_of_machine = machine.token("https://storage.azure.com")
    sent = [queue.send("1"), queue.send("2")]
    event = {"queueName": "orders", "storageAccountName": "shop", "jsonBody": True}
    await bench.apply({"azureQueueStorage": {"orders": event}})
    assert [json.loads(one.data)["body"] for one in await bench.arrived(2)] == [1, 2]
    await until(lambda: queue.deleted == sent)
    assert len(machine.log) == 1, "a token is asked for once"


async def test_a_namespace_is_opened_by_the_machines_identity(
    bench: Any, machine: azure_machine.Machine, bus: azure_bus.AzureBus, monkeypatch: Any
) -> None:
    led(monkeypatch, "azure.servicebus.aio.ServiceBusClient", bus)
    bus.token_of_machine = machine.token("https://servicebus.azure.net")
    await bus.send("orders", b"1")
    event = {"queueName": "orders", "fullyQualifiedNamespace": HOST, "jsonBody": True}
    await bench.apply({"azureServiceBus": {"orders": event}})
    assert json.loads((await bench.arrived(1))[0].data)["body"] == 1
    await until(lambda: len(bus.completed) == 1)


async def test_a_hub_is_opened_by_the_machines_identity(
    bench: Any, machine: azure_machine.Machine, bus: azure_bus.AzureBus, monkeypatch: Any
) -> None:
    led(monkeypatch, "azure.eventhub.aio.EventHubConsumerClient", bus)
    bus.token_of_machine = machine.token("https://eventhubs.azure.net")
    await bench.apply({"azureEventsHub": {"orders": {"fqdn": HOST, "hubName": "orders"}}})
    await until(lambda: bench.bank.status()[0].state == "listening")
    await bus.append("0", b"x")
    assert len(await bench.arrived(1)) == 1


SOURCES: dict[str, dict[str, Any]] = {
    "azureQueueStorage": {"queueName": "orders", "storageAccountName": "shop"},
    "azureServiceBus": {"queueName": "orders", "fullyQualifiedNamespace": HOST},
    "azureEventsHub": {"hubName": "orders", "fqdn": HOST},
}


@pytest.mark.parametrize("kind", SOURCES)
async def test_a_machine_that_is_nobody_is_told_and_tried_again(
    bench: Any, machine: azure_machine.Machine, kind: str
) -> None:
    machine.is_nobody = True
    await bench.apply({kind: {"orders": SOURCES[kind]}})
    await until(lambda: bench.bank.status()[0].state == "waiting to restart")
    told = bench.bank.status()[0].error
    assert "Azure gives this machine no token" in told
    assert "ManagedIdentityCredential" in told


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "an account elsewhere": (
        "azureQueueStorage", {"storageAccountName": "evil.example/"}, "small letters and digits",
    ),
    "no account": ("azureQueueStorage", {"storageAccountName": ""}, "write connectionString, or"),
    "a namespace elsewhere": (
        "azureServiceBus", {"fullyQualifiedNamespace": "evil.example"}, "such as shop.servicebus",
    ),
    "a hub elsewhere": ("azureEventsHub", {"fqdn": f"{HOST}.evil.example"}, "such as shop.servicebus"),
    "half a key": (
        "azureEventsHub", {"sharedAccessKey": {"name": "a", "key": "b"}}, "go together",
    ),
    "an emulator": ("azureEventsHub", {"endpoint": "amqp://localhost:5672"}, "endpoint needs"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_nobody_else_is_shown_the_machines_token(
    bench: Any, machine: azure_machine.Machine, name: str
) -> None:
    kind, more, complaint = REFUSED[name]
    await bench.apply({kind: {"orders": {**SOURCES[kind], **more}}})
    status = bench.bank.status()[0]
    assert status.state == "refused"
    assert complaint in status.error
    assert machine.log == []


async def test_an_identity_can_be_closed_at_any_time(machine: azure_machine.Machine) -> None:
    identity = azure_identity.Identity()
    await identity.close()
    async with identity:
        assert await identity.token(azure_identity.STORAGE) == "token-for-storage.azure.com"
