"""How commands print: tables, JSON, YAML, names; ages and durations; colours that vanish in a pipe."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

COLOURS = {
    "Succeeded": "green", "Running": "cyan", "Pending": "yellow", "Failed": "red", "Error": "red",
    "Skipped": "bright_black", "Omitted": "bright_black",
    "fired": "green", "filtered": "yellow", "error": "red", "dead": "red", "pending": "yellow",
}  # fmt: skip
_CODES = re.compile(r"\x1b\[[0-9;]*m")


def values(data: Any, form: str) -> None:
    """Print plain values as json or yaml."""
    if form == "json":
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    import yaml

    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=False)
    click.echo(text.removesuffix("\n"))


def items(found: Sequence[dict[str, Any]], form: str | None, name: str = "") -> bool:
    """Print objects as json, yaml or names (the field `name`, or a manifest's); False when a table is wanted."""
    if form in ("json", "yaml"):
        values(list(found), form)
    elif form == "name":
        for item in found:
            click.echo(item[name] if name else item["metadata"]["name"])
    else:
        return False
    return True


def page(found: Sequence[dict[str, Any]], limit: int) -> Sequence[dict[str, Any]]:
    """The first `limit` of what was found, newest first; standard error says how to go on when there are more."""
    shown = found[:limit]
    if len(found) > limit:
        following = f"{shown[-1]['createdAt']!r},{shown[-1]['id']}"
        click.echo(
            f"only the newest {limit} are shown; --limit N shows more, --continue {following} what follows",
            err=True,
        )
    return shown


def table(
    header: Sequence[str], rows: Sequence[Sequence[Any]], empty: str = "nothing found"
) -> None:
    """Aligned columns, three blanks apart, below a header if there is one; `empty` goes to standard error."""
    if not rows:
        click.echo(empty, err=True)
        return
    cells = [[str(cell) for cell in row] for row in (header, *rows) if row]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [c + " " * (w - _width(c)) for c, w in zip(row, widths, strict=True)]
        click.echo("   ".join(padded).rstrip())


def _width(text: str) -> int:
    return len(_CODES.sub("", text))


def coloured(word: str) -> str:
    """A phase or outcome in its colour."""
    return click.style(word, fg=COLOURS.get(word.split(" ")[0])) if word else word


def moment(text: str | None) -> datetime | None:
    """An RFC 3339 time, None when there is none."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def span(seconds: float) -> str:
    """`5s`, `3m`, `2h`, `4d`: the shortest form."""
    for size, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{letter}"
    return f"{int(max(seconds, 0))}s"


def long_span(seconds: float) -> str:
    """`1 hour 5 minutes`, at most two units."""
    left = int(max(seconds, 0))
    parts: list[str] = []
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count, left = divmod(left, size)
        if count or (size == 1 and not parts):
            parts.append(f"{count} {word}{'' if count == 1 else 's'}")
    return " ".join(parts[:2])


def age(text: str | None, now: datetime | None = None) -> str:
    at = moment(text)
    return "-" if at is None else span(((now or datetime.now(UTC)) - at).total_seconds())


def duration(started: str | None, finished: str | None, now: datetime | None = None) -> str:
    """From start to end, or to now."""
    begin = moment(started)
    if begin is None:
        return "0s"
    return span(((moment(finished) or now or datetime.now(UTC)) - begin).total_seconds())


def local_time(seconds: float | None) -> str:
    """Seconds since the epoch as `2026-01-31 12:00:00` of this machine's zone."""
    if not seconds:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
