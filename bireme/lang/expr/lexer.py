"""Text to tokens, by one regular expression."""

import re
from typing import Literal, NamedTuple

from bireme.lang.errors import LangError

Kind = Literal["name", "number", "string", "op", "bracket", "end"]

WORDS = frozenset(
    "not in or and matches contains startsWith endsWith let if else".split()  # noqa: SIM905
)
_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<number>(?:0[xX][0-9a-fA-F_]*|0[oO][0-7_]*|0[bB][01_]*|(?:[0-9][0-9_]*|(?=\.[0-9])))
        (?:\.(?!\.)[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)
  | (?P<word>[\w$]+)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`]|``)*`)
  | (?P<op>\?\.|\?\?|\?|\|\||\||::|:|\.\.|\.|[&!=*<>][&=*]|[&!=*<>]|[,;%+\-^/\#])
  | (?P<bracket>[()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_POINTED = re.compile(r"[\w$]+")
_ESCAPE = re.compile(
    r"\\(?:(?P<plain>[abfnrtv\\'\"])|(?P<octal>[0-3][0-7]{2})|x(?P<x>[0-9a-fA-F]{2})"
    r"|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|(?P<bad>.?))",
    re.DOTALL,
)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Token(NamedTuple):
    """One token and where it starts (an index into the text)."""

    kind: Kind
    text: str
    at: int

    def __str__(self) -> str:
        names = {"name": "Identifier", "op": "Operator", "end": "EOF"}
        kind = names.get(self.kind, self.kind.capitalize())
        return f'{kind}("{self.text}")' if self.text else kind


def tokenize(text: str) -> list[Token]:
    """Every token of `text`, then one of kind `end`. Raises LangError at the first character that fits nothing."""
    tokens: list[Token] = []
    at, size = 0, len(text)
    while at < size:
        match = _TOKEN.match(text, at)
        if match is None:
            raise error_at(text, at, _complaint(text, at))
        kind = match.lastgroup or ""
        if kind != "space":
            tokens.append(_token(text, kind, match[0], at))
        at = match.end()
        if match[0] == "#" and (name := _POINTED.match(text, at)):
            tokens.append(
                Token("name", name[0], at)
            )  # even one that is a word or a number elsewhere
            at = name.end()
    tokens.append(Token("end", "", size))
    return tokens


def _token(text: str, kind: str, found: str, at: int) -> Token:
    if kind == "word":
        return Token("op" if found in WORDS else "name", found, at)
    if kind == "number":
        end = at + len(found)
        if end < len(text) and (text[end].isalnum() or text[end] in "_$"):
            raise error_at(text, end, f'bad number syntax: "{found + text[end]}"')
        return Token("number", found, at)
    if kind == "string":
        return Token("string", unquote(text, found, at), at)
    return Token("op" if kind == "op" else "bracket", found, at)


def unquote(text: str, literal: str, at: int) -> str:
    """The value of a quoted literal. A backtick string knows one escape, the doubled backtick."""
    quote, body = literal[0], literal[1:-1]
    if quote == "`":
        return body.replace("``", "`")
    if "\\" not in body:
        return body

    def one(match: re.Match[str]) -> str:
        if match["plain"]:
            if match["plain"] in "'\"" and match["plain"] != quote:
                raise error_at(text, at, "invalid char escape")
            return _PLAIN.get(match["plain"], match["plain"])
        if match["octal"]:
            return chr(int(match["octal"], 8))
        digits = match["x"] or match["u"] or match["U"]
        if not digits or int(digits, 16) > 0x10FFFF:
            raise error_at(text, at, "invalid char escape")
        return chr(int(digits, 16))

    return _ESCAPE.sub(one, body)


def _complaint(text: str, at: int) -> str:
    if text[at] in "'\"`":
        return "literal not terminated"
    if text.startswith("/*", at):
        return "unclosed comment"
    return f"unrecognized character: U+{ord(text[at]):04X} '{text[at]}'"


def error_at(text: str, at: int, message: str) -> LangError:
    """The message with line:column and the line itself, a caret below the place."""
    before = text[:at]
    line = before.count("\n") + 1
    column = at - (before.rfind("\n") + 1)
    source = text.split("\n")[line - 1]
    return LangError(f"{message} ({line}:{column + 1})\n | {source}\n | {'.' * column}^")
