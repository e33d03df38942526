"""A task's template as a command for the runner: argv, environment, limits. Says with advice why it cannot be run."""

import os
import re
import shutil
from collections.abc import Mapping
from typing import Any

import msgspec

from bireme.kit.errors import NotFound, UserError
from executor.model import Task
from executor.places import Place
from executor.ports import ExecutorError, Secrets
from executor.runner import files

BACKEND = "this backend runs local processes"
_ELSEWHERE = ("containerSet", "resource", "data", "http", "plugin", "suspend", "steps", "dag")
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
_QUANTITY = re.compile(r"([0-9.]+)(m|[kKMGTPE]i?)?")
_SPELLINGS = {"python": "python3"}


class CannotRun(ExecutorError, UserError):
    """The template cannot be run by this backend; the message says what to do."""


class Start(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="op", tag="start"):
    """What the runner is told. Fields are explained in executor/runner."""

    id: str
    argv: list[str]
    env: dict[str, str]
    cwd: str = ""
    split: bool = False
    deadline: float = 0.0
    files: dict[str, str] = {}
    private: list[str] = []
    limits: dict[str, int] = {}


def step_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the engine's own environment every step inherits: paths, language, proxies; never its tokens."""
    kept = {name: text for name, text in environ.items() if name in _KEPT or name.startswith("LC_")}
    return {"PATH": _DEFAULT_PATH, **kept, **_CONSTANT}


class Commands:
    """Makes Start messages. `environment` is what every step inherits; programs once found are remembered."""

    def __init__(self, environment: Mapping[str, str], secrets: Secrets | None) -> None:
        self._base = environment
        self._secrets = secrets
        self._found: dict[tuple[str, str], str] = {}

    def prepare(self, task: Task, place: Place) -> Start:
        """The message that starts the task. Raises CannotRun."""
        main, script = _main(task)
        env = self._environment(task, place, main)
        argv = [str(word) for word in main.get("command") or ()] or (["sh"] if script else [])
        argv += [str(word) for word in main.get("args") or ()]
        full = {**self._base, **env}
        argv = [_expand(word, full) for word in argv]
        if not argv:
            raise CannotRun(_no_command(task, main))
        if script:
            argv.append(place.prefix + files.SCRIPT)
        private = place.private_paths(task.template)
        cwd = str(main.get("workingDir") or "")
        argv[0] = self._program(task, main, argv[0], full["PATH"], private)
        return Start(
            id=task.id,
            argv=argv,
            env=env,
            cwd=cwd,
            split=task.capture_result,
            deadline=task.deadline.timestamp() if task.deadline else 0.0,
            files={files.SCRIPT: str(main["source"])} if script else {},
            private=private,
            limits=_limits(task, main),
        )

    def _environment(self, task: Task, place: Place, main: dict[str, Any]) -> dict[str, str]:
        deadline = task.deadline.strftime("%Y-%m-%dT%H:%M:%SZ") if task.deadline else ""
        env = {
            "ARGO_NODE_ID": task.node,
            "ARGO_WORKFLOW_NAME": task.workflow,
            "ARGO_WORKFLOW_UID": task.run,
            "ARGO_INCLUDE_SCRIPT_OUTPUT": "true" if task.capture_result else "false",
            "ARGO_DEADLINE": deadline or "0001-01-01T00:00:00Z",
            "ARGO_PROGRESS_FILE": place.prefix + files.PROGRESS,
        }
        if main.get("envFrom"):
            raise CannotRun(
                f"{_where(task)}.envFrom is not known to this backend: name each variable in `env`"
            )
        for number, entry in enumerate(main.get("env") or ()):
            text = self._value(task, entry, f"{_where(task)}.env[{number}]")
            if text is not None:
                env[entry["name"]] = _expand(text, {**self._base, **env})
        return env

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
            if kind == "secretKeyRef":
                raw = self._secrets.secret(task.namespace, ref["name"], ref["key"])
                return raw.decode("utf-8", "surrogateescape")
            return self._secrets.config(task.namespace, ref["name"], ref["key"])
        except NotFound as error:
            if ref.get("optional"):
                return None
            raise CannotRun(f"{field}.valueFrom.{kind}: {error}") from error

    def _program(
        self,
        task: Task,
        main: dict[str, Any],
        name: str,
        path: str,
        private: list[str],
    ) -> str:
        """Where the program lies. Only finds are remembered, so installing a missing one helps at once."""
        if found := self._found.get((name, path)):
            return found
        if "/" in name and not name.startswith("/"):
            return name  # relative to the working directory, which the runner knows
        found = shutil.which(name, path=path) or shutil.which(_SPELLINGS.get(name, name), path=path)
        if found:
            self._found[name, path] = found
            return found
        for declared in private:
            if os.path.basename(declared) == os.path.basename(name):
                return declared  # an input artifact brings the program
        raise CannotRun(_no_program(task, main, name))


def _main(task: Task) -> tuple[dict[str, Any], bool]:
    """The container, and whether it is a script with a source."""
    template = task.template
    if (script := template.get("script")) is not None:
        return script, bool(script.get("source"))
    if (container := template.get("container")) is not None:
        return container, False
    kind = next((kind for kind in _ELSEWHERE if kind in template), "nothing to run")
    raise CannotRun(
        f"template '{template.get('name')}' has {kind}: {BACKEND},"
        " which are templates with `container` or `script`"
    )


def _where(task: Task) -> str:
    kind = "script" if "script" in task.template else "container"
    return f"template '{task.template.get('name', task.node_name)}' {kind}"


def _no_command(task: Task, main: dict[str, Any]) -> str:
    return (
        f"{_where(task)} has no command: {BACKEND}, so the entrypoint of the image"
        f" '{main.get('image', '')}' is not used; add `command: [...]` to the template"
    )


def _no_program(task: Task, main: dict[str, Any], name: str) -> str:
    return (
        f"{_where(task)}: command '{name}' was not found on this machine; {BACKEND}, the image"
        f" '{main.get('image', '')}' is not used: install '{name}', set PATH in the template's env,"
        " or give a command that exists"
    )


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


def _expand(text: str, env: Mapping[str, str]) -> str:
    """`$(NAME)` as Kubernetes expands it: unknown names stay, `$$` is a dollar sign."""
    if "$" not in text:
        return text

    def put(match: "re.Match[str]") -> str:
        if match[1] is None:
            return "$"
        return env.get(match[1], match[0])

    return _REFERENCE.sub(put, text)


def _limits(task: Task, main: dict[str, Any]) -> dict[str, int]:
    """resources.limits this backend can keep: memory, and ephemeral-storage as the size of one file. cpu is not."""
    limits = (main.get("resources") or {}).get("limits") or {}
    names = {"memory": "memory", "ephemeral-storage": "file"}
    return {
        ours: _bytes(task, name, str(limits[name]))
        for name, ours in names.items()
        if name in limits
    }


def _bytes(task: Task, name: str, quantity: str) -> int:
    match = _QUANTITY.fullmatch(quantity)
    if not match:
        raise CannotRun(
            f"{_where(task)}.resources.limits.{name}: found '{quantity}', expected a quantity such as 512Mi"
        )
    unit = match[2] or ""
    power = "kMGTPE".index(unit[0].replace("K", "k")) + 1 if unit and unit != "m" else 0
    base = 1024 if unit.endswith("i") else 1000
    return int(float(match[1]) * base**power / (1000 if unit == "m" else 1))
