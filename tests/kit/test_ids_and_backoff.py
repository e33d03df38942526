"""Digests tell parts apart; waiting grows and is capped."""

from hypothesis import given
from hypothesis import strategies as st

from bireme.kit.backoff import Backoff
from bireme.kit.ids import digest


@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_digests_are_equal_exactly_when_the_parts_are(a: list[str], b: list[str]) -> None:
    assert (digest(*a) == digest(*b)) == (a == b)


def test_waiting_doubles_up_to_the_cap() -> None:
    backoff = Backoff(base_s=1, factor=2, cap_s=5)
    assert [backoff.delay(n) for n in (1, 2, 3, 4, 100)] == [1, 2, 4, 5, 5]


@given(st.floats(0, 0.999), st.integers(1, 50))
def test_jitter_stays_within_its_share(chance: float, attempt: int) -> None:
    class Fixed:
        def random(self) -> float:
            return chance

    plain = Backoff(base_s=2, cap_s=100).delay(attempt)
    assert (
        0.9 * plain
        <= Backoff(base_s=2, cap_s=100, jitter=0.1).delay(attempt, Fixed())
        <= 1.1 * plain
    )
