"""The tables of the language: how strongly operators bind, which names are functions."""

from typing import Final

UNARY: Final = {"not": 50, "!": 50, "-": 90, "+": 90}
BINARY: Final = {
    "|": 0, "or": 10, "||": 10, "and": 15, "&&": 15,
    "==": 20, "!=": 20, "<": 20, ">": 20, ">=": 20, "<=": 20,
    "in": 20, "matches": 20, "contains": 20, "startsWith": 20, "endsWith": 20,
    "..": 25, "+": 30, "-": 30, "*": 60, "/": 60, "%": 60, "**": 100, "^": 100, "??": 500,
}  # fmt: skip
RIGHT: Final = frozenset({"**", "^"})
ORDER: Final = frozenset({"<", ">", "<=", ">="})
NEGATABLE: Final = frozenset({"in", "matches", "contains", "startsWith", "endsWith"})
# What a predicate builtin takes: x an expression, p a predicate, capitals may be left out.
PREDICATES: Final = {
    "all": "xp", "none": "xp", "any": "xp", "one": "xp", "filter": "xp", "map": "xp",
    "count": "xP", "sum": "xP", "find": "xp", "findIndex": "xp", "findLast": "xp",
    "findLastIndex": "xp", "groupBy": "xp", "sortBy": "xpX", "reduce": "xpX",
}  # fmt: skip
BUILTINS: Final = frozenset(
    [
        "len",
        "type",
        "abs",
        "ceil",
        "floor",
        "round",
        "int",
        "float",
        "string",
        "trim",
        "trimPrefix",
        "trimSuffix",
        "upper",
        "lower",
        "split",
        "splitAfter",
        "replace",
        "repeat",
        "join",
        "indexOf",
        "lastIndexOf",
        "hasPrefix",
        "hasSuffix",
        "max",
        "min",
        "mean",
        "median",
        "toJSON",
        "fromJSON",
        "toBase64",
        "fromBase64",
        "now",
        "duration",
        "date",
        "timezone",
        "first",
        "last",
        "get",
        "take",
        "keys",
        "values",
        "toPairs",
        "fromPairs",
        "reverse",
        "uniq",
        "concat",
        "flatten",
        "sort",
        "bitand",
        "bitor",
        "bitxor",
        "bitnand",
        "bitshl",
        "bitshr",
        "bitushr",
        "bitnot",
    ]
)
