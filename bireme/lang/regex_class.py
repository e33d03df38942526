"""Escapes and character classes of RE2's syntax: the part of the parser below groups and repetitions."""

import re
from typing import Final

from bireme.lang.errors import LangError
from bireme.lang.regex_nodes import DIGIT, POSIX, SPACE, WORD, Chars

_PERL_CLASSES: Final = {"d": DIGIT, "s": SPACE, "w": WORD}
_CONTROL: Final = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_OCTAL = re.compile(r"\\(0[0-7]{0,2}|[1-7][0-7]{1,2})")
_HEX = re.compile(r"\\x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]+)\})")
_PROPERTY = re.compile(r"\\[pP](?:\{(\^?)([^}]*)\}|([A-Za-z]))")
_POSIX_NAME = re.compile(r"\[:(\^?)(\w*):\]")
_CATEGORIES: Final = frozenset((
    "C", "Cc", "Cf", "Cn", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No",
    "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs",
))  # fmt: skip
"""The general categories that characters have below U+3000."""


class UnknownScript(LangError):
    """A property that is no general category; it may be the name of a script, which this parser does not know."""


class Escapes:
    """A pattern and the place of the next character in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def error(self, what: str, where: str) -> LangError:
        return LangError(f"error parsing regexp: {what}: `{where}`")

    def escape(self) -> str:
        """The one character that the escape here stands for."""
        start, char = self.at, self.text[self.at + 1 : self.at + 2]
        if not char:
            raise LangError("error parsing regexp: trailing backslash at end of expression: ``")
        if match := _OCTAL.match(self.text, start):
            self.at = match.end()
            return chr(int(match[1], 8))
        if match := _HEX.match(self.text, start):
            self.at = match.end()
            code = int((match[1] or match[2])[:9], 16)
            if code > 0x10FFFF:
                raise self.error("invalid escape sequence", match[0])
            return chr(code)
        self.at += 2
        if char in _CONTROL:
            return _CONTROL[char]
        if char.isascii() and not (char.isalnum() or char == "_"):
            return char
        raise self.error("invalid escape sequence", f"\\{char}")

    def escape_class(self, fold: bool) -> Chars | None:
        """The set that the escape here stands for; None when it is a single character."""
        char = self.text[self.at + 1 : self.at + 2]
        if char.lower() in _PERL_CLASSES and char:
            self.at += 2
            return Chars(_PERL_CLASSES[char.lower()], is_negated=char.isupper(), is_folded=fold)
        return self.property(fold) if char in ("p", "P") else None

    def property(self, fold: bool) -> Chars:
        match = _PROPERTY.match(self.text, self.at)
        if match is None:
            raise self.error("invalid character class range", self.text[self.at : self.at + 3])
        self.at = match.end()
        name = match[2] if match[3] is None else match[3]
        is_negated = (match[0][1] == "P") is not bool(match[1])
        if name == "Any":
            return Chars((("\x00", "\U0010ffff"),), is_negated=is_negated)
        if name not in _CATEGORIES:
            raise UnknownScript(
                f"error parsing regexp: invalid character class range: `{match[0]}`"
            )
        return Chars(category=name, is_negated=is_negated, is_folded=fold)

    def char_class(self, fold: bool) -> Chars:
        """A class in brackets."""
        start = self.at
        self.at += 1
        is_negated = self.text.startswith("^", self.at)
        self.at += is_negated
        ranges: list[tuple[str, str]] = []
        parts: list[Chars] = []
        is_first = True
        while is_first or not self.text.startswith("]", self.at):
            if self.at >= len(self.text):
                raise self.error("missing closing ]", self.text[start:])
            is_first = False
            if part := self.named(fold):
                parts.append(part)
            else:
                ranges.append(self.range(start))
        self.at += 1
        return Chars(tuple(ranges), tuple(parts), is_negated=is_negated, is_folded=fold)

    def named(self, fold: bool) -> Chars | None:
        """`[:alpha:]`, `\\d` or `\\pL` within a class."""
        if match := _POSIX_NAME.match(self.text, self.at):
            self.at = match.end()
            if match[2] not in POSIX:
                raise self.error("invalid character class range", match[0])
            return Chars(POSIX[match[2]], is_negated=bool(match[1]), is_folded=fold)
        return self.escape_class(fold) if self.text[self.at] == "\\" else None

    def range(self, start: int) -> tuple[str, str]:
        """A character, or two with a hyphen between."""
        begin = self.at
        low = high = self.char(start)
        if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
            self.at += 1
            high = self.char(start)
        if high < low:
            raise self.error("invalid character class range", self.text[begin : self.at])
        return low, high

    def char(self, start: int) -> str:
        if self.at >= len(self.text):
            raise self.error("missing closing ]", self.text[start:])
        if self.text[self.at] == "\\":
            return self.escape()
        self.at += 1
        return self.text[self.at - 1]
