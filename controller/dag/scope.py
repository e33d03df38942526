"""What a tag can see, as layers: the item, then siblings (`steps.*`, `tasks.*`), inputs, then the workflow.

Nothing is copied per task: siblings are looked up in the nodes when a tag asks, and an aggregate over a loop is made
once and kept.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from controller.dag import loops, names
from controller.dag.library import Definition
from controller.dag.model import Json, Node
from controller.dag.phase import FULFILLED
from controller.dag.state import Run
from controller.dag.variables import rfc3339, text_of

Variables = Mapping[str, str | None]
_NOTHING: Any = object()
GLOBAL_ARTIFACT = "workflow.outputs.artifacts."


class Layered(Mapping[str, str | None]):
    """Several mappings as one; the first that knows a name wins."""

    __slots__ = ("layers",)

    def __init__(self, *layers: Variables) -> None:
        self.layers = layers

    def __getitem__(self, key: str) -> str | None:
        for layer in self.layers:
            if key in layer:
                return layer[key]
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        for layer in self.layers:
            found = layer.get(key, _NOTHING)
            if found is not _NOTHING:
                return found
        return default

    def __contains__(self, key: object) -> bool:
        return any(key in layer for layer in self.layers)

    def __iter__(self) -> Iterator[str]:
        seen: set[str] = set()
        for layer in self.layers:
            yield from (key for key in layer if key not in seen)
            seen.update(layer)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Siblings(Mapping[str, str | None]):
    """`steps.<name>.*` or `tasks.<name>.*` of one steps or dag node, read from the nodes when asked."""

    def __init__(self, run: Run, node: Node, definition: Definition) -> None:
        self._run = run
        self._node = node
        self._root = "tasks" if definition.kind == "dag" else "steps"
        self._definition = definition
        self._aggregates: dict[str, dict[str, str | None]] = {}

    def __getitem__(self, key: str) -> str | None:
        root, _, rest = key.partition(".")
        name, _, field = rest.partition(".")
        if root != self._root or not field or self._definition.place(name) is None:
            raise KeyError(key)
        node = self._node_of(name)
        if node is None or node.type == "TaskGroup":
            return self._gathered(name)[field]
        value = node_field(self._run, last_attempt(self._run, node), field)
        if value is None:
            raise KeyError(key)
        return value()

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key: object) -> bool:
        try:
            self[str(key)]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        for name in self._definition.names():
            yield from (f"{self._root}.{name}.{field}" for field in self._one(name))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def find(self, name: str) -> Node | None:
        """The node of the sibling: for a retried one its last attempt."""
        node = self._node_of(name)
        return last_attempt(self._run, node) if node else None

    def gather(self, group: int) -> None:
        """Make the lists of the loops of a group that has ended. Raises BadLoop."""
        for step in self._definition.template["steps"][group]:
            if self._is_loop(step["name"]):
                self._gathered(step["name"])

    def artifact(self, key: str) -> Json | None:
        """The artifact a `steps.<name>.outputs.artifacts.<artifact>` names."""
        root, _, rest = key.partition(".")
        name, _, field = rest.partition(".")
        node = self.find(name) if root == self._root else None
        outputs = node.outputs if node else None
        return outputs.artifacts.get(field.removeprefix("outputs.artifacts.")) if outputs else None

    def artifact_names(self) -> Iterator[str]:
        for name in self._definition.names():
            node = self.find(name)
            if node and node.outputs:
                yield from (
                    f"{self._root}.{name}.outputs.artifacts.{a}" for a in node.outputs.artifacts
                )

    def _node_of(self, name: str) -> Node | None:
        place = self._definition.place(name)
        if place is None:
            return None
        group = place[0]
        base = (
            self._node.name if self._root == "tasks" else names.group_name(self._node.name, group)
        )
        return self._run.find(f"{base}.{name}")

    def _is_loop(self, name: str) -> bool:
        node = self._node_of(name)
        return node is None or node.type == "TaskGroup"

    def _one(self, name: str) -> dict[str, str | None]:
        """All variables of one sibling."""
        if self._is_loop(name):
            return self._gathered(name)
        node = self.find(name)
        return node_variables(self._run, node) if node else {}

    def _gathered(self, name: str) -> dict[str, str | None]:
        known = self._aggregates.get(name)
        if known is not None:
            return known
        group, slot = self._definition.place(name) or (0, -1)
        node = self._group_node(name, group)
        if node is None:
            return {}
        children = [self._run.nodes[c] for c in node.children or ()]
        rounds = [c for c in children if c.slot == slot and "hooked" not in c.flags]
        if self._root == "steps" and not rounds:
            return {}
        start = len(node.name) + (len(name) + 2 if self._root == "steps" else 1)
        rounds.sort(
            key=lambda c: names.round_number(c.name, start)
        )  # a retry makes them anew, last
        found = {**basics(node), **gathered(self._run, rounds)}
        if node.phase in FULFILLED:
            self._aggregates[name] = found
        return found

    def _group_node(self, name: str, group: int) -> Node | None:
        if self._root == "tasks":
            return self._node_of(name)
        group_name = names.group_name(self._node.name, group)
        return self._run.find(group_name)


def last_attempt(run: Run, node: Node) -> Node:
    """The newest attempt of a Retry node; before the first, and for all other nodes, the node itself."""
    if node.type != "Retry":
        return node
    for child in reversed(node.children or ()):
        if "retried" in run.nodes[child].flags:
            return run.nodes[child]
    return node


def basics(node: Node) -> dict[str, str | None]:
    known: dict[str, str | None] = {"id": node.id, "status": node.phase}
    if node.started:
        known["startedAt"] = rfc3339(node.started)
    if node.finished:
        known["finishedAt"] = rfc3339(node.finished)
    return known


def node_variables(run: Run, node: Node) -> dict[str, str | None]:
    """Everything siblings can say about this node, by the part after its name."""
    known = basics(node)
    if node.daemoned:
        known["ip"] = "127.0.0.1"
    if node.host:
        known["hostNodeName"] = node.host
    if node.exit_code is not None:
        known["exitCode"] = node.exit_code
    if node.outputs:
        if node.outputs.result is not None:
            known["outputs.result"] = node.outputs.result
        known |= {f"outputs.parameters.{k}": v for k, v in node.outputs.parameters.items()}
    elif node.phase in ("Skipped", "Omitted") and node.template:
        known |= declared_outputs(run.definition(node))
    return known


def node_field(run: Run, node: Node, field: str) -> Callable[[], str | None] | None:
    """A reader of one variable of the node, or None when it has no such variable (None is also a value)."""
    if field == "status":
        return lambda: node.phase
    known = node_variables(run, node)
    return (lambda: known[field]) if field in known else None


def declared_outputs(definition: Definition) -> dict[str, str | None]:
    """What a node that did not run contributes: the defaults of its declared outputs; None is "absent"."""
    return {
        f"outputs.parameters.{p['name']}": (p.get("valueFrom") or {}).get("default")
        for p in definition.outputs
    }


def gathered(run: Run, rounds: list[Node]) -> dict[str, str | None]:
    """The outputs of a loop as lists. Raises BadLoop when a result is no JSON."""
    done = [last_attempt(run, child).outputs for child in rounds if child.phase == "Succeeded"]
    outputs = [o for o in done if o]
    known: dict[str, str | None] = {}
    results = [o.result for o in outputs if o.result is not None]
    if results:
        known["outputs.result"] = loops.gather_results(results)
    present = [{k: v for k, v in o.parameters.items() if v is not None} for o in outputs]
    if any(present):
        known["outputs.parameters"] = text_of(present)
    for name in dict.fromkeys(name for parameters in present for name in parameters):
        values = [parameters[name] for parameters in present if name in parameters]
        known[f"outputs.parameters.{name}"] = loops.gather_values(values)
    return known


class Frame:
    """One steps or dag node with its layers; made when the node starts and dropped when it ends."""

    def __init__(self, run: Run, node: Node) -> None:
        self._run = run
        self.node = node
        self.definition = run.definition(node)
        self.own = own_variables(run, node, self.definition)
        self.siblings = Siblings(run, node, self.definition)
        self.scope = Layered(self.own, run.variables, self.siblings)
        around = frame(run, node.boundary) if node.boundary else None
        self.group = groups_of(run, node) if self.definition.kind == "steps" else 0
        self.depth: int = around.depth + 1 if around else 1

    @property
    def now(self) -> datetime:
        """The moment of the advance under way."""
        return self._run.moment

    def artifact_names(self) -> Iterator[str]:
        """All references that name an artifact here."""
        yield from (f"inputs.artifacts.{a['name']}" for a in self.node.artifacts or ())
        yield from (f"{GLOBAL_ARTIFACT}{name}" for name in self._global_artifacts())
        yield from self.siblings.artifact_names()

    def _global_artifacts(self) -> dict[str, Json]:
        return self._run.outputs.artifacts if self._run.outputs else {}

    def artifact(self, reference: str) -> Json | None:
        """The artifact behind `inputs.artifacts.x`, `workflow.outputs…`, `steps.a.outputs.artifacts.x` or `tasks…`."""
        if reference.startswith(GLOBAL_ARTIFACT):
            return self._global_artifacts().get(reference.removeprefix(GLOBAL_ARTIFACT))
        if reference.startswith("inputs.artifacts."):
            name = reference.removeprefix("inputs.artifacts.")
            return next((a for a in self.node.artifacts or () if a["name"] == name), None)
        return self.siblings.artifact(reference)


def groups_of(run: Run, node: Node) -> int:
    """How many groups of a steps node have been opened."""
    count = 0
    while run.find(names.group_name(node.name, count)) is not None:
        count += 1
    return count


def frame(run: Run, node_id: str) -> Frame:
    """The frame of a steps or dag node; kept while it is under way."""
    known = run.index.frames.get(node_id)
    if known is None:
        node = run.nodes[node_id]
        known = Frame(run, node)
        if node.phase not in FULFILLED:
            run.index.frames[node_id] = known
    return known


def caller_name(run: Run, node: Node) -> tuple[str, str]:
    """`steps.name` or `tasks.name` and its value, as the body of the called template sees it."""
    owner = run.nodes.get(node.owner)
    while owner is not None and owner.type == "Retry":
        node, owner = owner, run.nodes.get(owner.owner)
    if owner is None or "hooked" in node.flags:
        return "steps.name", ""
    root = "steps.name" if owner.type == "StepGroup" else "tasks.name"
    return root, names.display_name(node.name, run.nodes[node.boundary].name)


def own_variables(
    run: Run, node: Node, definition: Definition, inputs: tuple[str | None, ...] | None = None
) -> dict[str, str | None]:
    """Inputs, paths and names of one node (`inputs` stands in for the node's own while they are being made)."""
    values = node.inputs if inputs is None else inputs
    known: dict[str, str | None] = {"node.name": node.name}
    key, value = caller_name(run, node)
    known[key] = value
    if definition.is_pod:
        known["pod.name"] = names.pod_name(run.name, node.name, definition.pod_template)
    known |= {
        f"inputs.parameters.{n}": v
        for n, v in zip(definition.input_names, values or (), strict=False)
    }
    if definition.wants_input_list:
        known["inputs.parameters"] = inputs_text(definition, values or ())
    known.update(definition.paths)
    if "retried" in node.flags and node.type != "Retry":
        known.update(retry_variables(run, node))
    return known


def retry_variables(run: Run, node: Node) -> dict[str, str | None]:
    """`retries` and `lastRetry.*` as an attempt sees them."""
    before = names.attempt_name(run.nodes[node.owner].name, node.slot - 1)
    return last_retry(node.slot, run.find(before))


def last_retry(attempts: int, last: Node | None) -> dict[str, str | None]:
    """What is known after so many attempts, the last of which is given."""
    if last is None:
        return {
            "retries": str(attempts), "lastRetry.exitCode": "0", "lastRetry.status": "", "lastRetry.duration": "0",
            "lastRetry.message": "",
        }  # fmt: skip
    spent = (
        int((last.finished - last.started).total_seconds()) if last.finished and last.started else 0
    )
    return {
        "retries": str(attempts),
        "lastRetry.exitCode": last.exit_code or "0",
        "lastRetry.status": last.phase,
        "lastRetry.duration": str(spent),
        "lastRetry.message": last.message,
    }


def inputs_text(definition: Definition, values: tuple[str | None, ...]) -> str:
    """The input parameters as Argo's JSON list."""
    listed: list[dict[str, Any]] = [
        {"name": name, **({} if value is None else {"value": value})}
        for name, value in zip(definition.input_names, values, strict=False)
    ]
    return json.dumps(listed, ensure_ascii=False, separators=(",", ":"))
