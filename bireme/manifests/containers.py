"""Containers: the one of a template, a script, those beside and before them, those of a set."""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from bireme.manifests.base import IntOrString, Object, Spec


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
