"""An event on an outside bus: CloudEvents 1.0 in binary form, its attributes as headers, its data untouched.

Others who read the topic or stream see ordinary CloudEvents (`ce_id`, `ce_source`, …; values percent-encoded as the
protocol bindings say). What CloudEvents has no word for are extension attributes that begin with `ce_bireme`.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, unquote

import orjson
import structlog

from bireme.kit.errors import BiremeError
from events.model import Event

log = structlog.get_logger(__name__)

CONTENT_TYPE = "content-type"
_SAFE = "!#$&'()*+,-./:;<=>?@[]^_`{|}~ "
_is_plain = re.compile(f"[A-Za-z0-9{re.escape(_SAFE)}]*").fullmatch


class BadEnvelope(BiremeError):
    """Something on the bus is no event of ours; the message names what is missing."""


def headers(event: Event) -> dict[str, str]:
    """Everything of the event but its data, as printable ASCII."""
    assert event.received_at is not None
    words = {
        **_of_source(event.namespace, event.source, event.type, event.subject, event.content_type),
        "ce_id": _quoted(event.id),
        "ce_time": event.time.isoformat(),
        "ce_biremereceived": event.received_at.isoformat(),
    }
    if event.dedup:
        words["ce_biremededup"] = _quoted(event.dedup)
    if event.bus:
        words["ce_biremebus"] = _quoted(event.bus)
    if event.attributes:
        words["ce_biremeattributes"] = _quoted(orjson.dumps(event.attributes).decode())
    return words


@lru_cache(maxsize=1024)
def _of_source(
    namespace: str, source: str, kind: str, subject: str, content_type: str
) -> dict[str, str]:
    """What all events of a source have in common."""
    words = {
        "ce_specversion": "1.0",
        "ce_source": source,
        "ce_type": kind,
        "ce_subject": subject,
        "ce_biremenamespace": namespace,
        CONTENT_TYPE: content_type,
    }
    return {name: _quoted(text) for name, text in words.items()}


def _quoted(text: str) -> str:
    return text if _is_plain(text) else quote(text, safe=_SAFE)


def read(messages: Iterable[tuple[Mapping[str, str], bytes, int]], bus: str) -> list[Event]:
    """The events of messages with their places. What others have put there is told, and stops nobody."""
    found: list[Event] = []
    for words, data, place in messages:
        try:
            found.append(event_of(words, data, place))
        except BadEnvelope as error:
            log.error("bus_message_is_no_event", bus=bus, place=place, error=str(error))
    return found


def event_of(found: Mapping[str, str], data: bytes, seq: int) -> Event:
    """The event again, at its place on the bus. Raises BadEnvelope."""
    words = {name.lower(): unquote(text) for name, text in found.items()}
    try:
        return Event(
            id=words["ce_id"],
            namespace=words["ce_biremenamespace"],
            source=words["ce_source"],
            subject=words["ce_subject"],
            type=words["ce_type"],
            time=datetime.fromisoformat(words["ce_time"]),
            received_at=datetime.fromisoformat(words["ce_biremereceived"]),
            content_type=words[CONTENT_TYPE],
            attributes=orjson.loads(words.get("ce_biremeattributes", "{}")),
            dedup=words.get("ce_biremededup", ""),
            bus=words.get("ce_biremebus", ""),
            data=data,
            seq=seq,
        )
    except (KeyError, ValueError) as error:
        raise BadEnvelope(f"place {seq} holds no event of ours: {error!r}") from error
