"""The `azureEventHubs` trigger: one event per firing into a hub.

    template:
      name: announce
      azureEventHubs:
        fqdn: builds.servicebus.windows.net
        hubName: builds
        sharedAccessKeyName: {name: hub, key: name}
        sharedAccessKey: {name: hub, key: key}
        payload:
          - {src: {dependencyName: push, dataKey: body.ref}, dest: ref}

Without both keys the hub is opened by the identity of this machine. The property `idempotency-key` is the firing's id.
Needs the extra `azure`.
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


@triggers.register("azureEventHubs")
class AzureEventHubsTrigger:
    """Keeps one producer per hub and key."""

    class Config(fields.Sent, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        fqdn: str = ""
        hub_name: str = ""
        shared_access_key_name: KeySelector | None = None
        shared_access_key: KeySelector | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self.around = surroundings
        self.identity = azure_identity.Identity()
        self.producers: Clients[Any] = Clients(lambda producer: producer.close())

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "azureEventHubs", events)
        for field in ("fqdn", "hubName", "payload"):
            if not block.get(field):
                raise BadSensor(f"azureEventHubs.{field} is missing")
        keys = [block.get("sharedAccessKeyName") or {}, block.get("sharedAccessKey") or {}]
        if not any(keys) and not azure_identity.is_namespace(block["fqdn"]):
            raise BadSensor(
                f"azureEventHubs.fqdn is {block['fqdn']!r}: without sharedAccessKey such as"
                " builds.servicebus.windows.net"
            )
        return {
            "host": block["fqdn"],
            "hub": block["hubName"],
            "name": keys[0],
            "key": keys[1],
            "body": definition.payload(block, events).decode(),
        }

    async def fire(self, firing: Firing) -> Receipt:
        try:
            from azure.eventhub import EventData, exceptions
        except ImportError as error:
            raise MissingExtra("azure", "the trigger azureEventHubs") from error
        spec = firing.spec or {}
        access = self._access(firing, spec)
        event = EventData(spec["body"])
        event.properties = {"idempotency-key": firing.id}
        try:
            opening = partial(self._open, spec, access)
            key = access or (spec["host"], spec["hub"])
            async with self.producers.use(key, opening) as producer:
                await producer.send_batch([event])
        except (exceptions.EventHubError, NoIdentity, OSError) as error:
            raise TriggerFailed(f"azureEventHubs: hub {spec['hub']}: {error}") from error
        return Receipt(kind="azureEventHubs", name=spec["hub"])

    async def close(self) -> None:
        await self.producers.close()
        await self.identity.close()

    def _access(self, firing: Firing, spec: Json) -> str:
        """The connection string; empty where our identity opens the hub."""
        if not (spec["name"] or spec["key"]):
            return ""
        credentials = Credentials(self.around.secrets, firing.namespace, "azureEventHubs")
        name = credentials.text(spec["name"], "sharedAccessKeyName")
        key = credentials.text(spec["key"], "sharedAccessKey")
        return (
            f"Endpoint=sb://{spec['host']}/;SharedAccessKeyName={name};SharedAccessKey={key};"
            f"EntityPath={spec['hub']}"
        )

    async def _open(self, spec: Json, access: str) -> Any:
        from azure.eventhub.aio import EventHubProducerClient

        await targets.check_all(self.around.reach, [spec["host"]], "azureEventHubs")
        if access:
            return EventHubProducerClient.from_connection_string(access)
        credential = await self.identity.credential(azure_identity.EVENT_HUBS)
        return EventHubProducerClient(spec["host"], spec["hub"], credential)
