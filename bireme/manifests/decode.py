"""From a document to a typed manifest of one of the kinds we know; everything wrong is said at once."""

import difflib
from collections.abc import Mapping
from typing import Any

import msgspec

from bireme.kit.errors import InvalidManifest, Problem
from bireme.manifests import events, legacy, workflow, yaml
from bireme.manifests.base import Metadata, Spec
from bireme.manifests.manifest import Manifest, title
from bireme.manifests.normalise import normalise
from bireme.manifests.objects import ConfigMap, DataSpec, Secret
from bireme.manifests.pod_shapes import shape_faults
from bireme.manifests.typed import Fault, convert, unknown_field
from bireme.manifests.yaml import Document

__all__ = ["KINDS", "Manifest", "decode", "decode_all", "plain"]

ARGO = "argoproj.io/v1alpha1"
KINDS: dict[str, tuple[type[Manifest[Any]], type[Spec]]] = {
    "Workflow": (workflow.Workflow, workflow.WorkflowSpec),
    "WorkflowTemplate": (workflow.WorkflowTemplate, workflow.WorkflowSpec),
    "ClusterWorkflowTemplate": (workflow.ClusterWorkflowTemplate, workflow.WorkflowSpec),
    "CronWorkflow": (workflow.CronWorkflow, workflow.CronWorkflowSpec),
    "WorkflowEventBinding": (workflow.WorkflowEventBinding, workflow.WorkflowEventBindingSpec),
    "EventSource": (events.EventSource, events.EventSourceSpec),
    "Sensor": (events.Sensor, events.SensorSpec),
    "EventBus": (events.EventBus, events.EventBusSpec),
}
CORE: dict[str, type[Manifest[DataSpec]]] = {"ConfigMap": ConfigMap, "Secret": Secret}

_MISSPELT = 0.8  # so alike that no plugin is meant
_EVENTS = frozenset(("EventSource", "Sensor", "EventBus"))
_WITH_PODS = frozenset(("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"))
_VERBATIM_WORKFLOWS = frozenset(("withItems", "plugin", "managedFields", "status"))
_VERBATIM_EVENTS = frozenset(("resource", "managedFields", "status"))
_WithPlugins = type[events.EventSourceSpec] | type[events.TriggerTemplate]
_TOP = ("apiVersion", "kind", "metadata", "spec", "status")
_CORE_TOP = (
    "apiVersion",
    "kind",
    "metadata",
    "data",
    "stringData",
    "binaryData",
    "immutable",
    "type",
)


def decode_all(text: str, file: str = "") -> tuple[list[Manifest[Any]], list[Problem]]:
    """Every manifest of a text that decodes, members of a `List` too, and what is wrong with the others."""
    documents, problems = yaml.load_all(text, file)
    manifests: list[Manifest[Any]] = []
    for document in documents:
        for member in members(document):
            try:
                manifests.append(decode(member))
            except InvalidManifest as error:
                problems += error.problems
    return manifests, problems


def members(document: Document) -> list[Document]:
    """The objects of a `List`, or the document itself."""
    value = document.value
    if not isinstance(value, dict) or not str(value.get("kind", "")).endswith("List"):
        return [document]
    items = value.get("items")
    items = items if isinstance(items, list) else []
    return [document.member(f"items[{index}]", item) for index, item in enumerate(items)]


def decode(document: Document | Mapping[str, Any], file: str = "") -> Manifest[Any]:
    """The typed manifest. Raises InvalidManifest with every problem, by path and line.

    The value given is not changed; `raw` is the same in today's spelling and shares what did not change.
    """
    if not isinstance(document, Document):
        return _Decoding(Document(document, file), None).manifest()
    return _Decoding(document, document).manifest()


def plain(spec: Spec) -> Any:
    """The JSON value of a typed part, as Argo writes it: only what is set."""
    return msgspec.to_builtins(spec)


