"""The condition `when`: govaluate, where a bare word means the text it is."""

from dataclasses import replace
from functools import lru_cache

from bireme.lang import govaluate, govaluate_words
from bireme.lang.errors import LangError
from bireme.lang.expr import values
from bireme.lang.govaluate_words import Word

_HINT = ' (hint: try wrapping the affected expression in quotes ("))'


@lru_cache(maxsize=4096)
def eval_when(text: str) -> bool:
    """The truth of a condition whose tags are filled in. Raises LangError with Argo's words; empty is true."""
    if not text:
        return True
    try:
        words = [_as_text(word) for word in govaluate_words.split(text)]
    except LangError as error:
        hint = _HINT if "Invalid token" in str(error) else ""
        raise LangError(f"Invalid 'when' expression '{text}': {error}{hint}") from None
    try:
        value = govaluate.compile_words(words)({})
    except LangError as error:
        raise LangError(f"Failed to evaluate 'when' expresion '{text}': {error}") from None
    if isinstance(value, bool):
        return value
    raise LangError(f"Expected boolean evaluation for '{text}'. Got {values.text(value)}")


def _as_text(word: Word) -> Word:
    if word.kind != "VARIABLE":
        return word
    return word if word.accessor else replace(word, kind="STRING")
