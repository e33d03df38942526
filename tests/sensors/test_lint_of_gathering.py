"""What lint says about join, coalesce, concurrency and breaker: each fault on its line."""

import pytest

from bireme.manifests.lint import lint
from server.cli import plugins

HEAD = """apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: x}
spec:
  dependencies:
  - {name: a, eventSourceName: s, eventName: e}
  - {name: b, eventSourceName: s, eventName: f}
  triggers:
  - template:
      name: t
      log: {}
"""


def linted(rules: str) -> list[tuple[int, str, str]]:
    """(line of the rules, severity, message) of each problem with a trigger of those rules."""
    found, _ = lint([(HEAD + rules, "f.yaml")], more=[plugins.problems])
    return [(one.line - HEAD.count("\n"), one.severity, one.message) for one in found]


BROKEN: dict[str, tuple[str, int, str]] = {
    "a join without a time": ("      join:\n        key: body.k\n", 1, "join.within is missing"),
    "a duration that is none": (
        "      join:\n        key: body.k\n        within: soon\n",
        3,
        "join.within:",
    ),
    "a time of nothing": (
        "      coalesce:\n        quiet: 0s\n",
        2,
        "it must be longer than nothing",
    ),
    "a mode that is none": (
        "      join:\n        within: 1h\n        mode: newest\n",
        3,
        "newest",
    ),
    "a key that no rule has": (
        "      concurrency:\n        limit: 1\n        limits: 2\n",
        3,
        "limits",
    ),
    "a key for an unknown dependency": (
        "      join:\n        within: 1h\n        key: {a: body.k, c: body.k}\n",
        3,
        "join.key names unknown c; the trigger's dependencies: a, b",
    ),
    "a key that lacks a dependency": (
        "      join:\n        within: 1h\n        key:\n          a: body.k\n",
        3,
        "join.key lacks b",
    ),
    "a key that does not parse": (
        "      join:\n        within: 1h\n        key: '{{= body. }}'\n",
        3,
        "join.key:",
    ),
    "gathering without a time": (
        "      coalesce:\n        maxEvents: 5\n",
        1,
        "coalesce needs quiet or max",
    ),
    "gathering too many": (
        "      coalesce:\n        max: 1m\n        maxEvents: 5000\n",
        3,
        "coalesce.maxEvents is 5000",
    ),
    "no slots": ("      concurrency:\n        limit: 0\n", 2, "concurrency.limit is 0"),
    "a budget without a time": ("      breaker:\n        max: 5\n", 1, "breaker needs max"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_rule_that_cannot_work_is_an_error_on_its_line(name: str) -> None:
    rules, line, words = BROKEN[name]
    [fault] = linted(rules)
    assert fault[:2] == (line, "error")
    assert words in fault[2]


def test_every_rule_of_a_trigger_is_looked_at() -> None:
    rules = "      join: {key: body.k}\n      breaker: {max: 1, per: x}\n"
    assert [line for line, _, _ in linted(rules)] == [1, 2]


def test_rules_that_work_are_no_problem() -> None:
    assert (
        linted(
            "      join: {key: {a: body.k, b: body.l}, within: 2h, mode: zip}\n"
            "      coalesce: {quiet: 1s, max: 1m}\n"
            "      concurrency: {key: body.k, limit: 2}\n"
            "      breaker: {max: 5, per: 1m}\n"
        )
        == []
    )
