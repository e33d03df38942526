"""Steps as processes of this machine: no cluster, no container runtime, no images.

```yaml
templates:
  - name: hello
    container: {image: "alpine", command: [echo], args: [hello]}   # runs the machine's own `echo`
```

The work is done by the runner (`executor/runner`), a small process of its own which outlives the engine. Limits kept:
`memory` (RLIMIT_DATA of each process) and `ephemeral-storage` (the size of one file); `cpu` is not limited.
"""

import asyncio
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import BiremeError
from bireme.kit.supervise import TaskScope
from bireme.manifests.pod_fields import pod_fields
from executor import inputs, outputs, parts, readings, states, stores, volumes
from executor.commands import Commands, Start
from executor.environment import Environments, step_environment
from executor.link import Heard, Link
from executor.model import DEADLINE_EXCEEDED, ContainerState, Outputs, Report, Task
from executor.places import Place
from executor.ports import Artifact, Secrets
from executor.registry import backends
from executor.reports import Reports
from executor.runner import exits, files
from executor.stores import Stores
from executor.tail import follow_files

log = structlog.get_logger(__name__)

_PROGRESS = re.compile(r"[0-9]+/[0-9]+")
_PROGRESS_S = 3.0
_READY_S = 0.1
_VIEWS = {
    "namespaces": "declared absolute paths are private to each step (mount namespaces)",
    "turns": "no private file systems on this machine (no user namespaces): steps that declare the"
    " same absolute path run one after the other, and their files are moved afterwards",
}


