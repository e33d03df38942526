"""The kinds of Argo Events: EventSource, Sensor, EventBus. What belongs to a plugin stays plain for the plugin."""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from bireme.manifests.base import IntOrString, KeySelector, Object, PodMetadata, Spec
from bireme.manifests.manifest import Manifest

SOURCE_KINDS = frozenset(
    (
        "minio",
        "calendar",
        "file",
        "sftp",
        "resource",
        "webhook",
        "amqp",
        "kafka",
        "mqtt",
        "nats",
        "sns",
        "sqs",
        "pubSub",
        "gerrit",
        "github",
        "gitlab",
        "hdfs",
        "slack",
        "storageGrid",
        "azureEventsHub",
        "azureQueueStorage",
        "azureServiceBus",
        "stripe",
        "emitter",
        "redis",
        "redisStream",
        "nsq",
        "pulsar",
        "generic",
        "bitbucketserver",
        "bitbucket",
        "mns",
    )
)
TRIGGER_KINDS = frozenset(
    (
        "k8s",
        "argoWorkflow",
        "http",
        "awsLambda",
        "custom",
        "kafka",
        "nats",
        "slack",
        "openWhisk",
        "log",
        "azureEventHubs",
        "pulsar",
        "azureServiceBus",
        "email",
        "cloudevents",
    )
)
OWN_TRIGGER_KINDS = frozenset(("cloudevents",))
"""Kinds that Argo does not have."""


class EventService(Spec, frozen=True):
    metadata: PodMetadata | None = None
    ports: list[Object] = []
    cluster_ip: str = ""


class EventSourceSpec(Spec, frozen=True):
    """`sources` is kind -> event name -> its settings, which the plugin of that kind decodes."""

    plugin_kinds: ClassVar[frozenset[str]] = SOURCE_KINDS

    event_bus_name: str = "default"
    replicas: int | None = None
    service: EventService | None = None
    template: Object | None = None
    sources: dict[str, dict[str, dict[str, Any]]] = {}


class ExprField(Spec, frozen=True):
    path: str = ""
    name: str = ""


class ExprFilter(Spec, frozen=True):
    expr: str = ""
    fields: list[ExprField] = []


class DataFilter(Spec, frozen=True):
    path: str = ""
    type: str = ""
    value: list[str] = []
    comparator: str = ""
    template: str = ""


class TimeFilter(Spec, frozen=True):
    start: str = ""
    stop: str = ""
    timezone: str = ""


class ContextFilter(Spec, frozen=True):
    id: str = ""
    source: str = ""
    specversion: str = ""
    type: str = ""
    datacontenttype: str = ""
    subject: str = ""
    time: str | None = None


class Filters(Spec, frozen=True):
    time: TimeFilter | None = None
    context: ContextFilter | None = None
    data: list[DataFilter] = []
    exprs: list[ExprFilter] = []
    script: str = ""
    data_logical_operator: str = ""
    expr_logical_operator: str = ""


class Transform(Spec, frozen=True):
    jq: str = ""
    script: str = ""


class Dependency(Spec, frozen=True):
    name: str = ""
    event_source_name: str = ""
    event_name: str = ""
    filters: Filters | None = None
    filters_logical_operator: str = ""
    transform: Transform | None = None


class ParameterSource(Spec, frozen=True):
    dependency_name: str = ""
    context_key: str = ""
    context_template: str = ""
    data_key: str = ""
    data_template: str = ""
    value: str | None = None
    use_raw_data: bool = False


class TriggerParameter(Spec, frozen=True):
    src: ParameterSource | None = None
    dest: str = ""
    operation: str = ""


class EventBackoff(Spec, frozen=True):
    """A number as duration means nanoseconds, a text is Go's notation."""

    duration: IntOrString | None = None
    factor: float | str | None = None
    jitter: float | str | None = None
    steps: int | None = None


class RateLimit(Spec, frozen=True):
    unit: str = ""
    requests_per_unit: int = 0


class ObjectPolicy(Spec, frozen=True):
    labels: dict[str, str] = {}
    backoff: EventBackoff | None = None
    error_on_backoff_timeout: bool = False


class StatusPolicy(Spec, frozen=True):
    allow: list[int] = []


class TriggerPolicy(Spec, frozen=True):
    k8s: ObjectPolicy | None = None
    status: StatusPolicy | None = None


class ConditionsResetByTime(Spec, frozen=True):
    cron: str = ""
    timezone: str = ""


class ConditionsReset(Spec, frozen=True):
    by_time: ConditionsResetByTime | None = None


class Join(Spec, frozen=True):
    """Ours: events belong together by `key` if they come `within` a time. A key is a gjson path into the event's data,
    or an expression in `{{= }}`; one for all dependencies, or one each.
    """

    key: str | dict[str, str] = ""
    within: str = ""
    mode: Literal["latest", "all", "first", "zip"] = "latest"
    on_timeout: Literal["drop", "fire-partial", "dead-letter"] = "drop"


