"""Template tags: how many a core fills in, beside what looking the same names up in a dict costs.

The template is compiled once, as a run does it, and filled in with other values each time.
"""

import time
from collections.abc import Callable

from benchmarks.report import Figure
from bireme.lang import expr, tags
from bireme.lang.environment import functions

TAGS = 10
WANTED = 200_000


def measure() -> list[Figure]:
    names = [f"inputs.parameters.p{i}" for i in range(TAGS)]
    container = {
        "image": "alpine",
        "command": ["sh", "-c"],
        "args": [f"run {{{{{name}}}}} --now" for name in names],
    }
    template = tags.compile_tags(container)
    values = {name: f"value {name}" for name in names}
    filled = _rate(lambda: template.substitute(values), TAGS)
    joined = _rate(lambda: [f"run {values[name]} --now" for name in names], TAGS)
    compiled = expr.compile("inputs.parameters.p1 == 'x' && asInt(inputs.parameters.p2) > 3")
    env = {"inputs": {"parameters": {"p1": "x", "p2": "5"}}}
    expressions = _rate(lambda: compiled.evaluate(env, functions()), 1)
    return [
        Figure(
            name="simple tags filled in, one core",
            value=filled,
            unit="tags/s",
            limit=joined,
            limit_name="f-strings over a dict",
            ratio=filled / joined,
            target=f"≥ {WANTED:,}",
            met=filled >= WANTED,
        ),
        Figure(
            name="expressions of two comparisons",
            value=expressions,
            unit="evaluations/s",
            target="≥ 50,000",
            met=expressions >= 50_000,
        ),
    ]


def _rate(act: Callable[[], object], each: int, rounds: int = 5, times: int = 4_000) -> float:
    """How often a second, by processor time: the best of a few rounds."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(times):
            act()
        best = min(best, time.process_time() - begun)
    return each * times / best