@backends.register("process")
class ProcessBackend:
    """Runs tasks as local processes below `root`. At most `parallel` at once; the others wait in order.

    A log that takes more than `log_bytes` on disk loses its middle. `view` chooses how declared absolute paths are
    kept apart (`namespaces`, `turns`); empty means the best this machine has.
    """

    def __init__(  # noqa: PLR0913  all that a process backend can be told
        self,
        root: Path,
        clock: Clock,
        *,
        environment: Mapping[str, str],
        secrets: Secrets | None = None,
        parallel: int = 512,
        view: str = "",
        log_bytes: int = 256 << 20,
        reports: Reports | None = None,
    ) -> None:
        self._root = root.resolve()
        self._root.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._host = socket.gethostname()
        self._parallel = parallel
        self._stores = Stores(self._root / "artifacts")
        inherited = step_environment(environment)
        self._secrets = secrets
        self._commands = Commands(Environments(inherited, secrets))
        self._hello = {"op": "hello", "env": inherited, "view": view, "log_bytes": log_bytes}
        self._scope = TaskScope("process-backend")
        self._link = Link(self._root, self._hear, self._resume)
        self._tasks: dict[str, Task] = {}
        self._sent: dict[str, Start] = {}
        self._queue: dict[str, Start] = {}
        self._preparing: set[str] = set()
        self._reports = reports or Reports()
        self._stops: dict[str, dict[str, Any]] = {}
        self._said: dict[str, tuple[str, list[ContainerState]]] = {}
        self._unready: set[str] = set()
        self._said_images = False

    async def start(self, task: Task) -> None:
        """Start the step, or find out what became of it: a step is never run twice."""
        if task.id in self._tasks:
            return
        self._tasks[task.id] = task
        self._stops.pop(task.id, None)
        if inputs.has_any(task) or volumes.has_any(task):
            self._preparing.add(task.id)
            self._scope.start(f"prepare {task.id}", self._prepare(task))
        else:
            self._send(task, Place(self._root, task.id))

    async def adopt(self, tasks: Collection[Task]) -> None:
        """Starting is idempotent down to the step directory, so adopting is starting again."""
        for task in tasks:
            await self.start(task)

    async def stop(self, task_id: str, grace: timedelta) -> None:
        if task_id in self._queue or task_id in self._preparing:
            self._queue.pop(task_id, None)
            self._preparing.discard(task_id)
            self._report(self._tasks.pop(task_id), "failed", "stopped before it was started")
        elif task_id in self._sent or self._may_run(task_id):
            message = {"op": "stop", "id": task_id, "grace_s": grace.total_seconds()}
            self._stops[task_id] = message
            self._link.say(message)

    def _may_run(self, task_id: str) -> bool:
        """Whether the step may be running although this process never heard of it: it outlived another one."""
        begun = task_id not in self._tasks and Place(self._root, task_id).folder.exists()
        return begun and exits.read(str(self._root), task_id) is None

    def overlooked(self, spec: dict[str, Any]) -> Collection[str]:
        return list(pod_fields(spec))

    def reports(self) -> AsyncIterator[Report]:
        return self._reports.stream()

    async def next_reports(self) -> list[Report]:
        """All reports there are, waiting for the first."""
        return await self._reports.batch()

    async def logs(self, task_id: str, follow: bool) -> AsyncIterator[bytes]:
        place = Place(self._root, task_id)
        files = (place.stdout, place.log)
        async for chunk in follow_files(
            files, self._clock, lambda: follow and task_id in self._tasks
        ):
            yield chunk

    async def forget(self, task_ids: Collection[str]) -> None:
        await asyncio.to_thread(_remove, self._root, task_ids)

    async def discard(self, artifacts: Collection[Artifact]) -> list[str]:
        return await stores.discard(self._stores, artifacts)

    async def files(self, artifact: Artifact) -> list[str]:
        return await readings.files(self._stores, artifact)

    def read(self, artifact: Artifact, below: str) -> AsyncIterator[bytes]:
        return readings.read(self._stores, artifact, below)

    async def close(self) -> None:
        await self._link.close()
        await self._scope.close()

    def _send(self, task: Task, place: Place) -> None:
        """To the runner, or into the queue when enough run."""
        if not self._said_images:
            self._said_images = True
            advice = "commands run on this machine; images are not used"
            log.info("images_are_not_run", advice=advice, image=_image(task))
        try:
            message = self._commands.prepare(task, place)
        except BiremeError as error:
            self._end(task, "error", str(error))
            return
        if len(self._sent) < self._parallel:
            self._dispatch(task.id, message)
        else:
            self._queue[task.id] = message

    async def _prepare(self, task: Task) -> None:
        try:
            place = self._place(task)
            if not place.log.exists():
                await asyncio.to_thread(volumes.prepare, task, self._root, self._secrets)
                await inputs.load(task, place, self._stores)
        except (BiremeError, OSError) as error:
            if task.id in self._preparing:
                self._end(task, "error", str(error))
            return
        if task.id in self._preparing:
            self._preparing.discard(task.id)
            self._send(task, place)

    def _place(self, task: Task) -> Place:
        """With its volumes. Raises BadVolume."""
        return Place(self._root, task.id, volumes.binds(task, self._root))

    def _resume(self) -> list[Any]:
        """Said on every new connection: who we are, every step whose end is not known, and what must stop."""
        return [self._hello, *self._sent.values(), *self._stops.values()]

    def _hear(self, batch: list[Heard]) -> None:
        for heard in batch:
            if heard.op == "view":
                log.info("private_paths", how=_VIEWS.get(heard.kind, heard.kind))
            elif (task := self._tasks.get(heard.id)) is None:
                self._stops.pop(heard.id, None)
            elif heard.op == "started":
                self._started(task, heard.at)
            elif heard.op == "ended" and heard.exit is not None and task.id in self._sent:
                self._ended(task, heard.exit)
        self._send_waiting()

    def _started(self, task: Task, at: float) -> None:
        """A daemon with probes is up later."""
        sent = self._sent.get(task.id)
        is_probed = sent is not None and any(part.probes for part in sent.pod)
        self._report(task, "started", at=at, ready=not is_probed)
        if is_probed and task.id not in self._unready:
            self._unready.add(task.id)
            self._scope.start(f"ready {task.id}", self._watch_ready(task))

    async def _watch_ready(self, task: Task) -> None:
        """Until the daemon's probes have succeeded, or it has ended."""
        while task.id in self._sent and not states.read(self._root, task.id).ready:
            await self._clock.sleep(_READY_S)
        self._unready.discard(task.id)
        if task.id in self._sent:
            self._report(task, "started")

    def _send_waiting(self) -> None:
        while self._queue and len(self._sent) < self._parallel:
            task_id, message = next(iter(self._queue.items()))
            del self._queue[task_id]
            self._dispatch(task_id, message)

    def _dispatch(self, task_id: str, message: Start) -> None:
        if not self._sent:
            self._scope.start("progress", self._watch_progress())
        self._sent[task_id] = message
        self._link.say(message)

    async def _watch_progress(self) -> None:
        """While steps run: pass on what they write to $ARGO_PROGRESS_FILE."""
        while self._sent:
            await self._clock.sleep(_PROGRESS_S)
            for task_id in list(self._sent):
                self._look_at(self._tasks[task_id])

    def _look_at(self, task: Task) -> None:
        """Report what a running step has said of itself since the last look."""
        found = _progress_of(Place(self._root, task.id)), self._containers(task)
        if any(found) and found != self._said.get(task.id):
            self._said[task.id] = found
            self._report(task, "progress", progress=found[0], containers=found[1])

    def _containers(self, task: Task) -> list[ContainerState]:
        """The states of a container set; other steps have no containers worth telling of."""
        is_set = "containerSet" in task.template
        return states.read(self._root, task.id).containers if is_set else []

    def _ended(self, task: Task, record: dict[str, Any]) -> None:
        del self._sent[task.id]
        self._stops.pop(task.id, None)
        if outputs.has_any(task):
            self._scope.start(f"collect {task.id}", self._collect(task, record))
            return
        code = parts.main_code(task.template, record["code"])
        found = None if code is None else Outputs(exit_code=str(code))
        self._conclude(task, record, found, [])

    async def _collect(self, task: Task, record: dict[str, Any]) -> None:
        try:
            place = self._place(task)
            code = parts.main_code(task.template, record["code"])
            found, problems = await outputs.collect(task, place, self._stores, code)
        except (BiremeError, OSError) as error:
            found, problems = None, [f"the outputs could not be collected: {error}"]
        self._conclude(task, record, found, problems)

    def _conclude(
        self,
        task: Task,
        record: dict[str, Any],
        found: Outputs | None,
        problems: list[str],
    ) -> None:
        """The one final report. A main command that failed says more than the outputs it therefore did not leave."""
        code, at = record["code"], record["ended"]
        if record["fault"] or code is None:
            self._end(task, "error", record["fault"], at=at)
        elif record["reason"] == "deadline":
            self._end(task, "failed", DEADLINE_EXCEEDED, found, at=at)
        elif (judged := self._judge(task, code))[1]:
            self._end(task, *judged, found, at=at)
        elif problems:
            self._end(task, "error", "; ".join(problems), found, at=at)
        else:
            self._end(task, "succeeded", "", found, at=at)

    def _judge(self, task: Task, code: int) -> tuple[str, str]:
        """The final state by the exit codes, with a message when it is a bad one."""
        if parts.has_states(task.template):
            told = states.read(self._root, task.id).containers
            found = parts.verdict(parts.of_template(task.template), told)
            if found[1] or not code:
                return found
        return ("failed", f"main: Error (exit code {code})") if code else ("succeeded", "")

    def _end(
        self,
        task: Task,
        state: Any,
        message: str,
        found: Outputs | None = None,
        *,
        at: float = 0.0,
    ) -> None:
        self._tasks.pop(task.id, None)
        self._said.pop(task.id, None)
        self._preparing.discard(task.id)
        volumes.clear(task, self._root)
        progress = _progress_of(Place(self._root, task.id))
        told = self._containers(task)
        self._report(task, state, message, found, at=at, progress=progress, containers=told)

    def _report(
        self,
        task: Task,
        state: Any,
        message: str = "",
        found: Outputs | None = None,
        *,
        at: float = 0.0,
        **more: Any,
    ) -> None:
        moment = datetime.fromtimestamp(at, UTC) if at else self._clock.now()
        report = Report(
            task=task.id,
            state=state,
            at=moment,
            message=message,
            outputs=found,
            host=self._host,
            **more,
        )
        self._reports.put(report)


def _progress_of(place: Place) -> str:
    """The last line of the progress file when it says `N/M`, else nothing."""
    try:
        with open(place.prefix + files.PROGRESS, encoding="utf-8", errors="replace") as file:
            lines = file.read(4096).split()
    except FileNotFoundError:
        return ""
    return lines[-1] if lines and _PROGRESS.fullmatch(lines[-1]) else ""


def _remove(root: Path, task_ids: Collection[str]) -> None:
    places = [Place(root, task_id) for task_id in task_ids]
    exits.forget(str(root), task_ids)
    for place in places:
        for path in place.everything():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    for folder in {place.folder.parent for place in places}:
        with suppress(OSError):
            if {*os.listdir(folder)} <= {exits.NAME, volumes.OF_RUN}:  # its last step is gone
                shutil.rmtree(folder)


def _image(task: Task) -> str:
    return next((str(p.container.get("image", "")) for p in parts.of_template(task.template)), "")
