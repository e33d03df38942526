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
from events import fields, gotime, streams
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources
from events.tls import Tls

if TYPE_CHECKING:
    from pulsar import Message
    from pulsar.asyncio import Client, Consumer

_TIMEOUT_S = 10
_TYPES = {"shared": "Shared", "exclusive": "Exclusive"}


@sources.register("pulsar")
class PulsarSource:
    """Each message once. A broker that goes away the library itself connects to again."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        url: str = ""
        topics: tuple[str, ...] = ()
        type: str = ""
        tls_trust_certs_secret: fields.SecretRef | None = None
        tls_allow_insecure_connection: bool = False
        tls_validate_hostname: bool = True
        tls: Tls | None = None
        auth_token_secret: fields.SecretRef | None = None
        auth_athenz_params: dict[str, str] | None = None
        auth_athenz_secret: fields.SecretRef | None = None
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
            import pulsar
            from pulsar import asyncio as aio
        except ImportError as error:
            raise streams.missing("pulsar", "pulsar") from error
        config = self._config
        client: Client | None = None
        with tempfile.TemporaryDirectory(prefix="bireme-pulsar-") as folder:
            try:
                client = aio.Client(config.url, **self._options(Path(folder)))
                yield await client.subscribe(
                    list(config.topics),
                    self._around.place.subject,
                    getattr(pulsar.ConsumerType, _TYPES[config.type]),
                )
            except (aio.PulsarException, pulsar.PulsarException, RuntimeError) as error:
                raise streams.ServerAway(f"pulsar {config.url}: {_told(error)}") from error
            finally:
                if client is not None:
                    with suppress(aio.PulsarException):
                        await client.close()

    def _options(self, folder: Path) -> dict[str, Any]:
        """The library reads certificates from files only, whenever it connects: files of our own, while it lives."""
        import pulsar

        config, around = self._config, self._around
        options: dict[str, Any] = {
            "operation_timeout_seconds": _TIMEOUT_S,
            "logger": pulsar.ConsoleLogger(pulsar.LoggerLevel.Error),
            "tls_allow_insecure_connection": config.tls_allow_insecure_connection,
            "tls_validate_hostname": config.tls_validate_hostname,
        }
        tls = config.tls or Tls()
        if trusted := config.tls_trust_certs_secret or tls.ca_cert_secret:
            options["tls_trust_certs_file_path"] = self._file(folder / "ca.pem", trusted)
        if tls.client_cert_secret and tls.client_key_secret:
            pair = (tls.client_cert_secret, tls.client_key_secret)
            names = ("cert.pem", "key.pem")
            files = [self._file(folder / name, ref) for name, ref in zip(names, pair, strict=True)]
            options["authentication"] = pulsar.AuthenticationTLS(*files)
        token = streams.text(around.secrets, around.place, config.auth_token_secret)
        if token is not None:
            options["authentication"] = pulsar.AuthenticationToken(token.strip())
        return options

    def _file(self, path: Path, ref: fields.SecretRef) -> str:
        path.touch(mode=0o600)
        path.write_bytes(fields.secret(self._around.secrets, self._around.place, ref))
        return str(path)

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
    if not config.url.startswith(("pulsar://", "pulsar+ssl://")):
        raise BadSourceConfig(f"url is {config.url!r}: such as pulsar://broker:6650")
    if not config.topics or not all(config.topics):
        raise BadSourceConfig("topics is missing: write the names of the topics")
    if config.type not in _TYPES:
        raise BadSourceConfig(f"type is {config.type!r}: shared or exclusive")
    if config.auth_athenz_params or config.auth_athenz_secret:
        raise BadSourceConfig("authAthenzParams is not supported; use authTokenSecret or tls")
    if config.auth_token_secret and config.tls and config.tls.client_cert_secret:
        raise BadSourceConfig("authTokenSecret and tls.clientCertSecret: one says who we are")


def _where(message: "Message") -> dict[str, Any]:
    return {"topic": message.topic_name(), "message": str(message.message_id())}
