"""Events too large for a bus: the quick look never passes one that the exact count would refuse."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import sizes
from events.buses import jetstream, kafka
from events.model import Event
from events.ports import TooLarge

# Long enough that what a bus writes for a text outweighs what the quick look allows for all else.
TEXT = st.builds(str.__mul__, st.sampled_from("a\n%€😀"), st.integers(0, 400))


@given(
    texts=st.fixed_dictionaries(
        dict.fromkeys(("id", "namespace", "source", "subject", "type", "content_type", "dedup", "bus"), TEXT)
    ),
    attributes=st.dictionaries(st.text("abcxyz", min_size=1, max_size=5), TEXT, max_size=2),
    data=st.binary(max_size=200),
    size_of=st.sampled_from([kafka._size, jetstream._size]),
)  # fmt: skip
def test_exactly_the_events_above_the_limit_are_refused(
    texts: dict[str, str], attributes: dict[str, str], data: bytes, size_of: Any
) -> None:
    event = Event(
        **texts,
        attributes=attributes,
        data=data,
        time=datetime(2026, 1, 1, tzinfo=UTC),
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    size = size_of(event)
    sizes.check([event], size_of, size, "advice")
    with pytest.raises(TooLarge):
        sizes.check([event], size_of, size - 1, "advice")
