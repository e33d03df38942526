"""Go's regular expressions (RE2 syntax). Never takes for ever: time is linear in the text, whatever the expression."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from bireme.lang.errors import LangError
from bireme.lang.regex_class import UnknownScript
from bireme.lang.regex_nodes import Assert, Chars, Choice, Node, Repeat, Row, Where
from bireme.lang.regex_parse import parse
from bireme.lang.regex_run import Machine

Search = Callable[[str], bool]
MAX_PATTERN: Final = 1_000
MAX_TEXT: Final = 2_000_000
_MAX_SCRIPT_TEXT: Final = 5_000


@lru_cache(maxsize=512)
def compile(pattern: str) -> Search:
    """A function that says whether the pattern is found in a text. Raises LangError for what RE2 refuses."""
    if len(pattern) > MAX_PATTERN:
        raise LangError(f"the regular expression is longer than {MAX_PATTERN} characters")
    try:
        tree = parse(pattern)
    except UnknownScript as error:
        return _by_scripts(pattern, error)
    quick = _quick(tree)
    if quick is not None:
        found = re.compile(quick)
        return lambda text: found.search(text) is not None
    return Machine(tree).search


def search(pattern: str, text: str) -> bool:
    """True when the pattern is found anywhere in the text. Raises LangError for a text too long to search safely."""
    return searcher(pattern)(text)


def literal(pattern: str) -> str | None:
    """The text that the pattern looks for, when it is nothing but letters and digits."""
    return pattern if pattern.isascii() and pattern.isalnum() else None


@lru_cache(maxsize=1024)
def searcher(pattern: str) -> Callable[[str], bool]:
    """`search` for one pattern, compiled now."""
    found = compile(pattern)

    def search_in(text: str) -> bool:
        if len(text) > MAX_TEXT:
            raise LangError(f"the text to match is longer than {MAX_TEXT} characters")
        return found(text)

    return search_in


def _quick(tree: Node) -> str | None:
    """The same in Python's own engine, where that cannot take long: characters and edges in a row, the first of them
    the beginning of the text when there is a repetition. None for everything else.
    """
    members = tree.members if isinstance(tree, Row) else (tree,)
    parts = [_plain(member) for member in members]
    repeats = sum(isinstance(member, Repeat) for member in members)
    is_anchored = bool(members) and members[0] == Assert(Where.TEXT_START)
    if any(part is None for part in parts) or repeats > is_anchored:
        return None
    return "".join(part or "" for part in parts)


def _plain(node: Node) -> str | None:
    match node:
        case Chars(ranges, (), "", is_negated, False):
            if is_negated and not ranges:
                return r"[\s\S]"
            if len(ranges) == 1 and ranges[0][0] == ranges[0][1] and not is_negated:
                return re.escape(ranges[0][0])
            body = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in ranges)
            return f"[{'^' if is_negated else ''}{body}]"
        case Assert(Where.TEXT_START):
            return r"\A"
        case Assert(Where.TEXT_END):
            return r"\Z"
        case Repeat(Chars() as chars, least, most):
            inner = _plain(chars)
            return None if inner is None else f"{inner}{{{least},{'' if most is None else most}}}"
        case Repeat() | Row() | Choice() | Chars() | Assert():
            return None


def _by_scripts(pattern: str, otherwise: LangError) -> Search:
    """A pattern that names a script of Unicode: run by the slower engine that comes with the template library."""
    from bireme.lang import sprig

    match = sprig.functions()["mustRegexMatch"]
    try:
        match(pattern, "")
    except LangError:
        raise otherwise from None

    def found(text: str) -> bool:
        if len(text) > _MAX_SCRIPT_TEXT:
            raise LangError(
                f"the text is longer than {_MAX_SCRIPT_TEXT} characters, too long for a pattern with scripts"
            )
        return bool(match(pattern, text))

    return found
