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


class FileSource(Spec, frozen=True):
    path: str = ""


class UrlSource(Spec, frozen=True):
    path: str = ""
    verify_cert: bool | None = None


class GitRemote(Spec, frozen=True):
    name: str = ""
    urls: list[str] = []


class GithubApp(Spec, frozen=True):
    private_key: KeySelector | None = None
    app_id: int = 0
    installation_id: int = 0


class GitSource(Spec, frozen=True):
    url: str = ""
    clone_directory: str = ""
    file_path: str = ""
    branch: str = ""
    tag: str = ""
    ref: str = ""
    remote: GitRemote | None = None
    creds: BasicAuth | None = None
    ssh_key_secret: KeySelector | None = None
    insecure_ignore_host_key: bool = False
    github_app: GithubApp | None = None


class ManifestSource(Spec, frozen=True):
    """Where the manifest of an object comes from. A bucket's fields are those of the `s3` event source."""

    inline: str = ""
    resource: Object | None = None
    file: FileSource | None = None
    url: UrlSource | None = None
    configmap: KeySelector | None = None
    git: GitSource | None = None
    s3: Object | None = None
