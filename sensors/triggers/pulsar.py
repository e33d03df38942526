"""The `pulsar` trigger: one message per firing, acknowledged by the broker before the firing counts as done.

    template:
      name: announce
      pulsar:
        url: pulsar://broker:6650
        topic: persistent://public/default/builds
        authTokenSecret: {name: pulsar, key: token}
        payload:
          - {src: {dependencyName: push, dataKey: body.ref}, dest: ref}

The property `idempotency-key` is the firing's id. `tlsTrustCertsSecret`, `tlsAllowInsecureConnection`,
`tlsValidateHostname` are for `pulsar+ssl://`. Instead of `authTokenSecret`: a certificate and its key in `tls`, or
Athenz by `authAthenzParams` (the library's own) and `authAthenzSecret`, the service's private key. Needs the extra
`pulsar`.
"""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from bireme.kit.errors import BiremeError, MissingExtra
from bireme.manifests.base import KeySelector
from bireme.manifests.events import EventBackoff
from events import pulsar
from events.model import Event
from events.ports import BadSourceConfig
from sensors import definition, fields, standing, targets
from sensors.clients import Clients
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

Json = dict[str, Any]

_TIMEOUT_S = 30
_FIELDS = (
    "url", "tlsTrustCertsSecret", "tlsAllowInsecureConnection", "tlsValidateHostname", "tls",
    "authTokenSecret", "authAthenzParams", "authAthenzSecret",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Client:
    """The library's client and the files it reads whenever it connects."""

    library: Any
    folder: "TemporaryDirectory[str]"

    def close(self) -> None:
        try:
            self.library.close()
        finally:
            self.folder.cleanup()


@triggers.register("pulsar")
class PulsarTrigger:
    """Keeps one client per broker and credentials; the library's calls block, and are made in threads."""

    class Config(fields.Sent, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        url: str = ""
        topic: str = ""
        tls_trust_certs_secret: KeySelector | None = None
        tls_allow_insecure_connection: bool = False
        tls_validate_hostname: bool | None = None
        tls: fields.Tls | None = None
        auth_token_secret: KeySelector | None = None
        auth_athenz_params: dict[str, str] = {}
        auth_athenz_secret: KeySelector | None = None
        connection_backoff: EventBackoff | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self.around = surroundings
        self.clients: Clients[_Client] = Clients(_closed)

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "pulsar", events)
        for field in ("url", "topic", "payload"):
            if not block.get(field):
                raise BadSensor(f"pulsar.{field} is missing")
        given = {name: block[name] for name in _FIELDS if block.get(name) is not None}
        _broker(given)
        return {
            "broker": given,
            "topic": block["topic"],
            "body": definition.payload(block, events).decode(),
        }

    async def fire(self, firing: Firing) -> Receipt:
        try:
            from pulsar import PulsarException
        except ImportError as error:
            raise MissingExtra("pulsar", "the trigger pulsar") from error
        spec = firing.spec or {}
        broker = _broker(spec["broker"])
        access = self._access(broker, firing)
        key = (firing.namespace, broker.url, access)
        try:
            opening = partial(self._open, broker, access, spec["topic"])
            async with self.clients.use(key, opening) as client:
                await asyncio.to_thread(_sent, client.library, spec, firing.id)
        except (PulsarException, OSError) as error:
            raise TriggerFailed(f"pulsar: topic {spec['topic']}: {error}") from error
        return Receipt(kind="pulsar", name=spec["topic"])

    def _access(self, broker: pulsar.Broker, firing: Firing) -> pulsar.Access:
        try:
            return pulsar.Access.read(broker, standing.of(firing, self.around.secrets))
        except BiremeError as error:
            raise TriggerFailed(f"pulsar: {error}") from error

    async def close(self) -> None:
        await self.clients.close()

    async def _open(self, broker: pulsar.Broker, access: pulsar.Access, topic: str) -> _Client:
        hosts = [
            urlsplit(f"//{host}").hostname or ""
            for host in broker.url.rpartition("://")[2].split("/")[0].split(",")
        ]
        if params := broker.auth_athenz_params:
            hosts.append(urlsplit(params["ztsUrl"]).hostname or "")
            if not self.around.reach.everywhere:
                _check_files(params)
        await targets.check_all(self.around.reach, hosts, "pulsar")
        return await asyncio.to_thread(_opened, broker.url, access, topic)


def _broker(given: Json) -> pulsar.Broker:
    try:
        return pulsar.decode(given)
    except BadSourceConfig as error:
        raise BadSensor(f"pulsar.{error}") from error


def _check_files(params: dict[str, str]) -> None:
    """A manifest must not make a server read its own files."""
    for name, value in params.items():
        if value.startswith("file:"):
            raise TriggerRefused(
                f"pulsar.authAthenzParams.{name} is a file of this machine, which is out of reach:"
                " use authAthenzSecret"
            )


def _opened(url: str, access: pulsar.Access, topic: str) -> _Client:
    from pulsar import Client

    folder = TemporaryDirectory(prefix="bireme-pulsar-")
    try:
        options = access.options(Path(folder.name))
        library = Client(url, operation_timeout_seconds=_TIMEOUT_S, **options)
        made = _Client(library, folder)
    except BaseException:
        folder.cleanup()
        raise
    try:
        library.get_topic_partitions(topic)
    except BaseException:
        made.close()
        raise
    return made


def _sent(client: Any, spec: Json, identity: str) -> None:
    producer = client.create_producer(spec["topic"], send_timeout_millis=_TIMEOUT_S * 1000)
    try:
        producer.send(spec["body"].encode(), properties={"idempotency-key": identity})
    finally:
        producer.close()


async def _closed(client: _Client) -> None:
    await asyncio.to_thread(client.close)
