"""Records of the `kafka` trigger in Avro: the payload's JSON by a schema of a registry, in Confluent's wire format."""

from collections.abc import Hashable
from typing import Any

from bireme.kit import outward
from bireme.kit.reach import Reach
from events import avro, schema_registry
from events.schema_registry import NoSuchSchema, Registry, RegistryAway
from sensors.credentials import Credentials
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused

Json = dict[str, Any]

_MOST = 64


def registry_of(block: Json) -> Json | None:
    """Argo's `schemaRegistry`, None where there is none. Raises BadSensor."""
    given: Json | None = block.get("schemaRegistry")
    if not given:
        return None
    number = given.get("schemaId")
    if not given.get("url"):
        raise BadSensor("kafka.schemaRegistry.url is missing")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 1 << 31:
        raise BadSensor(f"kafka.schemaRegistry.schemaId is {number!r}, expected a schema's number")
    auth = given.get("auth") or {}
    if bool(auth.get("username")) != bool(auth.get("password")):
        raise BadSensor("kafka.schemaRegistry.auth needs username and password")
    return {"url": given["url"], "id": number, "auth": auth}


class Schemas:
    """Keeps what it fetched of each registry; connects to nothing out of `reach`."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._registries: dict[Hashable, Registry] = {}

    async def body(self, spec: Json, namespace: str, credentials: Credentials) -> bytes:
        """The record's bytes. Raises MissingExtra, TriggerRefused for what does not fit, TriggerFailed."""
        text: bytes = spec["body"].encode()
        given = spec.get("registry")
        if not given:
            return text
        avro.needed_for("kafka.schemaRegistry")
        registry = self._registry(given, spec["tls"], namespace, credentials)
        try:
            schema = await registry.schema(given["id"])
            return schema_registry.framed(given["id"], avro.written(schema, text))
        except (RegistryAway, NoSuchSchema) as error:
            raise TriggerFailed(f"kafka: {error}") from error
        except (avro.NotAvro, outward.OutwardRefused) as error:
            raise TriggerRefused(f"kafka: schema {given['id']}: {error}") from error

    def _registry(
        self, given: Json, tls: Json | None, namespace: str, credentials: Credentials
    ) -> Registry:
        known = None
        if given["auth"]:
            pair = [given["auth"]["username"], given["auth"]["password"]]
            user, password = (credentials.text(ref, "schemaRegistry.auth") for ref in pair)
            known = (user, password)
        key = (namespace, given["url"], known, str(tls))
        if key not in self._registries:
            if len(self._registries) >= _MOST:
                self._registries.clear()
            self._registries[key] = Registry(
                given["url"],
                lambda: known,
                lambda: credentials.tls(tls),
                lambda: outward.session(self._reach),
            )
        return self._registries[key]
