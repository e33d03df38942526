"""What the backends of the engine's own agent are given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bireme.kit.clock import Clock
from bireme.storage.ports import Database
from executor.ports import Secrets
from executor.reports import Reports


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Built once on deck. `root` is the data directory of steps, where local artifacts lie below `artifacts`.

    `plugins`: the addresses of executor plugins by name.
    """

    root: Path
    clock: Clock
    database: Database
    secrets: Secrets
    plugins: Mapping[str, str] = field(default_factory=dict)
    reports: Reports = field(default_factory=Reports)
