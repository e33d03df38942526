"""The tree of a regular expression: what can stand in RE2's syntax, with captures forgotten."""

import unicodedata
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Final

Ranges = tuple[tuple[str, str], ...]

DIGIT: Final[Ranges] = (("0", "9"),)
SPACE: Final[Ranges] = (("\t", "\n"), ("\f", "\r"), (" ", " "))
WORD: Final[Ranges] = (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z"))
POSIX: Final[dict[str, Ranges]] = {
    "alnum": (("0", "9"), ("A", "Z"), ("a", "z")), "alpha": (("A", "Z"), ("a", "z")),
    "ascii": (("\x00", "\x7f"),), "blank": (("\t", "\t"), (" ", " ")),
    "cntrl": (("\x00", "\x1f"), ("\x7f", "\x7f")), "digit": DIGIT, "graph": (("!", "~"),),
    "lower": (("a", "z"),), "print": ((" ", "~"),), "punct": (("!", "/"), (":", "@"), ("[", "`"), ("{", "~")),
    "space": (("\t", "\r"), (" ", " ")), "upper": (("A", "Z"),), "word": WORD,
    "xdigit": (("0", "9"), ("A", "F"), ("a", "f")),
}  # fmt: skip
_ALSO: Final = {"k": "\u212a", "K": "\u212a", "s": "\u017f", "S": "\u017f"}


class Where(Enum):
    """What an assertion wants of the place between two characters."""

    TEXT_START = auto()
    TEXT_END = auto()
    LINE_START = auto()
    LINE_END = auto()
    WORD_EDGE = auto()
    NO_WORD_EDGE = auto()


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of a set. `category` is a general one of Unicode; `is_folded` takes every case for the same."""

    ranges: Ranges = ()
    parts: tuple["Chars", ...] = ()
    category: str = ""
    is_negated: bool = False
    is_folded: bool = False

    def has(self, char: str) -> bool:
        found = any(self._holds(form) for form in (_forms(char) if self.is_folded else (char,)))
        return found is not self.is_negated

    def _holds(self, char: str) -> bool:
        if any(low <= char <= high for low, high in self.ranges):
            return True
        if self.category and unicodedata.category(char).startswith(self.category):
            return True
        return any(part.has(char) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Assert:
    """No character, but a demand on the place."""

    where: Where


@dataclass(frozen=True, slots=True)
class Row:
    """One after the other; without members, nothing at all."""

    members: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them."""

    members: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """At least `least` times, at most `most`; None is without end."""

    member: "Node"
    least: int
    most: int | None


Node = Chars | Assert | Row | Choice | Repeat


@lru_cache(maxsize=1024)
def _forms(char: str) -> tuple[str, ...]:
    """The character in every case."""
    forms = {char, _ALSO.get(char, char)}
    for form in tuple(forms):
        forms |= {form.lower(), form.upper()}
    for form in tuple(forms):
        forms |= {form.lower(), form.upper()}
    return tuple(form for form in forms if len(form) == 1)
