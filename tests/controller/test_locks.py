"""The lock table: limits, order, all or none, and the same table after a crash."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.dag.model import Lock
from controller.locks import Answer, Claim, LockTable, UnknownLimit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MUTEX = Lock("default/Mutex/test")
SEMAPHORE = Lock("default/ConfigMap/limits/two")
LOCKS = (MUTEX, SEMAPHORE, Lock("default/Database/k", "sem/default/k"))


def limit(lock: Lock) -> int:
    return 2


def claim(run: str, holder: str = "", *, priority: int = 0, after_s: int = 0) -> Claim:
    return Claim(run, holder, priority, created=NOW + timedelta(seconds=after_s))


def asks(table: LockTable, who: Claim, *locks: Lock) -> Answer | None:
    table.ask(who, locks)
    return next((a for a in table.answers() if a.claim == who), None)


def granted(answers: list[Answer]) -> list[str]:
    return [a.claim.run for a in answers if not a.waiting and not a.error]


def test_a_mutex_has_one_holder_and_says_what_is_waited_for() -> None:
    table = LockTable(limit)
    assert asks(table, claim("one"), MUTEX) == Answer(claim("one"))
    told = asks(table, claim("two", after_s=1), MUTEX)
    assert told is not None
    assert told.message == "Waiting for default/Mutex/test lock. Lock status: 0/1"


def test_the_higher_priority_is_first_then_the_older_run() -> None:
    table = LockTable(limit)
    asks(table, claim("one"), MUTEX)
    for who in (claim("two", after_s=1), claim("three", after_s=2, priority=5), claim("four")):
        asks(table, who, MUTEX)
    order = []
    for run in ("one", "three", "four"):
        table.release(run, "")
        order += granted(table.answers())
    assert order == ["three", "four", "two"]


def test_asking_again_while_holding_is_answered_with_the_lock() -> None:
    table = LockTable(limit)
    asks(table, claim("one"), MUTEX)
    assert asks(table, claim("one"), MUTEX) == Answer(claim("one"))
    assert table.holders(MUTEX.identity) == [("one", "")]


def test_all_locks_are_taken_at_once_or_none() -> None:
    table = LockTable(limit)
    asks(table, claim("one"), MUTEX)
    asks(table, claim("two", after_s=1), SEMAPHORE, MUTEX)
    assert table.holders(SEMAPHORE.identity) == []
    table.release("one", "")
    assert granted(table.answers()) == ["two"]
    assert table.holders(SEMAPHORE.identity) == table.holders(MUTEX.identity) == [("two", "")]


def test_who_waited_behind_a_run_that_got_its_locks_is_asked_too() -> None:
    table = LockTable(limit)
    asks(table, claim("one"), MUTEX)
    asks(table, claim("two", after_s=1), SEMAPHORE, MUTEX)
    waits = asks(table, claim("three", after_s=2), SEMAPHORE)
    assert waits is not None
    assert waits.waiting == SEMAPHORE.name
    table.release("one", "")
    assert granted(table.answers()) == ["two", "three"]


def test_a_larger_limit_lets_more_in_and_a_smaller_one_takes_nothing_away() -> None:
    size = 1
    table = LockTable(lambda lock: size)
    asks(table, claim("one"), SEMAPHORE)
    asks(table, claim("two", after_s=1), SEMAPHORE)
    size = 2
    table.look_again()
    assert granted(table.answers()) == ["two"]
    size = 1
    table.look_again()
    assert len(table.holders(SEMAPHORE.identity)) == 2


def test_a_limit_nobody_knows_is_an_error_and_one_that_was_known_is_remembered() -> None:
    known = False

    def sometimes(lock: Lock) -> int:
        if not known:
            raise UnknownLimit("no such config map")
        return 1

    table = LockTable(sometimes)
    told = asks(table, claim("one"), SEMAPHORE)
    assert told is not None
    assert told.error == "no such config map"
    known = True
    assert asks(table, claim("one"), SEMAPHORE) == Answer(claim("one"))
    known = False
    table.release("one", "")
    assert asks(table, claim("two"), SEMAPHORE) == Answer(claim("two"))


class Truth:
    """What the histories would say: who holds what. A crash loses everything else."""

    def __init__(self) -> None:
        self.table = LockTable(limit)
        self.held: dict[tuple[str, str], tuple[Claim, tuple[Lock, ...]]] = {}
        self.wanted: dict[tuple[str, str], tuple[Claim, tuple[Lock, ...]]] = {}

    def take(self) -> None:
        for answer in self.table.answers():
            if not answer.waiting:
                assert answer.claim.id in self.wanted or answer.claim.id in self.held
                if found := self.wanted.pop(answer.claim.id, None):
                    self.held[answer.claim.id] = found

    def crash(self) -> None:
        self.table = LockTable(limit)
        for who, locks in self.held.values():
            self.table.restore(who, locks)
        for who, locks in self.wanted.values():
            self.table.ask(who, locks)

    def check(self) -> None:
        for lock in LOCKS:
            holders = {who for who, (_, locks) in self.held.items() if lock in locks}
            assert set(self.table.holders(lock.identity)) == holders
            assert len(holders) <= (1 if lock.is_mutex else 2)


STEPS = st.tuples(
    st.sampled_from(["ask", "ask", "release", "crash", "forget"]),
    st.integers(0, 5),
    st.sampled_from(["", "n1", "n2"]),
    st.sets(st.sampled_from(LOCKS), min_size=1),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_locks_are_never_held_twice_never_leaked_and_everyone_gets_them(
    steps: list[tuple[str, int, str, set[Lock]]],
) -> None:
    truth = Truth()
    for action, number, holder, locks in steps:
        who = claim(f"run{number}", holder, priority=number % 2, after_s=number)
        if action == "crash":
            truth.crash()
        elif action == "forget":
            truth.table.forget(who.run)
            for kept in (truth.held, truth.wanted):
                for key in [key for key in kept if key[0] == who.run]:
                    del kept[key]
        elif action == "release":
            truth.table.release(*who.id)
            truth.held.pop(who.id, None)
            truth.wanted.pop(who.id, None)
        elif who.id not in truth.held and who.id not in truth.wanted:
            chosen = tuple(sorted(locks, key=lambda lock: lock.name))
            truth.wanted[who.id] = (who, chosen)
            truth.table.ask(who, chosen)
        truth.take()
        truth.check()
    while truth.held or truth.wanted:
        assert truth.held, "somebody waits although nobody holds anything"
        for key in sorted(truth.held):
            truth.table.release(*key)
            del truth.held[key]
        truth.take()
        truth.check()
