"""Who overran repeatedly is left alone for a while, so that one bad program cannot stall everybody. Pure."""

from dataclasses import dataclass

from bireme.lang.script import Program
from bireme.sandbox.limits import Limits

_MOST = 10_000
_FORGIVEN = 0.1


@dataclass(slots=True)
class _Record:
    strikes: int = 0
    rests: int = 0
    until: float = 0.0


class Patience:
    """Counts overruns by program. `now` is any clock that only goes forward, in seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._records: dict[Program, _Record] = {}
        self._debt_s = 0.0
        self._since = 0.0

    def rest_left(self, program: Program, now: float) -> float:
        """For how many seconds the program is not to be run; 0 when it may."""
        record = self._records.get(program)
        return max(record.until - now, 0.0) if record else 0.0

    def overran(self, program: Program, now: float, cost_s: float) -> None:
        """After the last strike, and after every failure that follows a rest, there is another, longer rest."""
        self._debt_s = max(self._debt_s - (now - self._since) * _FORGIVEN, 0.0) + cost_s
        self._since = now
        record = self._records.setdefault(program, _Record())
        if len(self._records) > _MOST:
            del self._records[next(iter(self._records))]
        record.strikes += 1
        is_owed = self._debt_s > self._limits.debt_s
        if record.strikes >= self._limits.strikes or record.rests or is_owed:
            rest = min(self._limits.rest_s * 2**record.rests, self._limits.longest_rest_s)
            record.until = now + rest
            record.rests += 1

    def answered(self, program: Program) -> None:
        """It kept to its budget: everything before is forgotten."""
        if self._records:
            self._records.pop(program, None)
