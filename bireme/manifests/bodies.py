"""Bodies of templates that are neither containers nor made of other templates."""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from bireme.manifests.artifacts import Artifact
from bireme.manifests.base import KeySelector, Spec


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
