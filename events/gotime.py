"""Times as Go prints them, which is how Argo Events puts them into its payloads."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def shown(moment: datetime) -> str:
    """`2026-07-18 10:00:00.25 +0200 CEST`: in the moment's own zone, the fraction without trailing zeros."""
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} {moment:%z %Z}"


@lru_cache(maxsize=1024)
def of_milliseconds(since_epoch: int) -> str:
    """In UTC. Messages come in the order of their times, thousands in a second."""
    seconds, rest = divmod(since_epoch, 1000)
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{_second(seconds)}{fraction} +0000 UTC"


@lru_cache(maxsize=64)
def _second(since_epoch: int) -> str:
    return f"{_EPOCH + timedelta(seconds=since_epoch):%Y-%m-%d %H:%M:%S}"
