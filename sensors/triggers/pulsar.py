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
`tlsValidateHostname` are for `pulsar+ssl://`. Athenz and client certificates (`tls`) are refused. Needs the extra
`pulsar`.
"""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

import asyncio
import tempfile
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from bireme.kit.errors import MissingExtra
from bireme.manifests.base import KeySelector
from bireme.manifests.events import EventBackoff
from events.model import Event
from sensors import definition, fields, targets
from sensors.clients import Clients
from sensors.credentials import Credentials
from sensors.errors import BadSensor, TriggerFailed
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

Json = dict[str, Any]

_TIMEOUT_S = 30
_UNSUPPORTED = ("authAthenzParams", "authAthenzSecret", "tls")


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
        self.clients: Clients[Any] = Clients(_closed)

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "pulsar", events)
        for field in ("url", "topic", "payload"):
            if not block.get(field):
                raise BadSensor(f"pulsar.{field} is missing")
        for field in _UNSUPPORTED:
            if block.get(field):
                raise BadSensor(f"pulsar.{field} is not supported; use authTokenSecret")
        return {
            "url": block["url"],
            "topic": block["topic"],
            "token": block.get("authTokenSecret"),
            "trust": block.get("tlsTrustCertsSecret"),
            "insecure": bool(block.get("tlsAllowInsecureConnection")),
            "validate": block.get("tlsValidateHostname", True) is not False,
            "body": definition.payload(block, events).decode(),
        }

    async def fire(self, firing: Firing) -> Receipt:
        try:
            import pulsar
        except ImportError as error:
            raise MissingExtra("pulsar", "the trigger pulsar") from error
        spec = firing.spec or {}
        credentials = Credentials(self.around.secrets, firing.namespace, "pulsar")
        token = credentials.optional(spec["token"], "authTokenSecret")
        trust = credentials.optional(spec["trust"], "tlsTrustCertsSecret")
        key = (firing.namespace, spec["url"], token, trust, spec["insecure"], spec["validate"])
        try:
            opening = partial(self._open, spec, token, trust)
            async with self.clients.use(key, opening) as client:
                await asyncio.to_thread(_sent, client, spec, firing.id)
        except (pulsar.PulsarException, OSError) as error:
            raise TriggerFailed(f"pulsar: topic {spec['topic']}: {error}") from error
        return Receipt(kind="pulsar", name=spec["topic"])

    async def close(self) -> None:
        await self.clients.close()

    async def _open(self, spec: Json, token: str, trust: str) -> Any:
        hosts = [
            urlsplit(f"//{host}").hostname or ""
            for host in spec["url"].rpartition("://")[2].split("/")[0].split(",")
        ]
        await targets.check_all(self.around.reach, hosts, "pulsar")
        return await asyncio.to_thread(_opened, spec, token, trust)


def _opened(spec: Json, token: str, trust: str) -> Any:
    import pulsar

    options: Json = {
        "operation_timeout_seconds": _TIMEOUT_S,
        "logger": pulsar.ConsoleLogger(pulsar.LoggerLevel.Error),
        "tls_allow_insecure_connection": spec["insecure"],
        "tls_validate_hostname": spec["validate"],
    }
    if token:
        options["authentication"] = pulsar.AuthenticationToken(token)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        if trust:
            # The library reads the file when it connects, which the first lookup makes it do.
            file.write(trust.encode())
            file.flush()
            options["tls_trust_certs_file_path"] = file.name
        client = pulsar.Client(spec["url"], **options)
        try:
            client.get_topic_partitions(spec["topic"])
        except BaseException:
            client.close()
            raise
    return client


def _sent(client: Any, spec: Json, identity: str) -> None:
    producer = client.create_producer(spec["topic"], send_timeout_millis=_TIMEOUT_S * 1000)
    try:
        producer.send(spec["body"].encode(), properties={"idempotency-key": identity})
    finally:
        producer.close()


async def _closed(client: Any) -> None:
    await asyncio.to_thread(client.close)
