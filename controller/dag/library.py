"""The templates of a run: found by scope and name, defaults merged, compiled once, never changed.

A template is known by a key that says how it was referred to. The key alone finds it again after a restart, so nodes
keep the key and nothing else.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from bireme.lang import expression_tags, tags
from controller.dag.graph import Graph
from controller.dag.model import Json, Source

Kind = Literal[
    "container", "containerSet", "steps", "dag", "script", "resource", "data", "suspend", "http", "plugin"
]  # fmt: skip

KINDS: tuple[Kind, ...] = (
    "container", "containerSet", "steps", "dag", "script", "resource", "data", "suspend", "http", "plugin",
)  # fmt: skip
POD_KINDS = frozenset({"container", "containerSet", "script", "resource", "data"})
NODE_TYPES: dict[str, Any] = {
    **dict.fromkeys(POD_KINDS, "Pod"),
    **{"steps": "Steps", "dag": "DAG", "suspend": "Suspend", "http": "HTTP", "plugin": "Plugin"},
}
_ALL_INPUTS = re.compile(r"\binputs\.parameters(?![.\w\[])")
_VOLATILE = re.compile(r"\bworkflow\.(?:status|duration|failures|outputs)\b")
_RESULT_OF = re.compile(
    r"\b(?:steps|tasks)(?:\.([-\w]+)|\[\s*\\?['\"]([^'\"\\]+)\\?['\"]\s*\])\.outputs\.result"
)


class TemplateMissing(Exception):
    """There is no such template; the message is Argo's."""


