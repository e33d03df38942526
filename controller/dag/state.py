"""The run: its nodes and the few facts beside them, with the index that makes an advance cheap.

Facts change only through `turn.Turn` and `fold`. The index holds nothing that cannot be derived from the facts:
`fold.index` builds it anew, and a property test holds the two equal.
"""

import heapq
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from controller.dag import names
from controller.dag.library import Definition, Library
from controller.dag.model import Hold, ImpossibleState, Json, Node, NodeOutputs, Source
from controller.dag.phase import FULFILLED, Phase

if TYPE_CHECKING:
    from controller.dag.position import Waiting
    from controller.dag.scope import Frame

Position = tuple[int, ...]
"""Where something stands in the tree; see `controller.dag.position`."""


@dataclass(slots=True)
class Member:
    """One child that a fan-out still has to start: its name, the step or task as resolved, or why it is not run."""

    slot: int
    name: str
    body: Json
    skip: str = ""
    error: str = ""


@dataclass(slots=True)
class Fan:
    """A step group or the items of a looped task: who is still to come, how many are not done."""

    members: Iterator[Member]
    ahead: Member | None = None
    exhausted: bool = False
    open: int = 0
    up: set[str] = field(default_factory=set)
    """The daemons that have been counted as done: a hook may end after that, and tells of them again."""


@dataclass(slots=True)
class Tasks:
    """A DAG under way: per task how many of its needs are unmet, and those still to be looked at.

    `order` is how a walk comes to the tasks, `rank` the place of each in it; `ready` is a heap of the ranks of those
    that may start.
    """

    unmet: list[int]
    wanted: Collection[int]
    open: int
    order: list[int]
    rank: list[int]
    ready: list[int] = field(default_factory=list)
    fresh: deque[int] = field(default_factory=deque)
    up: set[int] = field(default_factory=set)
    """As `Fan.up`."""


@dataclass(slots=True)
class Index:
    """Everything derived. Keys are node ids; only what is not fulfilled has entries."""

    frames: "dict[str, Frame]" = field(default_factory=dict)
    fans: dict[str, Fan] = field(default_factory=dict)
    tasks: dict[str, Tasks] = field(default_factory=dict)
    leaves: dict[str, None] = field(default_factory=dict)
    suspended: dict[str, None] = field(default_factory=dict)
    gated: dict[str, None] = field(default_factory=dict)
    locked: dict[str, None] = field(default_factory=dict)
    """Who holds locks or waits for them, also when it is fulfilled and has yet to let go."""
    daemons: dict[str, None] = field(default_factory=dict)
    blocked: "dict[str, Waiting]" = field(default_factory=dict)
    """Who waits for a place in a steps or dag node; under the empty key, who waits for one in the workflow."""
    later: dict[str, None] = field(default_factory=dict)
    """Who has more to start than one advance may."""
    placeless: dict[str, None] = field(default_factory=dict)
    """Daemons that are up: what they were started for would wait for ever for the place they had."""
    active: dict[str, int] = field(default_factory=dict)
    active_pods: dict[str, int] = field(default_factory=dict)
    bad: dict[str, int] = field(default_factory=dict)
    hooks: dict[str, int] = field(default_factory=dict)
    watched: dict[str, dict[str, None]] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    pods: int = 0
    running: int = 0
    timers: list[tuple[datetime, str, str]] = field(default_factory=list)
    woken: datetime | None = None

    def at(self, when: datetime, kind: str, node: str) -> None:
        heapq.heappush(self.timers, (when, kind, node))


class Run:
    """One workflow run. Only `controller.dag` changes it; everyone may read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.library = Library(source)
        self.nodes: dict[str, Node] = {}
        self.twins: dict[str, str] = {}
        self.phase: Phase = ""
        self.message = ""
        self.started: datetime | None = None
        self.finished: datetime | None = None
        self.deadline: datetime | None = None
        self.suspended: bool = source.spec.get("suspend") is True
        self.shutdown: str = source.spec.get("shutdown") or ""
        self.seen_status = ""
        self.outputs: NodeOutputs | None = None
        self.hold: Hold | None = None
        self.parameters: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.annotations: dict[str, str] = {}
        self.variables: dict[str, str | None] = {}
        self.moment = source.created
        self.index = Index()

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def spec(self) -> Json:
        return self.source.spec

    @property
    def root(self) -> Node | None:
        return self.nodes.get(self.source.name)

    def find(self, name: str) -> Node | None:
        """The node of this name."""
        node = self.nodes.get(self.twins.get(name) or names.node_id(self.source.name, name))
        return node if node is not None and node.name == name else None

    def get(self, name: str) -> Node:
        """The node of this name, which must be there."""
        node = self.find(name)
        if node is None:
            raise ImpossibleState(f"run {self.name}: there is no node {name}")
        return node

    def new_id(self, name: str) -> str:
        """An id for a node of this name: its digest, or the next one when two names have the same digest.

        Ids are 32 bits wide: among 50,000 nodes one such pair is likelier than not in every fourth run.
        """
        node_id = names.node_id(self.source.name, name)
        salt = 0
        while (taken := self.nodes.get(node_id)) is not None and taken.name != name:
            salt += 1
            node_id = names.node_id(self.source.name, f"{name}~{salt}")
        self.remember(name, node_id)
        return node_id

    def remember(self, name: str, node_id: str) -> None:
        """Note a name whose node does not have the id its digest gives."""
        if node_id != names.node_id(self.source.name, name):
            self.twins[name] = node_id

    def definition(self, node: Node) -> Definition:
        return self.library.get(node.template)

    def is_adrift(self, node: Node) -> bool:
        """Whether a steps or dag around the node has ended without it: nothing may follow from it any more."""
        around = self.nodes.get(node.boundary)
        while around is not None:
            if around.phase in FULFILLED:
                return True
            around = self.nodes.get(around.boundary)
        return False

    def is_held_back(self, node: Node) -> bool:
        """Whether the node is inside one that waits for its locks."""
        around = self.nodes.get(node.owner)
        while around is not None and self.index.gated:
            if around.gate:
                return True
            around = self.nodes.get(around.owner)
        return False

    def task_id(self, node: Node) -> str:
        """The executor's name for this node's work."""
        return f"{self.source.uid}/{node.id}"


def first(members: Fan) -> Member | None:
    """The next member to start, without taking it."""
    if members.ahead is None and not members.exhausted:
        members.ahead = next(members.members, None)
        members.exhausted = members.ahead is None
    return members.ahead
