"""The incremental run equals a full replan also with locks, caches, hooks, daemons and deaths of the process."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.dag import fold, lock_status
from controller.dag import model as dag
from controller.dag.advance import replan
from controller.dag.status import status
from tests.dag.simulation import Life, Play


class Compared(Play):
    """After every step each run equals the one its history makes, and a full look finds nothing that was overlooked."""

    def _record(self, life: Life, done: dag.Advance) -> None:
        super()._record(life, done)
        again = life.again()
        assert status(again) == status(life.run)
        pending = [sorted(t.id for t in fold.pending_tasks(run)) for run in (again, life.run)]
        assert pending[0] == pending[1]
        kept = [(node.id, node.hold) for node in life.run.nodes.values() if node.hold is not None]
        assert [(i, hold) for i, hold in lock_status.holders(life.run) if i] == kept
        if life.run.phase == "Running":
            looked = replan(again, self.now)
            assert not [change for change in looked.changes if not _asks_again(change)]
            assert not [e for e in looked.effects if isinstance(e, dag.StartTask)]


def _asks_again(change: dag.Change) -> bool:
    """After a miss, who waits for a place may ask the cache again."""
    return isinstance(change, dag.NodeChanged) and change.gate == "memo"


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), dies=st.booleans())
def test_with_locks_caches_and_hooks_a_step_equals_a_full_replan(seed: int, dies: bool) -> None:
    Compared(seed, dies=dies).play()
