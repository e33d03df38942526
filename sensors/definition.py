"""A trigger's definition with its parameters applied: the shared part of every kind's `prepare`. Pure."""

from collections.abc import Mapping
from typing import Any

from events.model import Event
from sensors import parameters
from sensors.errors import BadSensor, TriggerFailed

Json = dict[str, Any]


def template(definition: Json, events: Mapping[str, Event]) -> Json:
    """The trigger's template with the template-level parameters (`triggers[].parameters`) applied."""
    given: Json = definition.get("template") or {}
    applied = parameters.apply(given, parameters.decode(definition.get("parameters")), events)
    if not isinstance(applied, dict):
        raise BadSensor("parameters made the trigger's template something else than an object")
    return applied


def block(definition: Json, kind: str, events: Mapping[str, Event]) -> Json:
    """The block of `kind` with both levels of parameters applied to it."""
    own: Json = template(definition, events).get(kind) or {}
    level = parameters.decode(own.get("parameters"))
    applied: Json = parameters.apply(own, level, events)
    return applied


def payload(block: Json, events: Mapping[str, Event]) -> bytes:
    """The body that the `payload` of a kind's block makes; empty without one, or when all its entries were skipped."""
    return parameters.payload(parameters.decode(block.get("payload")), events)


def check_status(status: int, allow: list[int] | None) -> None:
    """Every status is a success unless the policy lists the allowed ones. Raises TriggerFailed with Argo's words."""
    if allow and status not in allow:
        raise TriggerFailed(
            f"policy application resulted in failure. http response status {status} is not allowed"
        )


def allowed_statuses(definition: Json) -> list[int] | None:
    """`policy.status.allow`, None when every status is a success."""
    policy = definition.get("policy") or {}
    return (policy.get("status") or {}).get("allow")
