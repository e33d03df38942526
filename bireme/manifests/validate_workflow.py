"""The checks of a workflow's spec in Argo's order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bireme.kit.errors import InvalidManifest
from bireme.manifests.artifacts import Artifact
from bireme.manifests.base import Metadata
from bireme.manifests.parameters import Arguments
from bireme.manifests.resolve import Base, Call, Library, TemplateLookup, not_found
from bireme.manifests.scope import ANY_OUTPUT, Names, Placeholders
from bireme.manifests.template import TemplateRef
from bireme.manifests.validate_arguments import check_arguments
from bireme.manifests.validate_labels import check_selector
from bireme.manifests.validate_names import Invalid, check_names
from bireme.manifests.validate_pod import check_pod_resources
from bireme.manifests.walk import Walk
from bireme.manifests.workflow import WorkflowSpec

_POD_GC = (
    "",
    "OnPodCompletion",
    "OnPodSuccess",
    "OnWorkflowCompletion",
    "OnWorkflowSuccess",
)
_ALWAYS = ("name", "namespace", "mainEntrypoint", "serviceAccountName", "uid", "status")
_FAMILIES = ("parameters", "annotations", "labels")


@dataclass
class WorkflowChecks:
    """One spec to check. `faults` gives Argo's texts in Argo's order."""

    spec: WorkflowSpec
    metadata: Metadata
    lookup: TemplateLookup
    is_lint: bool = False
    is_stored: bool = False
    is_submit: bool = False
    is_cluster_wide: bool = False

    def __post_init__(self) -> None:
        spec = self.spec
        own = Base("local", spec, has_defaults=not self.is_cluster_wide)
        self.library = Library(own, self.metadata.namespace or "default", self.lookup)
        self.walk = Walk(self.library, {}, Placeholders(), is_stored=self.is_stored)
        self.referred: WorkflowSpec | None = None
        self.entrypoint = spec.entrypoint
        self.arguments = spec.arguments

    def faults(self) -> Iterator[str]:
        """Lazily: the first one costs only the checks before it."""
        try:
            self._refer()
        except (Invalid, InvalidManifest) as error:
            yield str(error)
            return
        for check in self._checks():
            try:
                check()
            except (Invalid, InvalidManifest) as error:
                yield str(error)
            except RecursionError:
                yield "templates call each other too deeply to be checked"

    def _checks(self) -> Iterator[Callable[[], None]]:
        yield self._template_names
        yield self._executor_plugins
        yield self._arguments
        self._fill_globals()
        if self.entrypoint or not self.is_stored:
            yield self._entrypoint
        yield self._exit_handler
        yield self._hooks
        yield self._pod_gc
        yield self._pod_resources
        home = self.referred or self.spec
        for template in home.templates:
            yield lambda name=template.name: self._each_template(name)  # type: ignore[misc]

    def _refer(self) -> None:
        """Fetch what `workflowTemplateRef` names; its entrypoint and arguments fill what is not given."""
        ref = self.spec.workflow_template_ref
        if ref is None:
            return
        if self.spec.templates:
            raise Invalid(
                "Templates is invalid field in spec if workflow referred WorkflowTemplate reference"
            )
        base = self.library.base(ref.name, cluster=ref.cluster_scope)
        if base is None:
            raise not_found(ref.name, cluster=ref.cluster_scope)
        self.referred = base.spec
        self.entrypoint = self.entrypoint or base.spec.entrypoint
        self.arguments = _merged(self.spec.arguments, base.spec.arguments)

    def _template_names(self) -> None:
        try:
            check_names(template.name for template in self.spec.templates)
        except Invalid as error:
            raise Invalid(f"spec.templates{error}") from None

    def _arguments(self) -> None:
        may_be_empty = self.is_lint or (self.is_stored and not self.is_submit)
        check_arguments("spec.arguments.", self.arguments, may_be_empty=may_be_empty)

    def _fill_globals(self) -> None:
        names: Names = {f"workflow.{name}": self.walk.placeholders.next() for name in _ALWAYS}
        for family in _FAMILIES:
            if family != "parameters" or self.arguments.parameters:
                names[f"workflow.{family}"] = self.walk.placeholders.next()
                names[f"workflow.{family}.json"] = self.walk.placeholders.next()
        for parameter in self.arguments.parameters:
            value = parameter.value
            given = value if value is not None else self.walk.placeholders.next()
            names[f"workflow.parameters.{parameter.name}"] = given
        for family, keys in (("labels", self._labels()), ("annotations", self._annotations())):
            names.update(
                (f"workflow.{family}.{key}", self.walk.placeholders.next()) for key in keys
            )
        if self.spec.priority is not None:
            names["workflow.priority"] = str(self.spec.priority)
        self.walk.globals.update(names)

    def _labels(self) -> Iterator[str]:
        yield from self.metadata.labels
        for spec in (self.spec, self.referred):
            if spec is not None:
                yield from spec.workflow_metadata.labels
                yield from spec.workflow_metadata.labels_from

    def _annotations(self) -> Iterator[str]:
        yield from self.metadata.annotations
        for spec in (self.spec, self.referred):
            if spec is not None:
                yield from spec.workflow_metadata.annotations

    def _call(self, name: str, arguments: Arguments | None) -> None:
        ref = self.spec.workflow_template_ref
        if ref is None:
            call = Call(template=name)
        else:
            target = TemplateRef(name=ref.name, template=name, cluster_scope=ref.cluster_scope)
            call = Call(template_ref=target)
        self.walk.call(call, self.library.own, arguments)

    def _entrypoint(self) -> None:
        if not self.entrypoint:
            raise Invalid("spec.entrypoint is required")
        self._call(self.entrypoint, None if self.is_stored else self.arguments)

    def _exit_handler(self) -> None:
        name = self.spec.on_exit or (self.referred.on_exit if self.referred else "")
        if name:
            self.walk.globals["workflow.failures"] = self.walk.placeholders.next()
            if any("{{" in artifact.global_name for artifact in self._output_artifacts()):
                self.walk.globals[ANY_OUTPUT["artifacts"]] = ""
            self._call(name, None if self.is_stored else self.arguments)

    def _output_artifacts(self) -> Iterator[Artifact]:
        for template in (self.referred or self.spec).templates:
            yield from template.outputs.artifacts

    def _hooks(self) -> None:
        for name, hook in self.spec.hooks.items():
            if name != "exit" and not hook.expression:
                raise Invalid(f"hooks.{name} Expression required")

    def _pod_gc(self) -> None:
        collector = self.spec.pod_gc
        if collector is None:
            return
        if collector.strategy not in _POD_GC:
            raise Invalid(f"podGC.strategy unknown strategy '{collector.strategy}'")
        if collector.label_selector is not None:
            try:
                check_selector(collector.label_selector)
            except Invalid as error:
                raise Invalid(f"podGC.labelSelector invalid: {error}") from None

    def _pod_resources(self) -> None:
        if self.spec.pod_resources is not None:
            check_pod_resources("spec.podResources", self.spec.pod_resources)

    def _executor_plugins(self) -> None:
        for plugin in self.spec.executor_plugins:
            fault = _plugin_fault(plugin)
            if fault:
                raise Invalid(f"spec.executorPlugins: {fault}")

    def _each_template(self, name: str) -> None:
        try:
            self._call(name, None)
        except Invalid as error:
            raise Invalid(f"templates.{name} {error}") from None


def _plugin_fault(plugin: Any) -> str:
    if not plugin.metadata.name:
        return "executor plugin metadata name is mandatory"
    container = plugin.spec.sidecar.container if plugin.spec.sidecar else None
    if container is None or not container.ports:
        return "at least one port is mandatory"
    if len(container.ports) > 1:
        return "only one port is allowed"
    for section in ("requests", "limits"):
        if not container.resources.get(section):
            return f"resources {section} are mandatory"
    return "" if container.security_context else "security context is mandatory"


def _merged(own: Arguments, other: Arguments) -> Arguments:
    """The first of each name: own arguments before the others'."""
    parameters = {p.name: p for p in reversed([*own.parameters, *other.parameters])}
    artifacts = {a.name: a for a in reversed([*own.artifacts, *other.artifacts])}
    return Arguments(
        parameters=list(reversed(parameters.values())), artifacts=list(reversed(artifacts.values()))
    )
