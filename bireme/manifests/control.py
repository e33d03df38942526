"""What steers a node without being its work: retries, locks, memory of earlier results."""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from bireme.manifests.base import IntOrString, KeySelector, Object, Spec


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


class Cache(Spec, frozen=True):
    config_map: KeySelector | None = None


class Memoize(Spec, frozen=True):
    key: str = ""
    cache: Cache | None = None
    max_age: str = ""
