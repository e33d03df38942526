"""Times as Go prints them, which is how Argo Events puts them into its payloads."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLE_S = 146_097 * 86_400
"""Four hundred years."""


def shown(moment: datetime) -> str:
    """`2026-07-18 10:00:00.25 +0200 CEST`: in the moment's own zone, the fraction without trailing zeros."""
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment.year:04d}-{moment:%m-%d %H:%M:%S}{fraction} {moment:%z %Z}"


@lru_cache(maxsize=1024)
def of_milliseconds(since_epoch: int) -> str:
    """In UTC. Messages come in the order of their times, thousands in a second."""
    seconds, rest = divmod(since_epoch, 1000)
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{_second(seconds)}{fraction} +0000 UTC"


@lru_cache(maxsize=64)
def _second(since_epoch: int) -> str:
    # The calendar repeats itself; Go shows any year, also those of times that were given in a wrong unit.
    cycles, rest = divmod(since_epoch, _CYCLE_S)
    moment = _EPOCH + timedelta(seconds=rest)
    year = moment.year + 400 * cycles
    sign = "-" if year < 0 else ""
    return f"{sign}{abs(year):04d}-{moment:%m-%d %H:%M:%S}"
