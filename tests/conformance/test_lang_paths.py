"""gjson, sjson, JSONPath, cron and Go templates against the answers of the Go libraries."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bireme.lang import cron, gjson, gotemplate, jsonpath, sjson
from bireme.lang.errors import LangError

CASES = Path(__file__).parents[3] / "shared" / "conformance" / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="no conformance material here")

# sjson edits text; ours edits decoded documents, so that a broken document and a repeated key cannot come in.
SJSON_TEXT_ONLY = {('{"a":1', "b", "setString"), ('{"a":1,"a":2}', "a", "delete")}
# `and` is no operator there, which empties the result in silence; ours says so.
JSONPATH_WORDS = {"$.employees[?(@.age > 42 and @.age < 44)].name"}
# Templates that print the present time.
NOW = {
    "{{ .Time | htmlDate }}",
    '{{ date_in_zone "02 Jan 06 15:04 -0700" .Time "UTC" }}',
    '{{ date_in_zone "02 Jan 06 15:04 -0700" .Time "foobar" }}',
}
# The template engine's own differences about nil: see its notes.
NIL_IN_TEMPLATES = {
    '{{ all (eq .Request.TLS.Version 0x0304) (.Request.ProtoAtLeast 2 0) (eq .Request.Method "POST") }}',
    "{{ concat (list 1 2 3) (list 4 5) (list nil) }}",
    '{{ has "bar" nil }}',
    "{{mergeOverwrite .dst .src1 .src2}}",
    "{{.name.x}}",
}
TIME_AS_TEXT = {'{{ dateModify "-1h" (toDate "2006-01-02" "2024-01-02") }}'}


def load(name: str) -> dict[str, Any]:
    return json.loads((CASES / name).read_text())


def floats(value: Any) -> Any:
    return json.loads(json.dumps(value), parse_int=float)


def test_gjson_finds_the_same_raw_text_type_and_string() -> None:
    wrong = []
    for case in load("lang-gjson.json")["cases"]:
        found = gjson.get(case["in"]["json"], case["in"]["path"])
        wanted = (case["exists"], case["type"], case["raw"], case["string"])
        if (*found, found.text) != wanted:
            wrong.append((case["in"]["json"][:80], case["in"]["path"]))

    assert wrong == []


def decoded(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return "broken"


def edited(case: dict[str, Any]) -> Any:
    document, path, op = decoded(case["json"]), case["path"], case["op"]
    try:
        if op == "delete":
            return sjson.delete(document, path)
        value = json.loads(case["value"]) if op == "setRaw" else case.get("value")
        return sjson.set(document, path, value)
    except LangError:
        return LangError


def test_sjson_makes_the_same_document() -> None:
    wrong = set()
    for case in load("lang-sjson.json")["cases"]:
        wanted = LangError if "error" in case else decoded(case["out"])
        if edited(case["in"]) != wanted:
            wrong.add((case["in"]["json"], case["in"]["path"], case["in"]["op"]))

    assert wrong == SJSON_TEXT_ONLY


def test_jsonpath_finds_the_same_or_fails_where_it_fails() -> None:
    data = load("lang-jsonpath.json")
    document = floats(data["data"])
    wrong = set()
    for case in data["cases"]:
        try:
            found = jsonpath.find(document, case["in"]["path"])
        except LangError:
            found = LangError
        if found != (LangError if "error" in case else case["value"]):
            wrong.add(case["in"]["path"])

    assert wrong == JSONPATH_WORDS


def ticks(spec: str, timezone: str, after: str) -> Any:
    moment: datetime | None = datetime.fromisoformat(after)
    found = []
    try:
        for _ in range(3):
            moment = cron.next_after(spec, moment, timezone) if moment else None
            if moment:
                found.append(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    except LangError:
        return LangError
    return found


def test_cron_schedules_are_due_when_robfigs_are() -> None:
    wrong = []
    for case in load("lang-cron-next.json")["cases"]:
        found = ticks(case["in"]["spec"], case["in"]["timezone"], case["in"]["after"])
        if found != (LangError if "error" in case else case["next"]):
            wrong.append(case["in"])

    assert wrong == []


def moment_of(text: str) -> datetime:
    text = text.removeprefix("TZ=America/New_York ")
    if text[0].isdigit():
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
    layout = "%b %d %H:%M:%S %Y" if text.count(":") > 1 else "%b %d %H:%M %Y"
    return datetime.strptime(text[4:], layout).replace(tzinfo=UTC)


def test_the_tick_before_a_moment_is_the_one_argo_events_finds() -> None:
    wrong = []
    for case in load("argo-events.json")["prevCron"]:
        zone, fields = "", case["spec"]
        if fields.startswith("TZ="):
            zone, _, fields = fields.partition(" ")
        spec = f"{zone} {fields.partition(' ')[2]}".strip()  # without the seconds, always 0
        timezone = "America/New_York" if "TZ=" in case["now"] else None
        found = cron.previous_before(spec, moment_of(case["now"]), timezone)
        if found != (moment_of(case["expected"]) if case["expected"] else None):
            wrong.append(case["spec"])

    assert wrong == []


def test_go_templates_write_the_same_text_or_fail_where_go_fails() -> None:
    data = load("lang-go-templates.json")
    context = floats(data["data"])
    wrong = set()
    for case in data["cases"]:
        template = case["in"]["template"]
        try:
            found = gotemplate.render(template, context)
        except LangError:
            found = LangError
        if template not in NOW and found != (LangError if "error" in case else case["output"]):
            wrong.add(template)

    assert wrong == NIL_IN_TEMPLATES | TIME_AS_TEXT