class Definition:
    """One template as a run sees it, with what is worth computing once."""

    def __init__(
        self, key: str, scope: str, inner_scope: str, holder: Json, template: Json
    ) -> None:
        self.key = key
        self.scope = scope
        self.inner_scope = inner_scope
        self.ref: Json | None = holder.get("templateRef")
        self.name: str = holder.get("template", "")
        self.template = template
        self.kind: Kind = next(kind for kind in KINDS if template.get(kind) is not None)
        self.is_pod = self.kind in POD_KINDS
        self.node_type = NODE_TYPES[self.kind]
        inputs, outputs = template.get("inputs") or {}, template.get("outputs") or {}
        self.inputs: list[Json] = inputs.get("parameters") or []
        self.input_names = tuple(parameter["name"] for parameter in self.inputs)
        self.input_artifacts: list[Json] = inputs.get("artifacts") or []
        self.outputs: list[Json] = outputs.get("parameters") or []
        self.output_artifacts: list[Json] = outputs.get("artifacts") or []
        self.parallelism: int | None = template.get("parallelism")
        self.fail_fast: bool = template.get("failFast") is True
        self.daemon: bool = template.get("daemon") is True
        self.retry: Json | None = template.get("retryStrategy")
        self.is_gated = bool(template.get("synchronization") or template.get("memoize"))
        self.bodies: dict[tuple[int, int], Any] = {}

    @property
    def pod_template(self) -> str:
        """The name that goes into pod names: empty for inline templates."""
        return self.ref["template"] if self.ref else self.name

    @cached_property
    def body(self) -> tags.Template:
        """The template of a leaf, without its inputs, compiled."""
        rest = {k: v for k, v in self.template.items() if k not in {"inputs", "retryStrategy"}}
        return tags.compile_tags(rest)

    @cached_property
    def settings(self) -> tags.Template:
        """What is read of a template before it runs: deadlines, retries, memoization, locks; compiled."""
        wanted = (
            "retryStrategy",
            "activeDeadlineSeconds",
            "timeout",
            "pendingTimeout",
            "suspend",
            "memoize",
        )
        more = ("synchronization", "annotations")
        return tags.compile_tags(
            {k: v for k in wanted + more if (v := self.template.get(k)) is not None}
        )

    @cached_property
    def _mentions(self) -> tuple[bool, bool, frozenset[str]]:
        """What the text says, read once: all inputs, moving variables, results of steps or tasks."""
        text = json.dumps(self.template)
        found = _RESULT_OF.findall(text) if ".outputs.result" in text else ()
        return (
            "inputs.parameters" in text and bool(_ALL_INPUTS.search(text)),
            "workflow." in text and bool(_VOLATILE.search(text)),
            frozenset(plain or quoted for plain, quoted in found),
        )

    @cached_property
    def unreadable(self) -> str:
        """What is wrong with an expression in the text of a leaf; steps and tasks are told where they are filled in."""
        return "" if self.kind in ("steps", "dag") else expression_tags.unreadable(self.template)

    @property
    def wants_input_list(self) -> bool:
        """Whether the text mentions all input parameters at once."""
        return self._mentions[0]

    @property
    def volatile(self) -> bool:
        """Whether the text mentions what changes while the workflow runs, so that its body must be remembered."""
        return self._mentions[1]

    @property
    def result_wanted(self) -> frozenset[str]:
        """The steps or tasks whose `outputs.result` this template's text asks for."""
        return self._mentions[2]

    @cached_property
    def hosts_wanted(self) -> bool:
        """Whether this template's text asks on which machine a step ran."""
        return "hostNodeName" in json.dumps(self.template)

    @cached_property
    def paths(self) -> dict[str, str]:
        """The paths a leaf's text may ask for."""
        declared = [
            ("inputs.artifacts", self.input_artifacts),
            ("outputs.artifacts", self.output_artifacts),
        ]
        found = {
            f"{at}.{a['name']}.path": a["path"]
            for at, many in declared
            for a in many
            if a.get("path")
        }
        for parameter in self.outputs:
            if path := (parameter.get("valueFrom") or {}).get("path"):
                found[f"outputs.parameters.{parameter['name']}.path"] = path
        return found

    @cached_property
    def mounts(self) -> frozenset[str]:
        """The names of all volumes that a container of the template mounts."""
        pod = self.template.get("containerSet") or {}
        single = (self.template.get(kind) for kind in ("container", "script"))
        many = (self.template.get(kind) or () for kind in ("initContainers", "sidecars"))
        containers = [pod, *(pod.get("containers") or ()), *(c for c in single if c)]
        containers += [c for part in many for c in part]
        return frozenset(m["name"] for c in containers for m in c.get("volumeMounts") or ())

    @cached_property
    def exports(self) -> bool:
        """Whether any output goes to the workflow under a global name."""
        return any(o.get("globalName") for o in (*self.outputs, *self.output_artifacts))

    @cached_property
    def graph(self) -> Graph:
        """The tasks of a dag template and who needs whom."""
        return Graph(self.template["dag"])

    @cached_property
    def _steps(self) -> dict[str, tuple[int, int]]:
        groups = self.template.get("steps") or []
        return {s["name"]: (g, i) for g, group in enumerate(groups) for i, s in enumerate(group)}

    def place(self, name: str) -> tuple[int, int] | None:
        """Where the step or task of this name stands: (group, index)."""
        if self.kind == "dag":
            index = self.graph.index.get(name)
            return None if index is None else (0, index)
        return self._steps.get(name)

    def names(self) -> Iterable[str]:
        """All steps or tasks of the template."""
        return self.graph.index if self.kind == "dag" else self._steps


