"""Locks and caches as a Workflow's status shows them."""

from collections.abc import Iterator

from controller.dag.model import Hold, Json, Lock, Node
from controller.dag.state import Run


def of_node(node: Node) -> Json:
    """`synchronizationStatus` while it waits, `memoizationStatus` once the cache was asked."""
    found: Json = {}
    if node.hold is not None and node.hold.waiting:
        found["synchronizationStatus"] = {"waiting": node.hold.waiting}
    if (memo := node.memo) is not None and not node.gate and node.phase != "Error":
        found["memoizationStatus"] = {"hit": memo.hit, "key": memo.key, "cacheName": memo.cache}
    return found


def holders(run: Run) -> Iterator[tuple[str, Hold]]:
    """(node id, or empty for the whole run) with the locks it holds or waits for."""
    if run.hold is not None:
        yield "", run.hold
    for node_id in run.index.locked:
        if (hold := run.nodes[node_id].hold) is not None:
            yield node_id, hold


def holder_key(run: Run, holder: str) -> str:
    """Argo's name for who holds: `<namespace>/<workflow>`, and the node if it is one."""
    key = f"{run.source.namespace}/{run.name}"
    return f"{key}/{holder}" if holder else key


def of_run(run: Run) -> Json:
    """`status.synchronization`: who holds, who waits, by mutexes and semaphores; empty when nobody does."""
    held: dict[str, list[str]] = {}
    waiting: dict[str, list[str]] = {}
    locks: dict[str, Lock] = {}
    every = list(holders(run))
    if not every:
        return {}
    for holder, hold in every:
        locks |= {lock.name: lock for lock in hold.locks}
        named = [lock.name for lock in hold.locks] if hold.held else []
        for name in named:
            held.setdefault(name, []).append(holder_key(run, holder))
        if hold.waiting:
            waiting.setdefault(hold.waiting, []).append(holder_key(run, holder))
    found = {
        "mutex": _kind({n for n in locks if locks[n].is_mutex}, "mutex", held, waiting),
        "semaphore": _kind({n for n in locks if not locks[n].is_mutex}, "semaphore", held, waiting),
    }
    return {kind: shown for kind, shown in found.items() if shown}


def _kind(
    names: set[str], word: str, held: dict[str, list[str]], waiting: dict[str, list[str]]
) -> Json:
    found = {
        "holding": [_entry(word, n, held[n]) for n in sorted(names & held.keys())],
        "waiting": [_entry(word, n, waiting[n]) for n in sorted(names & waiting.keys())],
    }
    return {key: entries for key, entries in found.items() if entries}


def _entry(word: str, name: str, keys: list[str]) -> Json:
    return {"mutex": name, "holder": keys[0]} if word == "mutex" else {word: name, "holders": keys}
