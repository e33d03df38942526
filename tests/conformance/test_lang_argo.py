"""Tags, `when`, `depends`, conditions and the rest of Argo's own languages, case by case."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bireme.lang import (
    conditions,
    cron,
    depends,
    environment,
    expr,
    expression_tags,
    gjson,
    goduration,
    tags,
    when,
)
from bireme.lang.errors import LangError, MissingVariable

CASES = Path(__file__).parents[3] / "shared" / "conformance" / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="no conformance material here")

DONE = ("Succeeded", "Failed", "Error", "Skipped", "Omitted")
# Ours words its complaints itself; what follows is compared by text.
EXACT_ERRORS = ("replace_strict", "eval_when")


def cases(*ops: str) -> list[Any]:
    if not CASES.exists():
        return []
    data = json.loads((CASES / "argo-workflows.json").read_text())["cases"]
    return [pytest.param(case, id=case["id"]) for case in data if case["op"] in ops]


def replace(case: dict[str, Any]) -> Any:
    strict: Any = () if case["allow_unresolved"] else "all"
    return tags.replace(case["text"], case["vars"], strict=strict)


def replace_strict(case: dict[str, Any]) -> Any:
    return tags.replace(case["text"], case["vars"], strict=case["strict_roots"])


def resolve_var(case: dict[str, Any]) -> Any:
    return tags.replace(case["tag"], case["vars"], strict="all")


def expand_dotted(case: dict[str, Any]) -> Any:
    return environment.expand_dotted(case["map"])


def required_identifiers(case: dict[str, Any]) -> Any:
    return sorted(expr.compile(case["expression"]).identifiers)


def references_late_binding_variable(case: dict[str, Any]) -> Any:
    return expression_tags.waits(expr.compile(case["expression"]), case["env"])


def eval_bool(case: dict[str, Any]) -> Any:
    env = environment.expand_dotted(case["env"])
    return expr.eval_bool(case["expression"], env, environment.functions())


def eval_when(case: dict[str, Any]) -> Any:
    return when.eval_when(case["expression"])


def humanize_duration(case: dict[str, Any]) -> Any:
    return goduration.humanize(timedelta(seconds=case["seconds"]))


def cron_next(case: dict[str, Any]) -> Any:
    moment = datetime.fromisoformat(case["after"])
    found = []
    for _ in range(case["count"]):
        moment = cron.next_after(case["schedule"], moment, case["timezone"]) or moment
        found.append(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return found


OPS = {
    function.__name__: function
    for function in (
        replace, replace_strict, resolve_var, expand_dotted, required_identifiers, references_late_binding_variable,
        eval_bool, eval_when, humanize_duration, cron_next,
    )
}  # fmt: skip


@pytest.mark.parametrize("case", cases(*OPS))
def test_the_answer_is_argos(case: dict[str, Any]) -> None:
    expected = case["expect"]
    if "error" not in expected:
        assert OPS[case["op"]](case["input"]) == expected["value"]
        return
    with pytest.raises(LangError) as raised:
        OPS[case["op"]](case["input"])
    if case["op"] in EXACT_ERRORS:
        assert str(raised.value) == expected["error"]
    if expected.get("missing_variable"):
        assert isinstance(raised.value, MissingVariable)


def continue_on(given: Any) -> dict[str, Any]:
    return {name: dict.fromkeys(kinds, True) for name, kinds in (given or {}).items()}


@pytest.mark.parametrize("case", cases("expand_depends"))
def test_bare_names_in_depends_are_written_out(case: dict[str, Any]) -> None:
    given = case["input"]
    source = given["depends"] if given["depends"] is not None else given["dependencies"]
    text = source if isinstance(source, str) else " && ".join(source)

    parsed = depends.parse(text)

    assert depends.expand(source, continue_on(given["continue_on"])) == case["expect"]["logic"]
    kinds = {task: "items" if task in parsed.of_items else "task" for task in parsed.tasks}
    assert kinds == case["expect"]["deps"]


def results_of(node: Any) -> depends.TaskResults | None:
    """What a task came out as; None when it has not come out."""
    node = {"phase": node} if isinstance(node, str) else node
    phase, children = node["phase"], node.get("children") or []
    daemoned = bool(node.get("daemoned")) and phase != "Pending"
    if phase not in DONE and not daemoned:
        return None
    return depends.TaskResults(
        succeeded=phase == "Succeeded",
        failed=phase == "Failed",
        errored=phase == "Error",
        skipped=phase == "Skipped",
        omitted=phase == "Omitted",
        daemoned=daemoned,
        any_succeeded="Succeeded" in children,
        all_failed=bool(children) and all(child == "Failed" for child in children),
    )


def not_started(case: Any) -> bool:
    """The engine never asks about a task that has a node already."""
    return case.values[0]["input"]["task"] not in case.values[0]["input"]["nodes"]


@pytest.mark.parametrize("case", list(filter(not_started, cases("eval_depends"))))
def test_a_task_may_run_when_its_depends_says_so(case: dict[str, Any]) -> None:
    given = case["input"]
    parsed = depends.parse(given["tasks"][given["task"]])
    nodes = {
        name: results_of(given["nodes"][name]) for name in parsed.tasks if name in given["nodes"]
    }
    known = {name: results for name, results in nodes.items() if results}
    proceed = len(known) == len(parsed.tasks)

    assert proceed == case["expect"]["proceed"]
    assert (proceed and parsed.evaluate(known)) == case["expect"]["execute"]


@pytest.mark.parametrize("case", cases("cron_schedules_with_timezone"))
def test_a_schedule_keeps_its_zone_in_front(case: dict[str, Any]) -> None:
    given = case["input"]
    found = [cron.with_timezone(schedule, given["timezone"]) for schedule in given["schedules"]]
    assert found == case["expect"]["list"]


def events(group: str) -> list[Any]:
    if not CASES.exists():
        return []
    return json.loads((CASES / "argo-events.json").read_text())[group]


# A comparison is always false there, so that the trigger never fires; ours refuses the text.
REFUSED = {"comparison"}


@pytest.mark.parametrize("case", events("conditionsExpression"), ids=lambda case: case["name"])
def test_conditions_are_understood_and_refused_as_written(case: dict[str, Any]) -> None:
    names = tuple(case["dependencies"])
    if "error" in case or case["name"] in REFUSED:
        with pytest.raises(LangError):
            conditions.compile(case["conditions"], names)
        return
    condition = conditions.compile(case["conditions"], names)
    assert condition.text == case["expression"]
    assert list(condition.names) == case["variables"]
    assert condition.requires_and == case["requiresAnd"]
    for evaluation in case["evaluations"] or ():
        assert condition.evaluate(set(evaluation["received"])) == evaluation["satisfied"]


def test_a_key_that_holds_null_is_found() -> None:
    for case in events("getValueByKey"):
        found = gjson.get(case["json"], case["key"])
        assert found.exists
        assert (found.type, found.text or "null") == (case["type"], case["result"])


def test_dotted_names_lose_to_the_names_below_them() -> None:
    for case in events("envExpand"):
        wanted = environment.expand_dotted(case["output"])
        assert environment.expand_dotted(case["input"]) == wanted
