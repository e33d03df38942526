"""What may be forgotten, and the order in which the throttle lets workflows in."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.retention import Policy, surplus
from controller.throttle import Limits, Throttle

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_newest_of_each_phase_are_kept() -> None:
    newest_first = [
        ("e", "Failed"),
        ("d", "Succeeded"),
        ("c", "Succeeded"),
        ("b", "Failed"),
        ("a", "Error"),
    ]
    assert surplus(newest_first, Policy(completed=1, failed=1)) == ["c", "b"]
    assert surplus(newest_first, Policy()) == []
    assert surplus(newest_first, Policy(errored=0)) == ["a"]


@given(
    total=st.integers(0, 4),
    per_namespace=st.integers(0, 3),
    moves=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.booleans()), max_size=40
    ),
)
def test_the_throttle_never_exceeds_a_limit_and_never_idles(
    total: int, per_namespace: int, moves: list[tuple[str, int, bool]]
) -> None:
    throttle = Throttle(Limits(total=total, per_namespace=per_namespace))
    running: dict[str, str] = {}
    waiting: dict[str, str] = {}
    for number, (namespace, priority, leave) in enumerate(moves):
        if leave and running:
            gone = min(running)
            throttle.remove(gone)
            del running[gone]
        else:
            key = f"{namespace}/{number}"
            created = NOW + timedelta(seconds=number)
            throttle.add(key, namespace, priority=priority, created=created)
            waiting[key] = namespace
        for key in throttle.admit():
            running[key] = waiting.pop(key)
        counts = [list(running.values()).count(name) for name in "abc"]
        assert not total or len(running) <= total
        assert not per_namespace or max(counts) <= per_namespace
        full = bool(total) and len(running) == total
        crowded = {
            name
            for name, count in zip("abc", counts, strict=True)
            if per_namespace and count >= per_namespace
        }
        assert full or set(waiting.values()) <= crowded
