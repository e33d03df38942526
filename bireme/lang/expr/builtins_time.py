"""The functions of the language about time, except `now`, which needs the frame."""

from datetime import UTC, tzinfo
from typing import Any, Final

from bireme.lang import goduration
from bireme.lang.errors import LangError
from bireme.lang.expr.builtins_text import string
from bireme.lang.expr.signature import Signature
from bireme.lang.expr.times import Duration, Time, location, parse_time

_LAYOUTS: Final = (
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
)


def duration(text: Any) -> Duration:
    return Duration(goduration.nanoseconds(string("duration", text)))


def date(*args: Any) -> Time:
    """`date(text [, layout [, zone]])`, or with a zone first."""
    zone: tzinfo = UTC
    rest = list(args)
    if rest and isinstance(rest[0], tzinfo):
        zone = rest.pop(0)
    text = string("date", rest[0] if rest else None)
    if len(rest) == 3:
        zone = location(string("date", rest[2]))
    layouts = (string("date", rest[1]),) if len(rest) > 1 else _LAYOUTS
    for layout in layouts:
        try:
            return Time(parse_time(text, layout, zone))
        except ValueError:
            continue
    raise LangError(f"invalid date {text}")


def timezone(name: Any) -> tzinfo:
    return location(string("timezone", name))


FUNCTIONS: Final[dict[str, Signature]] = {
    "duration": (duration, 1, 1),
    "date": (date, 1, 4),
    "timezone": (timezone, 1, 1),
}
