"""The values of the engine: nodes, inputs, changes (the history), effects (what must be done).

The engine is a pure function. `advance(run, inputs, now)` brings a run forward and says what changed and what to do;
`fold(run, changes)` makes the same run again from the changes alone. Nothing here reads a clock or does I/O.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from bireme.kit.errors import BiremeError, UserError
from controller.dag.phase import Phase
from executor.model import Report, Task

NodeType = Literal[
    "Pod", "Container", "Steps", "StepGroup", "DAG", "TaskGroup", "Retry", "Skipped", "Suspend", "HTTP", "Plugin",
]  # fmt: skip

Json = dict[str, Any]


class ImpossibleState(BiremeError):
    """The facts contradict each other: a fault of ours, told with the facts in it."""


class OperationRefused(UserError):
    """The run is not in a state for this operation; the message is Argo's."""


class NodeOutputs(msgspec.Struct, omit_defaults=True, gc=False):
    """What a node left. `parameters` maps names to values; None marks a declared output that has no value yet."""

    parameters: dict[str, str | None] = {}
    artifacts: dict[str, Json] = {}
    result: str | None = None


class Lock(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One lock as Argo names it, `<namespace>/Mutex/<name>` and so on. `key` is its row when a database keeps it."""

    name: str
    key: str = ""

    @property
    def identity(self) -> str:
        return self.key or self.name

    @property
    def is_mutex(self) -> bool:
        return self.key.startswith("mtx/") or (not self.key and "/Mutex/" in self.name)


class Hold(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The locks a node (or the whole run) wants: all are held, or none; `waiting` names the one that is taken."""

    locks: tuple[Lock, ...]
    held: bool = False
    waiting: str = ""


class Memo(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a memoized node's outputs are kept, for how many seconds an entry is good (0: for ever), and whether it
    was there."""

    cache: str
    key: str
    max_age_s: float = 0.0
    hit: bool = False


Gate = Literal["", "lock", "memo"]


class Node(msgspec.Struct, gc=False):
    """One node of the tree. Fields at their default cost one pointer each; see tests/dag/test_scale.py for the bytes.

    `owner` is the node that waits for this one (step group, task group, retry, steps, dag, or the node a hook hangs
    on); `boundary` is Argo's boundaryID. `slot` is the index of the step in its group, of the task in its DAG, or of
    the attempt. `template` is a key of `Run.library`. `inputs` holds the values of the template's input parameters in
    the order it declares them. `gate` is what a node that has not begun waits for: its locks, or the cache's answer.
    """

    id: str
    name: str
    type: NodeType
    phase: Phase
    owner: str = ""
    boundary: str = ""
    slot: int = -1
    template: str = ""
    message: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    inputs: tuple[str | None, ...] | None = None
    artifacts: list[Json] | None = None
    outputs: NodeOutputs | None = None
    exit_code: str | None = None
    children: list[str] | None = None
    outbound: list[str] | None = None
    flags: str = ""
    daemoned: bool = False
    progress: str = ""
    body: Json | None = None
    host: str = ""
    gate: Gate = ""
    hold: Hold | None = None
    memo: Memo | None = None


# --- changes: the history ---------------------------------------------------------------------------------------


class NodeChanged(msgspec.Struct, tag_field="t", tag="n", omit_defaults=True, gc=False):
    """A patch of one node; a node not seen before is made by it. `edges` are children to append."""

    id: str
    name: str | UnsetType = UNSET
    type: NodeType | UnsetType = UNSET
    phase: Phase | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    boundary: str | UnsetType = UNSET
    slot: int | UnsetType = UNSET
    template: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    started: datetime | UnsetType | None = UNSET
    finished: datetime | UnsetType | None = UNSET
    inputs: tuple[str | None, ...] | UnsetType | None = UNSET
    artifacts: list[Json] | UnsetType | None = UNSET
    outputs: NodeOutputs | UnsetType | None = UNSET
    exit_code: str | UnsetType | None = UNSET
    edges: list[str] | UnsetType = UNSET
    outbound: list[str] | UnsetType | None = UNSET
    flags: str | UnsetType = UNSET
    daemoned: bool | UnsetType = UNSET
    progress: str | UnsetType = UNSET
    body: Json | UnsetType | None = UNSET
    gate: Gate | UnsetType = UNSET
    hold: Hold | UnsetType | None = UNSET
    memo: Memo | UnsetType | None = UNSET
    host: str | UnsetType = UNSET


class NodesRemoved(msgspec.Struct, tag_field="t", tag="d", gc=False):
    """A manual retry took these nodes away; they vanish from every list of children and outbound nodes too."""

    ids: list[str]


class RunChanged(msgspec.Struct, tag_field="t", tag="r", omit_defaults=True, gc=False):
    """A patch of the run itself. Mappings replace what was there."""

    phase: Phase | UnsetType = UNSET
    message: str | UnsetType = UNSET
    started: datetime | UnsetType | None = UNSET
    finished: datetime | UnsetType | None = UNSET
    deadline: datetime | UnsetType | None = UNSET
    suspended: bool | UnsetType = UNSET
    shutdown: str | UnsetType = UNSET
    seen_status: str | UnsetType = UNSET
    outputs: NodeOutputs | UnsetType | None = UNSET
    parameters: dict[str, str] | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    annotations: dict[str, str] | UnsetType = UNSET
    hold: Hold | UnsetType | None = UNSET


Change = NodeChanged | NodesRemoved | RunChanged


# --- inputs -----------------------------------------------------------------------------------------------------


class Begin(msgspec.Struct, tag="begin", frozen=True):
    """Start the run: check its arguments and execute the entrypoint. `problem` is what validation found wrong."""

    problem: str = ""


class Reported(msgspec.Struct, tag="reported", frozen=True):
    """An executor says what became of a task. Reports about tasks that have ended or never were are ignored."""

    report: Report


class Tick(msgspec.Struct, tag="tick", frozen=True):
    """Time has passed: due timers (backoff, durations, deadlines) fire. Harmless when nothing is due."""


class Operation(msgspec.Struct, tag="operation", frozen=True, kw_only=True, omit_defaults=True):
    """A person's wish. Refused with OperationRefused, and without any change, when the run cannot honour it.

    `selector` is Argo's node field selector. `resume`, `stop` and `set` take it. `outputs`, `phase` and `message`
    belong to `set` (and `message` to `stop` with a selector). `by` names who asked, for the node's message.
    """

    kind: Literal["suspend", "resume", "stop", "terminate", "set"]
    selector: str = ""
    message: str = ""
    phase: Phase = ""
    outputs: dict[str, str] = {}
    by: dict[str, str] = {}


class Locked(msgspec.Struct, tag="locked", frozen=True, kw_only=True):
    """The answer to an Acquire: granted when both texts are empty, else `waiting` names the lock that is taken, or
    `error` says what is wrong with one of them. `holder` is a node, or empty for the whole run."""

    holder: str
    waiting: str = ""
    message: str = ""
    error: str = ""


class Recalled(msgspec.Struct, tag="recalled", frozen=True, kw_only=True):
    """The answer to a Recall: what an earlier node left, or nothing."""

    node: str
    hit: bool
    outputs: NodeOutputs | None = None
    exit_code: str | None = None


Input = Begin | Reported | Tick | Operation | Locked | Recalled


# --- effects ----------------------------------------------------------------------------------------------------


class StartTask(msgspec.Struct, frozen=True):
    """Hand this to the executor, once the changes are durable. Idempotent by `task.id`."""

    task: Task


class StopTask(msgspec.Struct, frozen=True):
    """End a running task: SIGTERM, then SIGKILL after `grace_s`. Its node has its result already."""

    id: str
    grace_s: float = 30.0


class WakeAt(msgspec.Struct, frozen=True):
    """Send a Tick at this moment (the earliest timer of the run; a later WakeAt replaces it)."""

    at: datetime


class Finished(msgspec.Struct, frozen=True):
    """The run has ended in this phase; nothing more will happen to it, a manual retry apart."""

    phase: Phase


class Acquire(msgspec.Struct, frozen=True):
    """Ask for all these locks at once; a Locked answers, again each time that changes. Idempotent by `holder`."""

    holder: str
    locks: tuple[Lock, ...]


class Release(msgspec.Struct, frozen=True):
    """The holder lets go of its locks, or waits for them no more."""

    holder: str


class Recall(msgspec.Struct, frozen=True):
    """Look into the cache; a Recalled answers."""

    node: str
    memo: Memo


class Memorize(msgspec.Struct, frozen=True):
    """Keep what the node left, in the same commit as the changes that came with this."""

    node: str
    cache: str
    key: str
    outputs: NodeOutputs | None
    exit_code: str | None


Effect = StartTask | StopTask | WakeAt | Finished | Acquire | Release | Recall | Memorize


class Advance(msgspec.Struct):
    """What one advance did: the changes to store, the effects to carry out afterwards."""

    changes: list[Change]
    effects: list[Effect]


# --- what a run is made from ------------------------------------------------------------------------------------


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run is made from, frozen when it begins; with the history it is all that must be stored.

    `spec` is the effective workflow spec (defaults and workflowTemplateRef merged). `templates` maps
    `namespaced/<name>` and `cluster/<name>` to the specs of stored templates it may refer to. `config_maps` maps
    names to their data (only maps that may serve as parameters). `created` is the creation time of the object.
    """

    uid: str
    name: str
    namespace: str
    spec: Json
    created: datetime
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    templates: Mapping[str, Json] = {}
    config_maps: Mapping[str, dict[str, str]] = {}
