"""Argo's Backoff: how often a firing is tried and how long it waits in between. Pure, chance comes in as data."""

from typing import Any

from bireme.kit.backoff import Rng
from bireme.lang import goduration
from bireme.lang.errors import LangError
from sensors.errors import BadSensor
from sensors.model import Retry


def from_manifest(given: dict[str, Any] | None) -> Retry:
    """Missing members take upstream's defaults; a bare number of `duration` counts nanoseconds."""
    given = given or {}
    steps = given.get("steps") or 0
    return Retry(
        steps=steps if steps > 0 else 5,
        duration_s=_seconds(given.get("duration")),
        factor=_amount(given.get("factor"), "factor"),
        jitter=_amount(given.get("jitter"), "jitter"),
    )


def delay(policy: Retry, attempt: int, rng: Rng) -> float:
    """Seconds to wait after failed attempt number `attempt` (1 is the first); factor 0 keeps the duration."""
    duration = policy.duration_s * (policy.factor or 1.0) ** (attempt - 1)
    return duration * (1 + rng.random() * policy.jitter)


def _seconds(given: Any) -> float:
    if given is None or given == "":
        return 1.0
    if isinstance(given, int):
        return given / 1e9
    try:
        return float(goduration.parse(str(given)).total_seconds())
    except LangError as error:
        raise BadSensor(f"invalid backoff configuration: {error}", "duration") from error


def _amount(given: Any, name: str) -> float:
    if given is None or given == "":
        return 1.0
    try:
        return float(given)
    except (TypeError, ValueError) as error:
        raise BadSensor(
            f"invalid backoff configuration: {name} is {given!r}, not a number", name
        ) from error
