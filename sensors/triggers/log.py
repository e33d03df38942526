"""The `log` trigger: one line per dependency of the firing, its data as the message.

    template:
      name: see
      log: {}

Data that is no text is shown in base64. `intervalSeconds` has no effect, as upstream.
"""

import base64
from collections.abc import Mapping
from typing import Any

import structlog

from events.model import Event
from sensors import fields, parameters
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

log = structlog.get_logger(__name__)

_TEXT = ("application/json", "application/yaml", "text/")


@triggers.register("log")
class LogTrigger:
    """Writes the events of a firing to the log."""

    class Config(fields.Fields, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        interval_seconds: int = 0

    def __init__(self, surroundings: Surroundings) -> None:
        pass

    def prepare(
        self, definition: dict[str, Any], events: Mapping[str, Event], origin: Origin
    ) -> dict[str, Any]:
        lines = [
            {"dependency": name, "context": parameters.context_of(event), "data": _text(event)}
            for name, event in events.items()
        ]
        return {"lines": lines}

    async def fire(self, firing: Firing) -> Receipt:
        lines = (firing.spec or {})["lines"]
        for line in lines:
            log.info(
                "sensor_triggered",
                sensor=firing.sensor,
                trigger=firing.trigger,
                firing=firing.id,
                dependency=line["dependency"],
                context=line["context"],
                data=line["data"],
            )
        return Receipt(kind="log", note=f"{len(lines)} line(s) logged")

    async def close(self) -> None:
        """Holds nothing."""


def _text(event: Event) -> str:
    if event.content_type.startswith(_TEXT):
        return event.data.decode(errors="replace")
    return base64.b64encode(event.data).decode()
