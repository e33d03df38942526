"""A schema registry of Confluent's kind: schemas by their number, each fetched once. For whoever reads or writes
messages in its wire format: a zero, the number in four bytes, the Avro body."""

import ssl
import struct
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp

from bireme.kit.errors import ServiceError, UserError
from events import avro, fields, rest
from events.ports import BadSourceConfig, EventsError
from events.streams import Auth

_MAGIC = 0
_HEAD = struct.Struct(">BI")
_ACCEPT = "application/vnd.schemaregistry.v1+json"
# The registry's own word; any other 404 means that it is not the registry.
_NO_SUCH_SCHEMA = "40403"


class RegistryAway(EventsError, ServiceError):
    """The registry does not answer, refuses us or is not one; it may be there later."""


class NoSuchSchema(EventsError, UserError):
    """The registry has no schema of this number, or one that is of no use."""


class SchemaRegistry(fields.Fields, frozen=True, kw_only=True):
    """Argo's SchemaRegistryConfig. `schemaId` counts where something is written; a message names its own."""

    url: str = ""
    schema_id: int = 0
    auth: Auth | None = None


def check(given: SchemaRegistry) -> None:
    """Raises BadSourceConfig for what cannot work, MissingExtra without the library."""
    if not given.url:
        raise BadSourceConfig("schemaRegistry.url is missing: write the address of the registry")
    if given.auth and not (given.auth.username and given.auth.password):
        raise BadSourceConfig("schemaRegistry.auth needs username and password")
    avro.needed_for("schemaRegistry")


def framed(number: int, body: bytes) -> bytes:
    """The body in the wire format."""
    return _HEAD.pack(_MAGIC, number) + body


def unframed(raw: bytes) -> tuple[int, bytes] | None:
    """The schema's number and the body; None when this is not the wire format."""
    if len(raw) < _HEAD.size or raw[0] != _MAGIC:
        return None
    return _HEAD.unpack_from(raw)[1], raw[_HEAD.size :]


class Registry:
    """What was fetched is kept: a number means the same schema for ever. Credentials are read at every fetch."""

    def __init__(
        self,
        url: str,
        credentials: Callable[[], tuple[str, str] | None],
        verify: Callable[[], ssl.SSLContext | None],
        session: Callable[[], AbstractAsyncContextManager[aiohttp.ClientSession]] = rest.session,
    ) -> None:
        self._url = url
        self._credentials = credentials
        self._verify = verify
        self._session = session
        self._known: dict[int, avro.Parsed] = {}

    async def schema(self, number: int) -> avro.Parsed:
        """Raises RegistryAway, NoSuchSchema."""
        if number not in self._known:
            self._known[number] = _avro_of(number, await self._fetch(number))
        return self._known[number]

    async def _fetch(self, number: int) -> Any:
        headers, known = {"Accept": _ACCEPT}, self._credentials()
        if known:
            headers["Authorization"] = rest.basic(*known)
        verify = self._verify()
        async with self._session() as session:
            api = rest.Api(session, self._url, headers, verify=True if verify is None else verify)
            try:
                return await api.call("GET", f"/schemas/ids/{number}")
            except rest.ApiError as error:
                if error.status == 404 and _NO_SUCH_SCHEMA in error.words:
                    raise NoSuchSchema(f"the schema registry has no schema {number}") from error
                raise RegistryAway(f"schemaRegistry: {error}") from error
            except ValueError as error:  # an address that is none
                raise RegistryAway(f"schemaRegistry: {self._url}: {error}") from error


def _avro_of(number: int, answer: Any) -> avro.Parsed:
    if not isinstance(answer, dict) or not isinstance(answer.get("schema"), str):
        raise RegistryAway("schemaRegistry: this is no answer of a schema registry")
    kind = answer.get("schemaType") or "AVRO"
    if kind != "AVRO":
        raise NoSuchSchema(f"schema {number} is of the type {kind}; only AVRO is known here")
    if answer.get("references"):
        raise NoSuchSchema(f"schema {number} refers to other schemas, which is not known here")
    try:
        return avro.parsed(answer["schema"])
    except avro.NotAvro as error:
        raise NoSuchSchema(f"schema {number}: {error}") from error
