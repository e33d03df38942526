"""Whole controllers under dozens of seeds, each with deaths at every await and commit: nothing lost, nothing twice."""

import logging

import pytest
import structlog

from tests.controller import simulation

SEEDS = 24
GROUPS = 4


@pytest.fixture(autouse=True)
def quietly() -> object:
    """Steps that fail are the rule here; they need not be told."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_workflow_ends_once_as_it_does_in_a_process_that_never_dies(group: int) -> None:
    lives = [simulation.check(seed) for seed in range(group, SEEDS, GROUPS)]
    assert max(lives) > 1, "some processes have to die"
