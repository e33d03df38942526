"""The settings of a process. The only module that reads the environment; what it reads is passed down as data."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bireme.kit import reach
from bireme.kit.errors import UserError

DEFAULT_PORT = 2746
ROLES = ("all", "engine", "sensor")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class BadSetting(UserError):
    """A setting cannot be read; the message names the variable and what was expected."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a process can be told. Command line options win over BIREME_* and ARGO_* variables."""

    data_dir: Path
    """Where the engine keeps its database, step directories, artifacts and token. BIREME_DATA_DIR."""

    state_dir: Path
    """Where running engines leave a note so that commands of the same user find them. BIREME_STATE_DIR."""

    database: str = field(default="", repr=False)
    """postgresql://… instead of the SQLite file in the data directory; may hold a password. BIREME_DATABASE."""

    role: str = "all"
    """all: everything in this process; engine: all but the sensors; sensor: a share of the sensors. BIREME_ROLE."""

    stands_by: bool = False
    """Wait for another engine's end instead of refusing to start; the role engine always does. BIREME_STANDBY."""

    host: str = "127.0.0.1"
    """Address the API listens on. BIREME_HOST."""

    port: int = DEFAULT_PORT
    """Port of the API; 0 lets the system choose. BIREME_PORT."""

    token: str = field(default="", repr=False)
    """Bearer token: what the engine asks for, what commands send. BIREME_TOKEN, else ARGO_TOKEN."""

    server: str = ""
    """URL of the engine that commands talk to; empty finds the local one. BIREME_SERVER, else ARGO_SERVER."""

    namespace: str = "default"
    """Namespace of manifests and commands that name none. BIREME_NAMESPACE, else ARGO_NAMESPACE."""

    log_level: str = "info"
    """debug, info, warning or error. BIREME_LOG_LEVEL."""

    log_format: str = "console"
    """console or json. BIREME_LOG_FORMAT."""

    drain_s: float = 10.0
    """Seconds a graceful stop may take before what still runs is cancelled. BIREME_DRAIN_S."""

    secrets_dir: Path | None = None
    """Directory with files NAME/KEY, one per value; `secrets` in the data directory when unset. BIREME_SECRETS_DIR."""

    watch_interval_s: float = 1.0
    """Seconds between two looks at the watched directory. BIREME_WATCH_INTERVAL_S."""

    retain_events_s: float = 7 * 86400.0
    """Seconds that events with their decisions, and finished firings, are kept. BIREME_RETAIN_EVENTS_S."""

    retain_events: int = 1_000_000
    """At most so many events, and so many finished firings, are kept. BIREME_RETAIN_EVENTS."""

    archive_s: float = 7 * 86400.0
    """Seconds that workflows which ttlStrategy or a history limit has taken from the list stay in the archive; 0
    forgets them at once. BIREME_ARCHIVE_S."""

    targets: str = ""
    """Where triggers may connect to: any, or public and networks besides (public,10.0.0.0/8). Unset: any for an engine
    that only this machine can reach, else public. BIREME_TARGETS."""

    max_request_bytes: int = 8 * 2**20
    """Largest body the API accepts. BIREME_MAX_REQUEST_BYTES."""

    kubeconfig: str = ""
    """The cluster of `resource` templates and `k8s` triggers: a kubeconfig file, or `in-cluster`. BIREME_KUBECONFIG."""

    executor_plugins: Mapping[str, str] = field(default_factory=dict)
    """Addresses of executor plugins: NAME=URL, separated by commas. BIREME_EXECUTOR_PLUGINS."""

    secret_values: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Secret values by upper-case NAME_KEY, for containers without files. BIREME_SECRET_<NAME>_<KEY>."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The process's environment, from which steps inherit what the process backend lets through."""

    @property
    def reach(self) -> reach.Reach:
        """What triggers may connect to. Raises BadReach."""
        if self.targets:
            return reach.parse(self.targets)
        return reach.EVERYWHERE if self.host in _LOOPBACK else reach.PUBLIC

    def with_(self, **changes: Any) -> "Settings":
        """A copy with the changes that are not None."""
        return replace(self, **{k: v for k, v in changes.items() if v is not None})


