"""Event source `pulsar`: messages of topics of Apache Pulsar, by a subscription named like the event.

    spec:
      pulsar:
        orders:
          url: pulsar+ssl://broker:6651
          topics: [persistent://public/default/orders]
          type: shared                    # or exclusive
          authTokenSecret: {name: pulsar, key: token}
          tlsTrustCertsSecret: {name: pulsar, key: ca}
          jsonBody: true

Who we are: `authTokenSecret`, a certificate and its key in `tls`, or Athenz by `authAthenzParams` (the library's own:
`tenantDomain`, `tenantService`, `providerDomain`, `ztsUrl`, …) and `authAthenzSecret`, the service's private key.

Payload: `{"key": …, "publishTime": "2026-11-26 14:00:00.123 +0000 UTC", "body": …, "metadata": {…}}`.

A message is acknowledged after its event is durable, and is one event however often it is delivered. What is sent
while we are away the subscription keeps, from the first start on. Needs the extra `pulsar`.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bireme.kit.supervise import TaskScope
from events import fields, gotime, pulsar, streams
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

if TYPE_CHECKING:
    from pulsar import Message
    from pulsar.asyncio import Client, Consumer

_TIMEOUT_S = 10
_TYPES = {"shared": "Shared", "exclusive": "Exclusive"}


@sources.register("pulsar")
class PulsarSource:
    """Each message once. A broker that goes away the library itself connects to again."""

    class Config(pulsar.Broker, frozen=True, kw_only=True):
        topics: tuple[str, ...] = ()
        type: str = ""
        connection_backoff: dict[str, Any] | None = None
        json_body: bool = False
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        _check(config)
        self._config = config
        self._around = surroundings
        self._forward = streams.Forwarder["Message"](surroundings, self._event, _where)

    async def run(self, publish: Publish) -> None:
        inbox = streams.Inbox["Message"]()
        scope = TaskScope("pulsar")
        async with self._consumer() as consumer:
            self._around.ready()
            scope.start("receive", _receive(consumer, inbox))
            try:
                while True:
                    messages = await inbox.batch()
                    await self._forward(publish, messages)
                    for message in messages:
                        await consumer.acknowledge(message)
            finally:
                await scope.close()

    @asynccontextmanager
    async def _consumer(self) -> "AsyncIterator[Consumer]":
        try:
            from pulsar import ConsumerType, PulsarException
            from pulsar import asyncio as aio
        except ImportError as error:
            raise streams.missing("pulsar", "pulsar") from error
        config = self._config
        access = pulsar.Access.read(config, self._around)
        client: Client | None = None
        with tempfile.TemporaryDirectory(prefix="bireme-pulsar-") as folder:
            try:
                client = aio.Client(
                    config.url,
                    operation_timeout_seconds=_TIMEOUT_S,
                    **access.options(Path(folder)),
                )
                yield await client.subscribe(
                    list(config.topics),
                    self._around.place.subject,
                    getattr(ConsumerType, _TYPES[config.type]),
                )
            except (aio.PulsarException, PulsarException, RuntimeError) as error:
                raise streams.ServerAway(f"pulsar {config.url}: {_told(error)}") from error
            finally:
                if client is not None:
                    with suppress(aio.PulsarException):
                        await client.close()

    def _event(self, message: "Message") -> NewEvent:
        payload = {
            "key": message.partition_key(),
            "publishTime": gotime.of_milliseconds(message.publish_timestamp()),
            "body": streams.body(message.data(), self._config.json_body),
        }
        dedup = f"{message.topic_name()}:{message.message_id()}"
        return streams.event(payload, self._config.metadata, dedup=dedup)


async def _receive(consumer: "Consumer", inbox: "streams.Inbox[Message]") -> None:
    from pulsar.asyncio import PulsarException

    try:
        while True:
            await inbox.put(await consumer.receive())
    except PulsarException as error:
        inbox.close(streams.ServerAway(f"pulsar: {error}"))


def _told(error: Exception) -> str:
    """The library keeps to itself what a broker has against us when it connects."""
    if "Timeout" not in str(error):
        return str(error)
    return f"no answer in {_TIMEOUT_S} s: it is away, or does not accept our token or certificates"


def _check(config: PulsarSource.Config) -> None:
    pulsar.check(config)
    if not config.topics or not all(config.topics):
        raise BadSourceConfig("topics is missing: write the names of the topics")
    if config.type not in _TYPES:
        raise BadSourceConfig(f"type is {config.type!r}: shared or exclusive")


def _where(message: "Message") -> dict[str, Any]:
    return {"topic": message.topic_name(), "message": str(message.message_id())}
