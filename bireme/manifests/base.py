"""What every typed spec shares: Go's field names, strict about unknown ones, nothing written that is not set."""

from typing import Any

import msgspec

Object = dict[str, Any]  # a part of Kubernetes' own that only a Kubernetes backend reads
IntOrString = int | str

_UPPER = {"dns", "ip", "gc", "sdk", "arn", "kms", "tls", "uid", "url", "id", "ttl", "pid", "ipc"}
_EXACT = {
    "dns_policy": "dnsPolicy",
    "dns_config": "dnsConfig",
    "ttl_strategy": "ttlStrategy",
    "kms_key_id": "kmsKeyId",
    "kms_encryption_context": "kmsEncryptionContext",
    "client_id": "clientId",
}


def field_name(name: str) -> str:
    """`pod_gc` -> `podGC`, `from_` -> `from`, `active_deadline_seconds` -> `activeDeadlineSeconds`."""
    if name in _EXACT:
        return _EXACT[name]
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(part.upper() if part in _UPPER else part.capitalize() for part in rest)


class Spec(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename=field_name,
    gc=False,  # a tree of JSON values has no cycles, and a large DAG has 100,000 of these
):
    """Base of every part of a manifest."""


class Metadata(Spec, frozen=True):
    """Kubernetes' ObjectMeta."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    generation: int = 0
    resource_version: str = ""
    self_link: str = ""
    finalizers: list[str] = []
    owner_references: list[Object] = []
    managed_fields: list[Object] = []


class PodMetadata(Spec, frozen=True):
    """Labels and annotations for what is made from a manifest."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class KeySelector(Spec, frozen=True):
    """One key of a Secret or ConfigMap."""

    name: str = ""
    key: str = ""
    optional: bool | None = None