def checked(settings: Settings) -> Settings:
    """The settings with what follows from the role. Raises BadSetting for a role that the database does not allow."""
    if settings.role != "all" and not settings.database.startswith(
        ("postgresql://", "postgres://")
    ):
        raise BadSetting(
            f"role {settings.role}: expected a database that processes can share, found"
            f" {'another' if settings.database else 'none'}; give --database postgresql://…"
        )
    return settings.with_(stands_by=settings.stands_by or settings.role == "engine")


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this environment. Raises BadSetting for a number that is none."""
    env = os.environ if environment is None else environment
    home = Path(env.get("HOME") or Path.home())
    return Settings(
        data_dir=_path(env, "BIREME_DATA_DIR") or _xdg(env, "XDG_DATA_HOME", home / ".local/share"),
        state_dir=_path(env, "BIREME_STATE_DIR")
        or _xdg(env, "XDG_STATE_HOME", home / ".local/state"),
        database=env.get("BIREME_DATABASE") or "",
        role=_role(env, "BIREME_ROLE"),
        stands_by=(env.get("BIREME_STANDBY") or "").lower() in ("1", "true", "yes"),
        host=env.get("BIREME_HOST") or "127.0.0.1",
        port=int(_number(env, "BIREME_PORT", DEFAULT_PORT)),
        token=_bare(env.get("BIREME_TOKEN") or env.get("ARGO_TOKEN") or ""),
        server=env.get("BIREME_SERVER") or env.get("ARGO_SERVER") or "",
        namespace=env.get("BIREME_NAMESPACE") or env.get("ARGO_NAMESPACE") or "default",
        log_level=env.get("BIREME_LOG_LEVEL") or "info",
        log_format=env.get("BIREME_LOG_FORMAT") or "console",
        drain_s=_number(env, "BIREME_DRAIN_S", 10),
        secrets_dir=_path(env, "BIREME_SECRETS_DIR"),
        watch_interval_s=_number(env, "BIREME_WATCH_INTERVAL_S", 1),
        retain_events_s=_number(env, "BIREME_RETAIN_EVENTS_S", 7 * 86400),
        retain_events=int(_number(env, "BIREME_RETAIN_EVENTS", 1_000_000)),
        archive_s=_number(env, "BIREME_ARCHIVE_S", 7 * 86400),
        targets=env.get("BIREME_TARGETS") or "",
        max_request_bytes=int(_number(env, "BIREME_MAX_REQUEST_BYTES", 8 * 2**20)),
        kubeconfig=env.get("BIREME_KUBECONFIG") or "",
        executor_plugins=_named(env, "BIREME_EXECUTOR_PLUGINS"),
        secret_values={
            name.removeprefix("BIREME_SECRET_"): value
            for name, value in env.items()
            if name.startswith("BIREME_SECRET_")
        },
        environment=dict(env),
    )


def _role(env: Mapping[str, str], name: str) -> str:
    role = env.get(name) or "all"
    if role not in ROLES:
        raise BadSetting(f"{name}: expected one of {', '.join(ROLES)}, found '{role}'")
    return role


def _path(env: Mapping[str, str], name: str) -> Path | None:
    return Path(env[name]).expanduser().absolute() if env.get(name) else None


def _xdg(env: Mapping[str, str], name: str, fallback: Path) -> Path:
    return Path(env.get(name) or fallback) / "bireme"


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        return float(text)
    except ValueError as error:
        raise BadSetting(f"{name}: expected a number, found '{text}'") from error


def _named(env: Mapping[str, str], name: str) -> dict[str, str]:
    parts = [
        part.strip().partition("=") for part in (env.get(name) or "").split(",") if part.strip()
    ]
    for key, _, address in parts:
        if not key or not address.startswith(("http://", "https://")):
            raise BadSetting(f"{name}: expected NAME=http://ADDRESS, found '{key}={address}'")
    return {key: address for key, _, address in parts}


def _bare(token: str) -> str:
    """Argo's own tools keep the scheme in ARGO_TOKEN."""
    return token.removeprefix("Bearer ").strip()
