"""The `azureServiceBus` trigger: one message per firing into a queue or a topic.

    template:
      name: announce
      azureServiceBus:
        connectionString: {name: bus, key: connection}
        queueName: builds
        payload:
          - {src: {dependencyName: push, dataKey: body.ref}, dest: ref}

Without `connectionString`, `fullyQualifiedNamespace` (ours, for a trigger) is opened by the identity of this machine.
The message's id is the firing's: a queue with duplicate detection keeps it once. `subscriptionName` has no meaning for
a sender, `tls` none for a service that always speaks TLS. Needs the extra `azure`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from bireme.kit.errors import MissingExtra
from bireme.manifests.base import KeySelector
from events import azure_identity
from events.azure_identity import NoIdentity
from events.model import Event
from sensors import definition, fields, targets
from sensors.clients import Clients
from sensors.credentials import Credentials
from sensors.errors import BadSensor, TriggerFailed
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

Json = dict[str, Any]


@triggers.register("azureServiceBus")
class AzureServiceBusTrigger:
    """Keeps one client per connection string."""

    class Config(fields.Sent, frozen=True):
        """Argo's fields, which the manifest is checked against, and `fullyQualifiedNamespace` as its source has it."""

        connection_string: KeySelector | None = None
        fully_qualified_namespace: str = ""
        queue_name: str = ""
        topic_name: str = ""
        subscription_name: str = ""
        tls: fields.Tls | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self.around = surroundings
        self.identity = azure_identity.Identity()
        self.clients: Clients[Any] = Clients(lambda client: client.close())

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "azureServiceBus", events)
        queue, topic = block.get("queueName") or "", block.get("topicName") or ""
        if bool(queue) == bool(topic):
            raise BadSensor("azureServiceBus needs queueName or topicName, one of them")
        if not block.get("payload"):
            raise BadSensor("azureServiceBus.payload is missing")
        connection, host = block.get("connectionString"), block.get("fullyQualifiedNamespace") or ""
        if not connection and host and not azure_identity.is_namespace(host):
            raise BadSensor(
                f"azureServiceBus.fullyQualifiedNamespace is {host!r}:"
                " such as builds.servicebus.windows.net"
            )
        return {
            "queue": queue,
            "topic": topic,
            "connection": connection or {},
            "host": "" if connection else host,
            "body": definition.payload(block, events).decode(),
        }

    async def fire(self, firing: Firing) -> Receipt:
        try:
            from azure.servicebus import ServiceBusMessage, exceptions
        except ImportError as error:
            raise MissingExtra("azure", "the trigger azureServiceBus") from error
        spec = firing.spec or {}
        connection = self._connection(firing, spec)
        message = ServiceBusMessage(
            spec["body"], message_id=firing.id, content_type="application/json"
        )
        target = spec["queue"] or spec["topic"]
        try:
            opening = partial(self._open, spec, connection)
            async with (
                self.clients.use(connection or (spec["host"],), opening) as client,
                _sender(client, spec) as sender,
            ):
                await sender.send_messages(message)
        except (exceptions.ServiceBusError, NoIdentity, OSError, ValueError) as error:
            text = str(error).replace(connection, "***") if connection else str(error)
            raise TriggerFailed(f"azureServiceBus: {target}: {text}") from error
        return Receipt(kind="azureServiceBus", name=target)

    async def close(self) -> None:
        await self.clients.close()
        await self.identity.close()

    def _connection(self, firing: Firing, spec: Json) -> str:
        """Empty where our identity opens the namespace."""
        if spec.get("host"):
            return ""
        credentials = Credentials(self.around.secrets, firing.namespace, "azureServiceBus")
        return credentials.text(spec["connection"], "connectionString")

    async def _open(self, spec: Json, connection: str) -> Any:
        from azure.servicebus.aio import ServiceBusClient

        if connection:
            return ServiceBusClient.from_connection_string(connection)
        await targets.check_all(self.around.reach, [spec["host"]], "azureServiceBus")
        credential = await self.identity.credential(azure_identity.SERVICE_BUS)
        return ServiceBusClient(spec["host"], credential)


def _sender(client: Any, spec: Json) -> Any:
    if spec["queue"]:
        return client.get_queue_sender(queue_name=spec["queue"])
    return client.get_topic_sender(topic_name=spec["topic"])
