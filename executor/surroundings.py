"""What the backends of the engine's own agent are given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bireme.kit.clock import Clock
from bireme.lang.script import NO_SCRIPTS, Scripts
from bireme.storage.ports import Database
from executor.ports import Cluster, Secrets
from executor.reports import Reports


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Built once on deck. `root` is the data directory of steps, where local artifacts lie below `artifacts`.

    `cluster` is there where steps may act on one; `scripts` runs jq programs; `plugins`: the addresses of executor
    plugins by name.
    """

    root: Path
    clock: Clock
    database: Database
    secrets: Secrets
    cluster: Cluster | None = None
    scripts: Scripts = NO_SCRIPTS
    plugins: Mapping[str, str] = field(default_factory=dict)
    reports: Reports = field(default_factory=Reports)
