"""How much of a machine steps had for how long, as Argo counts it: what was requested, times the seconds it ran.

A container that requests nothing counts as 100m of a processor and 100Mi of memory. Units are one processor, 100Mi of
memory, 10Gi of storage, one of anything else; figures are whole unit-seconds.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Final

from controller.dag.library import Definition
from controller.dag.model import Json, Node
from controller.dag.state import Run

_DEFAULTS: Final = {"cpu": "100m", "memory": "100Mi"}
_SCALE: Final = {
    "m": Fraction(1, 1000), "": Fraction(1), "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9),
    "T": Fraction(10**12), "P": Fraction(10**15), "E": Fraction(10**18), "Ki": Fraction(2**10),
    "Mi": Fraction(2**20), "Gi": Fraction(2**30), "Ti": Fraction(2**40), "Pi": Fraction(2**50),
}  # fmt: skip
_UNITS: Final = {
    "cpu": Fraction(1), "memory": Fraction(100 * 2**20), "storage": Fraction(10 * 2**30),
    "ephemeral-storage": Fraction(10 * 2**30),
}  # fmt: skip
_CONTAINERS: Final = ("initContainers", "sidecars")


def of_run(run: Run) -> dict[str, int]:
    """The sum over all pods of a run."""
    return _sum(_of_pod(run, node) for node in run.nodes.values() if node.type == "Pod")


def of_node(run: Run, node: Node) -> dict[str, int]:
    """Of a pod its own; of a group the sum over the pods it leads to, each once."""
    if node.type == "Pod":
        return _of_pod(run, node)
    seen, stack, pods = {node.id}, [node.id], []
    while stack:
        current = run.nodes[stack.pop()]
        if current.type == "Pod":
            pods.append(current)
        fresh = [c for c in current.children or () if c not in seen and c in run.nodes]
        seen.update(fresh)
        stack.extend(fresh)
    return _sum(_of_pod(run, pod) for pod in pods)


def _of_pod(run: Run, node: Node) -> dict[str, int]:
    if not (node.started and node.finished and node.template):
        return {}
    seconds = int((node.finished - node.started).total_seconds())
    pod = (run.spec.get("podResources") or {}).get("requests") or {}
    rates = _rates(run.definition(node), tuple(sorted(pod.items())))
    return _sum({name: int(rate * seconds) for name, rate in one.items()} for one in rates)


@lru_cache(maxsize=1024)
def _rates(
    definition: Definition, pod: tuple[tuple[str, object], ...]
) -> list[dict[str, Fraction]]:
    """What each container of a template has, in units; `pod` is what the workflow asks for a whole pod."""
    template = definition.template
    whole = (template.get("podResources") or {}).get("requests") or dict(pod)
    given = [container.get("resources") or {} for container in _containers(template)]
    return [_rate(one, {} if index else whole) for index, one in enumerate(given)]


def _containers(template: Json) -> list[Json]:
    main = template.get("container") or template.get("script")
    several = (template.get("containerSet") or {}).get("containers") or ()
    beside = [c for field in _CONTAINERS for c in template.get(field) or ()]
    return [*([main] if main else ()), *several, *beside]


def duration(
    containers: Iterable[tuple[Json, int]], pod_requests: Mapping[str, object] = {}
) -> dict[str, int]:
    """The sum over containers, given as their `resources` and the seconds each ran.

    What the pod as a whole requests counts once, for its first container.
    """
    rates = [
        (_rate(given, {} if index else pod_requests), seconds)
        for index, (given, seconds) in enumerate(containers)
    ]
    return _sum({name: int(rate * seconds) for name, rate in one.items()} for one, seconds in rates)


def _rate(given: Json, whole: Mapping[str, object]) -> dict[str, Fraction]:
    wanted = {**_DEFAULTS, **(given.get("limits") or {}), **(given.get("requests") or {}), **whole}
    return {n: _quantity(str(amount)) / _UNITS.get(n, Fraction(1)) for n, amount in wanted.items()}


def _quantity(text: str) -> Fraction:
    """Kubernetes' notation of an amount; what is none counts as nothing."""
    number = text.rstrip("mkMGTPEi")
    try:
        return Fraction(number) * _SCALE[text[len(number) :]]
    except (ValueError, KeyError):
        return Fraction(0)


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)
