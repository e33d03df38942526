"""From a name, a reference or an inline body to a template, and the object it stands in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bireme.manifests.decode import decode
from bireme.manifests.manifest import Manifest
from bireme.manifests.template import Template, TemplateRef
from bireme.manifests.validate_names import Invalid
from bireme.manifests.workflow import WorkflowSpec

TemplateLookup = Callable[[str, str, str], Manifest[WorkflowSpec] | Mapping[str, Any] | None]
"""(kind, namespace, name) -> the stored object, typed or plain, or None. Namespace "" means cluster scope."""


class Holder(Protocol):
    """What calls a template: a step, a task, or the workflow itself."""

    @property
    def template(self) -> str: ...
    @property
    def template_ref(self) -> TemplateRef | None: ...
    @property
    def inline(self) -> Template | None: ...


@dataclass(frozen=True, slots=True)
class Call:
    """A holder that is no step: the entrypoint, the exit handler."""

    template: str = ""
    template_ref: TemplateRef | None = None
    inline: Template | None = None


class Base:
    """The object whose templates a bare name means; `scope` tells one object from another."""

    def __init__(self, scope: str, spec: WorkflowSpec, *, has_defaults: bool) -> None:
        self.scope = scope
        self.spec = spec
        self.templates = {template.name: template for template in reversed(spec.templates)}
        defaults = spec.template_defaults if has_defaults else None
        self.default_images = frozenset(
            field
            for field in ("container", "script")
            if (body := getattr(defaults, field, None)) is not None and body.image
        )


class Library:
    """Finds templates; what was fetched once is not fetched again."""

    def __init__(self, own: Base, namespace: str, lookup: TemplateLookup) -> None:
        self.own = own
        self.namespace = namespace
        self._lookup = lookup
        self._bases: dict[tuple[str, str], Base | None] = {}

    def base(self, name: str, *, cluster: bool) -> Base | None:
        """The stored object of that name, or None."""
        kind = "ClusterWorkflowTemplate" if cluster else "WorkflowTemplate"
        key = (kind, name)
        if key not in self._bases:
            found = self._lookup(kind, "" if cluster else self.namespace, name)
            spec = _spec(found, kind)
            # Argo looks at templateDefaults of a ClusterWorkflowTemplate at run time only.
            made = Base(f"{kind}/{name}", spec, has_defaults=not cluster) if spec else None
            self._bases[key] = made
        return self._bases[key]

    def find(self, holder: Holder, base: Base) -> tuple[Template, Base] | None:
        """The template called and the object it stands in; None when its name is only known at run time.

        A body written inline wins over a name, which must exist all the same.
        """
        ref = holder.template_ref
        if ref is not None:
            return self._referenced(holder, ref)
        template = base.templates.get(holder.template)
        if holder.template and template is None:
            raise Invalid(f"template name '{holder.template}' undefined")
        found = holder.inline or template
        if found is None:
            raise Invalid("failed to get a template")
        return found, base

    def _referenced(self, holder: Holder, ref: TemplateRef) -> tuple[Template, Base] | None:
        if holder.template:
            raise Invalid("template name cannot be specified with templateRef")
        if not ref.name:
            raise Invalid("resource name is required")
        if not ref.template:
            raise Invalid("template name is required")
        if "{{" in ref.name + ref.template:
            return None
        home = self.base(ref.name, cluster=ref.cluster_scope)
        template = holder.inline or (home.templates.get(ref.template) if home else None)
        if home is None or template is None:
            raise Invalid(f"template reference {ref.name}.{ref.template} not found")
        return template, home


def _spec(
    found: Manifest[WorkflowSpec] | Mapping[str, Any] | None, kind: str
) -> WorkflowSpec | None:
    if found is None or isinstance(found, Manifest):
        return found.spec if found else None
    whole = {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, **found}
    spec: WorkflowSpec = decode(whole).spec
    return spec


def nothing_stored(kind: str, namespace: str, name: str) -> None:
    """A lookup into an empty store."""
    return


def not_found(name: str, *, cluster: bool) -> Invalid:
    """As the store says it."""
    plural = "clusterworkflowtemplates" if cluster else "workflowtemplates"
    return Invalid(f'{plural}.argoproj.io "{name}" not found')
