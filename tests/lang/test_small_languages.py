"""when, depends, conditions, durations, schedules, patterns and paths: what the recorded cases do not show."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bireme.lang import (
    conditions,
    cron,
    depends,
    gjson,
    goduration,
    gotemplate,
    jsonpath,
    regex,
    sjson,
    when,
)
from bireme.lang.errors import LangError, MissingVariable

RESULTS = {
    "a-b": depends.TaskResults(succeeded=True),
    "in": depends.TaskResults(failed=True),
    "9": depends.TaskResults(any_succeeded=True),
}


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("a-b", True),
        ("in", False),
        ("!in", True),
        ("a-b && (in.Failed || in.Errored)", True),
        ("9.AnySucceeded && !9.AllFailed", True),
    ],
)
def test_depends_takes_every_name_a_task_may_have(text: str, runs: bool) -> None:
    assert depends.parse(text).evaluate(RESULTS) is runs


def test_a_bare_name_tolerates_what_the_task_continues_on() -> None:
    parsed = depends.parse("in")
    assert depends.evaluate(parsed, RESULTS, {"in": {"failed": True}}) is True
    assert depends.evaluate(parsed, RESULTS, {"in": {"error": True}}) is False


def test_a_task_without_results_is_waited_for() -> None:
    with pytest.raises(MissingVariable, match="'x' has not come out yet"):
        depends.parse("x").evaluate(RESULTS)


@pytest.mark.parametrize("text", ["a &&", "(a", "a b", "a.Nope", "&& a"])
def test_depends_that_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(LangError):
        depends.parse(text)


def test_a_condition_lists_the_ways_to_satisfy_it() -> None:
    condition = conditions.compile("(a || b) && c || d-1", ("a", "b", "c", "d-1"))
    assert condition.names == ("a", "b", "c", "d-1")
    assert set(condition.minimal_sets()) == {frozenset({"d-1"}), frozenset("ac"), frozenset("bc")}


@pytest.mark.parametrize("text", ["a and b", "!a", "a == b", "a && ", "x", "a | b", "(a"])
def test_a_condition_of_anything_but_names_is_refused(text: str) -> None:
    with pytest.raises(LangError):
        conditions.compile(text, ("a", "b"))


def test_an_empty_when_is_true() -> None:
    assert when.eval_when("") is True


def test_a_when_that_nests_too_deep_is_a_complaint() -> None:
    with pytest.raises(LangError, match="too deep"):
        when.eval_when("(" * 5000 + "1 == 1" + ")" * 5000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10), ("1h30m", 5400), ("1.5s", 1.5), ("-2m", -120), ("250ms", 0.25)],
)
def test_durations_are_gos_or_plain_seconds(text: str, seconds: float) -> None:
    assert goduration.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "1d", "h", "1", "9" * 5000 + "h", "1 h"])
def test_what_go_does_not_take_for_a_duration_is_refused(text: str) -> None:
    with pytest.raises(LangError):
        goduration.nanoseconds(text)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0s"), (1500, "1.5µs"), (90_000_000_000, "1m30s"), (-3_600_000_000_000, "-1h0m0s")],
)
def test_durations_print_as_in_go(nanoseconds: int, text: str) -> None:
    assert goduration.text(nanoseconds) == text


def test_a_time_the_clocks_skip_is_not_made_up_for() -> None:
    eve = datetime(2024, 3, 9, 12, tzinfo=UTC)
    ticks = []
    for _ in range(2):
        eve = cron.next_after("30 2 * * *", eve, "America/New_York") or eve
        ticks.append(eve.astimezone(ZoneInfo("America/New_York")).isoformat())
    assert ticks == ["2024-03-11T02:30:00-04:00", "2024-03-12T02:30:00-04:00"]


def test_a_time_the_clocks_repeat_comes_twice() -> None:
    first = cron.next_after("30 1 * * *", datetime(2024, 11, 3, 4, tzinfo=UTC), "America/New_York")
    assert first is not None
    second = cron.next_after("30 1 * * *", first, "America/New_York")
    assert second == first + timedelta(hours=1)


def test_the_previous_tick_leads_back_to_the_next() -> None:
    at = datetime(2024, 5, 5, 10, 10, tzinfo=UTC)
    before = cron.previous_before("*/15 9-17 * * 1-5", at)
    assert before == datetime(2024, 5, 3, 17, 45, tzinfo=UTC)
    assert cron.previous_before("0 0 30 2 *", at) is None


@pytest.mark.parametrize(
    "spec", ["* * * * * *", "@often", "@every", "TZ=Nowhere/X * * * * *", "a * * * *"]
)
def test_a_schedule_robfig_would_not_take_is_refused(spec: str) -> None:
    with pytest.raises(LangError):
        cron.validate(spec)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^a$", "a\n", False),
        (r"(?m)^a$", "b\na\n", True),
        (r"\Aab\z", "ab", True),
        (r"(?P<x>a)(?<y>b)", "ab", True),
        (r"[[:alpha:]]+\x{41}", "xA", True),
        (r"\Qa.b\E", "a.b", True),
        (r"[*+]+", "*+", True),
        (r"\pL+", "é", True),
        (r"^(\w+\.)*\w+$", "a.b.c", True),
        (r"\d", "٣", False),
    ],
)
def test_patterns_mean_what_they_mean_in_go(pattern: str, text: str, found: bool) -> None:
    assert regex.search(pattern, text) is found


@pytest.mark.parametrize("pattern", ["(?=a)", "(?<!a)b", r"(a)\1", "(", "a++", "[", "a" * 2000])
def test_patterns_go_does_not_know_are_refused(pattern: str) -> None:
    with pytest.raises(LangError):
        regex.compile(pattern)


def test_numbers_found_in_json_keep_their_spelling() -> None:
    found = gjson.get(b'{"n": 12345678901234567890.50}', "n")
    assert (found.raw, found.type, found.exists) == ("12345678901234567890.50", "Number", True)


def test_a_decoded_document_can_be_asked_as_well() -> None:
    found = gjson.get({"a": [{"b": 1}, {"b": "x"}]}, "a.#.b")
    assert (found.type, found.value) == ("JSON", [1.0, "x"])


def test_json_nested_without_end_is_a_complaint() -> None:
    with pytest.raises(LangError, match="deep"):
        gjson.get("[" * 100_000 + "]" * 100_000, '@flatten:{"deep":true}')


def test_placing_a_value_leaves_the_given_document_alone() -> None:
    document = {"a": {"b": [1]}}
    placed = sjson.set(document, "a.b.-1", "x")
    assert (placed, document) == ({"a": {"b": [1, "x"]}}, {"a": {"b": [1]}})


def test_a_query_names_the_first_place_it_finds() -> None:
    document = {"p": [{"name": "a"}, {"name": "b", "value": "1"}]}
    placed = sjson.set(document, 'p.#(name=="b").value', "2")
    assert placed["p"] == [{"name": "a"}, {"name": "b", "value": "2"}]
    assert sjson.set(document, 'p.#(name=="z").value', "2") == document


def test_a_document_cannot_be_blown_up_by_an_index() -> None:
    with pytest.raises(LangError):
        sjson.set({}, "a.99999999999", "x")
    with pytest.raises(LangError):
        sjson.set({}, ".".join(["a"] * 5000), "x")


def test_a_template_has_sprig_but_not_the_environment() -> None:
    assert (
        gotemplate.render('{{ .Input.a | upper | printf "%5s" }}', {"Input": {"a": "x"}}) == "    X"
    )
    with pytest.raises(LangError):
        gotemplate.render('{{ env "HOME" }}', {})


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{{ printf "%v %s %q %T" .no .no .no .no }}', "<nil> %!s(<nil>) %!q(<nil>) <nil>"),
        ('{{ print .no 1 "x" }}', "<nil> 1x"),
        ('{{ println .no "x" }}', "<nil> x\n"),
        ('{{ eq .no "x" }} {{ ne .no "x" }} {{ eq .no .none }}', "false true true"),
        ('{{ eq "x" .no }} {{ eq "x" .no "x" }}', "false true"),
        ("{{ .no | toJson | b64enc }}", "bnVsbA=="),
        ('{{ .no | default "d" | upper }}', "D"),
    ],
)
def test_what_is_missing_is_nil_to_the_functions_of_a_template(template: str, text: str) -> None:
    assert gotemplate.render(template, {"null": None}) == text


def test_characters_stay_whole_where_words_are_pulled_together() -> None:
    text = gotemplate.render("{{ nospace .name }} {{ initials .name }}", {"name": "élan à  Übach"})
    assert text == "élanàÜbach éàÜ"


@pytest.mark.parametrize(
    "template",
    [
        "{{range until 99999}}{{range until 99999}}x{{end}}{{end}}",
        '{{define "a"}}{{template "a"}}{{end}}{{template "a"}}',
        '{{repeat 99999999 "x"}}',
        '{{printf "%999999999d" 1}}',
        "{{",
    ],
)
def test_a_template_that_would_never_end_is_stopped(template: str) -> None:
    with pytest.raises(LangError):
        gotemplate.render(template, {})


def test_a_jsonpath_to_one_place_gives_the_value_and_any_other_a_list() -> None:
    data = {"a": [{"b": 1}, {"b": 2}]}
    assert jsonpath.find(data, "$.a[1].b") == 2
    assert jsonpath.find(data, "$.a[?(@.b>1)].b") == [2]
    with pytest.raises(LangError, match="not found"):
        jsonpath.find(data, "$.x")
