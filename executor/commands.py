"""A task's template as commands for the runner: argv, environment, limits. Says with advice why it cannot be run."""

import os
import shutil
from typing import Any

import msgspec

from bireme.lang import goduration
from executor import limits, parts
from executor.environment import CannotRun, Environments, expand
from executor.model import Task
from executor.parts import Part
from executor.places import Place
from executor.runner import files

BACKEND = "this backend runs local processes"
_ELSEWHERE = ("resource", "data", "http", "plugin", "suspend", "steps", "dag")
_SPELLINGS = {"python": "python3"}


class Command(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One process. Of the containers of a step also: its role, what it waits for, how often it is tried."""

    argv: list[str]
    env: dict[str, str]
    cwd: str = ""
    limits: dict[str, int] = {}
    name: str = ""
    role: str = ""
    needs: list[str] = []
    tries: int = 1
    pause_s: float = 0.0
    probes: list[dict[str, Any]] = []


class Start(Command, kw_only=True, omit_defaults=True, tag_field="op", tag="start"):
    """What the runner is told: one command, or several as `pod`. Fields are explained in executor/runner."""

    id: str
    split: bool = False
    deadline: float = 0.0
    files: dict[str, str] = {}
    private: list[str] = []
    binds: dict[str, tuple[str, bool]] = {}
    pod: list[Command] = []


class Commands:
    """Makes Start messages; programs once found are remembered."""

    def __init__(self, environments: Environments) -> None:
        self._environments = environments
        self._found: dict[tuple[str, str], str] = {}

    def prepare(self, task: Task, place: Place) -> Start:
        """The message that starts the task. Raises CannotRun."""
        every = parts.of_template(task.template)
        if not every:
            raise CannotRun(_not_here(task))
        commands = [self._command(task, place, part) for part in every]
        first = next(c for c in commands if c.role == "main")
        alone = len(commands) == 1 and not first.probes and "containerSet" not in task.template
        script = task.template.get("script") or {}
        return Start(
            id=task.id,
            argv=first.argv,
            env=first.env if alone else {},
            cwd=first.cwd if alone else "",
            limits=first.limits if alone else {},
            split=task.capture_result,
            deadline=task.deadline.timestamp() if task.deadline else 0.0,
            files={files.SCRIPT: str(script["source"])} if script.get("source") else {},
            private=place.private_paths(task.template),
            binds={path: (str(b.source), b.read_only) for path, b in place.binds.items()},
            pod=[] if alone else commands,
        )

    def _command(self, task: Task, place: Place, part: Part) -> Command:
        env = self._environments.of(task, place, part)
        full = {**self._environments.inherited, **env}
        argv = [expand(word, full) for word in _words(part)]
        if not argv:
            raise CannotRun(_no_command(part))
        if part.container.get("source"):
            argv.append(place.prefix + files.SCRIPT)
        argv[0] = self._program(task, place, part, argv[0], full["PATH"])
        tries, pause_s = _retries(task.template)
        return Command(
            argv=argv,
            env=env,
            cwd=str(part.container.get("workingDir") or ""),
            limits=limits.of(part),
            name=part.name,
            role=part.role,
            needs=list(part.container.get("dependencies") or ()),
            tries=tries if part.role == "main" else 1,
            pause_s=pause_s,
            probes=_probes(part) if task.template.get("daemon") and part.role == "main" else [],
        )

    def _program(self, task: Task, place: Place, part: Part, name: str, path: str) -> str:
        """Where the program lies. Only finds are remembered, so installing a missing one helps at once."""
        if found := self._found.get((name, path)):
            return found
        if "/" in name and (not name.startswith("/") or place.in_volume(name)):
            return name  # relative to the working directory, or in a volume: the runner will see
        found = shutil.which(name, path=path) or shutil.which(_SPELLINGS.get(name, name), path=path)
        if found:
            self._found[name, path] = found
            return found
        for declared in place.private_paths(task.template):
            if os.path.basename(declared) == os.path.basename(name):
                return declared  # an input artifact brings the program
        raise CannotRun(_no_program(part, name))


def _words(part: Part) -> list[str]:
    command = [str(word) for word in part.container.get("command") or ()]
    if part.container.get("source") and not command:
        command = ["sh"]
    return command + [str(word) for word in part.container.get("args") or ()]


def _retries(template: dict[str, Any]) -> tuple[int, float]:
    """How often a container of a set is tried at most, and the seconds between."""
    strategy = (template.get("containerSet") or {}).get("retryStrategy") or {}
    tries = max(int(strategy.get("retries") or 1), 1)
    pause = goduration.parse(str(strategy["duration"])) if strategy.get("duration") else None
    return tries, pause.total_seconds() if pause else 0.0


def _probes(part: Part) -> list[dict[str, Any]]:
    """What must hold before a daemon counts as up, ports by number. Raises CannotRun."""
    found = []
    for kind in ("startupProbe", "readinessProbe"):
        probe = part.container.get(kind)
        if probe and not any(way in probe for way in ("exec", "tcpSocket", "httpGet")):
            raise CannotRun(f"{part.field}.{kind}: known here: exec, tcpSocket, httpGet")
        if probe:
            found.append(_numbered(part, kind, probe))
    return found


def _numbered(part: Part, kind: str, probe: dict[str, Any]) -> dict[str, Any]:
    named = {port.get("name"): port["containerPort"] for port in part.container.get("ports") or ()}
    for way in ("tcpSocket", "httpGet"):
        if way in probe:
            port = probe[way].get("port")
            number = named.get(port, port)
            if not str(number).isdigit():
                raise CannotRun(f"{part.field}.{kind}.{way}.port: no port is called '{port}'")
            return {**probe, way: {**probe[way], "port": int(number)}}
    return probe


def _not_here(task: Task) -> str:
    kind = next((kind for kind in _ELSEWHERE if kind in task.template), "nothing to run")
    return (
        f"template '{task.template.get('name')}' has {kind}: {BACKEND},"
        " which are templates with `container`, `containerSet` or `script`"
    )


def _no_command(part: Part) -> str:
    return (
        f"{part.field} has no command: {BACKEND}, so the entrypoint of the image"
        f" '{part.container.get('image', '')}' is not used; add `command: [...]` to the template"
    )


def _no_program(part: Part, name: str) -> str:
    return (
        f"{part.field}: command '{name}' was not found on this machine; {BACKEND}, the image"
        f" '{part.container.get('image', '')}' is not used: install '{name}', set PATH in the template's env,"
        " or give a command that exists"
    )