class _Decoding:
    """One document on its way; collects faults by path and turns them into problems at the end."""

    def __init__(self, document: Document, kept: Document | None) -> None:
        self.document = document
        self.kept = kept
        self.problems: list[Problem] = []
        self.value: dict[str, Any] = {}
        self.renamed: list[tuple[str, str]] = []

    def manifest(self) -> Manifest[Any]:
        given = self.document.value
        if not isinstance(given, Mapping):
            message = "a manifest is an object with apiVersion, kind and metadata"
            self._add([Fault("", message, found=type(given).__name__)])
            raise InvalidManifest(self.problems)
        self.value = dict(given)
        kind = str(given.get("kind") or "")
        if kind in CORE:
            return self._core(CORE[kind])
        if kind not in KINDS or given.get("apiVersion") != ARGO:
            self._add([_unknown_kind(given)])
            raise InvalidManifest(self.problems)
        return self._ours(kind)

    def _ours(self, kind: str) -> Manifest[Any]:
        self._normalise(_VERBATIM_EVENTS if kind in _EVENTS else _VERBATIM_WORKFLOWS)
        self.value, self.renamed = legacy.modernise(self.value)
        made, spec_type = KINDS[kind]
        self._add(unknown_field(key, key, _TOP) for key in self.value if key not in _TOP)
        metadata = self._part("metadata", Metadata)
        spec = self._part("spec", spec_type)
        if not self.problems and kind in _WITH_PODS:
            self._pods(kind)
        if self.problems or metadata is None or spec is None:
            raise InvalidManifest(self.problems)
        return self._made(made, metadata, spec)

    def _pods(self, kind: str) -> None:
        spec = self.value.get("spec") or {}
        if kind == "CronWorkflow":
            self._add(shape_faults(spec.get("workflowSpec") or {}, "spec.workflowSpec"))
        else:
            self._add(shape_faults(spec, "spec"))

    def _normalise(self, verbatim: frozenset[str]) -> None:
        try:
            self.value = normalise(self.value, verbatim=verbatim)
        except InvalidManifest as error:
            self._add([Fault("", problem.message) for problem in error.problems])
            raise InvalidManifest(self.problems) from error

    def _core(self, made: type[Manifest[DataSpec]]) -> Manifest[DataSpec]:
        self._normalise(frozenset())
        self._add(unknown_field(key, key, _CORE_TOP) for key in self.value if key not in _CORE_TOP)
        metadata = self._part("metadata", Metadata)
        body = {k: v for k, v in self.value.items() if k in _CORE_TOP[3:]}
        spec, faults = convert(body, DataSpec)
        self._add(faults)
        if self.problems or metadata is None or spec is None:
            raise InvalidManifest(self.problems)
        return self._made(made, metadata, spec)

    def _made(self, made: type[Manifest[Any]], metadata: Metadata, spec: Any) -> Manifest[Any]:
        return made(
            kind=self.value["kind"],
            api_version=self.value.get("apiVersion", ""),
            metadata=metadata,
            spec=spec,
            raw=self.value,
            document=self.kept,
            renamed=tuple(self.renamed),
        )

    def _part(self, name: str, to: type[Spec]) -> Any:
        value = self.value.get(name, {})
        lifted = _LIFTS[to](value) if to in _LIFTS and isinstance(value, dict) else value
        typed, faults = convert(lifted, to, name)
        self._add(faults)
        return typed

    def _add(self, faults: Any) -> None:
        for fault in faults:
            path = fault.path.replace("spec.sources.", "spec.").replace(
                "template.bodies.", "template."
            )
            problem = Problem(
                message=fault.message,
                object=title(self.value),
                file=self.document.file,
                line=self.document.line(path),
                path=path,
                found=fault.found,
                expected=fault.expected,
                advice=fault.advice,
                severity=fault.severity,
            )
            self.problems.append(problem)


def _unknown_kind(value: Mapping[str, Any]) -> Fault:
    kind, version = str(value.get("kind") or ""), str(value.get("apiVersion") or "")
    if not kind:
        return Fault("kind", "kind is missing", expected=", ".join(KINDS))
    if version and not version.startswith("argoproj.io/"):
        message = f"kind '{kind}' of {version} is not one that is read here; it is left alone"
        return Fault("kind", message, kind, severity="warning")
    if kind in KINDS:
        advice = f"Write apiVersion: {ARGO}."
        return Fault("apiVersion", f"apiVersion '{version}' is not known", version, ARGO, advice)
    return unknown_field("kind", kind, (*KINDS, *CORE))._replace(
        message=f"unknown kind '{kind}'", expected=", ".join((*KINDS, *CORE))
    )


def _lift_sources(spec: dict[str, Any]) -> dict[str, Any]:
    """Event source kinds into `sources`. What looks like a misspelt kind stays, to be complained of."""
    return _lift(spec, "sources", events.EventSourceSpec)


def _lift_bodies(spec: dict[str, Any]) -> dict[str, Any]:
    triggers = spec.get("triggers")
    if not isinstance(triggers, list):
        return spec
    return {**spec, "triggers": [_lift_trigger(trigger) for trigger in triggers]}


def _lift_trigger(trigger: Any) -> Any:
    if not isinstance(trigger, dict):
        return trigger
    lifted = dict(trigger)
    if isinstance(template := trigger.get("template"), dict):
        lifted["template"] = _lift(template, "bodies", events.TriggerTemplate)
    if "dlqTrigger" in trigger:
        lifted["dlqTrigger"] = _lift_trigger(trigger["dlqTrigger"])
    return lifted


def _lift(value: dict[str, Any], into: str, to: _WithPlugins) -> dict[str, Any]:
    kinds = to.plugin_kinds
    frame = set(to.__struct_encode_fields__) - {into}
    lifted: dict[str, Any] = {key: member for key, member in value.items() if key in frame}
    bodies: dict[str, Any] = {}
    for key, member in value.items():
        if key in frame:
            continue
        close = difflib.get_close_matches(key, (*frame, *kinds), n=1, cutoff=_MISSPELT)
        is_plugin = key in kinds or (isinstance(member, dict) and not close)
        (bodies if is_plugin else lifted)[key] = member
    return {**lifted, into: bodies} if bodies else lifted


_LIFTS: dict[type[Spec], Any] = {
    events.EventSourceSpec: _lift_sources,
    events.SensorSpec: _lift_bodies,
}
