"""One advance under way: the only place that changes a run, keeping facts, index, history and effects together."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.dag import phase, position
from controller.dag.library import Definition
from controller.dag.model import (
    Change,
    Effect,
    Finished,
    ImpossibleState,
    Memorize,
    Node,
    NodeChanged,
    NodesRemoved,
    Release,
    RunChanged,
    StopTask,
)  # fmt: skip
from controller.dag.patches import born, purge
from controller.dag.phase import BAD, FULFILLED, MOVES, REOPENS, RUN_MOVES, Phase
from controller.dag.state import Run
from controller.dag.tracking import counts_as_bad, gives_up, tally, track, untrack

LEFT_OVER = "the workflow ended before this step did"
SLICE = 250
"""So many nodes are born in one advance. The next goes on at once: a fan-out of 100,000 delays no other run."""

Work = Callable[["Turn", Node], None]


@dataclass(frozen=True, slots=True)
class Rules:
    """Who does what by kind; put together in `advance`, so that the kinds need not know each other.

    `starters`: a new node, by kind of template (`retry` for any under a strategy). `ended`: (owner, child) by the
    owner's type. `complete`, `faulted`, `visit`: groups, by their type. `settled`, `progressed`: hooks. `gated`: what
    waits for a lock or an answer from a cache.
    """

    starters: Mapping[str, Callable[["Turn", Node, Definition], None]]
    ended: Mapping[str, Callable[["Turn", Node, Node], None]]
    complete: Mapping[str, Work]
    faulted: Mapping[str, Callable[["Turn", Node, Any], bool]]
    visit: Mapping[str, Work]
    gated: Work
    settled: Work
    progressed: Work
    fail_fast: Work
    hook_failed: Callable[["Turn", Node, str], None]
    root_ended: Work


class Turn:
    """The run, the moment, and what has been changed and asked for so far.

    Work that follows from a change goes on the agenda, never on the stack, so a chain of any length is fine.
    """

    def __init__(self, run: Run, now: datetime, rules: Rules) -> None:
        self.run = run
        self.now = now
        self.rules = rules
        self.faults: dict[str, str] = {}
        self.replan = False
        self.timeouts: set[str] = set()
        self.told: set[tuple[str, str]] = set()  # ends, with their hooks, that their owners know of
        self.missed: set[str] = set()  # of whom the cache has just said that it has nothing
        self.is_called = False  # whether who waited for a place may start one node now
        self._freed: dict[str, None] = {}
        self._places = SLICE
        self.effects: list[Effect] = []
        self.agenda: deque[tuple[Callable[[Turn, Node], None], str]] = deque()
        self._patches: dict[str, dict[str, Any]] = {}
        self._run_patch: dict[str, Any] = {}
        self._removed: list[str] = []

    # --- the run ---

    def change_run(self, **fields: Any) -> None:
        for name, value in fields.items():
            if getattr(self.run, name) != value:
                setattr(self.run, name, value)
                self._run_patch[name] = value

    def move_run(self, to: Phase, message: str | None = None) -> None:
        """Bring the whole run into another phase."""
        try:
            phase.check(RUN_MOVES, self.run.phase, to)
        except phase.IllegalMove as error:
            raise ImpossibleState(f"run {self.run.name}: {error}") from error
        self.change_run(phase=to, **({} if message is None else {"message": message}))

    # --- nodes ---

    def add(self, node: Node, parents: Iterable[str] = ()) -> Node:
        """Put a new node into the tree, in the phase it is born in, below its parents."""
        run = self.run
        if node.id in run.nodes:
            raise ImpossibleState(f"node {node.name} ({node.id}) exists already")
        phase.check(MOVES, "", node.phase)
        self._places -= 1
        node.started = self.now
        if node.phase in FULFILLED:
            node.finished = self.now
        run.nodes[node.id] = node
        self._patches[node.id] = born(node)
        for parent in parents:
            self.connect(parent, node.id)
        track(run, node)
        tally(run, node, 1)
        if node.phase in FULFILLED:
            self._count_out(node, node.phase)
        return node

    def enter(self, node: Node, parents: Iterable[str], **born: Any) -> None:
        """Put a node into the tree as `born` says; one that waited at a gate is there and begins now."""
        if not node.gate:
            for name, value in born.items():
                setattr(node, name, value)
            self.add(node, parents)
            return
        self.run.index.gated.pop(node.id, None)
        tally(self.run, node, -1)
        self.change(node, gate="", started=self.now, **born)
        tally(self.run, node, 1)
        track(self.run, node)

    def connect(self, parent: str, child: str) -> None:
        """Hang `child` below `parent` in the picture people see; twice is once."""
        node = self.run.nodes[parent]
        if node.children is None:
            node.children = [child]
        elif node.children[-1] != child:
            node.children.append(child)
        else:
            return
        self._patches.setdefault(parent, {}).setdefault("edges", []).append(child)

    def change(self, node: Node, **fields: Any) -> None:
        """Set fields of a node that are not its phase."""
        patch = self._patches.setdefault(node.id, {})
        for name, value in fields.items():
            if getattr(node, name) != value:
                setattr(node, name, value)
                patch[name] = value

    def move(self, node: Node, to: Phase, message: str | None = None) -> None:
        """Bring a node into another phase by the printed table."""
        self._check(MOVES, node, to)
        before = node.phase
        fields: dict[str, Any] = {"phase": to}
        if message is not None:
            fields["message"] = message
        if to in FULFILLED and node.finished is None:
            fields["finished"] = self.now
        tally(self.run, node, -1)
        self.change(node, **fields)
        tally(self.run, node, 1)
        if to in FULFILLED and before not in FULFILLED:
            self._count_out(node, to)
            self.let_go(node)
            self._memorize(node)

    def let_go(self, node: Node) -> None:
        """The node needs its locks no more, nor waits for any."""
        if node.hold is not None:
            self.change(node, hold=None)
            self.run.index.locked.pop(node.id, None)
            self.effects.append(Release(node.id))

    def _memorize(self, node: Node) -> None:
        """What a node left that nobody had in the cache is kept there, if it succeeded."""
        if node.memo is not None and not node.memo.hit and node.phase == "Succeeded":
            memo, code = node.memo, node.exit_code
            self.effects.append(Memorize(node.id, memo.cache, memo.key, node.outputs, code))

    def _check(self, moves: Mapping[Phase, frozenset[Phase]], node: Node, to: Phase) -> None:
        try:
            phase.check(moves, node.phase, to)
        except phase.IllegalMove as error:
            raise ImpossibleState(f"node {node.name} ({node.id}): {error}") from error

    def reopen(self, node: Node) -> None:
        """A manual retry puts a group back to work."""
        self.change(node, message="", started=self.now, finished=None, outputs=None)
        if node.phase not in ("Skipped", "Omitted"):
            self._check(REOPENS, node, "Running")
            self.change(node, phase="Running")

    def drop(self, ids: Iterable[str]) -> None:
        """A manual retry takes nodes away for good."""
        gone = [i for i in ids if self.run.nodes.pop(i, None) is not None]
        self._removed.extend(gone)
        for i in gone:
            self._patches.pop(i, None)
            self.run.index.locked.pop(i, None)
        purge(self.run, set(gone))

    def report_progress(self, node: Node, text: str) -> None:
        """The step says how far it is."""
        tally(self.run, node, -1)
        self.change(node, progress=text)
        tally(self.run, node, 1)

    def stop_task(self, node: Node) -> None:
        """Ask the executor to end a task that may still run."""
        self.effects.append(StopTask(self.run.task_id(node)))

    def is_timeout(self, node: Node) -> bool:
        return node.id in self.timeouts

    def wake(self, when: datetime, kind: str, node: Node) -> None:
        """Look at the node again at this moment."""
        self.run.index.at(when, kind, node.id)

    # --- the agenda ---

    def then(self, work: Callable[["Turn", Node], None], node: Node) -> None:
        self.agenda.append((work, node.id))

    def settle(self, node: Node) -> None:
        """The node has ended: its hooks and its owner come next."""
        self.then(self.rules.settled, node)

    def progressed(self, node: Node) -> None:
        self.then(self.rules.progressed, node)

    def done(self, node: Node) -> None:
        """The node and its hooks are over: tell its owner."""
        owner = self.run.nodes.get(node.owner)
        if self.run.is_adrift(node):
            return
        if owner is None:
            self.rules.root_ended(self, node)
        elif is_hook(node):
            self.rules.ended["hook"](self, owner, node)
        elif not self._failed_fast(node.boundary) and owner.phase not in FULFILLED:
            self.rules.ended[owner.type](self, owner, node)

    def _failed_fast(self, around: str) -> bool:
        """Whether the steps or dag around gives up now, because a child went wrong and no other is running."""
        if not gives_up(self.run, around):
            return False
        self.rules.fail_fast(self, self.run.nodes[around])
        return True

    def run_agenda(self) -> None:
        """Do everything that follows, until nothing does."""
        while self.agenda or self._call_next():
            while self.agenda:
                work, node_id = self.agenda.popleft()
                node = self.run.nodes.get(node_id)
                if node is not None:
                    work(self, node)

    # --- limits ---

    def postpone(self, node: Node) -> bool:
        """Whether this advance has started as much as it may: the node goes on in the next one then."""
        if self._places > 0:
            return False
        self.run.index.later[node.id] = None
        return True

    def looked(self) -> None:
        """A step was looked at that cannot start: that takes its time, too."""
        self._places -= 1

    def block(self, reason: str, node: Node) -> None:
        """Remember who waits: for its turn, for a place in the workflow, or for one in the template around."""
        boundary = _around(node)
        if reason == "template":
            self._wait(boundary, node)
        elif reason != "fail fast":
            self.queue(node)
        else:
            self._failed_fast(boundary)

    def queue(self, node: Node) -> None:
        """The node has something to start, when everybody before it in the tree has had his turn."""
        self._wait("", node)

    def _wait(self, key: str, node: Node) -> None:
        waiting = self.run.index.blocked.setdefault(key, position.Waiting())
        waiting.push(node.id, position.of_next(self.run, node))

    @property
    def has_more(self) -> bool:
        """Whether there is more to start than this advance may."""
        index = self.run.index
        return bool(index.later) or (bool(index.blocked.get("")) and not self.full(""))

    def _call_next(self) -> bool:
        """Let one go on who waits, the first in the tree; whether there was one."""
        self._call_in()
        index = self.run.index
        if self._places <= 0 or not self.has_more:
            return False
        if index.later:
            node_id = next(iter(index.later))
            del index.later[node_id]
            self._visit(node_id)
            return True
        node_id = index.blocked[""].pop()
        self.is_called = True
        self._visit(node_id)
        self.is_called = False
        return True

    def _call_in(self) -> None:
        """Where a place is free in a steps or dag, the first that waits for it takes his turn in the workflow."""
        while self._freed:
            key, _ = self._freed.popitem()
            waiting = self.run.index.blocked.get(key) if key else None
            if waiting and not self.full(key):
                node = self.run.nodes.get(waiting.pop())
                if node is not None:
                    self.queue(node)

    def _visit(self, node_id: str) -> None:
        node = self.run.nodes.get(node_id)
        if node is None:
            return
        # There may be a place for another, the more so if this one ended while it waited.
        self._freed[_around(node)] = None
        if node.phase not in FULFILLED:
            self.rules.gated(self, node) if node.gate else self.rules.visit[node.type](self, node)

    def freed(self, boundary: str) -> None:
        """A place in this steps or dag node may be free now."""
        if self.run.index.blocked:
            self._freed[boundary] = None

    def full(self, key: str) -> bool:
        """Whether the workflow (the empty key) or this steps or dag node has no free place."""
        index = self.run.index
        if not key:
            limit = self.run.spec.get("parallelism")
            return limit is not None and index.active_pods.get("", 0) >= limit
        around = self.run.definition(self.run.nodes[key])
        return around.parallelism is not None and index.active.get(key, 0) >= around.parallelism

    def changes(self) -> list[Change]:
        """What this turn changed, for the history: removals, then nodes, then the run."""
        found: list[Change] = [NodesRemoved(self._removed)] if self._removed else []
        found += [NodeChanged(id=i, **patch) for i, patch in self._patches.items() if patch]
        return [*found, RunChanged(**self._run_patch)] if self._run_patch else found

    def finish(self, to: Phase, message: str) -> None:
        """The run is over."""
        self.move_run(to, message)
        self.change_run(finished=self.now)
        for node_id in list(self.run.index.leaves):
            self.stop_task(self.run.nodes[node_id])
        for node_id in [*self.run.index.leaves, *self.run.index.gated]:
            self.move(self.run.nodes[node_id], "Failed", LEFT_OVER)
        if self.run.hold is not None:
            self.change_run(hold=None)
            self.effects.append(Release(""))
        self.effects.append(Finished(to))

    def _count_out(self, node: Node, to: Phase) -> None:
        if untrack(self.run, node):
            self.freed(node.boundary)
        if to in BAD and counts_as_bad(node):
            bad = self.run.index.bad
            bad[node.boundary] = bad.get(node.boundary, 0) + 1
        if node.type == "Pod" and node.children:
            self._end_containers(node, to)

    def _end_containers(self, pod: Node, to: Phase) -> None:
        """No container outlives its pod; one of which nobody told the end ends as the pod does."""
        below = list(pod.children or ())
        while below:
            node = self.run.nodes[below.pop()]
            if node.type == "Container":
                below.extend(node.children or ())
                if node.phase not in FULFILLED:
                    self.move(node, to, pod.message)


def _around(node: Node) -> str:
    """In whose limit the node starts something."""
    return node.id if node.type == "DAG" else node.boundary


def is_hook(node: Node) -> bool:
    """Whether the node is a hook itself (attempts of a retried hook have a slot)."""
    return "hooked" in node.flags and node.slot < 0


def new_node(run: Run, name: str, **fields: Any) -> Node:
    """A node with the id its name gives."""
    return Node(id=run.new_id(name), name=name, **fields)
