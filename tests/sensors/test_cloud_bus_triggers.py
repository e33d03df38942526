"""The triggers azureEventHubs and azureServiceBus.

There is no such service on one machine: what is under test here is ours up to the library's client, which a recorder
with the library's own methods stands in for. The messages are the libraries' own.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sensors.errors import BadSensor, TriggerFailed
from tests.sensors.acting import Actor, payload, ref
from tests.servers import azure_machine, webapi


class Recorder:
    """A client: keeps what is sent; `failure` is raised instead."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.failure: Exception | None = None
        self.closed = 0

    async def send_batch(self, batch: list[Any]) -> None:
        self.keep(batch)

    async def send_messages(self, message: Any) -> None:
        self.keep(message)

    def get_queue_sender(self, *, queue_name: str) -> "Recorder":
        self.keep(("queue", queue_name))
        return self

    def get_topic_sender(self, *, topic_name: str) -> "Recorder":
        self.keep(("topic", topic_name))
        return self

    def keep(self, what: Any) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append(what)

    async def __aenter__(self) -> "Recorder":
        return self

    async def __aexit__(self, *what: object) -> None:
        pass

    async def close(self) -> None:
        self.closed += 1


def opening(monkeypatch: pytest.MonkeyPatch, path: str, recorder: Recorder) -> list[str]:
    opened: list[str] = []

    def from_connection_string(text: str, **more: Any) -> Recorder:
        opened.append(text)
        return recorder

    monkeypatch.setattr(f"{path}.from_connection_string", from_connection_string)
    return opened


HUB = {
    "fqdn": "b.servicebus.windows.net", "hubName": "builds",
    "sharedAccessKeyName": ref("name"), "sharedAccessKey": ref("key"), "payload": payload(),
}  # fmt: skip


async def test_a_hub_gets_one_event_by_one_producer(
    monkeypatch: pytest.MonkeyPatch, make_event: Any
) -> None:
    recorder = Recorder()
    opened = opening(monkeypatch, "azure.eventhub.aio.EventHubProducerClient", recorder)
    async with Actor("azureEventHubs", name="policy-name", key="hub-key") as actor:
        for id in ("f1", "f2"):
            await actor.fire({"a": make_event("e1")}, id=id, **HUB)
    assert opened == [
        "Endpoint=sb://b.servicebus.windows.net/;SharedAccessKeyName=policy-name;"
        "SharedAccessKey=hub-key;EntityPath=builds"
    ]
    [first], [second] = recorder.sent
    assert first.body_as_str() == '{"n":1}'
    assert [one.properties["idempotency-key"] for one in (first, second)] == ["f1", "f2"]
    assert recorder.closed == 1


async def test_a_hub_that_is_away_is_worth_a_retry_by_a_new_producer(
    monkeypatch: pytest.MonkeyPatch, make_event: Any
) -> None:
    from azure.eventhub.exceptions import ConnectError

    recorder = Recorder()
    recorder.failure = ConnectError("no route")
    opened = opening(monkeypatch, "azure.eventhub.aio.EventHubProducerClient", recorder)
    async with Actor("azureEventHubs", name="policy-name", key="hub-key") as actor:
        for _ in range(2):
            with pytest.raises(TriggerFailed, match="hub builds: no route"):
                await actor.fire({"a": make_event("e1")}, **HUB)
    assert (len(opened), recorder.closed) == (2, 2)


@pytest.mark.parametrize("kind", ["queue", "topic"])
async def test_a_queue_or_topic_gets_one_message_named_by_the_firing(
    monkeypatch: pytest.MonkeyPatch, make_event: Any, kind: str
) -> None:
    recorder = Recorder()
    opened = opening(monkeypatch, "azure.servicebus.aio.ServiceBusClient", recorder)
    block = {f"{kind}Name": "builds", "connectionString": ref("conn"), "payload": payload()}
    async with Actor("azureServiceBus", conn="Endpoint=sb://b/;SharedAccessKey=k") as actor:
        await actor.fire({"a": make_event("e1")}, **block)
    assert opened == ["Endpoint=sb://b/;SharedAccessKey=k"]
    target, message = recorder.sent
    assert target == (kind, "builds")
    assert (message.message_id, str(message)) == ("f1", '{"n":1}')


async def test_a_connection_string_that_is_none_is_not_shown(make_event: Any) -> None:
    block = {"queueName": "q", "connectionString": ref("conn"), "payload": payload()}
    async with Actor("azureServiceBus", conn="hunter2-not-a-connection") as actor:
        with pytest.raises(TriggerFailed, match="azureServiceBus: q") as failure:
            await actor.fire({"a": make_event("e1")}, **block)
    assert "hunter2" not in str(failure.value)


@pytest.fixture
async def machine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[azure_machine.Machine]:
    fake = azure_machine.Machine()
    for name, value in fake.environment.items():
        monkeypatch.setenv(name, value)
    async with webapi.running(fake):
        yield fake


HOST = "b.servicebus.windows.net"
IDENTITIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "azureEventHubs": (
        "azure.eventhub.aio.EventHubProducerClient", "https://eventhubs.azure.net",
        {"fqdn": HOST, "hubName": "builds"},
    ),
    "azureServiceBus": (
        "azure.servicebus.aio.ServiceBusClient", "https://servicebus.azure.net",
        {"fullyQualifiedNamespace": HOST, "queueName": "builds"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", IDENTITIES)
async def test_without_a_key_the_identity_of_the_machine_opens_azure(
    monkeypatch: pytest.MonkeyPatch, make_event: Any, machine: azure_machine.Machine, kind: str
) -> None:
    path, resource, block = IDENTITIES[kind]
    recorder, opened = Recorder(), []

    def opening(host: str, *given: Any) -> Recorder:
        opened.append((host, given[-1]))
        return recorder

    monkeypatch.setattr(path, opening)
    async with Actor(kind) as actor:
        for id in ("f1", "f2"):
            await actor.fire({"a": make_event("e1")}, id=id, **block, payload=payload())
        [(host, credential)] = opened
        found = await credential.get_token(f"{resource}/.default")
    assert (host, found.token) == (HOST, machine.token(resource))
    assert len(recorder.sent) >= 2


@pytest.mark.parametrize("kind", IDENTITIES)
async def test_a_machine_without_an_identity_is_worth_a_retry(
    make_event: Any, machine: azure_machine.Machine, kind: str
) -> None:
    machine.is_nobody = True
    async with Actor(kind) as actor:
        with pytest.raises(TriggerFailed, match=f"{kind}: .*builds: Azure gives this machine no"):
            await actor.fire({"a": make_event("e1")}, **IDENTITIES[kind][2], payload=payload())


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no hub": ("azureEventHubs", {"fqdn": "x"}, "azureEventHubs.hubName is missing"),
    "a hub elsewhere": (
        "azureEventHubs",
        {"fqdn": "evil.example", "hubName": "h", "payload": payload()},
        "azureEventHubs.fqdn is 'evil.example'",
    ),
    "a namespace elsewhere": (
        "azureServiceBus",
        {"fullyQualifiedNamespace": "evil.example", "queueName": "q", "payload": payload()},
        "azureServiceBus.fullyQualifiedNamespace is 'evil.example'",
    ),
    "neither": ("azureServiceBus", {}, "needs queueName or topicName"),
    "both": ("azureServiceBus", {"queueName": "q", "topicName": "t"}, "one of them"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_sent_is_refused(name: str) -> None:
    kind, block, message = REFUSED[name]
    with pytest.raises(BadSensor) as failure:
        Actor(kind).prepared({}, **block)
    assert message in str(failure.value)
