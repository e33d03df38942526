"""Tasks and reports as values: all that the controller and an executor say to each other."""

from datetime import datetime
from typing import Any, Literal

import msgspec

DEADLINE_EXCEEDED = "Pod was active on the node longer than the specified deadline"
"""The message of a step that was stopped at its deadline, as Kubernetes words it."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One step to run, all tags substituted. `id` is unique over runs and attempts: `<run uid>/<node id>`.

    `template` is Argo's template as plain JSON values, with `inputs` resolved (parameter values in it, artifacts with
    their locations). `capture_result` asks for standard output as `outputs.result`. `deadline` is the moment after
    which the step must be stopped. `volumes` are those of the workflow that the template mounts; a claim made for the
    run has `claimTemplate`. `on_exit` marks steps of an exit handler, which survive a `stop`.
    """

    id: str
    run: str
    namespace: str
    workflow: str
    node: str
    node_name: str
    template: dict[str, Any]
    capture_result: bool = False
    deadline: datetime | None = None
    archive: dict[str, Any] = {}
    volumes: list[dict[str, Any]] = []
    on_exit: bool = False


class Outputs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a step left: parameter values by name, artifacts by name as Argo's artifact objects, its result text."""

    parameters: dict[str, str] = {}
    artifacts: dict[str, dict[str, Any]] = {}
    result: str | None = None
    exit_code: str | None = None


class ContainerState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One container of a set: running while it has no `code`. `message` is what it has to say about its end."""

    name: str
    code: int | None = None
    message: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a task. `error` is for what was not the command's own doing (outputs missing, runner lost).

    A task gets any number of `started` and `progress` reports and exactly one of `succeeded`, `failed`, `error`.
    Reports may come twice (after a restart); the controller ignores what it knows. `containers` tells of those of a
    container set that have been started; any report may carry it. A daemon that is up but not `ready` says so with a
    `started` report, and with another one when it is. `host` is the machine the step runs on.
    """

    task: str
    state: Literal["started", "progress", "succeeded", "failed", "error"]
    at: datetime
    message: str = ""
    outputs: Outputs | None = None
    progress: str = ""
    containers: list[ContainerState] = []
    ready: bool = True
    host: str = ""
