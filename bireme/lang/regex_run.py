"""Runs a regular expression over a text in time linear in the text: a machine whose states are made as they are met.

Each state is the set of places in the expression where a match may be under way; a transition that was taken once is a
lookup from then on. So nothing ever goes back, however the expression and the text are made.
"""

from enum import IntEnum
from typing import Final

from bireme.lang.errors import OverBudget
from bireme.lang.regex_nodes import WORD, Assert, Chars, Choice, Node, Repeat, Row, Where

MOST_PLACES: Final = 20_000
MOST_VISITS: Final = 1_000_000
_MOST_KEPT: Final = 5_000
_MATCH: Final = 0
_WORD: Final = Chars(WORD)


class Side(IntEnum):
    """What stands on one side of a place."""

    NOTHING = 0
    NEWLINE = 1
    WORD = 2
    OTHER = 3


def _side(char: str) -> Side:
    if char == "\n":
        return Side.NEWLINE
    return Side.WORD if _WORD.has(char) else Side.OTHER


def _holds(where: Where, before: Side, after: Side) -> bool:
    if where is Where.TEXT_START:
        return before is Side.NOTHING
    if where is Where.TEXT_END:
        return after is Side.NOTHING
    if where is Where.LINE_START:
        return before <= Side.NEWLINE
    if where is Where.LINE_END:
        return after <= Side.NEWLINE
    is_edge = (before is Side.WORD) is not (after is Side.WORD)
    return is_edge is (where is Where.WORD_EDGE)


class Program:
    """The expression as places: each reads a character, demands something, or leads on to several others."""

    def __init__(self, tree: Node) -> None:
        self.chars: dict[int, tuple[Chars, int]] = {}
        self.demands: dict[int, tuple[Where, int]] = {}
        self.forks: dict[int, tuple[int, ...]] = {}
        self._count = 1
        self.start = self._place(tree, _MATCH)

    def _new(self) -> int:
        self._count += 1
        if self._count > MOST_PLACES:
            raise OverBudget("error parsing regexp: expression too large")
        return self._count

    def _place(self, node: Node, then: int) -> int:
        """Where the node begins, when what follows it begins at `then`."""
        match node:
            case Chars():
                here = self._new()
                self.chars[here] = (node, then)
                return here
            case Assert():
                here = self._new()
                self.demands[here] = (node.where, then)
                return here
            case Row():
                for member in reversed(node.members):
                    then = self._place(member, then)
                return then
            case Choice():
                return self._fork(*(self._place(member, then) for member in node.members))
            case Repeat():
                return self._repeat(node, then)

    def _repeat(self, node: Repeat, then: int) -> int:
        if node.most is None:
            again = self._new()
            self.forks[again] = (self._place(node.member, again), then)
            begin = again
        else:
            begin = then
            for _ in range(node.most - node.least):
                begin = self._fork(self._place(node.member, begin), then)
        for _ in range(node.least):
            begin = self._place(node.member, begin)
        return begin

    def _fork(self, *places: int) -> int:
        here = self._new()
        self.forks[here] = places
        return here


class State(dict[str, "State"]):
    """Where a match may be under way, and what was read last. Its items are the transitions taken so far."""

    __slots__ = ("before", "ends", "machine", "places")

    def __init__(self, machine: "Machine", places: frozenset[int], before: Side) -> None:
        super().__init__()
        self.machine = machine
        self.places = places
        self.before = before
        self.ends: bool | None = None

    def __missing__(self, char: str) -> "State":
        found = self[char] = self.machine.after(self, char)
        return found


class Machine:
    """Searches for one expression. May be used by several threads: states are only ever added."""

    def __init__(self, tree: Node) -> None:
        self._program = Program(tree)
        self._states: dict[tuple[frozenset[int], Side], State] = {}
        self._kept = 0
        self._visits = 0
        self._found = State(self, frozenset(), Side.NOTHING)

    def search(self, text: str) -> bool:
        """True when the expression is found anywhere. Raises OverBudget for a text that keeps meeting new states."""
        self._visits = 0
        found = self._found
        state = self._state(frozenset((self._program.start,)), Side.NOTHING)
        for char in text:
            state = state[char]
            if state is found:
                return True
        if state.ends is None:
            _, state.ends = self._reached(state, Side.NOTHING)
        return state.ends

    def after(self, state: State, char: str) -> State:
        """The state that follows when `char` is read; the one that has found when a match ends before it."""
        places, is_match = self._reached(state, _side(char))
        if is_match:
            return self._found
        chars = self._program.chars
        follow = {self._program.start}
        for place in places:
            reads, then = chars[place]
            if reads.has(char):
                follow.add(then)
        self._kept += 1
        return self._state(frozenset(follow), _side(char))

    def _state(self, places: frozenset[int], before: Side) -> State:
        if self._kept > _MOST_KEPT:
            self._states = {}
            self._kept = 0
        key = (places, before)
        found = self._states.get(key)
        if found is None:
            found = self._states[key] = State(self, places, before)
        return found

    def _reached(self, state: State, after: Side) -> tuple[list[int], bool]:
        """The places that read a character, reached without reading one; and whether a match ends here."""
        program = self._program
        seen = set(state.places)
        todo = list(seen)
        reading: list[int] = []
        for place in todo:
            if place in program.chars:
                reading.append(place)
                continue
            leads = program.forks.get(place, ())
            if place in program.demands:
                where, then = program.demands[place]
                leads = (then,) if _holds(where, state.before, after) else ()
            fresh = [then for then in leads if then not in seen]
            seen.update(fresh)
            todo += fresh
        self._spend(len(todo))
        return reading, _MATCH in seen

    def _spend(self, visits: int) -> None:
        self._visits += visits
        if self._visits > MOST_VISITS:
            raise OverBudget("the regular expression takes too many steps on this text")
