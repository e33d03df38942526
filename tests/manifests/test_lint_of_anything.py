"""Whatever a file holds, lint answers with complaints: never with an error of its own."""

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bireme.manifests.lint import lint
from server.cli import plugins

ROOT = Path(__file__).parents[2]
Place = tuple[Any, ...]

ODD: list[Any] = [
    None, "", 0, -1, 1.5, True, [], {}, [None], {"a": None}, [[[]]], {"": ""}, {"name": {}}, {"valueFrom": {}},
    "{{", "{{x}}", "{{=", "{{= 1 }}", "{{=nil.x}}", "\x00", "é\u202e\n", "9" * 400, 10**400, -(10**30), "a" * 3000,
    "* * * * *", "/../..", "http://[::1", "(((", "[a-", "${x}", ["a", "a"], "NaN", "25",
]  # fmt: skip


@cache
def documents() -> list[dict[str, Any]]:
    """Manifests of all kinds to spoil."""
    found: list[dict[str, Any]] = []
    for file in sorted((ROOT / "examples").rglob("*.yaml")):
        found += [one for one in yaml.safe_load_all(file.read_text()) if isinstance(one, dict)]
    return [one for one in found if "kind" in one]


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    if place:
        yield place
    members = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value if isinstance(value, list) else ())
    )
    for key, member in members:
        yield from places(member, (*place, key))


def at(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A manifest in which some values are others: odd ones, or what stands elsewhere in some manifest."""
    document = copy.deepcopy(draw(st.sampled_from(documents())))
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(list(places(document)) or [("spec",)]))
        holder = at(document, tuple(parents))
        if draw(st.booleans()):
            holder[last] = copy.deepcopy(draw(st.sampled_from(ODD)))
        else:
            other = draw(st.sampled_from(documents()))
            holder[last] = copy.deepcopy(at(other, draw(st.sampled_from(list(places(other))))))
    return document


@settings(max_examples=300, deadline=None)
@given(spoilt(), st.booleans())
def test_lint_answers(document: dict[str, Any], strict: bool) -> None:
    problems, _ = lint([(_text(document), "f.yaml")], more=[plugins.problems], strict_argo=strict)
    assert all(problem.message for problem in problems)


def _text(document: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(document).decode()
    except (msgspec.MsgspecError, OverflowError, TypeError):  # whole numbers beyond 64 bits
        return yaml.safe_dump(document, allow_unicode=True)
