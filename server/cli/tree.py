"""A workflow as text: the header lines and the tree of steps that `argo get` shows. Pure: a Workflow in, lines out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from server.cli import output

Json = dict[str, Any]

ICONS = {
    "Pending": ("◷", "yellow"), "Running": ("●", "cyan"), "Succeeded": ("✔", "green"),
    "Skipped": ("○", "bright_black"), "Omitted": ("○", "bright_black"), "Failed": ("✖", "red"),
    "Error": ("⚠", "red"),
}  # fmt: skip
PLAIN = {
    "◷": "o", "●": "*", "✔": "+", "○": "-", "✖": "x", "⚠": "!", "ǁ": "=", "·": " ",
    "├─┬─": "+-+-", "└─┬─": "`-+-", "├─": "+-", "└─": "`-", "│": "|",
}  # fmt: skip
_TRANSPARENT = ("StepGroup",)


@dataclass(frozen=True, slots=True)
class Style:
    """How to draw: `wide` adds columns, `plain` uses ASCII only."""

    wide: bool = False
    plain: bool = False
    now: datetime | None = None


def status_of(workflow: Json) -> str:
    """The STATUS column: the phase, and what it hides (suspended, terminated)."""
    phase = (workflow.get("status") or {}).get("phase") or "Pending"
    spec = workflow.get("spec") or {}
    if phase == "Running" and (spec.get("suspend") or _is_waiting(workflow)):
        return "Running (Suspended)"
    if phase == "Failed" and spec.get("shutdown"):
        return "Failed (Terminated)"
    return str(phase)


def _is_waiting(workflow: Json) -> bool:
    nodes = (workflow.get("status") or {}).get("nodes") or {}
    return any(n.get("type") == "Suspend" and n.get("phase") == "Running" for n in nodes.values())


def header(workflow: Json, now: datetime | None = None) -> list[str]:
    """The `Name:` … lines."""
    metadata, status = workflow["metadata"], workflow.get("status") or {}
    spec = workflow.get("spec") or {}
    now = now or datetime.now(UTC)
    rows = [
        ("Name", metadata["name"]),
        ("Namespace", metadata.get("namespace", "")),
        ("Status", output.coloured(status_of(workflow))),
        ("Message", status.get("message", "")),
        ("Created", _when(metadata.get("creationTimestamp"), now)),
        ("Started", _when(status.get("startedAt"), now)),
        ("Finished", _when(status.get("finishedAt"), now)),
        ("Duration", _how_long(status, now)),
        ("Progress", status.get("progress", "")),
    ]
    lines = [f"{name + ':':<20} {value}" for name, value in rows if value]
    lines += _pairs("Parameters", (spec.get("arguments") or {}).get("parameters"))
    lines += _pairs("Output Parameters", (status.get("outputs") or {}).get("parameters"))
    return lines


def _pairs(title: str, parameters: Sequence[Json] | None) -> list[str]:
    shown = [p for p in parameters or () if p.get("value") is not None]
    lines = [f"  {p['name'] + ':':<18} {p['value']}" for p in shown]
    return [f"{title + ':':<20}", *lines] if lines else []


def _when(text: str | None, now: datetime) -> str:
    at = output.moment(text)
    if at is None:
        return ""
    ago = output.long_span((now - at).total_seconds())
    return f"{at.astimezone().strftime('%a %b %d %H:%M:%S %z')} ({ago} ago)"


def _how_long(status: Json, now: datetime) -> str:
    begin = output.moment(status.get("startedAt"))
    if begin is None:
        return ""
    end = output.moment(status.get("finishedAt")) or now
    return output.long_span((end - begin).total_seconds())


def steps(workflow: Json, style: Style = Style()) -> list[str]:
    """The table of steps as a tree, exit handlers last; [] before anything has started."""
    nodes = (workflow.get("status") or {}).get("nodes") or {}
    roots = _roots(workflow, nodes)
    rows: list[list[str]] = []
    for root in roots:
        rows += [["", "", "", "", ""]] if rows else []
        rows += [_row(text, node, style) for text, node in _walk(nodes, root, "", "", set())]
    if not rows:
        return []
    titles = ["STEP", "TEMPLATE", "PODNAME", "DURATION", "MESSAGE"]
    lines = _aligned([titles, *rows])
    return [_to_plain(line) for line in lines] if style.plain else lines


def _roots(workflow: Json, nodes: Mapping[str, Json]) -> list[Json]:
    name = workflow["metadata"]["name"]
    first = nodes.get(name) or next((n for n in nodes.values() if n["name"] == name), None)
    exits = [n for n in nodes.values() if n["name"] == f"{name}.onExit"]
    return [node for node in (first, *exits) if node is not None]


def _walk(
    nodes: Mapping[str, Json], node: Json, before: str, below: str, seen: set[str]
) -> Iterator[tuple[str, Json]]:
    """(drawn prefix, node) in the order of drawing. A node is drawn once, below the first that leads to it."""
    seen.add(node["id"])
    yield before, node
    shown = [n for n in _children(nodes, node) if n["id"] not in seen]
    seen.update(n["id"] for n in shown)
    for index, child in enumerate(shown):
        last = index == len(shown) - 1
        yield from _walk(
            nodes,
            child,
            below + ("└─" if last else "├─"),
            below + ("  " if last else "│ "),
            seen,
        )


def _children(nodes: Mapping[str, Json], node: Json) -> list[Json]:
    """What is drawn one level deeper: the members of steps and DAGs, attempts, loop items; groups are left out."""
    kind = node.get("type")
    if kind in ("Steps", "DAG"):
        members = [
            n
            for n in nodes.values()
            if n.get("boundaryID") == node["id"] and n.get("type") not in _TRANSPARENT
        ]
        inner = _beneath(nodes, members)
        depths = _depths(nodes, node)
        shown = [n for n in members if n["id"] not in inner]
        return sorted(
            shown, key=lambda n: (n.get("startedAt") or "~", depths.get(n["id"], 0), *_order(n))
        )
    if kind in ("Retry", "TaskGroup", "StepGroup"):
        found = [nodes[c] for c in node.get("children") or () if c in nodes]
        own = [n for n in found if n["name"].startswith(node["name"] + "(")]
        return sorted(own, key=_order)
    return []


def _depths(nodes: Mapping[str, Json], node: Json) -> dict[str, int]:
    """How many edges lead from a group to each node in it: times have whole seconds, edges know the order better."""
    depths: dict[str, int] = {}
    level = list(node.get("children") or ())
    while level:
        fresh = [c for c in dict.fromkeys(level) if c in nodes and c not in depths]
        depth = max(depths.values(), default=0) + 1
        depths.update(dict.fromkeys(fresh, depth))
        level = [c for n in fresh for c in nodes[n].get("children") or ()]
    return depths


def _beneath(nodes: Mapping[str, Json], members: Sequence[Json]) -> set[str]:
    """Members that are drawn below another member: attempts and loop items."""
    return {
        n["id"]
        for m in members
        if m.get("type") in ("Retry", "TaskGroup")
        for n in _children(nodes, m)
    }


def _order(node: Json) -> tuple[str, int, str]:
    name = node["name"]
    index = name[name.rfind("(") + 1 :].split(":")[0].rstrip(")")
    return node.get("startedAt") or "~", int(index) if index.isdigit() else 0, name


def _row(prefix: str, node: Json, style: Style) -> list[str]:
    icon, colour = ICONS.get(node.get("phase") or "Pending", ("?", "white"))
    if node.get("type") == "Suspend" and node.get("phase") == "Running":
        icon, colour = "ǁ", "yellow"
    is_pod = node.get("type") == "Pod"
    title = f"{prefix}{click.style(icon, fg=colour)} {node.get('displayName') or node['name']}"
    ran = is_pod and node.get("phase") not in ("Pending", "Skipped", "Omitted")
    length = (
        output.duration(node.get("startedAt"), node.get("finishedAt"), style.now) if ran else ""
    )
    message = node.get("message") or ""
    if style.wide:
        result = (node.get("outputs") or {}).get("result")
        message = f"{message} result={result!r}".strip() if result else message
    return [title, _template(node), node["id"] if is_pod else "", length, message]


def _template(node: Json) -> str:
    reference = node.get("templateRef")
    if reference:
        return f"{reference['name']}/{reference['template']}"
    return node.get("templateName") or ""


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(click.unstyle(row[i])) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell + " " * (width - len(click.unstyle(cell)))
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _to_plain(line: str) -> str:
    for fancy, ascii_ in PLAIN.items():
        line = line.replace(fancy, ascii_)
    return line
