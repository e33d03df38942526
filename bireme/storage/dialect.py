"""What differs between the databases' SQL, in one place. Pure."""

import re
from functools import lru_cache
from typing import Literal

Dialect = Literal["sqlite", "postgres"]

_WORDS: dict[Dialect, dict[str, str]] = {
    "sqlite": {
        "int": "INTEGER",
        "float": "REAL",
        "blob": "BLOB",
        "serial": "INTEGER PRIMARY KEY",
        "clustered": "WITHOUT ROWID",
    },
    "postgres": {
        "int": "BIGINT",
        "float": "DOUBLE PRECISION",
        "blob": "BYTEA",
        "serial": "BIGSERIAL PRIMARY KEY",
        "clustered": "",
    },
}
_PLACEHOLDER = re.compile(r"'(?:[^']|'')*'|\?")
_VALUES = re.compile(r"(?is)\bVALUES\s*(\(\s*\?(?:\s*,\s*\?)*\s*\))")


def in_words_of(dialect: Dialect, text: str) -> str:
    """The text with `{int}`, `{float}`, `{blob}`, `{serial}` and `{clustered}` in the database's own words."""
    for name, word in _WORDS[dialect].items():
        text = text.replace("{" + name + "}", word)
    return text


@lru_cache(maxsize=1024)
def numbered(sql: str) -> str:
    """`?` as `$1`, `$2`, …; what stands inside quotes is left alone."""
    count = 0

    def number(match: re.Match[str]) -> str:
        nonlocal count
        if match.group() != "?":
            return match.group()
        count += 1
        return f"${count}"

    return _PLACEHOLDER.sub(number, sql)


@lru_cache(maxsize=1024)
def widened(sql: str, rows: int, shared: int = 0) -> str | None:
    """The same INSERT for `rows` rows at once; None when it is not of the form `INSERT … VALUES (?, …)`.

    The first `shared` values of each row are given once, before those of all rows; nothing may follow VALUES then.
    """
    match = _VALUES.search(sql)
    if match is None or sql.count("?") != match.group(1).count("?"):
        return None
    if shared:
        own = "(" + ",".join("?" * (sql.count("?") - shared)) + ")"
        tuples, once = ",".join([own] * rows), ",".join("?" * shared)
        whole = f"{sql[: match.start()]}SELECT * FROM (SELECT {once}), (VALUES {tuples})"
        return None if sql[match.end() :] else whole
    return sql[: match.end()] + f",{match.group(1)}" * (rows - 1) + sql[match.end() :]
