"""A sensor as the bank keeps it: its manifest, compiled when the first event asks for it."""

from collections.abc import Callable, Mapping
from typing import Any

from sensors import compile
from sensors.model import Sensor, TriggerRule


class Entry:
    """One applied sensor. Written by the event loop (`settle`), compiled by whichever thread
    needs it first.

    `starts_now` means that everything up to the next event is seen already: the sensor was live and its manifest was
    replaced. Otherwise its cursor row says where it stands; a sensor without one starts from now. `has_slots` means
    that a trigger limits its `concurrency`, `is_swept` that what triggers kept which an edit took out is forgotten.
    """

    __slots__ = (
        "_remembers",
        "_sensor",
        "bus",
        "has_slots",
        "is_settled",
        "is_swept",
        "key",
        "line",
        "name",
        "namespace",
        "raw",
        "starts_now",
        "subscriptions",
    )  # fmt: skip

    def __init__(
        self, raw: Mapping[str, Any], line: Callable[[str], int], *, starts_now: bool = False
    ) -> None:
        metadata = raw.get("metadata") or {}
        self.raw = raw
        self.line = line
        self.namespace: str = metadata.get("namespace") or "default"
        self.name: str = metadata["name"]
        self.key = f"{self.namespace}/{self.name}"
        self.subscriptions = compile.subscriptions(raw)
        self.bus = compile.bus(raw)
        self.has_slots = compile.has_slots(raw)
        self.starts_now = starts_now
        self.is_settled = False
        self.is_swept = False
        self._sensor: Sensor | None = None
        self._remembers = False

    @property
    def sensor(self) -> Sensor:
        """The compiled sensor. Raises what compiling raises, each time anew."""
        if self._sensor is None:
            sensor = compile.sensor(self.raw, self.line)
            self._remembers = any(map(_remembers, sensor.triggers.values()))
            self._sensor = sensor  # last: two threads may ask
        return self._sensor

    @property
    def remembers(self) -> bool:
        """True if evaluating needs the sensor's rows of state.

        Without AND, limits and keys there are none, except those of triggers that were taken out.
        """
        try:
            return self.sensor is not None and (self._remembers or not self.is_swept)
        except Exception:  # noqa: BLE001 - the evaluation that follows reports it
            return False

    def settle(self) -> None:
        """The sensor has seen everything before the next event."""
        self.is_settled = True
        self.starts_now = False

    def swept(self) -> None:
        """An event was evaluated, which forgets what triggers kept that are no longer there."""
        self.is_swept = True


def _remembers(rule: TriggerRule) -> bool:
    keyed = rule.join or rule.coalesce or rule.concurrency or rule.breaker
    return bool(rule.is_stateful or rule.rate or keyed)
