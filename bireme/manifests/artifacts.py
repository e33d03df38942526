"""Artifacts and every place they may lie."""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from bireme.manifests.base import KeySelector, PodMetadata, Spec


class CreateS3BucketOptions(Spec, frozen=True):
    object_locking: bool = False


class S3EncryptionOptions(Spec, frozen=True):
    enable_encryption: bool = False
    kms_encryption_context: str = ""
    kms_key_id: str = ""
    server_side_customer_key_secret: KeySelector | None = None


class S3Artifact(Spec, frozen=True):
    key: str = ""
    bucket: str = ""
    endpoint: str = ""
    region: str = ""
    insecure: bool | None = None
    addressing_style: str = ""
    access_key_secret: KeySelector | None = None
    secret_key_secret: KeySelector | None = None
    session_token_secret: KeySelector | None = None
    ca_secret: KeySelector | None = None
    role_arn: str = ""
    use_sdk_creds: bool = False
    create_bucket_if_not_present: CreateS3BucketOptions | None = None
    encryption_options: S3EncryptionOptions | None = None


class GitArtifact(Spec, frozen=True):
    repo: str = ""
    revision: str = ""
    branch: str = ""
    depth: int | None = None
    fetch: list[str] = []
    single_branch: bool = False
    disable_submodules: bool = False
    insecure_ignore_host_key: bool = False
    insecure_skip_tls: bool = False
    username_secret: KeySelector | None = None
    password_secret: KeySelector | None = None
    ssh_private_key_secret: KeySelector | None = None


class Header(Spec, frozen=True):
    name: str = ""
    value: str = ""


class BasicAuth(Spec, frozen=True):
    username_secret: KeySelector | None = None
    password_secret: KeySelector | None = None


class ClientCertAuth(Spec, frozen=True):
    client_cert_secret: KeySelector | None = None
    client_key_secret: KeySelector | None = None


class OAuth2EndpointParam(Spec, frozen=True):
    key: str = ""
    value: str = ""


class OAuth2Auth(Spec, frozen=True):
    client_id_secret: KeySelector | None = None
    client_secret_secret: KeySelector | None = None
    token_url_secret: KeySelector | None = None
    scopes: list[str] = []
    endpoint_params: list[OAuth2EndpointParam] = []


class HTTPAuth(Spec, frozen=True):
    basic_auth: BasicAuth | None = None
    client_cert: ClientCertAuth | None = None
    oauth2: OAuth2Auth | None = None


class HTTPArtifact(Spec, frozen=True):
    url: str = ""
    headers: list[Header] = []
    auth: HTTPAuth | None = None
    save_stream_via_file: bool = False


class ArtifactoryArtifact(Spec, frozen=True):
    url: str = ""
    username_secret: KeySelector | None = None
    password_secret: KeySelector | None = None


class HDFSArtifact(Spec, frozen=True):
    addresses: list[str] = []
    path: str = ""
    force: bool = False
    hdfs_user: str = ""
    data_transfer_protection: str = ""
    krb_c_cache_secret: KeySelector | None = None
    krb_config_config_map: KeySelector | None = None
    krb_keytab_secret: KeySelector | None = None
    krb_realm: str = ""
    krb_service_principal_name: str = ""
    krb_username: str = ""


class RawArtifact(Spec, frozen=True):
    data: str = ""


class OSSLifecycleRule(Spec, frozen=True):
    mark_deletion_after_days: int = 0
    mark_infrequent_access_after_days: int = 0


class OSSArtifact(Spec, frozen=True):
    key: str = ""
    bucket: str = ""
    endpoint: str = ""
    access_key_secret: KeySelector | None = None
    secret_key_secret: KeySelector | None = None
    security_token: str = ""
    use_sdk_creds: bool = False
    create_bucket_if_not_present: bool = False
    lifecycle_rule: OSSLifecycleRule | None = None


class GCSArtifact(Spec, frozen=True):
    key: str = ""
    bucket: str = ""
    service_account_key_secret: KeySelector | None = None


class AzureArtifact(Spec, frozen=True):
    blob: str = ""
    container: str = ""
    endpoint: str = ""
    account_key_secret: KeySelector | None = None
    use_sdk_creds: bool = False


class PluginArtifact(Spec, frozen=True):
    name: str = ""
    key: str = ""
    configuration: str = ""
    connection_timeout_seconds: int = 0


class ArtifactLocation(Spec, frozen=True):
    """Where an artifact lies: at most one of the places is set."""

    archive_logs: bool | None = None
    s3: S3Artifact | None = None
    git: GitArtifact | None = None
    http: HTTPArtifact | None = None
    artifactory: ArtifactoryArtifact | None = None
    hdfs: HDFSArtifact | None = None
    raw: RawArtifact | None = None
    oss: OSSArtifact | None = None
    gcs: GCSArtifact | None = None
    azure: AzureArtifact | None = None
    plugin: PluginArtifact | None = None


class NoneStrategy(Spec, frozen=True):
    """Stored as it is."""


class TarStrategy(Spec, frozen=True):
    compression_level: int | None = None


class ZipStrategy(Spec, frozen=True):
    """Stored as a zip file."""


class ArchiveStrategy(Spec, frozen=True):
    none: NoneStrategy | None = None
    tar: TarStrategy | None = None
    zip: ZipStrategy | None = None


class ArtifactGC(Spec, frozen=True):
    strategy: str = ""
    pod_metadata: PodMetadata | None = None
    service_account_name: str = ""


class Artifact(ArtifactLocation, frozen=True):
    """A file or folder that goes into a step or comes out of it."""

    name: str = ""
    path: str = ""
    mode: int | None = None
    recurse_mode: bool = False
    from_: str = ""
    from_expression: str = ""
    global_name: str = ""
    archive: ArchiveStrategy | None = None
    optional: bool = False
    sub_path: str = ""
    artifact_gc: ArtifactGC | None = None
    deleted: bool = False
