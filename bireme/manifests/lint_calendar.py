"""A time filter on a calendar's ticks that none of them passes."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, tzinfo
from itertools import chain, islice
from typing import Any

from bireme.kit.errors import UserError
from bireme.manifests.events import Dependency, EventSource, TimeFilter
from bireme.manifests.lint_filters import Finding

_TICKS = 1_000
_SEASONS = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))


def findings(dependency: Dependency, sources: list[EventSource], path: str) -> Iterator[Finding]:
    """Looks at a thousand ticks in winter and in summer; says nothing about schedules that do not parse."""
    window = dependency.filters.time if dependency.filters else None
    config = _calendar(dependency, sources) if window else {}
    schedule, zone = config.get("schedule"), config.get("timezone") or ""
    if window is None or not isinstance(schedule, str) or not isinstance(zone, str):
        return
    try:
        ticks = chain.from_iterable(islice(_ticks(schedule, zone, at), _TICKS) for at in _SEASONS)
        if schedule and not any(_lies_within(tick, window) for tick in ticks):
            message = (
                f"never holds: '{schedule}' has no tick between {window.start} and {window.stop}"
            )
            advice = f"The filter's times are in {window.timezone or 'UTC'}."
            is_fatal = dependency.filters_logical_operator != "or"
            yield Finding(f"{path}.filters.time", message, advice, is_fatal)
    except (UserError, ValueError):
        return  # said elsewhere


def _calendar(dependency: Dependency, sources: list[EventSource]) -> dict[str, Any]:
    for source in sources:
        if source.metadata.name == dependency.event_source_name:
            return source.spec.sources.get("calendar", {}).get(dependency.event_name) or {}
    return {}


def _ticks(schedule: str, zone: str, at: datetime) -> Iterator[datetime]:
    from bireme.lang import cron

    moment = cron.next_after(schedule, at, zone or None)
    while moment:
        yield moment
        moment = cron.next_after(schedule, moment, zone or None)


def _lies_within(tick: datetime, window: TimeFilter) -> bool:
    local = tick.astimezone(_zone(window.timezone)).time()
    start, stop = time.fromisoformat(window.start), time.fromisoformat(window.stop)
    return start <= local < stop if start < stop else local >= start or local < stop


def _zone(name: str) -> tzinfo:
    from bireme.lang import cron

    return cron.zone_named(name) if name else UTC
