"""Go's regular expressions (RE2 syntax) on Python's engine, with sizes capped because Python's engine may backtrack."""

import re
from functools import lru_cache
from typing import Final

from bireme.lang.errors import LangError

MAX_PATTERN: Final = 1_000
MAX_TEXT: Final = 100_000
_CLASSES: Final = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\s",
    "word": r"\w", "xdigit": "0-9a-fA-F", "blank": " \\t", "punct": r"!-/:-@\[-`{-~", "cntrl": r"\x00-\x1f\x7f",
    "print": " -~", "graph": "!-~", "ascii": r"\x00-\x7f",
}  # fmt: skip
_POSIX = re.compile(r"\[:(\^?)(\w+):\]")
_TOKEN = re.compile(
    r"\\Q(.*?)(?:\\E|$)|\\x\{([0-9a-fA-F]+)\}|\\[zpPCE]|\\.|\(\?[^\W\d]*U", re.DOTALL
)
# A group that is repeated and holds a repetition itself: the shape of catastrophic backtracking.
_NESTED = re.compile(r"\((?:[^()\\]|\\.)*[+*](?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,)")


@lru_cache(maxsize=512)
def compile(pattern: str) -> re.Pattern[str]:
    """The pattern with RE2's meaning. Raises LangError for what RE2 refuses, or what is too long or too costly."""
    if len(pattern) > MAX_PATTERN:
        raise LangError(f"the regular expression is longer than {MAX_PATTERN} characters")
    if re.search(r"\(\?(?:[=!]|<[=!]|>|\(|#)|\\[1-9Zb]?(?<=[1-9Z])|[+*?}]\+", pattern):
        raise LangError(f"error parsing regexp: invalid or unsupported Perl syntax: `{pattern}`")
    if _NESTED.search(pattern):
        raise LangError(
            f"the regular expression repeats a repeated group, which may take for ever: `{pattern}`"
        )
    try:
        return re.compile(_translate(pattern), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise LangError(f"error parsing regexp: {error}: `{pattern}`") from None


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

    text = _POSIX.sub(posix, _TOKEN.sub(one, pattern))
    return _final_dollar(text.replace("(?<", "(?P<"))


def _final_dollar(pattern: str) -> str:
    """Without (?m), RE2's `$` is the very end, while Python's also stands before a last newline."""
    if "(?m" in pattern or ("(?s" in pattern and "m" in pattern.split(")")[0]):
        return pattern
    return re.sub(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|\$", lambda m: m[1] or r"\Z", pattern)


def search(pattern: str, text: str) -> bool:
    """True when the pattern is found anywhere in the text. Raises LangError for a text too long to be searched safely."""
    if len(text) > MAX_TEXT:
        raise LangError(f"the text to match is longer than {MAX_TEXT} characters")
    return compile(pattern).search(text) is not None
