"""What happened to an event, at a sensor, or with a firing: rows put together as plain dicts. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

Json = dict[str, Any]


def event(
    found: Json, decisions: Sequence[Json], firings: Sequence[Json], listeners: Iterable[str] = ()
) -> Json:
    """The way of one event: per sensor its decisions in order, and each firing with what came of it.

    `listeners` are the sensors (`namespace/name`) that listen to such events now; one without a decision is named, so
    that silence is explained too.
    """
    by_id = {firing["id"]: firing for firing in firings}
    sensors: dict[str, list[Json]] = {}
    for decision in decisions:
        key = f"{decision['namespace']}/{decision['sensor']}"
        sensors.setdefault(key, []).append(_line(decision, by_id))
    silent = sorted(set(listeners) - set(sensors))
    return {
        "event": found,
        "sensors": [{"sensor": key, "decisions": lines} for key, lines in sensors.items()],
        "withoutDecision": silent,
    }


def sensor(
    namespace: str,
    name: str,
    decisions: Sequence[Json],
    firings: Sequence[Json],
    problems: Sequence[str] = (),
    listens: Sequence[Json] = (),
) -> Json:
    """What a sensor decided lately, how often each outcome came, and what it has waiting or dead. `listens` says of
    each event it waits for whether that can come."""
    by_id = {firing["id"]: firing for firing in firings}
    counts: dict[str, int] = {}
    for decision in decisions:
        counts[decision["outcome"]] = counts.get(decision["outcome"], 0) + 1
    return {
        "sensor": f"{namespace}/{name}",
        "problems": list(problems),
        "listens": list(listens),
        "outcomes": counts,
        "decisions": [_line(decision, by_id) for decision in decisions],
        "open": [firing for firing in firings if firing["status"] != "fired"],
    }


def firing(found: Json, decisions: Sequence[Json], events: Sequence[Json]) -> Json:
    """Why a firing came to be (its events and decisions) and what came of it."""
    by_seq = {item["seq"]: item for item in events}
    causes = [
        {**_line(decision, {}), "event": by_seq.get(decision["seq"])} for decision in decisions
    ]
    return {"firing": found, "causes": causes, "result": result(found)}


def result(found: Json) -> str:
    """One sentence about what a firing led to."""
    receipt = found["receipt"] or {}
    if found["status"] == "pending":
        return f"waits for attempt {found['attempts'] + 1}" + _because(found)
    if found["status"] in ("held", "queued", "replaced", "discarded"):
        return f"{found['status']}{_because(found)}"
    if found["status"] == "dead":
        return f"dead after {found['attempts']} attempt(s)" + _because(found)
    if receipt.get("kind") == "Workflow":
        note = f" ({receipt['note']})" if receipt.get("note") else ""
        return f"workflow {receipt['namespace']}/{receipt['name']}{note}"
    status = f": HTTP {receipt['status']}" if receipt.get("status") else ""
    return f"{found['kind']} done{status}"


def _because(found: Json) -> str:
    return f": {found['error']}" if found["error"] else ""


def _line(decision: Json, firings: dict[str, Json]) -> Json:
    made = firings.get(decision["firing"] or "")
    shown = {
        key: decision[key]
        for key in (
            "seq",
            "trigger",
            "dependency",
            "outcome",
            "reason",
            "path",
            "line",
            "at",
            "detail",
        )
    }
    if decision.get("worker"):
        shown["worker"] = decision["worker"]
    if decision["firing"]:
        shown["firing"] = decision["firing"]
    if made is not None:
        shown["result"] = result(made)
        shown["receipt"] = made["receipt"]
    return shown
