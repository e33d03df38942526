"""Times as Go prints them, which is how Argo Events puts them into its payloads."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def shown(moment: datetime) -> str:
    """`2026-07-18 10:00:00.25 +0200 CEST`: in the moment's own zone, the fraction without trailing zeros."""
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} {moment:%z %Z}"


def of_milliseconds(since_epoch: int) -> str:
    """In UTC."""
    return shown(_EPOCH + timedelta(milliseconds=since_epoch))
