"""Limits of a container that processes can keep: memory, and ephemeral-storage as the size of one file. cpu is not."""

import re

from executor.environment import CannotRun
from executor.parts import Part

_QUANTITY = re.compile(r"([0-9.]+)(m|[kKMGTPE]i?)?")
_NAMES = {"memory": "memory", "ephemeral-storage": "file"}


def of(part: Part) -> dict[str, int]:
    """resources.limits in bytes, by the runner's names. Raises CannotRun."""
    limits = (part.container.get("resources") or {}).get("limits") or {}
    return {
        ours: _bytes(part, name, str(limits[name]))
        for name, ours in _NAMES.items()
        if name in limits
    }


def _bytes(part: Part, name: str, quantity: str) -> int:
    match = _QUANTITY.fullmatch(quantity)
    if not match:
        raise CannotRun(
            f"{part.field}.resources.limits.{name}: found '{quantity}', expected a quantity such as 512Mi"
        )
    unit = match[2] or ""
    power = "kMGTPE".index(unit[0].replace("K", "k")) + 1 if unit and unit != "m" else 0
    base = 1024 if unit.endswith("i") else 1000
    return int(float(match[1]) * base**power / (1000 if unit == "m" else 1))
