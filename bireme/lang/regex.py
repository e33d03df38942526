"""Go's regular expressions (RE2 syntax). Never takes for ever: patterns on which Python's engine may backtrack without
end are run by the linear-time engine that comes with the template library.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from bireme.lang.errors import LangError

Search = Callable[[str], bool]
MAX_PATTERN: Final = 1_000
MAX_TEXT: Final = 100_000
_SHORT: Final = 100
_MANY: Final = 8
_CLASSES: Final = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\s",
    "word": r"\w", "xdigit": "0-9a-fA-F", "blank": " \\t", "punct": r"!-/:-@\[-`{-~", "cntrl": r"\x00-\x1f\x7f",
    "print": " -~", "graph": "!-~", "ascii": r"\x00-\x7f",
}  # fmt: skip
_POSIX = re.compile(r"\[:(\^?)(\w+):\]")
_ESCAPE = re.compile(r"\\Q(.*?)(?:\\E|$)|\\x\{([0-9a-fA-F]+)\}|\\.", re.DOTALL)
_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]", re.DOTALL)
_PERL_ONLY = re.compile(r"\(\?(?:[=!>(#]|<[=!]|P=|P>)|[+*?}][+*]")
_REPEAT = re.compile(r"[+*?]|\{\d+,\d*\}")
_HEAD = re.compile(r"\((?:\?(?:P?<\w+>|[imsU-]*:))?")
_QUANTIFIERS: Final = "+*{"


@lru_cache(maxsize=512)
def compile(pattern: str) -> Search:
    """A function that says whether the pattern is found in a text. Raises LangError for what RE2 refuses."""
    if len(pattern) > MAX_PATTERN:
        raise LangError(f"the regular expression is longer than {MAX_PATTERN} characters")
    bare = _ATOM.sub("x", re.sub(r"\\Q.*?(?:\\E|$)", "x", pattern))
    if _PERL_ONLY.search(bare) or re.search(r"(?<!\\)(?:\\\\)*\\[1-9Z]", pattern):
        raise LangError(f"error parsing regexp: invalid or unsupported Perl syntax: `{pattern}`")
    repeats = len(_REPEAT.findall(_HEAD.sub("(", bare)))
    if r"\p" in pattern.lower() or repeats > _MANY or _is_ambiguous(bare):
        return _linear(pattern)
    quick = _backtracking(pattern)
    return quick if repeats < 3 else _by_length(quick, pattern)


def _is_ambiguous(bare: str) -> bool:
    """Whether a repeated group holds a choice or a repetition: the shape of catastrophic backtracking."""
    plain = _HEAD.sub("(", bare)
    varied = [False]
    for at, char in enumerate(plain):
        if char == "(":
            varied.append(False)
        elif char == ")" and len(varied) > 1:
            inner = varied.pop()
            if inner and plain[at + 1 : at + 2] in _QUANTIFIERS and at + 1 < len(plain):
                return True
            varied[-1] = varied[-1] or inner
        elif char in "+*?{|":
            varied[-1] = True
    return False


def _by_length(quick: Search, pattern: str) -> Search:
    """Many repetitions in a row cost a power of the length: long texts go to the other engine."""
    return lambda text: quick(text) if len(text) <= _SHORT else _linear(pattern)(text)


def _backtracking(pattern: str) -> Search:
    try:
        found = re.compile(_translate(pattern), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise LangError(f"error parsing regexp: {error}: `{pattern}`") from None
    return lambda text: found.search(text) is not None


@lru_cache(maxsize=128)
def _linear(pattern: str) -> Search:
    from bireme.lang import sprig

    match = sprig.functions()["mustRegexMatch"]
    match(pattern, "")
    return lambda text: bool(match(pattern, text))


def _translate(pattern: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1] is not None:
            return re.escape(match[1])
        if match[2]:
            return re.escape(chr(min(int(match[2], 16), 0x10FFFF)))
        return r"\Z" if match[0] == r"\z" else match[0]

    def posix(match: re.Match[str]) -> str:
        if match[2] not in _CLASSES or match[1]:
            raise LangError(f"error parsing regexp: invalid character class range: `{match[0]}`")
        return _CLASSES[match[2]]

    text = _POSIX.sub(posix, _ESCAPE.sub(one, pattern))
    return _final_dollar(text.replace("(?<", "(?P<"))


def _final_dollar(pattern: str) -> str:
    """Without (?m), RE2's `$` is the very end, while Python's also stands before a last newline."""
    if re.search(r"\(\?[a-z]*m", pattern):
        return pattern
    return re.sub(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|\$", lambda m: m[1] or r"\Z", pattern)


def search(pattern: str, text: str) -> bool:
    """True when the pattern is found anywhere in the text. Raises LangError for a text too long to search safely."""
    if len(text) > MAX_TEXT:
        raise LangError(f"the text to match is longer than {MAX_TEXT} characters")
    return compile(pattern)(text)
