"""Argo's way of choosing what to start, naively: at every moment walk the whole tree from the root, down before on.

Understands what decides the order: steps, dags, loops, conditions, retries and limits. It keeps no queue and no index.
"""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
OVER = ("Succeeded", "Skipped", "Omitted")


class Walker:
    """A workflow of which only first attempts under a strategy fail. `walk` says which pods are started now."""

    def __init__(self, spec: Json) -> None:
        self.limit = spec.get("parallelism")
        self.templates = {template["name"]: template for template in spec["templates"]}
        self.entry = spec["entrypoint"]
        self.phases: dict[str, str] = {}
        self.boundaries: dict[str, str] = {}
        self.pods: list[str] = []
        self.running: set[str] = set()

    def walk(self, *ended: tuple[str, str]) -> list[str]:
        """The pods that are started, in order, when these have ended in these phases."""
        for pod, phase in ended:
            self.phases[pod] = phase
            self.running.discard(pod)
        before = len(self.pods)
        self._execute("wf", self.templates[self.entry], "", None)
        return self.pods[before:]

    def _execute(self, name: str, template: Json, boundary: str, limit: int | None) -> None:
        if self.phases.get(name) in OVER or self._is_full():
            return
        if name not in self.phases and self._is_crowded(boundary, limit):
            return
        if "retryStrategy" in template:
            self._retry(name, boundary, limit)
        elif "container" in template:
            self._start(name, boundary)
        else:
            self._enter(name, boundary)
            done = (self._steps if "steps" in template else self._dag)(name, template)
            if done:
                self._end(name, "Succeeded")

    def _is_full(self) -> bool:
        return self.limit is not None and len(self.running & set(self.pods)) >= self.limit

    def _is_crowded(self, boundary: str, limit: int | None) -> bool:
        inside = sum(1 for name in self.running if self.boundaries[name] == boundary)
        return limit is not None and inside >= limit

    def _enter(self, name: str, boundary: str) -> None:
        if name not in self.phases:
            self.phases[name] = "Running"
            self.boundaries[name] = boundary
            self.running.add(name)

    def _end(self, name: str, phase: str) -> None:
        self.phases[name] = phase
        self.running.discard(name)

    def _start(self, name: str, boundary: str) -> None:
        if name not in self.phases:
            self._enter(name, boundary)
            self.pods.append(name)

    def _retry(self, name: str, boundary: str, limit: int | None) -> None:
        self.phases.setdefault(name, "Running")
        for attempt in (f"{name}(0)", f"{name}(1)"):
            phase = self.phases.get(attempt)
            if phase is None and not self._is_crowded(boundary, limit):
                self._start(attempt, boundary)
            if phase != "Failed":
                self.phases[name] = phase if phase == "Succeeded" else "Running"
                return

    # --- steps ---

    def _steps(self, name: str, template: Json) -> bool:
        for index, group in enumerate(template["steps"]):
            children = [
                (child, step, step.get("when"))
                for step in group
                for child in rounds(f"{name}[{index}].{step['name']}", step)
            ]
            for child, step, when in children:
                self._member(child, step, when, name, template)
            if not all(self.phases.get(child) in OVER for child, _, _ in children):
                return False
        return True

    def _member(
        self, child: str, holder: Json, when: str | None, name: str, template: Json
    ) -> None:
        if when == "1 == 2":
            self.phases[child] = "Skipped"
        else:
            called = self.templates[holder["template"]]
            self._execute(child, called, name, template.get("parallelism"))

    # --- dags ---

    def _dag(self, name: str, template: Json) -> bool:
        tasks = {task["name"]: task for task in template["dag"]["tasks"]}
        needed = {other for task in tasks.values() for other, _ in needs(task)}
        targets = sorted(tasks.keys() - needed)
        visited: set[str] = set()
        for target in targets:
            self._task(name, template, tasks, target, visited)
        return all(self.phases.get(f"{name}.{target}") in OVER for target in targets)

    def _task(
        self, name: str, template: Json, tasks: dict[str, Json], task: str, visited: set[str]
    ) -> None:
        if task in visited:
            return
        visited.add(task)
        for other, _ in needs(tasks[task]):
            self._task(name, template, tasks, other, visited)
        node = f"{name}.{task}"
        if self.phases.get(node) in OVER:
            return
        results = [(self.phases.get(f"{name}.{other}"), word) for other, word in needs(tasks[task])]
        if any(phase not in OVER for phase, _ in results):
            return
        if not all(is_met(phase, word) for phase, word in results):
            self.phases[node] = "Omitted"
            return
        self._run(node, name, template, tasks[task])

    def _run(self, node: str, name: str, template: Json, task: Json) -> None:
        if not task.get("withItems"):
            self._member(node, task, task.get("when"), name, template)
            return
        self.phases[node] = "Running"
        children = list(rounds(node, task))
        for child in children:
            self._member(child, task, task.get("when"), name, template)
        if all(self.phases.get(child) in OVER for child in children):
            self.phases[node] = "Succeeded"


def rounds(base: str, holder: Json) -> Iterator[str]:
    """The nodes of a step or task; one alone when there is no loop."""
    items = holder.get("withItems") or []
    yield from (f"{base}({index}:{item})" for index, item in enumerate(items))
    if not items:
        yield base


def needs(task: Json) -> list[tuple[str, str]]:
    parts = task["depends"].split(" && ") if task.get("depends") else []
    return [(part.partition(".")[0], part.partition(".")[2]) for part in parts]


def is_met(phase: str | None, word: str) -> bool:
    return phase == word if word else phase in ("Succeeded", "Skipped")
