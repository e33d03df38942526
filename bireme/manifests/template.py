"""A template, and the steps and tasks that call one. Kubernetes' own parts stay plain objects."""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from typing import Any

from bireme.manifests.artifacts import ArtifactLocation
from bireme.manifests.base import IntOrString, Object, PodMetadata, Spec
from bireme.manifests.bodies import HTTP, Data, ResourceTemplate, SuspendTemplate
from bireme.manifests.containers import Container, ContainerSet, PodResources, Script, UserContainer
from bireme.manifests.control import Memoize, RetryStrategy, Synchronization
from bireme.manifests.metrics import Metrics
from bireme.manifests.parameters import Arguments, Inputs, Outputs


class TemplateRef(Spec, frozen=True):
    """A template of a stored WorkflowTemplate or, with clusterScope, ClusterWorkflowTemplate."""

    name: str = ""
    template: str = ""
    cluster_scope: bool = False


class Sequence(Spec, frozen=True):
    """`count` or `start`..`end`, both possibly templates; `format` in Go's notation."""

    count: IntOrString | None = None
    start: IntOrString | None = None
    end: IntOrString | None = None
    format: str = ""


class ContinueOn(Spec, frozen=True):
    error: bool = False
    failed: bool = False


class LifecycleHook(Spec, frozen=True):
    template: str = ""
    arguments: Arguments = Arguments()
    template_ref: TemplateRef | None = None
    expression: str = ""


class ExecutorConfig(Spec, frozen=True):
    service_account_name: str = ""


class WorkflowStep(Spec, frozen=True):
    """One step of a steps template; also the fields a DAG task shares with it."""

    name: str = ""
    template: str = ""
    inline: "Template | None" = None
    template_ref: TemplateRef | None = None
    arguments: Arguments = Arguments()
    with_items: list[Any] | None = None
    with_param: str = ""
    with_sequence: Sequence | None = None
    when: str = ""
    continue_on: ContinueOn | None = None
    on_exit: str = ""
    hooks: dict[str, LifecycleHook] = {}

    @property
    def has_loop(self) -> bool:
        return bool(self.with_items or self.with_param) or self.with_sequence is not None


class DAGTask(WorkflowStep, frozen=True):
    dependencies: list[str] = []
    depends: str = ""


class DAGTemplate(Spec, frozen=True):
    target: str = ""
    tasks: list[DAGTask] = []
    fail_fast: bool | None = None


class Template(Spec, frozen=True):
    """One template: exactly one of the ten bodies in TYPES is set."""

    name: str = ""
    inputs: Inputs = Inputs()
    outputs: Outputs = Outputs()

    container: Container | None = None
    container_set: ContainerSet | None = None
    steps: list[list[WorkflowStep]] | None = None
    dag: DAGTemplate | None = None
    script: Script | None = None
    resource: ResourceTemplate | None = None
    data: Data | None = None
    suspend: SuspendTemplate | None = None
    http: HTTP | None = None
    plugin: dict[str, Any] | None = None

    active_deadline_seconds: IntOrString | None = None
    affinity: Object | None = None
    annotations: dict[str, str] = {}
    archive_location: ArtifactLocation | None = None
    automount_service_account_token: bool | None = None
    daemon: bool | None = None
    executor: ExecutorConfig | None = None
    fail_fast: bool | None = None
    host_aliases: list[Object] = []
    init_containers: list[UserContainer] = []
    memoize: Memoize | None = None
    metadata: PodMetadata = PodMetadata()
    metrics: Metrics | None = None
    node_selector: dict[str, str] = {}
    parallelism: int | None = None
    pending_timeout: str = ""
    pod_resources: PodResources | None = None
    pod_spec_patch: str = ""
    priority_class_name: str = ""
    resource_claims: list[Object] = []
    retry_strategy: RetryStrategy | None = None
    scheduler_name: str = ""
    security_context: Object | None = None
    service_account_name: str = ""
    sidecars: list[UserContainer] = []
    synchronization: Synchronization | None = None
    timeout: str = ""
    tolerations: list[Object] = []
    volumes: list[Object] = []

    @property
    def type(self) -> str:
        """Argo's name of the template's type (`Container`, `DAG` …), by Argo's precedence; empty when it has none."""
        for field, kind in TYPES.items():
            if getattr(self, field) is not None:
                return kind
        return ""

    @property
    def is_pod(self) -> bool:
        """Runs as a pod of its own."""
        return self.type in POD_TYPES

    @property
    def is_leaf(self) -> bool:
        """Does work itself: everything but steps, dag and suspend."""
        return self.type in LEAF_TYPES


TYPES = {
    "container": "Container",
    "container_set": "ContainerSet",
    "steps": "Steps",
    "dag": "DAG",
    "script": "Script",
    "resource": "Resource",
    "data": "Data",
    "suspend": "Suspend",
    "http": "HTTP",
    "plugin": "Plugin",
}
POD_TYPES = frozenset(("Container", "ContainerSet", "Script", "Resource", "Data"))
LEAF_TYPES = POD_TYPES | {"HTTP", "Plugin"}
