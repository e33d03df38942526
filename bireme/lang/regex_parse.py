"""RE2's syntax, as Go reads it, to a tree. Refuses what Go refuses, in Go's words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from bireme.lang.errors import LangError
from bireme.lang.regex_class import Escapes
from bireme.lang.regex_nodes import Assert, Chars, Choice, Node, Repeat, Row, Where

MOST_REPEATS: Final = 1_000
_COUNT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_NAMED = re.compile(r"\(\?P?<(\w+)>", re.ASCII)
_FLAGS = re.compile(r"\(\?([imsU]*)(?:-([imsU]+))?([:)])")
_PERL = re.compile(r"\(\?P?[imsU]*-?[imsU]*.?", re.DOTALL)
_ANCHORS: Final = {
    "A": Where.TEXT_START,
    "z": Where.TEXT_END,
    "b": Where.WORD_EDGE,
    "B": Where.NO_WORD_EDGE,
}


class Flags(NamedTuple):
    """i, m and s; U changes which match is found, not whether."""

    fold: bool = False
    lines: bool = False
    dot_all: bool = False


def parse(pattern: str) -> Node:
    """Raises LangError."""
    parser = _Parser(pattern)
    try:
        tree = parser.choice()
    except RecursionError:
        raise LangError("error parsing regexp: expression nests too deeply") from None
    if parser.at < len(pattern):
        raise LangError(f"error parsing regexp: unexpected ): `{pattern}`")
    return tree


class _Parser(Escapes):
    """Recursive descent over one pattern; `at` is the place of the next character."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.flags = Flags()

    def choice(self) -> Node:
        members = [self.row()]
        while self.at < len(self.text) and self.text[self.at] == "|":
            self.at += 1
            members.append(self.row())
        return members[0] if len(members) == 1 else Choice(tuple(members))

    def row(self) -> Node:
        members: list[Node] = []
        repeated = ""
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            start = self.at
            count = self.count()
            if count is None:
                members += self.piece()
                repeated = ""
                continue
            operator = self.text[start : self.at]
            if not _is_count(*count):
                raise self.error("invalid repeat count", operator)
            if repeated:
                raise self.error("invalid nested repetition operator", repeated + operator)
            if not members:
                raise self.error("missing argument to repetition operator", operator)
            members[-1] = Repeat(members[-1], *count)
            if operator[0] == "{" and _size(members[-1]) > MOST_REPEATS:
                raise self.error("invalid repeat count", operator)
            repeated = operator
        return Row(tuple(members))

    def count(self) -> tuple[int, int | None] | None:
        """The repetition that stands here, read; None when there is none."""
        char = self.text[self.at]
        if char in "*+?":
            self.at += 1
            found: tuple[int, int | None] = {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        elif match := _COUNT.match(self.text, self.at):
            self.at = match.end()
            found = _bounds(match)
        else:
            return None
        if self.text[self.at : self.at + 1] == "?":
            self.at += 1
        return found

    def piece(self) -> list[Node]:
        """What stands here between repetitions: usually one node, several for \\Q…\\E, none for flags."""
        char = self.text[self.at]
        if char == "(":
            return self.group()
        if char == "[":
            return [self.char_class(self.flags.fold)]
        if char == "\\":
            return self.escaped()
        self.at += 1
        if char == ".":
            return [Chars((("\n", "\n"),) if not self.flags.dot_all else (), is_negated=True)]
        if char in "^$":
            return [Assert(self.edge(char))]
        return [self.literal(char)]

    def edge(self, char: str) -> Where:
        if char == "^":
            return Where.LINE_START if self.flags.lines else Where.TEXT_START
        return Where.LINE_END if self.flags.lines else Where.TEXT_END

    def literal(self, char: str) -> Chars:
        return Chars(((char, char),), is_folded=self.flags.fold)

    def escaped(self) -> list[Node]:
        after = self.text[self.at + 1 : self.at + 2]
        if after in _ANCHORS and after:
            self.at += 2
            return [Assert(_ANCHORS[after])]
        if after == "Q":
            quoted, _, _ = self.text[self.at + 2 :].partition("\\E")
            self.at += 2 + len(quoted) + (2 if "\\E" in self.text[self.at + 2 :] else 0)
            return [self.literal(char) for char in quoted]
        found = self.escape_class(self.flags.fold)
        return [found or self.literal(self.escape())]

    def group(self) -> list[Node]:
        named = _NAMED.match(self.text, self.at)
        flags = _FLAGS.match(self.text, self.at)
        if named:
            self.at = named.end()
        elif flags:
            self.at = flags.end()
            if flags[3] == ")":
                self.flags = self.changed(flags)
                return []
        elif self.text.startswith("(?", self.at):
            raise self.perl()
        else:
            self.at += 1
        with self.scope(self.changed(flags) if flags and not named else self.flags):
            inner = self.choice()
        return [inner]

    def perl(self) -> LangError:
        """What is wrong with the `(?` that stands here."""
        rest = self.text[self.at :]
        if rest.startswith(("(?P<", "(?<")):
            return self.error("invalid named capture", rest[: rest.find(">") + 1] or rest)
        wrong = _PERL.match(rest)
        return self.error("invalid or unsupported Perl syntax", wrong[0] if wrong else rest)

    @contextmanager
    def scope(self, flags: Flags) -> Iterator[None]:
        """A group has flags of its own, and ends with a parenthesis."""
        before, self.flags = self.flags, flags
        yield
        self.flags = before
        if self.text[self.at : self.at + 1] != ")":
            raise self.error("missing closing )", self.text)
        self.at += 1

    def changed(self, match: re.Match[str]) -> Flags:
        on, off = match[1], match[2] or ""
        now = self.flags
        return Flags(
            fold=("i" in on or now.fold) and "i" not in off,
            lines=("m" in on or now.lines) and "m" not in off,
            dot_all=("s" in on or now.dot_all) and "s" not in off,
        )


def _is_count(least: int, most: int | None) -> bool:
    return least <= MOST_REPEATS and (most is None or least <= most <= MOST_REPEATS)


def _bounds(match: re.Match[str]) -> tuple[int, int | None]:
    least = int(match[1][:6])
    if not match[2]:
        return least, least
    return least, int(match[3][:6]) if match[3] else None


def _size(node: Node) -> int:
    """How often the innermost member may have to be written out."""
    if isinstance(node, Repeat):
        return max(node.least, node.most or 0, 1) * _size(node.member)
    if isinstance(node, (Row, Choice)):
        return max((_size(member) for member in node.members), default=1)
    return 1
