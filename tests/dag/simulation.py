"""Runs of the pure engine under a seed, on one lock table and one executor, in a process that dies all the time.

The process may die before a step is recorded, after it is, and between any two of the effects that follow. What was
recorded and what the executor has are all that is left then; reports come late, twice and in any order.

What must hold: a node is started once, whatever it says and however often the process dies; every run ends as it does
in a process that never dies; who runs holds its locks, and no lock has more holders than its limit, nor any at the end.
"""

import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zlib import crc32

import msgspec

from controller.dag import fold, lock_status
from controller.dag import model as dag
from controller.dag.advance import advance, replan
from controller.dag.begin import begin
from controller.dag.state import Run
from controller.locks import Claim, LockTable
from executor.model import Outputs, Report, Task
from tests.dag.random_specs import LIMITS, random_spec

START = datetime(2026, 1, 1, tzinfo=UTC)
FINAL = ("Succeeded", "Failed", "Error")
MOST_ROUNDS = 3_000
_history = msgspec.msgpack.Decoder(list[dag.Change])


class Died(BaseException):
    """The process was killed here."""


class Tasks:
    """The executor's side: lives on when the process dies. How a step ends depends on its name alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.known: dict[str, Task] = {}
        self.names: dict[tuple[str, str], str] = {}
        self.ended: dict[str, Report] = {}

    @property
    def running(self) -> list[str]:
        return [id for id in self.known if id not in self.ended]

    def start(self, task: Task) -> None:
        """The same task again is the same task; another one for the same node would be a second run of it."""
        before = self.known.setdefault(task.id, task)
        assert before.template == task.template, f"{task.node_name} is asked for twice, differently"
        first = self.names.setdefault((task.run, task.node_name), task.id)
        assert first == task.id, f"{task.node_name} is run twice, as {first} and {task.id}"

    def end(self, id: str, now: datetime) -> None:
        name = self.known[id].node_name
        cached = self.known[id].template["name"].startswith("kept")
        fails = not cached and crc32(f"{self.seed} {name}".encode()) % 100 < 25
        self.ended[id] = _report(self.known[id], "failed" if fails else "succeeded", now)

    def stop(self, id: str, now: datetime) -> None:
        if id in self.known and id not in self.ended:
            self.ended[id] = _report(self.known[id], "failed", now)


def _report(task: Task, state: Any, now: datetime) -> Report:
    declared = (task.template.get("outputs") or {}).get("parameters") or []
    parameters = {item["name"]: "value" for item in declared}
    code = "0" if state == "succeeded" else "1"
    left = Outputs(exit_code=code, parameters=parameters)
    return Report(task=task.id, state=state, at=now, outputs=left)


class Life:
    """One run: what is recorded of it, and what the present process knows."""

    def __init__(self, uid: str, spec: dict[str, Any]) -> None:
        self.source = dag.Source(uid=uid, name=uid, namespace="d", spec=spec, created=START)
        self.history: list[bytes] = []
        self.run = begin(self.source)
        self.inbox: list[dag.Input] = []
        self.wake: datetime | None = None

    def revive(self) -> None:
        self.run = begin(self.source)
        for entry in self.history:
            fold.fold(self.run, _history.decode(entry))
        if self.run.suspended:
            fold.index(
                self.run
            )  # as the controller does: any other run is indexed by the look at it
        self.inbox, self.wake = [], None

    def again(self) -> Run:
        """Another run, made from the history alone."""
        made = begin(self.source)
        for entry in self.history:
            fold.fold(made, _history.decode(entry))
        fold.index(made)
        return made

    @property
    def is_over(self) -> bool:
        return self.run.phase in FINAL


class Play:
    """One seed from the first step of every run to the end of all of them."""

    def __init__(self, seed: int, *, dies: bool = True) -> None:
        self.rng = Random(seed)
        specs = [random_spec(self.rng) for _ in range(self.rng.randint(1, 3))]
        self.lives = {f"r{n}": Life(f"r{n}", spec) for n, spec in enumerate(specs)}
        self.tasks = Tasks(seed)
        self.chance = self.rng.choice((0.01, 0.05, 0.2)) if dies else 0.0
        self.deaths = 0
        self.now = START
        self.memo: dict[tuple[str, str], dag.Memorize] = {}
        self.table = LockTable(_limit)
        self.stops: set[str] = set()
        self.mail: list[Report] = []

    def play(self) -> "Play":
        for life in self.lives.values():
            self._alive(self._step, life, dag.Begin())
        for _ in range(MOST_ROUNDS):
            if all(life.is_over for life in self.lives.values()):
                break
            self._alive(self._round)
            self._check_locks()
        self._check_end()
        return self

    # --- the process ---

    def _alive(self, what: Any, *given: Any) -> None:
        """Do it; a process that dies of it comes back, as often as it takes."""
        try:
            what(*given)
        except Died:
            self._come_back()

    def _come_back(self) -> None:
        while True:
            self.deaths += 1
            try:
                self._recover()
            except Died:
                continue
            return

    def _may_die(self) -> None:
        if self.rng.random() < self.chance:
            raise Died

    def _recover(self) -> None:
        """As the controller does: what is held is restored before anybody asks for anything."""
        self.table, self.mail = LockTable(_limit), []
        for life in self.lives.values():
            life.revive()
        for id in self.stops:
            self.tasks.stop(id, self.now)
        self.stops.clear()
        looked = [(life, done) for life in self.lives.values() if (done := self._looked(life))]
        for life, _ in looked:
            for holder, hold in lock_status.holders(life.run):
                if hold.held:
                    self.table.restore(_claim(life, holder), hold.locks)
        for life, done in looked:
            self._record(life, done)

    def _looked(self, life: Life) -> dag.Advance | None:
        """What a full look at the run says, its tasks adopted; nothing for one that is over, or was never born."""
        if not life.history:
            return advance(life.run, [dag.Begin()], self.now)
        if life.is_over:
            return None
        done = replan(life.run, self.now)
        new = {e.task.id for e in done.effects if isinstance(e, dag.StartTask)}
        for task in fold.pending_tasks(life.run):
            if task.id not in new:
                self._adopt(task)
        return done

    def _adopt(self, task: Task) -> None:
        self.tasks.start(task)
        if task.id in self.tasks.ended:
            self.mail.append(self.tasks.ended[task.id])

    def _step(self, life: Life, *inputs: dag.Input) -> None:
        self._may_die()
        self._record(life, advance(life.run, inputs, self.now))

    def _record(self, life: Life, done: dag.Advance) -> None:
        self._may_die()
        if done.changes:
            life.history.append(msgspec.msgpack.encode(done.changes))
        self.memo |= {(e.cache, e.key): e for e in done.effects if isinstance(e, dag.Memorize)}
        self.stops |= {e.id for e in done.effects if isinstance(e, dag.StopTask)}
        for effect in done.effects:
            self._may_die()
            self._perform(life, effect)
        if life.is_over:
            self.table.forget(life.source.uid)

    def _perform(self, life: Life, effect: dag.Effect) -> None:
        match effect:
            case dag.StartTask(task=task):
                self._check_holds(life, task)
                self.tasks.start(task)
            case dag.StopTask(id=id):
                self.tasks.stop(id, self.now)
                self.stops.discard(id)
            case dag.WakeAt(at=at):
                life.wake = at
            case dag.Acquire(holder=holder, locks=locks):
                self.table.ask(_claim(life, holder), locks)
            case dag.Release(holder=holder):
                self.table.release(life.source.uid, holder)
            case dag.Recall(node=node, memo=memo):
                kept = self.memo.get((memo.cache, memo.key))
                hit = kept is not None
                outputs, code = (kept.outputs, kept.exit_code) if kept else (None, None)
                life.inbox.append(dag.Recalled(node=node, hit=hit, outputs=outputs, exit_code=code))

    # --- what happens ---

    def _round(self) -> None:
        """Some of what may happen next happens; each run then takes what came for it, some of it or all."""
        self._happen()
        for answer in self.table.answers():
            self.lives[answer.claim.run].inbox.append(
                dag.Locked(
                    holder=answer.claim.holder,
                    waiting=answer.waiting,
                    message=answer.message,
                    error=answer.error,
                )
            )
        for report in self._delivered():
            self.lives[report.task.partition("/")[0]].inbox.append(dag.Reported(report))
        for life in self.lives.values():
            if life.inbox and not life.is_over:
                taken, life.inbox = life.inbox, []
                self._step(life, *taken)

    def _happen(self) -> None:
        rng, running = self.rng, self.tasks.running
        for id in rng.sample(running, min(len(running), rng.randint(0, 3))):
            task = self.tasks.known[id]
            if rng.random() < 0.3 or task.template.get("daemon"):
                self.mail.append(Report(task=id, state="started", at=self.now))
            else:
                self.tasks.end(id, self.now)
                self.mail.append(self.tasks.ended[id])
        self._pass_time()

    def _pass_time(self) -> None:
        self.now += timedelta(seconds=1)
        for life in self.lives.values():
            if life.is_over:
                continue
            if life.wake is not None and life.wake <= self.now:
                life.wake = None
                life.inbox.append(dag.Tick())
            if self.rng.random() < 0.1:
                self._operate(life, "suspend" if self.rng.random() < 0.2 else "resume")

    def _operate(self, life: Life, kind: Any) -> None:
        """A person pauses the run, or lets it go on; what is refused was asked too late."""
        with suppress(dag.OperationRefused):
            self._step(life, dag.Operation(kind=kind))

    def _delivered(self) -> list[Report]:
        self.rng.shuffle(self.mail)
        count = self.rng.randint(0, len(self.mail))
        taken, self.mail = self.mail[:count], self.mail[count:]
        again = [report for report in taken if self.rng.random() < 0.2]
        self.mail += again if self.chance else []
        return taken

    # --- what must hold ---

    def _check_holds(self, life: Life, task: Task) -> None:
        """Who starts holds the locks of everything it is in; and so does the history."""
        run: Run = life.run
        found = [hold for _, hold in _around(run, task.node)]
        assert all(hold.held for hold in found), f"{task.node_name} runs without its locks"

    def _check_locks(self) -> None:
        held: dict[str, set[tuple[str, str]]] = {}
        for id in self.tasks.running:
            task = self.tasks.known[id]
            life = self.lives[task.run]
            for holder, hold in [] if life.is_over else _around(life.run, task.node):
                for lock in hold.locks:
                    held.setdefault(lock.name, set()).add((task.run, holder))
        for name, who in held.items():
            limit = LIMITS.get(name.rpartition("/")[2], 1)
            assert len(who) <= limit, f"{name} is held by {sorted(who)}"

    def _check_end(self) -> None:
        for uid, life in self.lives.items():
            assert life.is_over, f"{uid} does not end: {_open(life.run)}"
            left = [holder for holder, hold in lock_status.holders(life.run) if hold.held]
            assert not left, f"{uid} has ended and holds locks: {left}"
        assert not self.table._held, f"locks are leaked: {self.table._held}"
        assert not self.table._waiters, f"who has ended waits: {self.table._waiters}"
        assert not self.tasks.running, f"steps are left running: {self.tasks.running}"


def _around(run: Run, node_id: str) -> list[tuple[str, dag.Hold]]:
    """Who holds, or should hold, locks for the node: itself, everything it is in, and the run."""
    found = [("", run.hold)] if run.hold is not None else []
    node = run.nodes.get(node_id)
    while node is not None:
        if node.hold is not None:
            found.append((node.id, node.hold))
        node = run.nodes.get(node.owner)
    return found


def _claim(life: Life, holder: str) -> Claim:
    return Claim(life.source.uid, holder, created=START)


def _limit(lock: dag.Lock) -> int:
    return LIMITS[lock.name.rpartition("/")[2]]


def _open(run: Run) -> list[str]:
    return [
        f"{n.name} {n.phase} {n.gate} {n.message}"
        for n in run.nodes.values()
        if n.phase not in FINAL
    ]


def ends(play: Play) -> dict[str, str]:
    """How each run ended."""
    return {uid: life.run.phase for uid, life in play.lives.items()}


def check(seed: int) -> int:
    """Play a seed with deaths and without; how often the process died. Raises AssertionError for what must not be."""
    died, lived = Play(seed).play(), Play(seed, dies=False).play()
    assert ends(died) == ends(lived)
    return died.deaths


def main(first: int, count: int) -> None:
    deaths = 0
    for seed in range(first, first + count):
        try:
            deaths += check(seed)
        except BaseException:
            sys.stderr.write(f"seed {seed} failed\n")
            raise
    sys.stdout.write(f"{count} seeds, {deaths} deaths: nothing lost, nothing twice\n")


if __name__ == "__main__":
    main(0, int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
