"""Which data sets are closed, and for how long that is remembered.

A mark outlives every notification that can still be on its way: queues keep them for 14 days. While a listing shows an
object of the set the mark stays, else the listing would make the same set again.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

KEPT = timedelta(days=30)
FACT = "closed/"
_OLD = b"old"  # closed without an event, because it lay there before we came


class Closed:
    """The marks as they were read from facts. Those without a time are as old as the source, begun at `since`."""

    def __init__(self, facts: Mapping[str, bytes], since: datetime) -> None:
        marks = {
            name.removeprefix(FACT): mark for name, mark in facts.items() if name.startswith(FACT)
        }
        self._old = {name for name, mark in marks.items() if mark == _OLD}
        self._closed_at = {
            name: since if mark == _OLD else datetime.fromisoformat(mark.decode())
            for name, mark in marks.items()
        }

    def __contains__(self, name: str) -> bool:
        return name in self._closed_at

    def close(self, name: str, now: datetime, *, as_old: bool) -> None:
        self._closed_at[name] = now
        if as_old:
            self._old.add(name)

    def heard(self, name: str) -> None:
        """A notification came: a set that lay there before us is new after all."""
        if name in self._old:
            self._old.discard(name)
            del self._closed_at[name]

    def outlived(self, now: datetime, shown: Collection[str]) -> list[str]:
        """The sets whose marks have been kept for long enough and that no listing shows."""
        return [
            name
            for name, closed_at in self._closed_at.items()
            if now - closed_at > KEPT and name not in shown
        ]

    def forget(self, names: Collection[str]) -> None:
        for name in names:
            del self._closed_at[name]
            self._old.discard(name)


def mark(name: str, now: datetime, *, as_old: bool) -> dict[str, bytes | None]:
    """The fact that says so."""
    return {FACT + name: _OLD if as_old else now.isoformat().encode()}
