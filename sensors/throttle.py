"""Rate limits: evenly spaced slots, of which up to ten unused ones are saved. Pure."""

from sensors.model import RateLimit

SAVED_SLOTS = 10


def take(rate: RateLimit, next_slot: float, now: float) -> tuple[float, float]:
    """The moment this firing may happen (never before `now`), and the state to keep. 0 means nothing was taken yet."""
    earliest = now - SAVED_SLOTS * rate.interval_s
    slot = max(next_slot + rate.interval_s, earliest) if next_slot else now
    return max(slot, now), slot
