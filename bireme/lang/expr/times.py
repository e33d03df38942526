"""Go's time values inside expressions: a duration counts nanoseconds, a time is an aware datetime."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from bireme.lang import goduration
from bireme.lang.errors import LangError

_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS: Final = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]


class Duration(int):
    """Nanoseconds; prints as `1h30m0s`."""

    def __str__(self) -> str:
        return goduration.text(int(self))


class Month(int):
    """1 to 12; prints as the English name."""

    def __str__(self) -> str:
        return _MONTHS[int(self) - 1]


class Weekday(int):
    """0 (Sunday) to 6; prints as the English name."""

    def __str__(self) -> str:
        return _DAYS[int(self)]


class Time:
    """A moment with its zone, as Go's time.Time; microseconds are the finest it knows."""

    __slots__ = ("at",)

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Time) and self.at == other.at

    def __hash__(self) -> int:
        return hash(self.at)

    def __lt__(self, other: "Time") -> bool:
        return self.at < other.at

    def __le__(self, other: "Time") -> bool:
        return self.at <= other.at

    def __str__(self) -> str:
        zone = self.at.tzname() or "UTC"
        return format_time(self.at, "2006-01-02 15:04:05.999999999 -0700 ") + zone

    def plus(self, duration: Duration) -> "Time":
        moved = self.at.astimezone(UTC) + timedelta(microseconds=int(duration) / 1000)
        return Time(moved.astimezone(self.at.tzinfo))

    def minus(self, other: "Time") -> Duration:
        return Duration((self.at - other.at) // timedelta(microseconds=1) * 1000)

    def rfc3339(self) -> str:
        return format_time(self.at, "2006-01-02T15:04:05.999999999Z07:00")


# Go's reference layout, longest spelling first.
_LAYOUT: Final = re.compile(
    r"2006|January|Monday|-07:00|Z07:00|-0700|Z0700|MST|Jan|Mon|002|[.,]0+|[.,]9+|01|02|03|04|05|06|15|PM|pm|-07|_2|1|2|3|4|5"
)


def format_time(at: datetime, layout: str) -> str:
    """`at` written the way the layout writes 2 January 2006 15:04:05."""

    def one(match: re.Match[str]) -> str:
        part = match[0]
        if part[0] in ".,":
            return _fraction(at, part)
        if part[0] in "-Z" and part != "Z":
            return _offset(at, part)
        return _PARTS[part](at)

    return _LAYOUT.sub(one, layout)


_PARTS: Final[dict[str, Callable[[datetime], str]]] = {
    "2006": lambda t: f"{t.year:04d}",
    "06": lambda t: f"{t.year % 100:02d}",
    "January": lambda t: _MONTHS[t.month - 1],
    "Jan": lambda t: _MONTHS[t.month - 1][:3],
    "01": lambda t: f"{t.month:02d}",
    "1": lambda t: str(t.month),
    "Monday": lambda t: _DAYS[t.isoweekday() % 7],
    "Mon": lambda t: _DAYS[t.isoweekday() % 7][:3],
    "02": lambda t: f"{t.day:02d}",
    "_2": lambda t: f"{t.day:2d}",
    "2": lambda t: str(t.day),
    "002": lambda t: f"{t.timetuple().tm_yday:03d}",
    "15": lambda t: f"{t.hour:02d}",
    "03": lambda t: f"{(t.hour + 11) % 12 + 1:02d}",
    "3": lambda t: str((t.hour + 11) % 12 + 1),
    "04": lambda t: f"{t.minute:02d}",
    "4": lambda t: str(t.minute),
    "05": lambda t: f"{t.second:02d}",
    "5": lambda t: str(t.second),
    "PM": lambda t: "AM" if t.hour < 12 else "PM",
    "pm": lambda t: "am" if t.hour < 12 else "pm",
    "MST": lambda t: t.tzname() or "UTC",
}


def _fraction(at: datetime, part: str) -> str:
    digits = f"{at.microsecond * 1000:09d}"[: len(part) - 1]
    if part[1] == "0":
        return part[0] + digits
    digits = digits.rstrip("0")
    return part[0] + digits if digits else ""


def _offset(at: datetime, part: str) -> str:
    seconds = int((at.utcoffset() or timedelta()).total_seconds())
    if part[0] == "Z" and seconds == 0:
        return "Z"
    sign = "-" if seconds < 0 else "+"
    hours, minutes = divmod(abs(seconds) // 60, 60)
    if part == "-07":
        return f"{sign}{hours:02d}"
    return f"{sign}{hours:02d}{':' if ':' in part else ''}{minutes:02d}"


_FIELDS: Final[dict[str, tuple[str, str]]] = {
    "2006": ("year", r"\d{4}"), "06": ("year2", r"\d{2}"),
    "January": ("name", "[A-Za-z]+"), "Jan": ("name", "[A-Za-z]{3}"),
    "01": ("month", r"\d{2}"), "1": ("month", r"\d{1,2}"),
    "Monday": ("", "[A-Za-z]+"), "Mon": ("", "[A-Za-z]{3}"),
    "02": ("day", r"\d{2}"), "_2": ("day", r" ?\d{1,2}"), "2": ("day", r"\d{1,2}"),
    "15": ("hour", r"\d{2}"), "03": ("hour12", r"\d{2}"), "3": ("hour12", r"\d{1,2}"),
    "04": ("minute", r"\d{2}"), "4": ("minute", r"\d{1,2}"),
    "05": ("second", r"\d{2}"), "5": ("second", r"\d{1,2}"),
    "PM": ("half", "AM|PM"), "pm": ("half", "am|pm"), "002": ("yday", r"\d{3}"),
    "MST": ("zone", "[A-Z]{3,4}"),
}  # fmt: skip


def parse_time(text: str, layout: str, zone: tzinfo = UTC) -> datetime:
    """The moment `text` means when read by `layout`; `zone` where the layout has none. Raises ValueError."""
    found = re.fullmatch(_reader(layout), text)
    if found is None:
        raise ValueError(f'parsing time "{text}" as "{layout}"')
    parts = {name: part for name, part in found.groupdict().items() if part}
    year = int(parts.get("year", "0") or 0) or 1
    if "year2" in parts:
        year = int(parts["year2"]) + (1900 if int(parts["year2"]) >= 69 else 2000)
    fraction = (parts.get("fraction") or ".0")[1:7].ljust(6, "0")
    return datetime(
        year,
        _month(parts),
        int(parts.get("day", "1")),
        _hour(parts),
        int(parts.get("minute", "0")),
        int(parts.get("second", "0")),
        int(fraction),
        tzinfo=_zone(parts.get("offset"), zone),
    )


def _reader(layout: str) -> str:
    pattern, at, seen = "", 0, set()
    for match in _LAYOUT.finditer(layout):
        pattern += re.escape(layout[at : match.start()])
        at = match.end()
        part = match[0]
        if part[0] in ".,":
            name, body = "fraction", r"[.,]\d+"
            body = f"(?:{body})?" if part[1] == "9" else body
        elif part[0] in "-Z":
            name, body = "offset", r"Z|[+-]\d\d:?\d\d" if part[0] == "Z" else r"[+-]\d\d:?\d\d"
        else:
            name, body = _FIELDS[part]
        pattern += f"(?P<{name}>{body})" if name and name not in seen else f"(?:{body})"
        seen.add(name)
        if part in ("05", "5") and layout[at : at + 1] not in (".", ","):
            pattern += r"(?P<fraction>[.,]\d+)?" if "fraction" not in seen else ""
            seen.add("fraction")
    return pattern + re.escape(layout[at:])


def _month(parts: dict[str, str]) -> int:
    if "name" not in parts:
        return int(parts.get("month", "1"))
    for number, month in enumerate(_MONTHS, 1):
        if month[:3].lower() == parts["name"][:3].lower():
            return number
    raise ValueError(f"unknown month {parts['name']}")


def _hour(parts: dict[str, str]) -> int:
    if "hour12" not in parts:
        return int(parts.get("hour", "0"))
    hour = int(parts["hour12"]) % 12
    return hour + 12 if parts.get("half", "").lower() == "pm" else hour


def _zone(offset: str | None, zone: tzinfo) -> tzinfo:
    if not offset:
        return zone
    if offset == "Z":
        return UTC
    parsed = datetime.strptime(offset.replace(":", ""), "%z").tzinfo
    return parsed or UTC


def location(name: str) -> ZoneInfo:
    """The zone of that IANA name; none and `Local` are UTC, the same on every machine."""
    try:
        return ZoneInfo("UTC" if name in ("", "Local") else name)
    except (KeyError, ValueError, OSError):
        raise LangError(f"unknown time zone {name}") from None


def _weekday(t: Time) -> Weekday:
    return Weekday(t.at.isoweekday() % 7)


TIME_METHODS: Final[dict[str, Callable[..., Any]]] = {
    "Year": lambda t: t.at.year,
    "Month": lambda t: Month(t.at.month),
    "Day": lambda t: t.at.day,
    "Hour": lambda t: t.at.hour,
    "Minute": lambda t: t.at.minute,
    "Second": lambda t: t.at.second,
    "Nanosecond": lambda t: t.at.microsecond * 1000,
    "YearDay": lambda t: t.at.timetuple().tm_yday,
    "Weekday": _weekday,
    "Unix": lambda t: int(t.at.timestamp() // 1),
    "UnixMilli": lambda t: (t.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1),
    "UTC": lambda t: Time(t.at.astimezone(UTC)),
    "In": lambda t, zone: Time(t.at.astimezone(zone)),
    "Format": lambda t, layout: format_time(t.at, layout),
    "Add": lambda t, d: t.plus(d),
    "AddDate": lambda t, y, m, d: Time(_add_date(t.at, y, m, d)),
    "Sub": lambda t, other: t.minus(other),
    "Before": lambda t, other: t.at < other.at,
    "After": lambda t, other: t.at > other.at,
    "Equal": lambda t, other: t.at == other.at,
    "IsZero": lambda t: t.at == datetime(1, 1, 1, tzinfo=UTC),
    "String": str,
    "Truncate": lambda t, d: t.plus(Duration(-(int(t.at.timestamp() * 1e9) % int(d)))),
}
DURATION_METHODS: Final[dict[str, Callable[..., Any]]] = {
    "Hours": lambda d: d / 3_600_000_000_000,
    "Minutes": lambda d: d / 60_000_000_000,
    "Seconds": lambda d: d / 1_000_000_000,
    "Milliseconds": lambda d: int(d) // 1_000_000,
    "Microseconds": lambda d: int(d) // 1000,
    "Nanoseconds": int,
    "String": str,
    "Abs": lambda d: Duration(abs(d)),
    "Truncate": lambda d, unit: Duration(int(d) - int(d) % int(unit)) if unit > 0 else d,
    "Round": lambda d, unit: (
        Duration((int(d) + int(unit) // 2) // int(unit) * int(unit)) if unit > 0 else d
    ),
}
_STRING: Final[dict[str, Callable[..., Any]]] = {"String": str}


def methods(value: Any) -> dict[str, Callable[..., Any]]:
    """What may be called on a value; empty for everything but times, durations, months and weekdays."""
    if isinstance(value, Time):
        return TIME_METHODS
    if isinstance(value, Duration):
        return DURATION_METHODS
    return _STRING if isinstance(value, (Month, Weekday)) else {}


def _add_date(at: datetime, years: int, months: int, days: int) -> datetime:
    carry, month = divmod(at.month - 1 + months, 12)
    first = at.replace(year=at.year + years + carry, month=month + 1, day=1)
    return first + timedelta(days=at.day - 1 + days)
