"""The phases of nodes and runs, and the only way from one to another: `move`.

`python -m controller.dag.phase` prints the tables.
"""

import sys
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Phase = Literal["", "Pending", "Running", "Succeeded", "Skipped", "Failed", "Error", "Omitted"]

COMPLETED: frozenset[Phase] = frozenset({"Succeeded", "Failed", "Error"})
FULFILLED: frozenset[Phase] = COMPLETED | {"Skipped", "Omitted"}
BAD: frozenset[Phase] = frozenset({"Failed", "Error"})

# A node is born in one of the phases of the row "" (Argo makes skipped nodes fulfilled from the start).
# Nothing leads out of a fulfilled phase: only a manual retry (`Turn.reopen`) puts a group back to Running.
MOVES: "Mapping[Phase, frozenset[Phase]]" = {
    "": frozenset({"Pending", "Running", "Succeeded", "Skipped", "Failed", "Error", "Omitted"}),
    "Pending": frozenset({"Running", "Succeeded", "Skipped", "Failed", "Error"}),
    "Running": frozenset({"Succeeded", "Failed", "Error"}),
    "Succeeded": frozenset(),
    "Skipped": frozenset(),
    "Omitted": frozenset(),
    "Failed": frozenset(),
    "Error": frozenset(),
}

# What a manual retry may do to a group, a retry or a pause that it puts back to work.
REOPENS: "Mapping[Phase, frozenset[Phase]]" = {
    **dict.fromkeys(MOVES, frozenset[Phase]()),
    **dict.fromkeys(COMPLETED, frozenset[Phase]({"Running"})),
}

# Of the run as a whole.
RUN_MOVES: "Mapping[Phase, frozenset[Phase]]" = {
    "": frozenset({"Pending", "Running", "Failed", "Error"}),
    "Pending": frozenset({"Running", "Failed", "Error"}),
    "Running": frozenset({"Succeeded", "Failed", "Error"}),
    "Succeeded": frozenset({""}),
    "Failed": frozenset({""}),
    "Error": frozenset({""}),
}


class IllegalMove(Exception):
    """There is no such move in the table; `model.ImpossibleState` is raised from it with the facts."""


def check(moves: "Mapping[Phase, frozenset[Phase]]", old: Phase, new: Phase) -> None:
    """Raise IllegalMove unless `new` can follow `old`; staying is always allowed."""
    if new != old and new not in moves[old]:
        raise IllegalMove(f"there is no move from {old or 'new'} to {new or 'new'}")


def table(moves: "Mapping[Phase, frozenset[Phase]]") -> str:
    """The moves as lines `from -> to, to`."""
    return "\n".join(f"{_shown(old):>10} -> {_targets(new)}" for old, new in moves.items())


def _shown(phase: Phase) -> str:
    return phase or "(new)"


def _targets(new: frozenset[Phase]) -> str:
    return ", ".join(_shown(phase) for phase in sorted(new)) or "(stays)"


if __name__ == "__main__":
    tables = {"Nodes": MOVES, "Nodes, by a manual retry": REOPENS, "Runs": RUN_MOVES}
    sys.stdout.write("\n".join(f"{title}\n{table(moves)}\n" for title, moves in tables.items()))
