"""Events that a person hands over in files, to try a sensor on them: CloudEvents, our own listing, or bare payloads."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from bireme.kit.errors import UserError
from events.model import Event

Json = dict[str, Any]
Place = tuple[str, str]  # event source, event


class BadGivenEvent(UserError):
    """A file cannot be taken as an event; the message says what was missing."""


def event(text: bytes, place: Place | None, number: int, now: datetime) -> Event:
    """The event in `text`: a CloudEvent in JSON, what `bireme events get -o json` prints, else a payload.

    `place` says where the event comes from and wins over what the text says; a payload needs it. `number` is its place
    in the row of events. Raises BadGivenEvent.
    """
    given = _members(text)
    if "specversion" in given:
        about = _cloud_event(given)
    elif {"source", "subject", "data", "id"} <= given.keys():
        about = _listed(given)
    elif place is not None:
        about = {"data": text.strip()}
    else:
        raise BadGivenEvent(
            "the file holds a bare payload and the sensor listens to several events: say which one it is by"
            " --event DEPENDENCY=FILE"
        )
    source, subject = place or (about["source"] or "", about["subject"] or "")
    fields: Json = {"id": f"event-{number}", "type": "webhook", "time": now, "data": b""}
    fields |= {name: value for name, value in about.items() if value not in (None, "")}
    home = {"namespace": "default", "source": source, "subject": subject, "seq": number}
    return Event(**{**fields, **home})


def _members(text: bytes) -> dict[str, msgspec.Raw]:
    """The members of an object, as they are spelled; none for anything else."""
    try:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _cloud_event(given: Mapping[str, msgspec.Raw]) -> Json:
    data = bytes(given.get("data") or b"")
    if "data_base64" in given:
        data = base64.b64decode(_plain(given, "data_base64"))
    return {**_about(given, "datacontenttype"), "time": _time(_plain(given, "time")), "data": data}


def _listed(given: Mapping[str, msgspec.Raw]) -> Json:
    seconds = _plain(given, "time")
    time = datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, (int, float)) else None
    return {**_about(given, "contentType"), "time": time, "data": bytes(given["data"])}


def _about(given: Mapping[str, msgspec.Raw], content_type: str) -> Json:
    names = {name: name for name in ("id", "source", "subject", "type")}
    return {
        field: _plain(given, name)
        for field, name in {**names, "content_type": content_type}.items()
    }


def _plain(given: Mapping[str, msgspec.Raw], name: str) -> Any:
    return msgspec.json.decode(given[name]) if name in given else None


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise BadGivenEvent(f"time '{text}' is not like 2026-01-31T12:00:00Z") from error
