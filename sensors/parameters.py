"""Parameters: taking values out of a firing's events and placing them in manifests and payloads. Pure."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import msgspec

from bireme.kit.errors import InvalidManifest
from bireme.lang import gjson, gojson, gotemplate, sjson
from bireme.lang.errors import LangError
from bireme.manifests import yaml
from events.model import Event
from sensors.errors import BadSensor, CannotResolve
from sensors.view import Found, View, is_json

Events = Mapping[str, Event]
Json = dict[str, Any]


class Source(msgspec.Struct, frozen=True, rename="camel"):
    """Argo's TriggerParameterSource: which event, and what of it."""

    dependency_name: str = ""
    context_key: str = ""
    context_template: str = ""
    data_key: str = ""
    data_template: str = ""
    value: str | None = None
    use_raw_data: bool = False


class Parameter(msgspec.Struct, frozen=True, rename="camel"):
    """Argo's TriggerParameter: a source, and where its value goes (an sjson path)."""

    src: Source = Source()
    dest: str = ""
    operation: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A value as text, with the JSON type it had: String, Number, True, False, Null or JSON."""

    text: str
    type: str = "String"

    def placed(self, raw: bool) -> Any:
        """What is written at the destination: the JSON value itself when asked for, else always a string."""
        return json.loads(self.text) if raw and self.type != "String" else self.text


class Placement(msgspec.Struct, frozen=True):
    """A resolved value and where it goes, as it waits in a row for the object it is placed in."""

    dest: str
    operation: str
    text: str
    type: str
    raw: bool


def rows(given: Iterable[Placement]) -> list[Json]:
    """Placements as a row keeps them."""
    found: list[Json] = msgspec.to_builtins(list(given))
    return found


def from_rows(given: list[Json]) -> list[Placement]:
    """Placements back from a row."""
    return msgspec.convert(given, list[Placement])


def decode(given: Any) -> list[Parameter]:
    """Parameters as the manifest has them. Raises BadSensor for a wrong shape."""
    if not given:
        return []
    try:
        return msgspec.convert(given, list[Parameter], strict=False)
    except msgspec.ValidationError as error:
        raise BadSensor(f"parameters: {error}") from error


def resolve(source: Source, events: Events) -> Resolved | None:
    """The value `source` names, or None when its dependency has no event in this firing and no default is given.

    The family of selectors is chosen once: data before context. Raises CannotResolve with Argo's words.
    """
    default = None if source.value is None else Resolved(source.value)
    event = events.get(source.dependency_name)
    if event is None:
        return default
    try:
        found, failure = _select(source, event, default)
    except CannotResolve:
        if default is None:
            raise
        return default
    if found is not None:
        return found
    if default is None:
        raise CannotResolve(
            f"unable to resolve '{source.dependency_name}' parameter value. err: {failure}"
        )
    return default


def _select(source: Source, event: Event, default: Resolved | None) -> tuple[Resolved | None, str]:
    if source.data_key and not source.data_template and event.content_type == "application/json":
        return _by_key(View(event), source.data_key), "<nil>"
    if source.data_template or source.data_key:
        return _from_json(data_as_json(event), source.data_template, source.data_key)
    if source.context_template or source.context_key:
        return _from_json(_object(context_of(event)), source.context_template, source.context_key)
    return default or Resolved(whole(event)), "<nil>"


def _from_json(document: str, template: str, key: str) -> tuple[Resolved | None, str]:
    failure = "<nil>"
    if template:
        try:
            return Resolved(_render(template, document)), failure
        except (LangError, CannotResolve) as error:
            failure = str(error)
    found = value_by_key(document, key) if key else None
    return found, failure


def _by_key(view: View, key: str) -> Resolved | None:
    """`value_by_key` in the data of an event. Raises CannotResolve with Argo's words."""
    if not view.is_json:
        raise CannotResolve("event data is not valid JSON")
    return _read(view.find(key))


def value_by_key(document: str, key: str) -> Resolved | None:
    """What a gjson path leads to; null counts as found and reads `null`."""
    return _read(gjson.get(document, key))