class Coalesce(Spec, frozen=True):
    """Ours: many events make one firing, after `quiet` without a further one, or at `max` or `maxEvents`."""

    key: str | dict[str, str] = ""
    quiet: str = ""
    max: str = ""
    max_events: int = 1000
    deliver: Literal["all", "last", "first"] = "all"


class Concurrency(Spec, frozen=True):
    """Ours: at most `limit` runs of a key at a time, and what becomes of a further one."""

    key: str | dict[str, str] = ""
    limit: int = 1
    on_conflict: Literal["queue", "replace", "drop"] = "queue"


class Breaker(Spec, frozen=True):
    """Ours: firings beyond `max` in a time `per` are held until somebody releases or discards them."""

    max: int = 0
    per: str = ""


class TriggerTemplate(Spec, frozen=True):
    """`bodies` is kind -> its settings, which the plugin of that kind decodes; at most one is meant to be there."""

    plugin_kinds: ClassVar[frozenset[str]] = TRIGGER_KINDS

    name: str = ""
    conditions: str = ""
    conditions_reset: list[ConditionsReset] = []
    bodies: dict[str, dict[str, Any]] = {}
    join: Join | None = None  # these four are ours, not Argo's
    coalesce: Coalesce | None = None
    concurrency: Concurrency | None = None
    breaker: Breaker | None = None

    @property
    def kind(self) -> str:
        """The kind of its action; empty when it has none."""
        return next(iter(self.bodies), "")


class Trigger(Spec, frozen=True):
    template: TriggerTemplate | None = None
    parameters: list[TriggerParameter] = []
    policy: TriggerPolicy | None = None
    retry_strategy: EventBackoff | None = None
    rate_limit: RateLimit | None = None
    at_least_once: bool = False
    dlq_trigger: "Trigger | None" = None


class SensorSpec(Spec, frozen=True):
    dependencies: list[Dependency] = []
    triggers: list[Trigger] = []
    template: Object | None = None
    error_on_failed_round: bool = False
    event_bus_name: str = "default"
    replicas: int | None = None
    revision_history_limit: int | None = None
    logging_fields: dict[str, str] = {}


class TLSConfig(Spec, frozen=True):
    ca_cert_secret: KeySelector | None = None
    client_cert_secret: KeySelector | None = None
    client_key_secret: KeySelector | None = None
    insecure_skip_verify: bool = False
    enabled: bool = False


class SASLConfig(Spec, frozen=True):
    mechanism: str = ""
    user_secret: KeySelector | None = None
    password_secret: KeySelector | None = None


class KafkaConsumerGroup(Spec, frozen=True):
    group_name: str = ""
    oldest: bool = False
    rebalance_strategy: str = ""


class KafkaBus(Spec, frozen=True):
    url: str = ""
    topic: str = ""
    version: str = ""
    tls: TLSConfig | None = None
    sasl: SASLConfig | None = None
    consumer_group: KafkaConsumerGroup | None = None
    partitioner: str = ""


class JetStreamConfig(Spec, frozen=True):
    url: str = ""
    access_secret: KeySelector | None = None
    stream_config: str = ""
    tls: TLSConfig | None = None


class ManagedBus(Spec, frozen=True):
    """What the two buses that Argo installs by itself have in common."""

    replicas: int | None = None
    persistence: Object | None = None
    container_template: Object | None = None
    metrics_container_template: Object | None = None
    metadata: PodMetadata | None = None
    node_selector: dict[str, str] = {}
    tolerations: list[Object] = []
    security_context: Object | None = None
    image_pull_secrets: list[Object] = []
    service_account_name: str = ""
    priority_class_name: str = ""
    priority: int | None = None
    affinity: Object | None = None
    max_payload: str = ""


class JetStreamBus(ManagedBus, frozen=True):
    version: str = ""
    reloader_container_template: Object | None = None
    settings: str = ""
    start_args: list[str] = []
    stream_config: str = ""


class NativeNats(ManagedBus, frozen=True):
    auth: str = ""
    max_age: str = ""
    max_msgs: int | None = None
    max_bytes: str = ""
    max_subs: int | None = None
    raft_heartbeat_timeout: str = ""
    raft_election_timeout: str = ""
    raft_lease_timeout: str = ""
    raft_commit_timeout: str = ""


class ExoticNats(Spec, frozen=True):
    url: str = ""
    cluster_id: str = ""
    auth: str = ""
    access_secret: KeySelector | None = None


class NatsBus(Spec, frozen=True):
    native: NativeNats | None = None
    exotic: ExoticNats | None = None


class EventBusSpec(Spec, frozen=True):
    nats: NatsBus | None = None
    jetstream: JetStreamBus | None = None
    jetstream_exotic: JetStreamConfig | None = None
    kafka: KafkaBus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource(Manifest[EventSourceSpec]):
    """Where events come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor(Manifest[SensorSpec]):
    """Which events together set off which triggers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBus(Manifest[EventBusSpec]):
    """What carries events from sources to sensors."""
