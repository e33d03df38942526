"""Advice about a name there is not."""

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str:
    """The name most likely meant, else what there is."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"There is: {', '.join(known) or 'none'}."
