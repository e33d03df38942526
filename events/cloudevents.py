"""CloudEvents 1.0 over HTTP as plain values: binary, structured and batched. Pure."""

import base64
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import orjson

from bireme.kit.errors import UserError

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
_NAME = re.compile(r"[a-z0-9]+")
_MUST = ("specversion", "id", "source", "type")
_DATA = frozenset({"data", "data_base64"})
_JSON = re.compile(r"(application|text)/(.*\+)?json\s*(;.*)?", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class NotACloudEvent(UserError):
    """The request is none; the message names the attribute."""


def from_request(
    content_type: str, headers: Mapping[str, str], body: bytes
) -> list[dict[str, Any]]:
    """The events of a request, each in the JSON format. Raises NotACloudEvent."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == BATCHED:
        return _batch(body)
    if kind == STRUCTURED:
        return [checked(_json(body))]
    if kind.startswith("application/cloudevents"):
        raise NotACloudEvent(f"{kind} is not understood; only the JSON format is")
    return [_binary(content_type, headers, body)]


def _batch(body: bytes) -> list[dict[str, Any]]:
    events = _json(body)
    if not isinstance(events, list):
        raise NotACloudEvent("a batch is a JSON list")
    found = []
    for number, event in enumerate(events):
        try:
            found.append(checked(event))
        except NotACloudEvent as error:
            raise NotACloudEvent(f"event {number} of the batch: {error}") from error
    return found


def _binary(content_type: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    event: dict[str, Any] = {
        name.lower().removeprefix("ce-"): unquote(value, errors="strict")
        for name, value in _ce(headers)
    }
    if not event:
        raise NotACloudEvent("neither ce- headers nor a content type of CloudEvents")
    if misplaced := sorted(_DATA.intersection(event)):
        raise NotACloudEvent(f"ce-{misplaced[0]} is no attribute: the body is the data")
    if content_type:
        event["datacontenttype"] = content_type
    if body:
        event |= _data(content_type, body)
    return checked(event)


def _ce(headers: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    return ((name, value) for name, value in headers.items() if name.lower().startswith("ce-"))


def _data(content_type: str, body: bytes) -> dict[str, Any]:
    """JSON as it is, text as text, other bytes in base64."""
    if not content_type or _JSON.fullmatch(content_type):
        return {"data": _json(body)}
    if content_type.startswith("text/"):
        try:
            return {"data": body.decode()}
        except UnicodeDecodeError:
            pass
    return {"data_base64": base64.b64encode(body).decode()}


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotACloudEvent(f"the body is not valid JSON: {error}") from error


def checked(event: Any) -> dict[str, Any]:
    """The event, if it is one. Raises NotACloudEvent."""
    if not isinstance(event, dict):
        raise NotACloudEvent("an event is a JSON object")
    present = {name: value for name, value in event.items() if value is not None or name == "data"}
    for name in _MUST:
        value = present.get(name)
        if not isinstance(value, str) or not value:
            raise NotACloudEvent(f"{name} is missing, or no text")
    if present["specversion"] != "1.0":
        raise NotACloudEvent(f"specversion is {present['specversion'][:20]!r}; 1.0 is understood")
    for name, value in present.items():
        if name not in _DATA:
            _check_attribute(name, value)
    if present.keys() >= _DATA:
        raise NotACloudEvent("data and data_base64 exclude each other")
    _check_base64(present.get("data_base64"))
    return present


def _check_attribute(name: str, value: Any) -> None:
    if not _NAME.fullmatch(name):
        raise NotACloudEvent(f"{name[:40]!r} is no name of an attribute: only a-z and 0-9 are")
    if not isinstance(value, str | bool | int):
        raise NotACloudEvent(f"{name} is no text, number or truth value")
    if isinstance(value, str) and _CONTROL.search(value):
        raise NotACloudEvent(f"{name} has control characters in it")
    if name in ("subject", "datacontenttype", "dataschema") and not value:
        raise NotACloudEvent(f"{name} is empty: leave it out")
    if name == "time":
        moment(value)


def _check_base64(text: Any) -> None:
    if text is None:
        return
    try:
        base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise NotACloudEvent(f"data_base64 is not base64: {error}") from error


def moment(text: Any) -> datetime:
    """An RFC 3339 time. Raises NotACloudEvent."""
    try:
        time = datetime.fromisoformat(text.upper())
    except (ValueError, AttributeError) as error:
        raise NotACloudEvent(f"time is no RFC 3339 time: {text!r:.60}") from error
    if time.tzinfo is None or len(text) < 20:
        raise NotACloudEvent(f"time has no zone or no seconds: {text!r:.60}")
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise NotACloudEvent(f"time lies outside of the years 1 to 9999: {text!r:.60}") from error
