"""DAG templates: a graph without cycles, in which each task sees what the others offer."""

import re
from collections import deque
from collections.abc import Iterator

import msgspec

from bireme.manifests.resolve import Base
from bireme.manifests.scope import Names, add_items, add_outputs
from bireme.manifests.template import DAGTask, Template
from bireme.manifests.validate_arguments import check_arguments
from bireme.manifests.validate_leaf import check_not_leaf
from bireme.manifests.validate_names import Invalid, check_names
from bireme.manifests.validate_steps import check_hooks
from bireme.manifests.walk import Walk, inline_inputs

# As Argo reads `depends`: a result word starts with a capital letter, whatever else is a name.
_OPERAND = re.compile(r"([a-zA-Z0-9][-a-zA-Z0-9]*)\.([A-Z][a-zA-Z]+)|([a-zA-Z0-9][-a-zA-Z0-9]*)")
_ITEM_RESULTS = frozenset(("AnySucceeded", "AllFailed"))
_RESULTS = _ITEM_RESULTS | {"Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned"}


def check(walk: Walk, template: Template, home: Base, scope: Names) -> None:
    """Every task of a DAG template. Raises Invalid."""
    check_not_leaf(template)
    where = f"templates.{template.name}"
    tasks = template.dag.tasks if template.dag else []
    if not tasks:
        raise Invalid(f"{where} must have at least one task")
    graph = Graph(tasks)
    try:
        ordered = graph.sorted()
    except Invalid as error:
        raise Invalid(f"{where} sorting failed: {error}") from None
    try:
        check_names(task.name for task in ordered)
    except Invalid as error:
        raise Invalid(f"{where}.tasks{error}") from None
    uses_depends = any(task.depends for task in tasks)
    called: dict[str, Template | None] = {}
    for task in ordered:
        _check_style(task, where, uses_depends)
        called[task.name] = _called(walk, task, home, where)
        aggregate = bool(task.with_items or task.with_param or task.with_sequence)
        found = called[task.name]
        add_outputs(scope, walk.globals, found, f"tasks.{task.name}", aggregate=aggregate)
        graph.check_results(task, where)
    _check_targets(walk, template, graph, scope)
    for task in ordered:
        _Task(walk, graph, task, f"{where}.tasks.{task.name}").check(home, scope)


class Graph:
    """Tasks by name and what each waits for."""

    def __init__(self, tasks: list[DAGTask]) -> None:
        self.tasks = tasks
        self.by_name = {task.name: task for task in tasks}
        self.needs = {task.name: list(dict.fromkeys(_needs(task))) for task in tasks}

    def sorted(self) -> list[DAGTask]:
        """Needs before those that need them, else as written. Raises Invalid."""
        if len(self.by_name) < len(self.tasks):
            raise Invalid(f"duplicated nodeName {_first_twice(self.tasks)}")
        waiting = {name: len(needs) for name, needs in self.needs.items()}
        followers: dict[str, list[str]] = {name: [] for name in self.by_name}
        for name, needs in self.needs.items():
            for need in needs:
                if need not in followers:
                    raise Invalid(f"invalid dependency {need}")
                followers[need].append(name)
        ready = deque(name for name, count in waiting.items() if not count)
        ordered = []
        while ready:
            name = ready.popleft()
            ordered.append(self.by_name[name])
            for follower in followers[name]:
                waiting[follower] -= 1
                if not waiting[follower]:
                    ready.append(follower)
        if len(ordered) < len(self.tasks):
            raise Invalid("graph with cycle")
        return ordered

    def check_results(self, task: DAGTask, where: str) -> None:
        """The result words of `depends` exist, and those about items are asked of a loop."""
        for name, result in _operands(task.depends):
            if not result:
                continue
            if result not in _RESULTS:
                raise Invalid(
                    f"{where}.tasks.{task.name} task result '{result}' for task '{name}' is invalid"
                )
            needed = self.by_name.get(name)
            if result in _ITEM_RESULTS and needed is not None and not needed.has_loop:
                # Argo names the dependency in place of the task here; its users search for the text.
                raise Invalid(
                    f"{where}.tasks.{name} dependency '{name}' uses an items-based condition such as .AnySucceeded"
                    " or .AllFailed but does not contain any items"
                )

    def is_before(self, name: str, task: str) -> bool:
        """Whether `task` waits for `name`, directly or not."""
        direct = self.needs.get(task, ())
        if name in direct:
            return True
        seen = set(direct)
        queue = list(direct)
        while queue:
            for need in self.needs.get(queue.pop(), ()):
                if need == name:
                    return True
                if need not in seen:
                    seen.add(need)
                    queue.append(need)
        return False


