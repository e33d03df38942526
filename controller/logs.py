"""What the steps of a workflow print: one step's output, or that of all, as they come."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from bireme.kit.supervise import TaskScope
from controller.listing import ListQuery
from controller.model import FINAL_PHASES, Change, Json
from controller.ports import BadOption
from executor.ports import Executor

_WAITING_TO_RUN = ("", "Pending")
_TASKS = ("Pod", "HTTP", "Plugin")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some output of one step."""

    node: str
    node_name: str
    data: bytes


class Workflows(Protocol):
    """Where the workflow is asked for."""

    async def get(self, namespace: str, name: str) -> Json: ...
    def watch(self, query: ListQuery, *, initial: bool = True) -> AsyncGenerator[Change, None]: ...


async def of_workflow(
    workflows: Workflows, executor: Executor, key: tuple[str, str], *, node: str, follow: bool
) -> AsyncGenerator[Chunk, None]:
    """Output of the steps of workflow `key`; with `follow` until it has ended. Raises BadOption for an unknown node."""
    found = await workflows.get(*key)
    if node and not pods(found, node) and not follow:
        known = ", ".join(sorted(pod["name"] for pod in pods(found))) or "none"
        raise BadOption(f"workflow {key[1]} has no step '{node}'; its steps: {known}")
    if not follow or _is_over(found):
        for pod in pods(found, node):
            async with aclosing(_output(executor, found, pod, False)) as chunks:
                async for chunk in chunks:
                    yield chunk
        return
    async with aclosing(_followed(workflows, executor, key, node)) as chunks:
        async for chunk in chunks:
            yield chunk


async def _followed(
    workflows: Workflows, executor: Executor, key: tuple[str, str], node: str
) -> AsyncGenerator[Chunk, None]:
    """One pump per step as it starts, all into one queue; ends when the workflow and every pump has."""
    queue: asyncio.Queue[Chunk | None] = asyncio.Queue(maxsize=1000)
    scope = TaskScope("controller.logs")

    async def pump(found: Json, pod: Json) -> None:
        async with aclosing(_output(executor, found, pod, True)) as chunks:
            async for chunk in chunks:
                await queue.put(chunk)

    async def follow() -> None:
        pumps = {}
        query = ListQuery(namespace=key[0], name=key[1])
        async with aclosing(workflows.watch(query)) as changes:
            async for change in changes:
                for pod in pods(change.object, node):
                    if pod["id"] not in pumps:
                        pumps[pod["id"]] = scope.start("pump", pump(change.object, pod))
                if change.type == "DELETED" or _is_over(change.object):
                    break
        await asyncio.gather(*pumps.values())
        await queue.put(None)

    scope.start("follow", follow())
    try:
        while (chunk := await queue.get()) is not None:
            yield chunk
    finally:
        await scope.close()


async def _output(
    executor: Executor, found: Json, pod: Json, follow: bool
) -> AsyncGenerator[Chunk, None]:
    async for data in executor.logs(task_id(found, pod), follow):
        yield Chunk(pod["id"], pod["name"], data)


def pods(found: Json, node: str = "") -> list[Json]:
    """The nodes of the workflow that have run or are running as tasks, oldest first; `node` names one (id or name)."""
    nodes = (found.get("status") or {}).get("nodes") or {}
    chosen = [
        item
        for item in nodes.values()
        if item["type"] == "Pod"
        and item.get("phase") not in _WAITING_TO_RUN
        and node in ("", item["id"], item["name"], item.get("displayName"))
    ]
    return sorted(chosen, key=lambda item: (item.get("startedAt") or "", item["name"]))


def task_id(found: Json, pod: Json) -> str:
    """The executor's name for a node of this workflow."""
    return f"{found['metadata']['uid']}/{pod['id']}"


async def forget(executor: Executor, found: Json, *, stop: bool) -> None:
    """The workflow is deleted: end what still runs of it and remove what its steps left."""
    nodes = ((found.get("status") or {}).get("nodes") or {}).values()
    ids = [task_id(found, node) for node in nodes if node["type"] in _TASKS]
    if stop:
        for task in ids:
            await executor.stop(task, timedelta(0))
    if ids:
        await executor.forget(ids)


def _is_over(found: Json) -> bool:
    return found["status"].get("phase") in FINAL_PHASES
