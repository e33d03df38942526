"""What a process gives its triggers."""

from dataclasses import dataclass

from bireme.kit.clock import Clock
from bireme.kit.ids import Ids
from bireme.kit.reach import EVERYWHERE, Reach
from bireme.storage.ports import Database
from events.ports import Secrets
from sensors.ports import Cluster, Workflows


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Built once on deck; every trigger kind takes what it needs. A trigger's clients are its own affair.

    `database` is for what a firing commits later than its decision; `cluster` is there where triggers may act on one.
    """

    clock: Clock
    ids: Ids
    workflows: Workflows
    secrets: Secrets
    reach: Reach = EVERYWHERE
    database: Database | None = None
    cluster: Cluster | None = None
