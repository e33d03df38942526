"""Bodies of the source `kafka` that are Avro with a schema in a registry, as JSON.

Two steps, because the second has no time to wait: `prepare` fetches the schemas of messages that are about to be made
events, and reads those that take long in a thread, so that they hold up nobody; `body` has the text of one.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from events import avro_reading, fields, schema_registry, streams, tls
from events.avro_numbers import Unreadable
from events.ports import Surroundings
from events.schema_registry import NoSuchSchema, Registry, SchemaRegistry

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

_LARGEST = streams.MOST_BYTES
_AT_ONCE_BYTES = 64 << 10


class AvroBodies:
    """Schemas are kept for as long as the source is configured so."""

    def __init__(
        self, given: SchemaRegistry, transport: tls.Tls | None, around: Surroundings
    ) -> None:
        schema_registry.check(given)
        self._registry = Registry(
            given.url,
            lambda: _credentials(given, around),
            lambda: tls.context(transport, around.secrets, around.place.namespace),
        )
        self._readers: dict[int, Callable[[bytes], bytes]] = {}
        self._useless: dict[int, str] = {}
        self._ready: dict[bytes, bytes | streams.Poison] = {}

    async def prepare(self, records: "Iterable[ConsumerRecord]") -> None:
        """Raises RegistryAway: the messages are then to be read again later. A number that the registry does not know
        is asked for once in each such call, for it may come to be known."""
        raws = [record.value for record in records if record.value]
        self._useless.clear()
        for number in {framed[0] for raw in raws if (framed := schema_registry.unframed(raw))}:
            if number not in self._readers:
                await self._learn(number)
        self._ready = {}
        if sum(map(len, raws)) > _AT_ONCE_BYTES:
            self._ready = await asyncio.to_thread(lambda: {raw: self._read(raw) for raw in raws})

    def body(self, raw: bytes) -> bytes:
        """The JSON text. Raises Poison."""
        found = self._ready.get(raw) or self._read(raw)
        if isinstance(found, streams.Poison):
            raise found
        return found

    def _read(self, raw: bytes) -> bytes | streams.Poison:
        framed = schema_registry.unframed(raw)
        if framed is None:
            return streams.Poison("this is not Avro with the number of a schema before it", raw)
        number, value = framed
        if number in self._useless:
            return streams.Poison(self._useless[number], raw)
        if len(raw) > _LARGEST:
            return streams.Poison(f"{len(raw)} bytes, at most {_LARGEST} make an event", raw)
        try:
            return self._readers[number](value)
        except Unreadable as error:
            return streams.Poison(f"this is no value of schema {number}: {error}", raw)

    async def _learn(self, number: int) -> None:
        try:
            self._readers[number] = avro_reading.reader(await self._registry.schema(number))
        except (NoSuchSchema, Unreadable) as error:
            self._useless[number] = str(error)


def _credentials(given: SchemaRegistry, around: Surroundings) -> tuple[str, str] | None:
    if given.auth is None or given.auth.username is None or given.auth.password is None:
        return None
    pair = (given.auth.username, given.auth.password)
    user, password = (fields.secret(around.secrets, around.place, ref).decode() for ref in pair)
    return user, password
