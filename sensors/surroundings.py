"""What a process gives its triggers."""

from dataclasses import dataclass

from bireme.kit.clock import Clock
from bireme.kit.ids import Ids
from bireme.kit.reach import EVERYWHERE, Reach
from events.ports import Secrets
from sensors.ports import Workflows


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Built once on deck; every trigger kind takes what it needs. A trigger's clients are its own affair."""

    clock: Clock
    ids: Ids
    workflows: Workflows
    secrets: Secrets
    reach: Reach = EVERYWHERE
