"""When a trigger fires: dependency names joined by `&&` and `||`."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import Final

from bireme.lang.errors import LangError
from bireme.lang.expr import nodes
from bireme.lang.expr.lexer import error_at
from bireme.lang.expr.parser import parse

Test = Callable[[Collection[str]], bool]
_MANY: Final = 12


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition over received dependencies: `names` are those it mentions, `text` is how it was understood."""

    text: str
    names: tuple[str, ...]
    test: Test = field(repr=False)

    @property
    def requires_and(self) -> bool:
        """Whether more than one event at a time matters, so that received ones must be remembered."""
        return "&" in self.text

    def evaluate(self, received: Collection[str]) -> bool:
        """Whether these dependencies are enough."""
        return self.test(received)

    def minimal_sets(self) -> list[frozenset[str]]:
        """The smallest sets of names that are enough. Raises LangError above twelve names: there may be thousands."""
        if len(self.names) > _MANY:
            raise LangError(f"the condition has more than {_MANY} names: too many to list its ways")
        found: list[frozenset[str]] = []
        for size in range(1, len(self.names) + 1):
            for chosen in map(frozenset, combinations(self.names, size)):
                if not any(less <= chosen for less in found) and self.test(chosen):
                    found.append(chosen)
        return found


@lru_cache(maxsize=1024)
def compile(text: str, known_names: Sequence[str]) -> Condition:
    """The condition over the known names, where `-` and `_` mean the same (of two names that then collide the later
    one is meant). Empty means all of them. Raises LangError for anything but names, `&&`, `||` and parentheses.
    """
    if not text.strip():
        wanted = frozenset(known_names)
        return Condition("&&".join(known_names), tuple(known_names), wanted.issubset)
    plain = text.replace("-", "_")
    names = {name.replace("-", "_"): name for name in known_names}
    builder = _Builder(plain, names)
    try:
        test = builder.build(parse(plain))
    except RecursionError:
        raise LangError("the condition is too long") from None
    return Condition(re.sub(r"[\s\"'`]", "", plain), tuple(builder.seen), test)


class _Builder:
    """Turns the tree into a test; collects the names on the way."""

    def __init__(self, text: str, names: dict[str, str]) -> None:
        self.text = text
        self.names = names
        self.seen: dict[str, None] = {}

    def build(self, tree: nodes.Node) -> Test:
        if isinstance(tree, nodes.Name):
            return self.name(tree.name, tree.at)
        if isinstance(tree, nodes.Constant) and isinstance(tree.value, str):
            return self.name(tree.value, tree.at)
        if isinstance(tree, nodes.Binary) and tree.op in ("&&", "||"):
            return self.joined(tree)
        raise error_at(
            self.text,
            tree.at,
            "a condition holds only dependency names, &&, || and parentheses; a name with other characters than"
            " letters, digits, - and _ cannot be used in it",
        )

    def name(self, name: str, at: int) -> Test:
        if name not in self.names:
            known = ", ".join(self.names.values())
            raise error_at(self.text, at, f"unknown dependency {name}; known: {known}")
        meant = self.names[name]
        self.seen[meant] = None
        return lambda received: meant in received

    def joined(self, tree: nodes.Binary) -> Test:
        left, right = self.build(tree.left), self.build(tree.right)
        if tree.op == "&&":
            return lambda received: left(received) and right(received)
        return lambda received: left(received) or right(received)