def _first_twice(tasks: list[DAGTask]) -> str:
    seen: set[str] = set()
    for task in tasks:
        if task.name in seen:
            return task.name
        seen.add(task.name)
    return ""


def _needs(task: DAGTask) -> Iterator[str]:
    if task.depends:
        yield from (name for name, _ in _operands(task.depends))
    else:
        yield from task.dependencies


def _operands(depends: str) -> Iterator[tuple[str, str]]:
    """(task, result word or "") of each operand."""
    for match in _OPERAND.finditer(depends):
        name, result, bare = match.groups()
        yield (name, result) if name else (bare, "")


def _check_style(task: DAGTask, where: str, uses_depends: bool) -> None:
    if not uses_depends:
        return
    if task.dependencies:
        raise Invalid(
            f"{where} cannot use both 'depends' and 'dependencies' in the same DAG template"
        )
    if task.continue_on is not None:
        raise Invalid(
            f"{where} cannot use 'continueOn' when using 'depends'. Instead use 'dep-task.Failed'/'dep-task.Errored'"
        )
    if task.name[0] in "0123456789":
        raise Invalid(
            f"{where}.tasks.{task.name} name cannot begin with a digit when using either 'depends' or 'dependencies'"
        )


def _called(walk: Walk, task: DAGTask, home: Base, where: str) -> Template | None:
    try:
        return walk.call(task, home, None)
    except Invalid as error:
        raise Invalid(f"{where}.tasks.{task.name} {error}") from None


def _check_targets(walk: Walk, template: Template, graph: Graph, scope: Names) -> None:
    where = f"templates.{template.name}.targets"
    target = template.dag.target if template.dag else ""
    try:
        walk.check_tags(target, scope)
    except Invalid as error:
        raise Invalid(f"{where} {error}") from None
    for name in target.split():
        is_known = name in graph.by_name or name.startswith("__argo__internal__placeholder-")
        if not is_known and "{{" not in target:
            raise Invalid(f"{where}: target '{name}' is not defined")


class _Task:
    """The second look at a task, when every task's outputs are in scope."""

    def __init__(self, walk: Walk, graph: Graph, task: DAGTask, where: str) -> None:
        self.walk = walk
        self.graph = graph
        self.task = task
        self.where = where

    def check(self, home: Base, scope: Names) -> None:
        task = self.task
        check_hooks(task, self.where)
        try:
            self._check_tags(scope)
        except Invalid as error:
            raise Invalid(f"{self.where} {error}") from None
        check_arguments(f"{self.where}.arguments.", task.arguments, may_be_empty=False)
        try:
            self._check_ancestry()
            self.walk.call(task, home, task.arguments)
        except Invalid as error:
            raise Invalid(f"{self.where} {error}") from None

    def _check_tags(self, scope: Names) -> None:
        task = self.task
        own = inline_inputs(task)
        add_items(own, task.with_items, task.with_param, task.with_sequence)
        text = msgspec.json.encode(task).decode()
        if "{{" not in text:
            return
        for name in set(re.findall(r"\{\{\s*tasks\.([^.}\s]+)\.status\s*\}\}", text)):
            is_own = name == task.name and (task.hooks or task.on_exit)
            if is_own or self.graph.is_before(name, task.name):
                own[f"tasks.{name}.status"] = ""
        self.walk.check_tags(text, own, scope)

    def _check_ancestry(self) -> None:
        """A value that begins with another task's output needs that task to come first."""
        arguments = self.task.arguments
        sources = [("parameter", p.name, p.value or "") for p in arguments.parameters]
        sources += [("artifact", a.name, a.from_) for a in arguments.artifacts]
        for family, name, source in sources:
            if not source.startswith("{{tasks."):
                continue
            referred = source.split(".")[1]
            if not self.graph.is_before(referred, self.task.name):
                raise Invalid(f"missing dependency '{referred}' for {family} '{name}'")
