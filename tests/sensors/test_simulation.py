"""A whole bank under hundreds of seeds, each with crashes at every commit and await: nothing lost, nothing twice."""

import logging

import pytest
import structlog

from tests.sensors import simulation

SEEDS = 200
GROUPS = 8


@pytest.fixture(autouse=True)
def quietly() -> object:
    """Targets that fail are the rule here; they need not be told."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_event_set_fires_at_most_once_and_unless_expired_at_least_once(group: int) -> None:
    lives = [simulation.play(seed).lives for seed in range(group, SEEDS, GROUPS)]
    assert max(lives) > 1, "some processes have to die"
