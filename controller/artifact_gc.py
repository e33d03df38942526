"""Which artifacts of a workflow are deleted with it, or when it has ended. Pure."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec

Json = dict[str, Any]

COMPLETION = "OnWorkflowCompletion"
DELETION = "OnWorkflowDeletion"
_ABOUT = frozenset({"name", "path", "mode", "archive", "globalName", "artifactGC", "optional"})


def strategy_of(spec: Json, artifact: Json) -> str:
    """The artifact's own strategy, else the workflow's, else `Never`."""
    holders = (artifact, spec)
    named = ((holder.get("artifactGC") or {}).get("strategy") for holder in holders)
    return next((strategy for strategy in named if strategy), "Never")


def is_wanted(spec: Json, templates: Iterable[Json] = ()) -> bool:
    """Whether any output artifact of the workflow (or of the stored specs it uses) is to be deleted at some time."""
    declared = [a for own in (spec, *templates) for a in _declared(own)]
    return any(strategy_of(spec, artifact) != "Never" for artifact in declared or [{}])


def _declared(spec: Json) -> Iterator[Json]:
    for template in spec.get("templates") or ():
        yield from (template.get("outputs") or {}).get("artifacts") or ()


def due(spec: Json, nodes: Collection[Json], strategies: Collection[str]) -> list[Json]:
    """The output artifacts of the nodes (as Argo shows them) with one of the strategies, each place once."""
    found: dict[bytes, Json] = {}
    for node in nodes:
        for artifact in (node.get("outputs") or {}).get("artifacts") or ():
            place = {key: value for key, value in artifact.items() if key not in _ABOUT}
            if place and strategy_of(spec, artifact) in strategies:
                found.setdefault(msgspec.json.encode(place, order="sorted"), artifact)
    return list(found.values())
