"""What comes in an event is compared, never turned into something that runs; it cannot make a filter take for ever."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bireme.sandbox.run import Sandbox
from events.model import Event
from sensors import compile
from sensors.model import Verdict
from sensors.view import View


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox()
    yield made
    made.close()


def ask(filters: Any, data: Any, sandbox: Sandbox, **dependency: Any) -> Verdict:
    event = Event(
        id="1", namespace="default", source="src", subject="ev", type="webhook",
        time=datetime(2026, 1, 1, 12, tzinfo=UTC), data=json.dumps(data).encode(),
    )  # fmt: skip
    item = {"filters": filters, **dependency}
    return compile.judge(item)(compile.transform(item)(View(event, sandbox)))


HOSTILE = [
    '{{ env "HOME" }}',
    "{{ .Input }}{{ printf \"%999999999d\" 1 }}",
    "x' == 'x",
    "x\" || true || \"",
    "') or true --",
    "]] .. error('x') .. [[",
    "\" | env | \"",
    "\\(env)",
    "__import__('os').system('id')",
    "${HOME} $(id) `id`",
    "@this|@reverse",
    "(a+)+$",
    "\x00\x1b\u202e\ud7ff",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_filter_that_compares_is_not_changed_by_what_it_compares(
    text: str, sandbox: Sandbox
) -> None:
    same = {"a": text, "b": text, "c": "other"}
    fields = [{"name": name, "path": name} for name in "abc"]
    for expr, passes in (("a == b", True), ("a == c", False), ("a != b || a == c", False)):
        verdict = ask({"exprs": [{"expr": expr, "fields": fields}]}, same, sandbox)
        assert (verdict.lets_pass, verdict.error) == (passes, "")
    script = ask({"script": "return event.a == event.b and event.a ~= event.c"}, same, sandbox)
    assert (script.lets_pass, script.error) == (True, "")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_transform_carries_text_through_unchanged(text: str, sandbox: Sandbox) -> None:
    event = Event(
        id="1", namespace="default", source="src", subject="ev", type="webhook",
        time=datetime(2026, 1, 1, 12, tzinfo=UTC), data=json.dumps({"a": text}).encode(),
    )  # fmt: skip
    for transform in (
        {"jq": "{a: .a, k: {(.a): 1}}"},
        {"script": "return {a=event.a, k={[event.a]=1}}"},
    ):
        made = compile.transform({"transform": transform})(View(event, sandbox))
        assert json.loads(made.event.data) == {"a": text, "k": {text: 1}}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_template_prints_text_and_does_not_read_it(text: str, sandbox: Sandbox) -> None:
    entry = {
        "path": "a",
        "type": "string",
        "value": ["^1$"],
        "template": "{{ if eq .Input .Input }}1{{ end }}",
    }
    assert ask({"data": [entry]}, {"a": text}, sandbox).lets_pass
    length = {
        **entry,
        "type": "number",
        "value": [str(len(text.encode()))],
        "template": "{{ len .Input }}",
    }
    assert ask({"data": [length]}, {"a": text}, sandbox).lets_pass


@pytest.mark.parametrize(
    "template",
    [
        '{{ env "HOME" }}',
        '{{ expandenv "$HOME" }}',
        '{{ getHostByName "localhost" }}',
        "{{ .Input.__class__ }}",
        '{{ repeat 999999999 "x" }}',
        '{{ printf "%999999999d" 1 }}',
        "{{ range until 999999999 }}x{{ end }}",
    ],
)
def test_templates_reach_no_environment_and_no_memory(template: str, sandbox: Sandbox) -> None:
    entry = {"path": "a", "type": "string", "value": ["."], "template": template}
    verdict = ask({"data": [entry]}, {"a": "x"}, sandbox)
    assert not verdict.lets_pass
    assert verdict.error.startswith("data filter error (")


LONG = "a" * 50_000
REPLACE = '{{ regexReplaceAll "a+b" .Input "" }}'
SLOW: dict[str, tuple[Any, Any]] = {
    "a pattern on a long text": (
        {"data": [{"path": "s", "type": "string", "value": ["(a+)+$"]}]},
        {"s": f"{LONG}!"},
    ),
    "a pattern from the event": (
        {"exprs": [{"expr": "s =~ p", "fields": [{"name": n, "path": n} for n in "sp"]}]},
        {"s": f"{LONG}!", "p": "(a|a)*(a+)+b"},
    ),
    "wildcards in a path": (
        {"data": [{"path": "*a*a*a*a*b", "type": "string", "value": ["x"]}]},
        {LONG: 1},
    ),
    "a pattern in a template": (
        {"data": [{"path": "s", "type": "string", "value": ["x"], "template": REPLACE}]},
        {"s": LONG},
    ),
    "a deep document": (
        {"data": [{"path": "a.a.a", "type": "string", "value": ["x"]}]},
        json.loads('{"a":' * 900 + "1" + "}" * 900),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_no_event_makes_a_filter_take_for_ever(name: str, sandbox: Sandbox) -> None:
    filters, data = SLOW[name]
    started = time.monotonic()
    assert not ask(filters, data, sandbox).lets_pass
    assert time.monotonic() - started < 5
