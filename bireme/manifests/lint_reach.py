"""Parts of a workflow that can never run, and calls that never end."""

import graphlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from bireme.kit.errors import UserError
from bireme.manifests.doubts import Doubt, steps_of
from bireme.manifests.manifest import Manifest
from bireme.manifests.resolve import Call, Holder
from bireme.manifests.template import DAGTask, DAGTemplate, Template, WorkflowStep
from bireme.manifests.workflow import WorkflowSpec

_MOST_NEEDS = 4  # of one task; more would be thousands of combinations


def reach_doubts(manifest: Manifest[Any], spec: WorkflowSpec) -> Iterator[Doubt]:
    """Unused templates, tasks out of reach, recursion without end."""
    yield from _unused(manifest, spec)
    by_name = {template.name: template for template in spec.templates}
    for index, template in enumerate(spec.templates):
        if template.dag is not None:
            yield from _tasks(template.dag, by_name, f"templates[{index}].dag")
    yield from _endless(spec)


# --- templates --------------------------------------------------------------------------------------------------


def _unused(manifest: Manifest[Any], spec: WorkflowSpec) -> Iterator[Doubt]:
    """Templates that nothing in the workflow leads to; stored templates are there for others."""
    if manifest.kind not in ("Workflow", "CronWorkflow") or not spec.entrypoint:
        return
    by_name = {template.name: template for template in spec.templates}
    starts: list[Holder] = [Call(template=spec.entrypoint), Call(template=spec.on_exit)]
    starts += [Call(template=hook.template) for hook in spec.hooks.values()]
    reached: set[str] = set()
    open_ = [name for start in starts for name in _named(start)]
    while open_:
        name = open_.pop()
        if name in by_name and name not in reached:
            reached.add(name)
            open_ += _calls(by_name[name])
    for index, template in enumerate(spec.templates):
        if template.name not in reached:
            advice = "Remove it, or call it from a step or task."
            yield f"templates[{index}]", f"template '{template.name}' is never used", advice


def _named(holder: Holder) -> list[str]:
    names = [holder.template] if holder.template and holder.template_ref is None else []
    return names + (_calls(holder.inline) if holder.inline is not None else [])


def _calls(template: Template) -> list[str]:
    """Names of the templates that one calls by itself."""
    names: list[str] = []
    for _, step in steps_of(template):
        names += _named(step)
        names += [step.on_exit, *(hook.template for hook in step.hooks.values())]
    return names


def _endless(spec: WorkflowSpec) -> Iterator[Doubt]:
    """A template that calls itself, over others or directly, and in which nothing decides to stop."""
    certain = {t.name: _certain_calls(t) for t in spec.templates}
    told: set[str] = set()
    for index, template in enumerate(spec.templates):
        cycle = _cycle(template.name, certain)
        if cycle and not told.intersection(cycle):
            told.update(cycle)
            way = " -> ".join([*cycle, cycle[0]])
            message = f"template '{template.name}' calls itself without end: {way}"
            yield f"templates[{index}]", message, "Add a when that ends it to one of these steps."


def _certain_calls(template: Template) -> list[str]:
    """The templates that a run of this one calls whatever happens."""
    steps = [step for _, step in steps_of(template)]
    return [name for step in steps if _always_runs(step) for name in _named(step)]


def _always_runs(step: WorkflowStep) -> bool:
    loops = step.with_param or step.with_sequence is not None
    return not step.when and not loops and not getattr(step, "depends", "")


def _cycle(start: str, calls: Mapping[str, list[str]]) -> list[str]:
    """A way from a template back to itself; empty when there is none."""
    came_from: dict[str, str] = {}
    open_ = [start]
    while open_:
        name = open_.pop()
        for called in calls.get(name, ()):
            if called == start:
                return _way(start, name, came_from)
            if called not in came_from:
                came_from[called] = name
                open_.append(called)
    return []


def _way(start: str, last: str, came_from: Mapping[str, str]) -> list[str]:
    way = [last]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]


# --- tasks ------------------------------------------------------------------------------------------------------


