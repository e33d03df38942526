"""The kinds of Argo Workflows, typed whole."""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from dataclasses import dataclass

from bireme.manifests.base import KeySelector, Metadata, Object, PodMetadata, Spec
from bireme.manifests.containers import Container, PodResources
from bireme.manifests.control import RetryStrategy, Synchronization
from bireme.manifests.manifest import Manifest
from bireme.manifests.metrics import Metrics
from bireme.manifests.parameters import Arguments
from bireme.manifests.template import ExecutorConfig, LifecycleHook, Template


class TTLStrategy(Spec, frozen=True):
    seconds_after_completion: int | None = None
    seconds_after_success: int | None = None
    seconds_after_failure: int | None = None


class LabelRequirement(Spec, frozen=True):
    key: str = ""
    operator: str = ""
    values: list[str] = []


class LabelSelector(Spec, frozen=True):
    match_labels: dict[str, str] = {}
    match_expressions: list[LabelRequirement] = []


class PodGC(Spec, frozen=True):
    strategy: str = ""
    label_selector: LabelSelector | None = None
    delete_delay_duration: str = ""


class VolumeClaimGC(Spec, frozen=True):
    strategy: str = ""


class WorkflowTemplateRef(Spec, frozen=True):
    name: str = ""
    cluster_scope: bool = False


class ArtifactRepositoryRef(Spec, frozen=True):
    config_map: str = ""
    key: str = ""


class WorkflowLevelArtifactGC(Spec, frozen=True):
    strategy: str = ""
    pod_metadata: PodMetadata | None = None
    service_account_name: str = ""
    force_finalizer_removal: bool = False
    pod_spec_patch: str = ""


class LabelValueFrom(Spec, frozen=True):
    expression: str = ""


class WorkflowMetadata(Spec, frozen=True):
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    labels_from: dict[str, LabelValueFrom] = {}


class ExecutorPluginSidecar(Spec, frozen=True):
    automount_service_account_token: bool = False
    container: Container | None = None


class ExecutorPluginSpec(Spec, frozen=True):
    sidecar: ExecutorPluginSidecar | None = None


class ExecutorPlugin(Spec, frozen=True):
    metadata: Metadata = Metadata()
    spec: ExecutorPluginSpec = ExecutorPluginSpec()


class WorkflowSpec(Spec, frozen=True):
    """Body of Workflow, WorkflowTemplate, ClusterWorkflowTemplate and of CronWorkflow's workflowSpec."""

    entrypoint: str = ""
    arguments: Arguments = Arguments()
    templates: list[Template] = []
    workflow_template_ref: WorkflowTemplateRef | None = None
    template_defaults: Template | None = None
    on_exit: str = ""
    hooks: dict[str, LifecycleHook] = {}
    suspend: bool | None = None
    shutdown: str = ""
    parallelism: int | None = None
    priority: int | None = None
    active_deadline_seconds: int | None = None
    retry_strategy: RetryStrategy | None = None
    synchronization: Synchronization | None = None
    metrics: Metrics | None = None

    ttl_strategy: TTLStrategy | None = None
    pod_gc: PodGC | None = None
    volume_claim_gc: VolumeClaimGC | None = None
    artifact_gc: WorkflowLevelArtifactGC | None = None
    archive_logs: bool | None = None
    artifact_repository_ref: ArtifactRepositoryRef | None = None
    workflow_metadata: WorkflowMetadata = WorkflowMetadata()
    pod_metadata: PodMetadata | None = None
    executor: ExecutorConfig | None = None
    executor_plugins: list[ExecutorPlugin] = []

    affinity: Object | None = None
    automount_service_account_token: bool | None = None
    dns_config: Object | None = None
    dns_policy: str | None = None
    host_aliases: list[Object] = []
    host_network: bool | None = None
    image_pull_secrets: list[Object] = []
    node_selector: dict[str, str] = {}
    pod_disruption_budget: Object | None = None
    pod_priority_class_name: str = ""
    pod_resources: PodResources | None = None
    pod_spec_patch: str = ""
    resource_claims: list[Object] = []
    scheduler_name: str = ""
    security_context: Object | None = None
    service_account_name: str = ""
    tolerations: list[Object] = []
    volume_claim_templates: list[Object] = []
    volumes: list[Object] = []

    def template(self, name: str) -> Template | None:
        """The template of that name; the first one when the name is not unique."""
        return next((template for template in self.templates if template.name == name), None)


class StopStrategy(Spec, frozen=True):
    expression: str = ""


class Calendar(Spec, frozen=True):
    """Ours, not Argo's: days on which nothing fires, written here, in a config map's key (one a line), or both."""

    holidays: list[str] = []
    config_map_key_ref: KeySelector | None = None


class CronWorkflowSpec(Spec, frozen=True):
    workflow_spec: WorkflowSpec = WorkflowSpec()
    workflow_metadata: Metadata = Metadata()
    schedules: list[str] = []
    timezone: str = ""
    concurrency_policy: str = ""
    suspend: bool = False
    starting_deadline_seconds: int | None = None
    successful_jobs_history_limit: int | None = None
    failed_jobs_history_limit: int | None = None
    stop_strategy: StopStrategy | None = None
    when: str = ""
    calendar: Calendar | None = None


class BindingEvent(Spec, frozen=True):
    selector: str = ""


class Submit(Spec, frozen=True):
    workflow_template_ref: WorkflowTemplateRef = WorkflowTemplateRef()
    metadata: Metadata = Metadata()
    arguments: Arguments = Arguments()


class WorkflowEventBindingSpec(Spec, frozen=True):
    event: BindingEvent = BindingEvent()
    submit: Submit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow(Manifest[WorkflowSpec]):
    """One run of templates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTemplate(Manifest[WorkflowSpec]):
    """Templates stored in a namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterWorkflowTemplate(Manifest[WorkflowSpec]):
    """Templates stored for every namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CronWorkflow(Manifest[CronWorkflowSpec]):
    """A workflow on a schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowEventBinding(Manifest[WorkflowEventBindingSpec]):
    """A workflow submitted for events that reach Argo's own event endpoint."""
