"""The variables everyone can see: `workflow.*`. Filled once when a run begins, then patched as facts change."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from controller.dag.model import Json, Source
from controller.dag.state import Run

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_SORTED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
_SCHEDULED = "workflows.argoproj.io/scheduled-time"


class BadParameters(Exception):
    """A global parameter has no value; the message is Argo's."""


def text_of(value: Any) -> str:
    """Compact JSON as Go writes it: keys sorted, `<`, `>` and `&` escaped."""
    text = _SORTED(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def rfc3339(moment: datetime) -> str:
    """The moment in UTC to the second, as Argo writes times."""
    return moment.isoformat(timespec="seconds")[:19] + "Z"


def fixed(source: Source, parameters: list[Json]) -> dict[str, str | None]:
    """The variables that follow from the object alone."""
    spec, created = source.spec, source.created
    known: dict[str, str | None] = {
        "workflow.name": source.name,
        "workflow.namespace": source.namespace,
        "workflow.uid": source.uid,
        "workflow.mainEntrypoint": spec.get("entrypoint", ""),
        "workflow.serviceAccountName": spec.get("serviceAccountName", ""),
        **_creation(created),
    }
    if spec.get("priority") is not None:
        known["workflow.priority"] = str(spec["priority"])
    if scheduled := source.annotations.get(_SCHEDULED):
        known["workflow.scheduledTime"] = scheduled
    if parameters:
        known["workflow.parameters"] = known["workflow.parameters.json"] = listing(parameters)
    known |= {f"workflow.parameters.{p['name']}": p["value"] for p in parameters}
    return known


_SPELLINGS = tuple(
    f"workflow.creationTimestamp{end}"
    for end in ("", ".RFC3339", ".s", *(f".{letter}" for letter in "AaBbmdHIMSYypzZL"))
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def _creation(created: datetime) -> dict[str, str]:
    """The creation time in all its spellings: strftime's letters in UTC, `L` being milliseconds with their point.

    Written out by hand, since this is done for every run at every start: strftime takes twenty times as long.
    """
    day, month, whole = _DAYS[created.weekday()], _MONTHS[created.month - 1], rfc3339(created)
    hour, year = created.hour, whole[:4]
    values = (
        whole, whole, str(int(created.timestamp())), day, day[:3], month, month[:3],
        whole[5:7], whole[8:10], whole[11:13], f"{hour % 12 or 12:02}", whole[14:16], whole[17:19],
        year, year[2:], "AM" if hour < 12 else "PM", "+0000", "UTC",
        f".{created.microsecond // 1000:03d}",
    )  # fmt: skip
    return dict(zip(_SPELLINGS, values, strict=True))


def listing(parameters: list[Json]) -> str:
    """Parameter objects as a JSON list, fields in Argo's order."""
    order = ("name", "default", "value", "valueFrom", "globalName", "enum", "description")
    plain = [{k: p[k] for k in order if p.get(k) is not None} for p in parameters]
    return _COMPACT(plain)


def labels(kind: str, values: Mapping[str, str]) -> dict[str, str | None]:
    """`workflow.labels.*` or `workflow.annotations.*`, and all of them as JSON."""
    every = text_of(dict(values)) if values else "{}"
    known: dict[str, str | None] = {f"workflow.{kind}.{k}": v for k, v in values.items()}
    return {**known, f"workflow.{kind}": every, f"workflow.{kind}.json": every}


def parameters_of(run: Run) -> list[Json]:
    """The workflow's arguments with values: overrides first, config maps read. Raises BadParameters."""
    declared = (run.spec.get("arguments") or {}).get("parameters") or []
    return [{**p, "value": _value_of(run, p)} for p in declared]


def _value_of(run: Run, parameter: Json) -> str:
    name = parameter["name"]
    if name in run.parameters:
        return run.parameters[name]
    if parameter.get("value") is not None:
        return str(parameter["value"])
    source = parameter.get("valueFrom") or {}
    if ref := source.get("configMapKeyRef"):
        return _from_config_map(run, name, ref, source.get("default"))
    if source.get("default") is not None:
        return str(source["default"])
    if parameter.get("default") is not None:
        return str(parameter["default"])
    raise BadParameters(
        f"either value or valueFrom must be specified in order to set global parameter {name}"
    )


def _from_config_map(run: Run, parameter: str, ref: Json, default: str | None) -> str:
    found = config_value(run, ref)
    if found is not None:
        return found
    if default is not None:
        return default
    raise BadParameters(
        f"failed to set global parameter {parameter} from configmap with name {ref['name']} "
        f"and key {ref['key']}: {config_fault(run, ref)}"
    )


def config_value(run: Run, ref: Json) -> str | None:
    """One value of a config map that may serve as parameters, or None."""
    return run.source.config_maps.get(ref["name"], {}).get(ref["key"])


def config_fault(run: Run, ref: Json) -> str:
    if ref["name"] in run.source.config_maps:
        return f"ConfigMap '{ref['name']}' does not have the key '{ref['key']}'"
    return (
        f"ConfigMap '{ref['name']}' does not exist. Please make sure it has the label "
        "workflows.argoproj.io/configmap-type: Parameter to be detectable by the controller"
    )


def refresh(run: Run, now: datetime) -> None:
    """Bring the moving variables up to date: status as templates see it, duration, outputs, labels."""
    run.moment = now
    known = run.variables
    known["workflow.status"] = run.seen_status
    passed = (run.finished or now) - run.started if run.started else None
    known["workflow.duration"] = f"{passed.total_seconds():f}" if passed else "0.000000"


def rebuild(run: Run) -> None:
    """All variables from the facts; raises BadParameters when the workflow's arguments are incomplete."""
    run.variables.clear()
    run.variables.update(fixed(run.source, parameters_of(run)))
    run.variables.update(labels("labels", {**run.source.labels, **run.labels}))
    run.variables.update(labels("annotations", {**run.source.annotations, **run.annotations}))
    if run.outputs:
        for name, value in run.outputs.parameters.items():
            run.variables[f"workflow.outputs.parameters.{name}"] = value
    run.variables["workflow.status"] = run.seen_status
