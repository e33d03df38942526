"""What is most likely wrong with a gjson path, as people write it. Pure; says nothing about the paths that are fine."""

import re
from typing import Final

from bireme.lang.gjson_path import MODIFIERS

_PAIRS: Final = {"(": ")", "[": "]", "{": "}"}
_TEXT = re.compile(r'\\.|"(?:\\.|[^"\\])*"', re.DOTALL)
_INDEX = re.compile(r"^[^\[\]{}()#@!]*?([\w-]+)\[(\d+)\]")
_MODIFIER = re.compile(r"(?:^|[.|])@(\w+)")


def doubt(path: str) -> str:
    """A sentence about the path, empty when there is nothing to say."""
    bare = _TEXT.sub("x", path)
    if path.startswith(("$", ".")):
        return f"a path begins with a key: write {path.lstrip('$.') or '@this'}"
    if found := _INDEX.search(bare):
        return (
            f"a list is entered by a dot: write {found[1]}.{found[2]}, not {found[1]}[{found[2]}]"
        )
    if unknown := [name for name in _MODIFIER.findall(bare) if name not in MODIFIERS]:
        known = ", ".join(sorted(MODIFIERS))
        return f"there is no modifier @{unknown[0]}, so it is taken as a key; known: {known}"
    return _unbalanced(bare)


def _unbalanced(bare: str) -> str:
    open_ones: list[str] = []
    for at, char in enumerate(bare):
        starts = char in "[{" or (char == "(" and (open_ones or bare[at - 1 : at] == "#"))
        if starts:
            open_ones.append(char)
        elif open_ones and char == _PAIRS[open_ones[-1]]:
            open_ones.pop()
    return f"'{open_ones[-1]}' is never closed" if open_ones else ""
