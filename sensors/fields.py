"""What triggers of many kinds take, as Argo spells it: the types their manifests are checked against."""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from bireme.manifests.base import KeySelector, Object, Spec
from bireme.manifests.events import TLSConfig, TriggerParameter

Tls = TLSConfig


class Fields(Spec, frozen=True):
    """Base of every trigger's Config. `parameters` change the block before it is acted on."""

    parameters: list[TriggerParameter] = []


class Sent(Fields, frozen=True):
    """Of a trigger that sends a message made of `payload`."""

    payload: list[TriggerParameter] = []


class BasicAuth(Spec, frozen=True):
    username: KeySelector | None = None
    password: KeySelector | None = None


class ValueFrom(Spec, frozen=True):
    secret_key_ref: KeySelector | None = None
    config_map_key_ref: KeySelector | None = None


class SecureHeader(Spec, frozen=True):
    name: str = ""
    value_from: ValueFrom | None = None


class ManifestSource(Spec, frozen=True):
    """Where the manifest of an object comes from. What is below each place is its own file's to say."""

    inline: str = ""
    resource: Object | None = None
    file: Object | None = None
    url: Object | None = None
    configmap: Object | None = None
    git: Object | None = None
    s3: Object | None = None