def _read(found: Found | gjson.Result) -> Resolved | None:
    if not found.exists:
        return None
    return Resolved("null" if found.type == "Null" else found.text, found.type)


def _render(template: str, document: str) -> str:
    output = gotemplate.render(template, {"Input": json.loads(document, parse_int=float)})
    if output in ("", "<no value>"):
        raise CannotResolve(f"template evaluated to empty string or no value: {template}")
    return output


def data_as_json(event: Event) -> str:
    """The event's data as JSON text, by its content type. Raises CannotResolve with Argo's words."""
    if event.content_type == "application/json":
        if not is_json(event.data):
            raise CannotResolve("event data is not valid JSON")
        return event.data.decode(errors="replace")
    if event.content_type == "application/yaml":
        return _yaml_as_json(event.data)
    raise CannotResolve(f"unsupported event content type: {event.content_type}")


def _yaml_as_json(data: bytes) -> str:
    try:
        documents = yaml.load(data.decode(errors="replace"))
    except InvalidManifest as error:
        raise CannotResolve(f"failed converting yaml event data to JSON: {error}") from error
    return gojson.dumps(documents[0].value if documents else None)


def context_of(event: Event) -> dict[str, str]:
    """The event's context, in Argo's key order."""
    return {
        "id": event.id,
        "source": event.source,
        "specversion": event.attributes.get("specversion", "1.0"),
        "type": event.type,
        "datacontenttype": event.content_type,
        "subject": event.subject,
        "time": f"{event.time.astimezone(UTC).isoformat(timespec='seconds')[:19]}Z",
    }


def whole(event: Event) -> str:
    """The event as one JSON text, its data in base64, `null` when it has none."""
    data = f'"{base64.b64encode(event.data).decode()}"' if event.data else "null"
    return f'{{"context":{_object(context_of(event))},"data":{data}}}'


def _object(texts: Mapping[str, str]) -> str:
    """A JSON object as Go writes a struct: its fields in order, its texts safe inside HTML."""
    return f"{{{','.join(f'{gojson.quote(key)}:{gojson.quote(text)}' for key, text in texts.items())}}}"


def apply(target: Any, parameters: Sequence[Parameter], events: Events) -> Any:
    """`target` with every parameter placed, in order; the argument itself is not changed."""
    result = target
    for placement in placements(parameters, events):
        result = place(result, placement)
    return result


def placements(parameters: Sequence[Parameter], events: Events) -> Iterator[Placement]:
    """What of the events goes where, in order; parameters whose dependency has no event are left out."""
    for given in parameters:
        found = resolve(given.src, events)
        if found is not None:
            raw = given.src.use_raw_data
            yield Placement(given.dest, given.operation, found.text, found.type, raw)


def place(target: Any, given: Placement) -> Any:
    """`target` with one value more; the argument itself is not changed."""
    operation, dest, found = given.operation, given.dest, Resolved(given.text, given.type)
    if operation not in ("", "overwrite", "append", "prepend"):
        raise BadSensor(f"unsupported trigger parameter operation: {operation}")
    if not dest:
        raise BadSensor("path cannot be empty")
    value = found.placed(given.raw)
    if operation in ("append", "prepend"):
        current = gjson.get(target, dest)
        if current.exists:
            parts = (current.text, found.text)
            value = "".join(parts if operation == "append" else reversed(parts))
    return sjson.set(target, dest, value)


def payload(parameters: Sequence[Parameter], events: Events) -> bytes:
    """The body made of a payload's entries, in order, starting from nothing; empty when all were skipped.

    An entry without a destination is the whole body. `operation` has no meaning here.
    """
    document: Any = None
    for parameter in parameters:
        found = resolve(parameter.src, events)
        if found is None:
            continue
        if not parameter.dest:
            return found.text.encode()
        value = found.placed(parameter.src.use_raw_data)
        document = sjson.set(document, parameter.dest, value)
    return b"" if document is None else json.dumps(document, separators=(",", ":")).encode()
