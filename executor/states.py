"""What a step of several processes has written down about its containers (`executor/runner/pod.py` writes it)."""

import json
from dataclasses import dataclass
from pathlib import Path

from executor.model import ContainerState
from executor.runner import files


@dataclass(frozen=True, slots=True)
class States:
    """The containers that were started or have ended, in the order they began; whether the step is up."""

    containers: list[ContainerState]
    ready: bool


def read(root: Path, task_id: str) -> States:
    """What there is; a last line that is still being written is left for the next look."""
    try:
        content = Path(f"{root}/steps/{task_id}{files.CONTAINERS}").read_text()
    except FileNotFoundError:
        return States([], False)
    found: dict[str, ContainerState] = {}
    ready = False
    for line in content.splitlines(keepends=True):
        if not line.endswith("\n"):
            break
        told = json.loads(line)
        ready = ready or "ready" in told
        if name := told.get("name"):
            found[name] = ContainerState(
                name=name, code=told.get("code"), message=told.get("message", "")
            )
    return States(list(found.values()), ready)
