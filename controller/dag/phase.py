"""The phases of nodes and runs, and the only way from one to another: `move`.

`python -m controller.dag.phase` prints the tables.
"""

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

Phase = Literal["", "Pending", "Running", "Succeeded", "Skipped", "Failed", "Error", "Omitted"]

COMPLETED: frozenset[Phase] = frozenset({"Succeeded", "Failed", "Error"})
FULFILLED: frozenset[Phase] = COMPLETED | {"Skipped", "Omitted"}
BAD: frozenset[Phase] = frozenset({"Failed", "Error"})

# A node is born in one of the phases of the row "" (Argo makes skipped nodes fulfilled from the start).
# Out of a fulfilled phase leads only what Argo does itself: an output or hook that fails afterwards turns success
# into a fault, and a daemon that was counted as done ends for real.
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

# What a manual retry may do to a group it re-opens.
REOPENED: frozenset[Phase] = frozenset({"Running", "Skipped"})

# Of the run as a whole.
RUN_MOVES: "Mapping[Phase, frozenset[Phase]]" = {
    "": frozenset({"Pending", "Running", "Failed", "Error"}),
    "Pending": frozenset({"Running", "Failed", "Error"}),
    "Running": frozenset({"Succeeded", "Failed", "Error"}),
    "Succeeded": frozenset({""}),
    "Failed": frozenset({""}),
    "Error": frozenset({""}),
}


class HasPhase(Protocol):
    phase: Phase


class IllegalMove(Exception):
    """There is no such move in the table; `model.ImpossibleState` is raised from it with the facts."""


def check(moves: "Mapping[Phase, frozenset[Phase]]", old: Phase, new: Phase) -> None:
    """Raise IllegalMove unless `new` can follow `old`; staying is always allowed."""
    if new != old and new not in moves[old]:
        raise IllegalMove(f"there is no move from {old or 'new'} to {new or 'new'}")


def table(moves: "Mapping[Phase, frozenset[Phase]]") -> str:
    """The moves as lines `from -> to, to`."""
    return "\n".join(
        f"{old or '(new)':>10} -> {', '.join(sorted(new)) or '(stays)'}"
        for old, new in moves.items()
    )
