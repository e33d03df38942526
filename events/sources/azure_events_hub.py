"""Event source `azureEventsHub`: events of every partition of an Azure event hub.

    spec:
      azureEventsHub:
        orders:
          fqdn: shop.servicebus.windows.net
          hubName: orders
          sharedAccessKeyName: {name: azure, key: policy}
          sharedAccessKey: {name: azure, key: key}

Without both keys the hub is opened by the identity of this machine.

Payload: `{"id", "partitionKey", "body": "<base64>", "metadata": {…}}`.

Where we are in each partition is kept in the very commit of the events: each is one event, across crashes and restarts.
At the first start that is the end of each partition. Needs the extra `azure`.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bireme.kit.supervise import TaskScope
from events import azure_identity, fields, streams
from events.azure_identity import Identity
from events.patience import publish_until_durable
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

if TYPE_CHECKING:
    from azure.eventhub import EventData
    from azure.eventhub.aio import EventHubConsumerClient, PartitionContext

_GROUP = "$Default"
_MOST = 300


@sources.register("azureEventsHub")
class AzureEventsHubSource:
    """Each event once, in the order of its partition."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        """`endpoint` (ours) is another address, such as the emulator's, which has no TLS: `amqp://localhost:5672`."""

        fqdn: str = ""
        hub_name: str = ""
        shared_access_key_name: fields.SecretRef | None = None
        shared_access_key: fields.SecretRef | None = None
        endpoint: str = ""
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if not config.hub_name:
            raise BadSourceConfig("hubName is missing: write the name of the hub")
        if not config.fqdn and not config.endpoint:
            raise BadSourceConfig("fqdn is missing: such as shop.servicebus.windows.net")
        if config.endpoint and not config.endpoint.startswith("amqp://"):
            raise BadSourceConfig(f"endpoint is {config.endpoint!r}: such as amqp://localhost:5672")
        _check_access(config)
        self._config = config
        self._around = surroundings

    async def run(self, publish: Publish) -> None:
        async with self._connected() as client:
            places = await self._places(client)
            self._around.ready()
            failed = asyncio.get_running_loop().create_future()

            async def handle(partition: "PartitionContext", found: "Sequence[EventData]") -> None:
                try:
                    await self._forward(publish, partition.partition_id, found)
                except Exception as error:  # noqa: BLE001 (the library would swallow it; `run` raises it)
                    _fail(failed, error)

            async def complain(_: Any, error: Exception) -> None:
                _fail(failed, error)

            scope = TaskScope("hub")
            try:
                receiving = scope.start(
                    "receive",
                    client.receive_batch(
                        handle, max_batch_size=_MOST, starting_position=places, on_error=complain
                    ),
                )
                await asyncio.wait([failed, receiving], return_when=asyncio.FIRST_COMPLETED)
                failed.result()
            finally:
                failed.cancel()
                await scope.close()

    @asynccontextmanager
    async def _connected(self) -> "AsyncIterator[EventHubConsumerClient]":
        try:
            from azure.eventhub import exceptions
        except ImportError as error:
            raise streams.missing("azure", "azureEventsHub") from error
        hub = self._config.hub_name
        shown = "sharedAccessKey" if self._config.shared_access_key else "our identity"
        try:
            async with Identity() as identity, await self._client(identity) as client:
                yield client
        except exceptions.AuthenticationError as error:
            raise streams.ServerAway(f"hub {hub}: {shown} was refused: {error}") from error
        except (exceptions.EventHubError, OSError, ValueError) as error:
            raise streams.ServerAway(f"hub {hub}: {error or type(error).__name__}") from error

    async def _client(self, identity: Identity) -> "EventHubConsumerClient":
        from azure.eventhub.aio import EventHubConsumerClient

        config = self._config
        if config.shared_access_key_name and config.shared_access_key:
            access = self._access(config.shared_access_key_name, config.shared_access_key)
            return EventHubConsumerClient.from_connection_string(
                access, _GROUP, eventhub_name=config.hub_name, retry_total=0
            )
        credential = await identity.credential(azure_identity.EVENT_HUBS)
        return EventHubConsumerClient(
            config.fqdn, config.hub_name, _GROUP, credential, retry_total=0
        )

    def _access(self, *refs: fields.SecretRef) -> str:
        around, config = self._around, self._config
        name, key = (fields.secret(around.secrets, around.place, one).decode() for one in refs)
        host = urlsplit(config.endpoint).netloc or config.fqdn
        emulator = ";UseDevelopmentEmulator=true" if config.endpoint else ""
        return f"Endpoint=sb://{host}/;SharedAccessKeyName={name};SharedAccessKey={key}{emulator}"

    async def _places(self, client: "EventHubConsumerClient") -> dict[str, str]:
        """By partition, the offset after which to read; that of a partition we have never seen is noted first."""
        state, place = self._around.state, self._around.place
        known = {name: fact.decode() for name, fact in (await state.facts(place)).items()}
        unseen = [one for one in await client.get_partition_ids() if one not in known]
        for partition in unseen:
            found = await client.get_partition_properties(partition)
            known[partition] = "-1" if found["is_empty"] else found["last_enqueued_offset"]
        await state.note(place, {one: known[one].encode() for one in unseen})
        return known

    async def _forward(
        self, publish: Publish, partition: str, found: "Sequence[EventData]"
    ) -> None:
        events = [self._event(partition, one) for one in found]
        place = {partition: str(found[-1].offset).encode()}
        await publish_until_durable(publish, events, self._around.clock, place)

    def _event(self, partition: str, found: "EventData") -> NewEvent:
        payload = {
            "id": _id(found.message_id),
            "partitionKey": (found.partition_key or b"").decode("utf-8", "replace"),
            "body": base64.b64encode(_raw(found)).decode(),
        }
        # For a bus outside of our database, where the place is noted after the event.
        dedup = f"{partition}:{found.sequence_number}@{found.enqueued_time}"
        return streams.event(payload, self._config.metadata, dedup=dedup)


def _check_access(config: AzureEventsHubSource.Config) -> None:
    given = [config.shared_access_key_name, config.shared_access_key]
    if all(given):
        return
    if any(given):
        raise BadSourceConfig("sharedAccessKeyName and sharedAccessKey go together")
    if config.endpoint:
        raise BadSourceConfig("endpoint needs sharedAccessKeyName and sharedAccessKey")
    if not azure_identity.is_namespace(config.fqdn):
        raise BadSourceConfig(
            f"fqdn is {config.fqdn!r}: without sharedAccessKey such as shop.servicebus.windows.net"
        )


def _id(given: Any) -> Any:
    """AMQP lets an id be a text, a number, bytes or a UUID."""
    return given.decode("utf-8", "replace") if isinstance(given, bytes) else given or ""


def _raw(found: "EventData") -> bytes:
    """The bytes of the event; a body that is a value of AMQP itself as its text."""
    body: Any = found.body
    if isinstance(body, bytes):
        return body
    try:
        return b"".join(body)
    except TypeError:
        return found.body_as_str().encode()


def _fail(failed: "asyncio.Future[None]", error: Exception) -> None:
    if not failed.done():
        failed.set_exception(error)
