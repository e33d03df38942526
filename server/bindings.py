"""WorkflowEventBindings: what is posted to `/api/v1/events` is an event like any other, a binding is a sensor on it."""

from typing import Any

import msgspec

from server.objects.model import StoredObject
from server.objects.run import Taker

SOURCE, SUBJECT = "api:v1", "events"
"""Of events that are posted to the API; no EventSource can have that name. Their data are `namespace`, `discriminator`,
`metadata` and `payload`.
"""
_PREFIX = "event-binding:"

_SELECTOR = "spec.dependencies[0].filters.selector"


def name_of(binding: str) -> str:
    """The name of the sensor that a binding is; no Sensor can have it."""
    return f"{_PREFIX}{binding}"


def binding_of(sensor: str) -> str:
    """The name of the binding that a sensor is; empty when it is a Sensor."""
    return sensor.removeprefix(_PREFIX) if sensor.startswith(_PREFIX) else ""


def as_sensor(stored: StoredObject) -> StoredObject:
    """The binding as the sensor bank knows it, with the lines of its file."""
    spec = stored.manifest.get("spec") or {}
    submit = spec.get("submit")
    manifest: dict[str, Any] = {
        "apiVersion": stored.manifest.get("apiVersion"),
        "kind": "Sensor",
        "spec": {"dependencies": [_dependency(spec)], "triggers": _triggers(stored.name, submit)},
    }
    lines = {
        _SELECTOR: stored.lines.get("spec.event.selector", 0),
        "spec": stored.lines.get("spec", 0),
        "spec.triggers[0]": stored.lines.get("spec.submit", 0),
    }
    return msgspec.structs.replace(
        stored, kind="Sensor", name=name_of(stored.name), manifest=manifest, lines=lines
    )


def _dependency(spec: dict[str, Any]) -> dict[str, Any]:
    selector = (spec.get("event") or {}).get("selector") or ""
    return {
        "name": "event",
        "eventSourceName": SOURCE,
        "eventName": SUBJECT,
        "filters": {"selector": {"text": selector}},
    }


def _triggers(binding: str, submit: dict[str, Any] | None) -> list[dict[str, Any]]:
    if submit is None:
        return []
    return [
        {"template": {"name": "submit", "workflowEventBinding": {**submit, "binding": binding}}}
    ]


class BindingTaker:
    """Bindings go where sensors go."""

    def __init__(self, sensors: Taker) -> None:
        self._sensors = sensors

    async def apply(self, stored: StoredObject) -> None:
        await self._sensors.apply(as_sensor(stored))

    async def remove(self, namespace: str, name: str) -> None:
        await self._sensors.remove(namespace, name_of(name))