class Library:
    """All templates one run can reach. Looking up the same key twice gives the same Definition.

    `overlooked`: the fields that have no effect where the steps run.
    """

    def __init__(self, source: Source, overlooked: Sequence[str] = ()) -> None:
        self._source = source
        self.overlooked = overlooked
        self._defaults: Json = source.spec.get("templateDefaults") or {}
        self._retry: Json | None = source.spec.get("retryStrategy")
        self._lists: dict[str, dict[str, Json]] = {}
        self._definitions: dict[str, Definition] = {}

    @cached_property
    def has_metrics(self) -> bool:
        """Whether the workflow, or a template of its own or of others that it may call, has metrics."""
        spec = self._source.spec
        templates = (
            template
            for held in (spec, *self._source.templates.values())
            for template in held.get("templates") or ()
        )
        return any(map(metrics_of, (spec, self._defaults, *templates)))

    def find(self, scope: str, holder: Mapping[str, Any], site: str) -> Definition:
        """The template that a step, task or hook (`holder`) in `scope` runs.

        `site` names where an inline template is written: `<key of the template around it>!<group>/<index>`. Raises
        TemplateMissing.
        """
        key = self._key(scope, holder, site)
        known = self._definitions.get(key)
        if known is None:
            known = self._definitions[key] = self._define(key, scope, holder)
        return known

    def get(self, key: str) -> Definition:
        """The template of a key that `find` gave once, in this process or in an earlier one."""
        return self._definitions.get(key) or self._revive(key)

    def _key(self, scope: str, holder: Mapping[str, Any], site: str) -> str:
        if holder.get("inline") is not None:
            return site
        if ref := holder.get("templateRef"):
            kind = "cluster" if ref.get("clusterScope") else "namespaced"
            return f"{scope}>{kind}/{ref['name']}/{ref['template']}"
        return f"{scope}#{holder.get('template', '')}"

    def _define(self, key: str, scope: str, holder: Mapping[str, Any]) -> Definition:
        inline, ref = holder.get("inline"), holder.get("templateRef")
        inner, name = scope, holder.get("template", "")
        if ref and inline is None:
            kind = "cluster" if ref.get("clusterScope") else "namespaced"
            inner, name = f"{kind}/{ref['name']}", ref["template"]
        template = inline if inline is not None else self._templates(inner).get(name)
        if template is None:
            raise TemplateMissing(f"template {name} not found")
        shown = {k: holder[k] for k in ("template", "templateRef") if holder.get(k)}
        return Definition(
            key, scope, inner, shown if inline is None else {}, self._merged(template)
        )

    def _templates(self, scope: str) -> dict[str, Json]:
        if scope not in self._lists:
            spec = self._source.templates.get(scope, {}) if scope else self._source.spec
            self._lists[scope] = {
                t["name"]: t for t in spec.get("templates") or [] if t.get("name")
            }
        return self._lists[scope]

    def _merged(self, template: Json) -> Json:
        own = next((kind for kind in KINDS if template.get(kind) is not None), None)
        if own is None:
            raise TemplateMissing(f"template {template.get('name', '')} has no type")
        foreign = {kind for kind in KINDS if kind != own}
        defaults = {k: v for k, v in self._defaults.items() if k not in foreign}
        merged = merge(defaults, template) if defaults else template
        if self._retry and "retryStrategy" not in merged:
            merged = {**merged, "retryStrategy": self._retry}
        return merged

    def _revive(self, key: str) -> Definition:
        if "!" in key:
            around, _, place = key.rpartition("!")
            return self.find(
                self.get(around).inner_scope, self._holder_at(self.get(around), place), key
            )
        if ">" in key:
            scope, _, target = key.partition(">")
            kind, name, template = target.split("/", 2)
            ref = {
                "name": name,
                "template": template,
                **({"clusterScope": True} if kind == "cluster" else {}),
            }
            return self.find(scope, {"templateRef": ref}, key)
        scope, _, name = key.partition("#")
        return self.find(scope, {"template": name}, key)

    def _holder_at(self, around: Definition, place: str) -> Json:
        group, _, index = place.partition("/")
        if around.kind == "dag":
            return dict(around.template["dag"]["tasks"][int(index)])
        return dict(around.template["steps"][int(group)][int(index)])


def metrics_of(holder: Json) -> list[Json]:
    """The metrics that a workflow or a template declares."""
    return (holder.get("metrics") or {}).get("prometheus") or []


def merge(base: Any, over: Any) -> Any:
    """A strategic merge: mappings merge by key, lists of named things by name, everything else is replaced."""
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{k: merge(base[k], v) if k in base else v for k, v in over.items()}}
    if _named(base) and _named(over):
        mine = {entry["name"]: entry for entry in over}
        inherited = [merge(entry, mine.pop(entry["name"], {})) for entry in base]
        return [*mine.values(), *inherited]
    return over


def _named(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) and "name" in v for v in value)
