"""When the object of a `resource` template is as it should be: label selectors over paths into the object. Pure.

`status.phase == Succeeded, status.failed < 3`: keys are gjson paths; a path that leads nowhere is a label not set.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from bireme.lang import gjson
from bireme.lang.errors import LangError

Verdict = Literal["success", "wait"]

_CLAUSE = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<none>[^\s,()!=<>]+)"
    r"|(?P<key>[^\s,()!=<>]+)\s*(?:(?P<op>==|=|!=|>|<)\s*(?P<value>[^\s,()!=<>]*)"
    r"|\s(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|$)"
)
_WORDS = {">": "gt", "<": "lt"}


class FailureMet(LangError):
    """A failure condition holds; the message is Argo's."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One clause. `operator` is `exists`, `!`, `=`, `==`, `!=`, `in`, `notin`, `gt` or `lt`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{{{self.key} {self.operator} [{' '.join(self.values)}]}}"

    def holds(self, document: str) -> bool:
        """Whether the object, as JSON text, fulfils the clause."""
        found = gjson.get(document, self.key)
        value = found.text if found.exists else None
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "=" | "==" | "in":
                return value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
        return _compares(value, self.operator, self.values[0])


def _compares(value: str | None, operator: str, limit: str) -> bool:
    """Whole numbers only; anything else does not compare."""
    try:
        left, right = int(value or ""), int(limit)
    except ValueError:
        return False
    return left > right if operator == "gt" else left < right


def parse(selector: str) -> tuple[Requirement, ...]:
    """The clauses of a selector, all of which must hold. Raises LangError."""
    found, at = [], 0
    while at < len(selector) and selector[at:].strip():
        match = _CLAUSE.match(selector, at)
        if match is None or match.end() == at:
            raise LangError(f"cannot read the condition '{selector}' at '{selector[at:].strip()}'")
        found.append(_requirement(match))
        at = match.end()
    return tuple(sorted(found, key=lambda requirement: requirement.key))


def _requirement(match: "re.Match[str]") -> Requirement:
    if match["absent"]:
        return Requirement(match["none"], "!")
    if match["set"]:
        values = tuple(sorted(value.strip() for value in match["values"].split(",")))
        return Requirement(match["key"], match["set"], values)
    if match["op"] is None:
        return Requirement(match["key"], "exists")
    operator = _WORDS.get(match["op"], match["op"])
    if operator in ("gt", "lt") and not re.fullmatch(r"-?\d+", match["value"]):
        raise LangError(
            f"'{match['key']} {match['op']}' compares with a whole number, not '{match['value']}'"
        )
    return Requirement(match["key"], operator, (match["value"],))


def judge(thing: Any, success: str, failure: str) -> Verdict:
    """Whether to go on waiting. Raises FailureMet when one clause of `failure` holds, LangError for a bad selector."""
    document = json.dumps(thing)
    for requirement in parse(failure):
        if requirement.holds(document):
            raise FailureMet(f"failure condition '{requirement}' evaluated true")
    return "success" if all(r.holds(document) for r in parse(success)) else "wait"
