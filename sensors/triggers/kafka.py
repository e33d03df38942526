"""The `kafka` trigger: one record per firing, acknowledged by the brokers before the firing counts as done.

    template:
      name: announce
      kafka:
        url: broker-1:9092,broker-2:9092
        topic: builds
        partitioningKey: main
        requiredAcks: -1
        compress: true
        headers: {origin: bireme}
        sasl:
          mechanism: SCRAM-SHA-512
          userSecret: {name: kafka, key: user}
          passwordSecret: {name: kafka, key: password}
        payload:
          - {src: {dependencyName: push, dataKey: body.ref}, dest: ref}

The header `idempotency-key` is the firing's id: consumers that have seen it need not act again. `compress` is gzip, so
that no extra library is needed to read or write it. `tls` verifies the broker unless `insecureSkipVerify` is set.
`partition`, `flushFrequency` and `version` have no effect. With `schemaRegistry` the payload is written in Avro.
"""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from bireme.manifests.base import Spec
from bireme.manifests.events import SASLConfig
from events import kafka
from events.model import Event
from sensors import definition, fields, kafka_avro, targets
from sensors.advice import advised
from sensors.clients import Clients
from sensors.credentials import Credentials
from sensors.errors import BadSensor, TriggerFailed
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

Json = dict[str, Any]

_ACKS = {-1: "all", 0: 0, 1: 1}
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_TIMEOUT_MS = 30_000


class SchemaRegistry(Spec, frozen=True):
    url: str = ""
    schema_id: int = msgspec.field(name="schemaId", default=0)
    auth: fields.BasicAuth | None = None


@triggers.register("kafka")
class KafkaTrigger:
    """Keeps one producer per cluster and credentials."""

    class Config(fields.Sent, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        url: str = ""
        topic: str = ""
        partition: int = 0
        partitioning_key: str | None = None
        required_acks: int = -1
        compress: bool = False
        flush_frequency: int = 0
        version: str = ""
        headers: dict[str, str] = {}
        secure_headers: list[fields.SecureHeader] = []
        tls: fields.Tls | None = None
        sasl: SASLConfig | None = None
        schema_registry: SchemaRegistry | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self.around = surroundings
        self.schemas = kafka_avro.Schemas(surroundings.reach)
        self.producers: Clients[Any] = Clients(lambda producer: producer.stop())

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "kafka", events)
        for field in ("url", "topic"):
            if not block.get(field):
                raise BadSensor(f"kafka.{field} is missing")
        return {
            "url": block["url"],
            "topic": block["topic"],
            "key": block.get("partitioningKey") or "",
            "acks": _acks(block),
            "compress": bool(block.get("compress")),
            "headers": block.get("headers") or {},
            "secure": block.get("secureHeaders") or [],
            "tls": block.get("tls"),
            "sasl": _sasl(block),
            "registry": kafka_avro.registry_of(block),
            "body": definition.payload(block, events).decode(),
        }

    async def fire(self, firing: Firing) -> Receipt:
        from aiokafka.errors import KafkaError

        spec = firing.spec or {}
        credentials = Credentials(self.around.secrets, firing.namespace, "kafka")
        headers = {**spec["headers"], **credentials.headers(spec["secure"])}
        settings = _login(spec["sasl"], credentials)
        body = await self.schemas.body(spec, firing.namespace, credentials)
        key = (firing.namespace, spec["url"], spec["acks"], spec["compress"], str(spec["tls"]))
        try:
            opening = partial(self._open, spec, settings, credentials)
            async with self.producers.use((*key, *settings.items()), opening) as producer:
                done = await producer.send_and_wait(
                    spec["topic"],
                    body,
                    key=spec["key"].encode() or None,
                    headers=[(name, value.encode()) for name, value in headers.items()]
                    + [("idempotency-key", firing.id.encode())],
                )
        except (KafkaError, OSError) as error:
            text = advised(str(error) or type(error).__name__, "kafka", "sasl")
            raise TriggerFailed(f"kafka: topic {spec['topic']} at {spec['url']}: {text}") from error
        where = f"partition {done.partition}, offset {done.offset}" if done else "not acknowledged"
        return Receipt(kind="kafka", name=spec["topic"], note=where)

    async def close(self) -> None:
        await self.producers.close()

    async def _open(self, spec: Json, settings: dict[str, str], credentials: Credentials) -> Any:
        from aiokafka import AIOKafkaProducer
        from aiokafka.errors import KafkaConnectionError

        brokers = [broker.strip() for broker in spec["url"].split(",")]
        await targets.check_all(self.around.reach, [_host(broker) for broker in brokers], "kafka")
        context = credentials.tls(spec["tls"])
        secure = "SSL" if context else "PLAINTEXT"
        access = {
            "security_protocol": f"SASL_{secure}" if settings else secure,
            "ssl_context": context,
            **settings,
        }
        producer = AIOKafkaProducer(
            bootstrap_servers=brokers,
            acks=_ACKS[spec["acks"]],
            compression_type="gzip" if spec["compress"] else None,
            request_timeout_ms=_TIMEOUT_MS,
            **access,
        )
        try:
            await producer.start()
        except KafkaConnectionError as error:
            await producer.stop()
            await kafka.knock(brokers[0], access)
            raise error
        except BaseException:
            await producer.stop()
            raise
        return producer


def _host(broker: str) -> str:
    try:
        return kafka.address(broker)[0]
    except ValueError as error:
        raise BadSensor(f"kafka.url: {broker}: {error}") from error


def _acks(block: Json) -> int:
    given = block.get("requiredAcks", -1)
    if given not in _ACKS:
        raise BadSensor(f"kafka.requiredAcks is {given!r}, expected -1 (all), 1 or 0")
    return int(given)


def _sasl(block: Json) -> Json | None:
    sasl: Json | None = block.get("sasl")
    if not sasl:
        return None
    mechanism = sasl.get("mechanism") or "PLAIN"
    if mechanism not in _MECHANISMS:
        raise BadSensor(f"kafka.sasl.mechanism is {mechanism!r}, expected one of {_MECHANISMS}")
    return {**sasl, "mechanism": mechanism}


def _login(sasl: Json | None, credentials: Credentials) -> dict[str, str]:
    if not sasl:
        return {}
    return {
        "sasl_mechanism": sasl["mechanism"],
        "sasl_plain_username": credentials.text(sasl.get("userSecret") or {}, "sasl.userSecret"),
        "sasl_plain_password": credentials.text(
            sasl.get("passwordSecret") or {}, "sasl.passwordSecret"
        ),
    }
