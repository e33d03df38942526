"""Many events seen as one: the newest, with all of them in its data."""

from collections.abc import Sequence

import msgspec

from events.model import Event

_json = msgspec.json.Decoder(msgspec.Raw)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def gathered(events: Sequence[Event]) -> Event:
    """The last event, whose data has one more member: `events`, the data of every event, oldest first.

    So `dataKey: body.name` means the newest event, `events.#.body.name` all of them. Data that is not JSON becomes a
    string; when the last event's data is not an object, `events` is all there is.
    """
    last = events[-1]
    try:
        newest = _object.decode(last.data)
    except msgspec.DecodeError:
        newest = {}
    newest["events"] = msgspec.Raw(b"[%b]" % b",".join(_as_json(event.data) for event in events))
    return msgspec.structs.replace(last, data=_encode(newest), content_type="application/json")


def _as_json(data: bytes) -> bytes:
    try:
        return bytes(_json.decode(data))
    except msgspec.DecodeError:
        return _encode(data.decode(errors="replace"))
