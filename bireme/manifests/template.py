"""A template and everything inside one. Kubernetes' own parts stay plain objects."""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from typing import Any

from bireme.manifests.artifacts import Artifact, ArtifactLocation
from bireme.manifests.base import IntOrString, KeySelector, Object, PodMetadata, Spec


class ValueFrom(Spec, frozen=True):
    """Where a parameter's value comes from: one of these, and a default for when it is missing."""

    path: str = ""
    json_path: str = ""
    jq_filter: str = ""
    event: str = ""
    parameter: str = ""
    supplied: Object | None = None
    config_map_key_ref: KeySelector | None = None
    default: str | None = None
    expression: str = ""


class Parameter(Spec, frozen=True):
    """A named text. `value` and `default` are None when not written: an empty text is a value."""

    name: str = ""
    default: str | None = None
    value: str | None = None
    value_from: ValueFrom | None = None
    global_name: str = ""
    enum: list[str] | None = None
    description: str | None = None

    @property
    def text(self) -> str:
        """Value, else default, else nothing."""
        return self.value if self.value is not None else self.default or ""


class Arguments(Spec, frozen=True):
    parameters: list[Parameter] = []
    artifacts: list[Artifact] = []


class Inputs(Spec, frozen=True):
    parameters: list[Parameter] = []
    artifacts: list[Artifact] = []


class Outputs(Spec, frozen=True):
    parameters: list[Parameter] = []
    artifacts: list[Artifact] = []
    result: str | None = None
    exit_code: str | None = None


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


class RetryAffinity(Spec, frozen=True):
    node_anti_affinity: Object | None = None


class Backoff(Spec, frozen=True):
    duration: str = ""
    factor: IntOrString | None = None
    max_duration: str = ""
    cap: str = ""


class RetryStrategy(Spec, frozen=True):
    limit: IntOrString | None = None
    retry_policy: str = ""
    backoff: Backoff | None = None
    affinity: RetryAffinity | None = None
    expression: str = ""


class SyncDatabaseRef(Spec, frozen=True):
    key: str = ""


class SemaphoreRef(Spec, frozen=True):
    config_map_key_ref: KeySelector | None = None
    namespace: str = ""
    database: SyncDatabaseRef | None = None


class Mutex(Spec, frozen=True):
    name: str = ""
    namespace: str = ""
    database: bool = False


class Synchronization(Spec, frozen=True):
    semaphores: list[SemaphoreRef] = []
    mutexes: list[Mutex] = []


class MetricLabel(Spec, frozen=True):
    key: str = ""
    value: str = ""


class Gauge(Spec, frozen=True):
    value: str = ""
    realtime: bool | None = None
    operation: str = ""


class Counter(Spec, frozen=True):
    value: str = ""


class Histogram(Spec, frozen=True):
    value: str = ""
    buckets: list[float] = []


class Prometheus(Spec, frozen=True):
    name: str = ""
    help: str = ""
    labels: list[MetricLabel] = []
    when: str = ""
    gauge: Gauge | None = None
    histogram: Histogram | None = None
    counter: Counter | None = None


class Metrics(Spec, frozen=True):
    prometheus: list[Prometheus] = []


class Cache(Spec, frozen=True):
    config_map: KeySelector | None = None


class Memoize(Spec, frozen=True):
    key: str = ""
    cache: Cache | None = None
    max_age: str = ""


class ExecutorConfig(Spec, frozen=True):
    service_account_name: str = ""


class Container(Spec, frozen=True):
    """Kubernetes' Container; a local backend reads command, args, env, workingDir and resources."""

    name: str = ""
    image: str = ""
    command: list[str] = []
    args: list[str] = []
    working_dir: str = ""
    env: list[Object] = []
    env_from: list[Object] = []
    ports: list[Object] = []
    resources: Object = {}
    resize_policy: list[Object] = []
    restart_policy: str | None = None
    restart_policy_rules: list[Object] = []
    volume_mounts: list[Object] = []
    volume_devices: list[Object] = []
    liveness_probe: Object | None = None
    readiness_probe: Object | None = None
    startup_probe: Object | None = None
    lifecycle: Object | None = None
    termination_message_path: str = ""
    termination_message_policy: str = ""
    image_pull_policy: str = ""
    security_context: Object | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False


class UserContainer(Container, frozen=True):
    """An init container or sidecar."""

    mirror_volume_mounts: bool | None = None


class Script(Container, frozen=True):
    source: str = ""


class ContainerNode(Container, frozen=True):
    dependencies: list[str] = []


class PodResources(Spec, frozen=True):
    """Limits and requests of a whole pod."""

    limits: dict[str, IntOrString | float] = {}
    requests: dict[str, IntOrString | float] = {}
    claims: list[Object] = []


class ContainerSetRetryStrategy(Spec, frozen=True):
    duration: str = ""
    retries: IntOrString | None = None


class ContainerSet(Spec, frozen=True):
    containers: list[ContainerNode] = []
    volume_mounts: list[Object] = []
    retry_strategy: ContainerSetRetryStrategy | None = None


class ManifestFrom(Spec, frozen=True):
    artifact: Artifact | None = None


class ResourceTemplate(Spec, frozen=True):
    action: str = ""
    merge_strategy: str = ""
    manifest: str = ""
    manifest_from: ManifestFrom | None = None
    set_owner_reference: bool = False
    success_condition: str = ""
    failure_condition: str = ""
    flags: list[str] = []


class HTTPBodySource(Spec, frozen=True):
    bytes: str | None = None


class HTTPHeaderSource(Spec, frozen=True):
    secret_key_ref: KeySelector | None = None


class HTTPHeader(Spec, frozen=True):
    name: str = ""
    value: str = ""
    value_from: HTTPHeaderSource | None = None


class HTTP(Spec, frozen=True):
    method: str = ""
    url: str = ""
    headers: list[HTTPHeader] = []
    timeout_seconds: int | None = None
    success_condition: str = ""
    body: str = ""
    body_from: HTTPBodySource | None = None
    insecure_skip_verify: bool = False


class DataSource(Spec, frozen=True):
    artifact_paths: Artifact | None = None


class TransformationStep(Spec, frozen=True):
    expression: str = ""


class Data(Spec, frozen=True):
    source: DataSource | None = None
    transformation: list[TransformationStep] = []


class SuspendTemplate(Spec, frozen=True):
    duration: str = ""


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