def _tasks(dag: DAGTemplate, by_name: Mapping[str, Template], path: str) -> Iterator[Doubt]:
    tasks = {task.name: task for task in dag.tasks}
    places = {task.name: f"{path}.tasks[{index}]" for index, task in enumerate(dag.tasks)}
    yield from _not_wanted(dag, tasks, places)
    never: set[str] = set()
    for task in _in_order(tasks):
        if not task.depends and not task.dependencies:
            continue
        place = f"{places[task.name]}.{'depends' if task.depends else 'dependencies'}"
        try:
            if not _can_run(task, tasks, by_name, never):
                never.add(task.name)
                message = f"task '{task.name}' never runs: no outcome satisfies '{_wish(task)}'"
                yield place, message, "Ask for outcomes that its tasks can have, joined with ||."
        except UserError as error:
            message = str(error).replace("\n", " ")
            advice = "Join task names, or names with .Succeeded and the like, by && and ||."
            yield place, message, advice


def _wish(task: DAGTask) -> str:
    return task.depends or " && ".join(task.dependencies)


def _not_wanted(
    dag: DAGTemplate, tasks: Mapping[str, DAGTask], places: Mapping[str, str]
) -> Iterator[Doubt]:
    """Tasks that no target needs."""
    if not dag.target or "{{" in dag.target:
        return
    wanted: set[str] = set()
    open_ = dag.target.split()
    while open_:
        name = open_.pop()
        if name in tasks and name not in wanted:
            wanted.add(name)
            open_ += _needs(tasks[name])
    for name in tasks.keys() - wanted:
        message = f"task '{name}' never runs: no target needs it"
        yield places[name], message, f"Add it to target '{dag.target}', or remove it."


def _needs(task: DAGTask) -> list[str]:
    from bireme.lang import depends

    try:
        return [*task.dependencies, *(depends.parse(task.depends).tasks if task.depends else ())]
    except UserError:
        return list(task.dependencies)


def _in_order(tasks: Mapping[str, DAGTask]) -> list[DAGTask]:
    """Each task after those it needs; none of them when they go in circles, which is an error elsewhere."""
    needs = {name: [n for n in _needs(task) if n in tasks] for name, task in tasks.items()}
    try:
        return [tasks[name] for name in graphlib.TopologicalSorter(needs).static_order()]
    except graphlib.CycleError:
        return []


def _can_run(
    task: DAGTask, tasks: Mapping[str, DAGTask], by_name: Mapping[str, Template], never: set[str]
) -> bool:
    """Whether some outcome of the tasks it needs lets it run."""
    from bireme.lang import depends

    if not task.depends:
        return never.isdisjoint(task.dependencies)
    parsed = depends.parse(task.depends)
    if len(parsed.tasks) > _MOST_NEEDS or any(name not in tasks for name in parsed.tasks):
        return True
    possible = [_outcomes(tasks[name], by_name, name in never) for name in parsed.tasks]
    return any(
        depends.evaluate(parsed, dict(zip(parsed.tasks, chosen, strict=True)), {})
        for chosen in itertools.product(*possible)
    )


def _outcomes(task: DAGTask, by_name: Mapping[str, Template], never: bool) -> list[Any]:
    """What a task can come out as: skipping takes a `when` or a loop, omission something it waits for."""
    from bireme.lang.depends import TaskResults

    omitted = TaskResults(omitted=True)
    if never:
        return [omitted]
    several = {"any_succeeded": True} if task.has_loop else {}
    found = [TaskResults(succeeded=True, **several), TaskResults(failed=True, **several)]
    found += [TaskResults(errored=True, **several)]
    if task.has_loop:
        found += [TaskResults(failed=True, all_failed=True), TaskResults(errored=True)]
    if task.when or task.has_loop:
        found.append(TaskResults(skipped=True))
    if task.depends or task.dependencies:
        found.append(omitted)
    template = by_name.get(task.template)
    if template is None or template.daemon:
        found.append(TaskResults(daemoned=True))
    return found
