"""How long to wait before trying again: pure, chance comes in as data."""

from typing import Protocol

import msgspec


class Rng(Protocol):
    """`random()` gives a float in [0, 1)."""

    def random(self) -> float: ...


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential waiting: `base_s * factor ** (attempt - 1)`, never above `cap_s`, spread by ±`jitter` of itself."""

    base_s: float = 1.0
    factor: float = 2.0
    cap_s: float = 60.0
    jitter: float = 0.0

    def delay(self, attempt: int, rng: Rng | None = None) -> float:
        """Seconds to wait after failed attempt number `attempt` (1 is the first)."""
        wait = min(self.base_s * self.factor ** min(attempt - 1, 64), self.cap_s)
        if rng is None or not self.jitter:
            return wait
        return wait * (1 + self.jitter * (2 * rng.random() - 1))
