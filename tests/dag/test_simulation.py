"""Random workflows of the pure engine in a process that dies before, within and after every step."""

import pytest

from tests.dag import simulation

SEEDS = 80
GROUPS = 8


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_run_ends_as_without_deaths_and_nothing_runs_twice_or_without_its_locks(
    group: int,
) -> None:
    deaths = sum(simulation.check(seed) for seed in range(group, SEEDS, GROUPS))
    assert deaths > GROUPS, "processes have to die"
