"""The `custom` trigger: somebody's own gRPC server that speaks Argo's `triggers.Trigger`.

    template:
      name: own
      custom:
        serverURL: own-trigger.tools.svc:9000
        secure: true
        certSecret: {name: own-trigger, key: ca}
        serverNameOverride: own-trigger
        spec: {color: red}
        parameters:
          - {src: {dependencyName: push, dataKey: body.color}, dest: color}
        payload:
          - {src: {dependencyName: push, dataKey: body.ref}, dest: ref}

For each firing the server is asked for its resource (`FetchResource` with `spec` as YAML), which the parameters are
placed in, then to `Execute` it with the payload, then to `ApplyPolicy` to the answer. The metadata `idempotency-key` is
the firing's id. Needs the extra `grpc`.
"""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import yaml

from bireme.kit.errors import MissingExtra
from bireme.manifests.base import KeySelector
from events.model import Event
from sensors import definition, fetching, fields, parameters, targets
from sensors.clients import Clients
from sensors.credentials import Credentials
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

Json = dict[str, Any]

_SERVICE = "/triggers.Trigger/"
_TIMEOUT_S = 60.0
_PASSING = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL", "UNKNOWN",
     "CANCELLED"}
)  # fmt: skip


@triggers.register("custom")
class CustomTrigger:
    """Keeps one channel per server."""

    class Config(fields.Sent, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        server_url: str = ""
        secure: bool = False
        cert_secret: KeySelector | None = None
        server_name_override: str = ""
        spec: dict[str, str] = {}

    def __init__(self, surroundings: Surroundings) -> None:
        self.around = surroundings
        self.channels: Clients[Any] = Clients(lambda channel: channel.close())

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        template = definition.template(given, events)
        block: Json = template.get("custom") or {}
        if not block.get("serverURL"):
            raise BadSensor("custom.serverURL is missing")
        level = parameters.decode(block.get("parameters"))
        return {
            "url": block["serverURL"],
            "secure": bool(block.get("secure")),
            "certificate": block.get("certSecret"),
            "name": block.get("serverNameOverride") or "",
            "spec": block.get("spec") or {},
            "placements": parameters.rows(parameters.placements(level, events)),
            "body": definition.payload(block, events).decode(),
        }

    async def fire(self, firing: Firing) -> Receipt:
        try:
            import grpc
        except ImportError as error:
            raise MissingExtra("grpc", "the trigger custom") from error
        spec = firing.spec or {}
        credentials = Credentials(self.around.secrets, firing.namespace, "custom")
        certificate = credentials.optional(spec["certificate"], "certSecret")
        key = (spec["url"], spec["secure"], spec["name"], certificate)
        try:
            opening = partial(self._open, spec, certificate)
            async with self.channels.use(key, opening) as channel:
                return await _acted(channel, firing, spec)
        except grpc.aio.AioRpcError as error:
            kind = TriggerFailed if error.code().name in _PASSING else TriggerRefused
            raise kind(f"custom: {spec['url']}: {error.code().name}: {error.details()}") from error

    async def close(self) -> None:
        await self.channels.close()

    async def _open(self, spec: Json, certificate: str) -> Any:
        import grpc

        host = spec["url"].rpartition("://")[2].rpartition(":")[0].strip("[]")
        await targets.check_all(self.around.reach, [host], "custom")
        if not spec["secure"]:
            return grpc.aio.insecure_channel(spec["url"])
        trusted = grpc.ssl_channel_credentials(certificate.encode() or None)
        named = [("grpc.ssl_target_name_override", spec["name"])] if spec["name"] else []
        return grpc.aio.secure_channel(spec["url"], trusted, options=named)


async def _acted(channel: Any, firing: Firing, spec: Json) -> Receipt:
    call = partial(_called, channel, (("idempotency-key", firing.id),))
    text = yaml.safe_dump(spec["spec"]).encode()
    [resource] = await call("FetchResource", [text])
    if spec["placements"]:
        resource = _placed(resource, spec["placements"])
    [response] = await call("Execute", [resource, spec["body"].encode()])
    verdict = await call("ApplyPolicy", [response], fields=2)
    if not verdict[0]:
        words = bytes(verdict[1]).decode(errors="replace")
        raise TriggerFailed(f"policy application resulted in failure. custom: {words}")
    return Receipt(kind="custom", name=spec["url"])


def _placed(resource: bytes, placements: list[Json]) -> bytes:
    found = fetching.parsed(resource, "custom: the server's resource")
    for item in parameters.from_rows(placements):
        found = parameters.place(found, item)
    return json.dumps(found).encode()


async def _called(
    channel: Any,
    metadata: tuple[tuple[str, str], ...],
    method: str,
    request: list[bytes],
    fields: int = 1,
) -> list[Any]:
    """One call; the fields of its answer by number, absent ones empty."""
    stub = channel.unary_unary(
        f"{_SERVICE}{method}",
        request_serializer=_encoded,
        response_deserializer=partial(_decoded, fields=fields),
    )
    found: list[Any] = await stub(request, timeout=_TIMEOUT_S, metadata=metadata)
    return found


def _encoded(values: list[bytes]) -> bytes:
    """A protobuf message of byte fields 1, 2, …"""
    made = bytearray()
    for number, value in enumerate(values, 1):
        if value:
            made += bytes([number << 3 | 2]) + _varint(len(value)) + value
    return bytes(made)


def _decoded(message: bytes, fields: int) -> list[Any]:
    """The first `fields` fields of a protobuf message: bytes, or numbers for bool and integer fields."""
    found: list[Any] = [b""] * fields
    at = 0
    while at < len(message):
        tag, at = _number(message, at)
        value, at = _value(message, at, tag & 7)
        if 1 <= tag >> 3 <= fields:
            found[(tag >> 3) - 1] = value
    return found


def _value(message: bytes, at: int, wire: int) -> tuple[Any, int]:
    if wire == 0:
        return _number(message, at)
    if wire == 2:
        length, at = _number(message, at)
        if at + length > len(message):
            raise ValueError("a field ends after its message")
        return message[at : at + length], at + length
    size = {1: 8, 5: 4}.get(wire)
    if size is None:
        raise ValueError(f"wire type {wire} is none")
    return message[at : at + size], at + size


def _number(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a number without end")
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)
