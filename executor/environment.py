"""The environment of a container: Argo's variables, the manifest's own, values of secrets and config maps."""

import re
from collections.abc import Mapping
from typing import Any

from bireme.kit.errors import NotFound, UserError
from executor.model import Task
from executor.parts import Part
from executor.places import Place
from executor.ports import ExecutorError, Secrets
from executor.runner import files

_KEPT = frozenset(
    ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV",
     "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
)  # fmt: skip
_CONSTANT = {
    "ARGO_CONTAINER_NAME": "main",
    "ARGO_PROGRESS_PATCH_TICK_DURATION": "3s",
    "ARGO_PROGRESS_FILE_TICK_DURATION": "3s",
}
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REFERENCE = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")
_BUNDLES = {"secretRef": "secret", "configMapRef": "configMap"}


class CannotRun(ExecutorError, UserError):
    """The template cannot be run by this backend; the message says what to do."""


def step_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the engine's own environment every step inherits: paths, language, proxies; never its tokens."""
    kept = {name: text for name, text in environ.items() if name in _KEPT or name.startswith("LC_")}
    return {"PATH": _DEFAULT_PATH, **kept, **_CONSTANT}


class Environments:
    """Makes environments. `inherited` is what every step has."""

    def __init__(self, inherited: Mapping[str, str], secrets: Secrets | None) -> None:
        self.inherited = inherited
        self._secrets = secrets

    def of(self, task: Task, place: Place, part: Part) -> dict[str, str]:
        """What is added for this container. Raises CannotRun."""
        env = _of_argo(task, place)
        if part.name != "main":
            env["ARGO_CONTAINER_NAME"] = part.name
        for number, bundle in enumerate(part.container.get("envFrom") or ()):
            env |= self._bundle(task, bundle, f"{part.field}.envFrom[{number}]")
        for number, entry in enumerate(part.container.get("env") or ()):
            text = self._value(task, entry, f"{part.field}.env[{number}]")
            if text is not None:
                env[entry["name"]] = expand(text, {**self.inherited, **env})
        return env

    def _bundle(self, task: Task, bundle: dict[str, Any], field: str) -> dict[str, str]:
        """All values of a secret or a config map, under its keys."""
        named = next((name for name in _BUNDLES if bundle.get(name)), "")
        if not named:
            raise CannotRun(
                f"{field}: found {', '.join(bundle)}; known here: {', '.join(_BUNDLES)}"
            )
        reference = bundle[named]
        prefix, kind = str(bundle.get("prefix") or ""), _BUNDLES[named]
        if self._secrets is None:
            raise CannotRun(f"{field}.{named}: no secrets or config maps are configured")
        try:
            keys = self._secrets.keys(kind, task.namespace, reference["name"])
        except NotFound as error:
            if reference.get("optional"):
                return {}
            raise CannotRun(f"{field}.{named}: {error}") from error
        found = {key: self._lookup(task, f"{kind}KeyRef", reference["name"], key) for key in keys}
        return {prefix + key: text for key, text in found.items()}

    def _value(self, task: Task, entry: dict[str, Any], field: str) -> str | None:
        if not (source := entry.get("valueFrom")):
            return str(entry.get("value") or "")
        if path := (source.get("fieldRef") or {}).get("fieldPath"):
            return _field_of(task, path, field)
        for kind in ("secretKeyRef", "configMapKeyRef"):
            if reference := source.get(kind):
                return self._referenced(task, kind, reference, field)
        raise CannotRun(
            f"{field}.valueFrom ('{entry['name']}'): found {', '.join(source) or 'nothing'};"
            " known here: secretKeyRef, configMapKeyRef, fieldRef"
        )

    def _referenced(self, task: Task, kind: str, ref: dict[str, Any], field: str) -> str | None:
        if self._secrets is None:
            raise CannotRun(f"{field}.valueFrom.{kind}: no secrets or config maps are configured")
        try:
            return self._lookup(task, kind, ref["name"], ref["key"])
        except NotFound as error:
            if ref.get("optional"):
                return None
            raise CannotRun(f"{field}.valueFrom.{kind}: {error}") from error

    def _lookup(self, task: Task, kind: str, name: str, key: str) -> str:
        assert self._secrets is not None
        if kind == "secretKeyRef":
            return self._secrets.secret(task.namespace, name, key).decode(
                "utf-8", "surrogateescape"
            )
        return self._secrets.config(task.namespace, name, key)


def _of_argo(task: Task, place: Place) -> dict[str, str]:
    deadline = task.deadline.strftime("%Y-%m-%dT%H:%M:%SZ") if task.deadline else ""
    return {
        "ARGO_NODE_ID": task.node,
        "ARGO_WORKFLOW_NAME": task.workflow,
        "ARGO_WORKFLOW_UID": task.run,
        "ARGO_INCLUDE_SCRIPT_OUTPUT": "true" if task.capture_result else "false",
        "ARGO_DEADLINE": deadline or "0001-01-01T00:00:00Z",
        "ARGO_PROGRESS_FILE": place.prefix + files.PROGRESS,
    }


def _field_of(task: Task, path: str, field: str) -> str:
    known = {
        "metadata.name": task.node,
        "metadata.namespace": task.namespace,
        "metadata.uid": task.id,
    }
    if path not in known:
        raise CannotRun(
            f"{field}.valueFrom.fieldRef.fieldPath '{path}' is a fact of a pod; known here: {', '.join(known)}"
        )
    return known[path]


def expand(text: str, env: Mapping[str, str]) -> str:
    """`$(NAME)` as Kubernetes expands it: unknown names stay, `$$` is a dollar sign."""
    if "$" not in text:
        return text

    def put(match: "re.Match[str]") -> str:
        if match[1] is None:
            return "$"
        return env.get(match[1], match[0])

    return _REFERENCE.sub(put, text)
