"""Argo's unit-level cases for what the controller's shell decides: submit, merge, throttle, retention, selectors."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.errors import UserError
from controller import listing, merge, retention, selectors, submission
from controller.fields import Fields
from controller.throttle import Limits, Throttle

CASES = Path(__file__).parents[3] / "shared/conformance/cases/argo-workflows.json"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
P = "workflows.argoproj.io/"


def cases(op: str) -> list[Any]:
    if not CASES.exists():
        return [pytest.param({}, marks=pytest.mark.skip("no conformance material"))]
    found = [case for case in json.loads(CASES.read_text())["cases"] if case["op"] == op]
    return [pytest.param(case, id=case["id"]) for case in found]


def given(case: dict[str, Any]) -> dict[str, Any]:
    return dict(case["input"])


def outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except UserError as error:
        return error


@pytest.mark.parametrize("case", cases("apply_submit_options"))
def test_submit_options_change_the_workflow_as_argo_does(case: dict[str, Any]) -> None:
    found = outcome(lambda: submission.apply_options(_manifest(given(case)), _options(given(case))))
    expected = case["expect"]["value"]
    if isinstance(expected, str):
        assert isinstance(found, UserError)
        assert expected.removeprefix("error").removeprefix(" mentions ") in str(found)
        return
    for name, value in expected.items():
        assert _SUBMITTED[name](found) == value


def _manifest(asked: dict[str, Any]) -> dict[str, Any]:
    parameters = [{"name": k, "value": v} for k, v in asked.get("existing_parameters", {}).items()]
    artifacts = [{"name": "input-artifact", "s3": {"key": "uploads/old"}}]
    arguments = {"parameters": parameters, "artifacts": artifacts}
    spec: dict[str, Any] = {"arguments": arguments}
    if asked.get("workflowTemplateRef"):
        spec = {"workflowTemplateRef": {"name": "t"}}
    return {"metadata": {"labels": asked.get("existing", {})}, "spec": spec}


def _options(asked: dict[str, Any]) -> submission.SubmitOptions:
    return submission.SubmitOptions(
        labels=asked.get("labels", ""),
        parameters=asked.get("parameters", []),
        artifacts=asked.get("artifacts", []),
        pod_priority_class_name=asked.get("podPriorityClassName", ""),
    )


def _parameters(made: dict[str, Any]) -> dict[str, Any]:
    return {item["name"]: item["value"] for item in made["spec"]["arguments"]["parameters"]}


_SUBMITTED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "labels": lambda made: made["metadata"]["labels"],
    "parameters": _parameters,
    "podPriorityClassName": lambda made: made["spec"]["podPriorityClassName"],
    "artifact_key": lambda made: made["spec"]["arguments"]["artifacts"][0]["s3"]["key"],
    "ok": lambda made: bool(made),
}


@pytest.mark.parametrize("case", cases("parse_artifact_overrides"))
def test_artifact_overrides_are_read_as_name_and_key(case: dict[str, Any]) -> None:
    found = outcome(lambda: submission.parse_artifacts(case["input"]["list"]))
    expected = case["expect"]["value"]
    if isinstance(expected, str):
        assert isinstance(found, UserError)
        assert expected.removeprefix("error").removeprefix(": ") in str(found)
    else:
        assert found == expected


@pytest.mark.parametrize("case", cases("resubmit_labels"))
def test_a_resubmitted_workflow_keeps_its_origins_labels(case: dict[str, Any]) -> None:
    labels = {P + name: "x" for name in case["input"]["labels"]}
    owners = [{"name": "owner"}]
    old = {"metadata": {"name": "w", "labels": labels, "ownerReferences": owners}, "spec": {}}
    made = submission.resubmitted(old)["metadata"]
    expected = case["expect"]["kept"] + case["expect"]["added"]
    assert set(made["labels"]) == {P + name for name in expected}
    assert made["ownerReferences"] == owners


@pytest.mark.parametrize("case", cases("resubmit_parameters"))
def test_a_resubmitted_workflow_takes_new_parameters(case: dict[str, Any]) -> None:
    parameters = [{"name": k, "value": v} for k, v in case["input"]["arguments"].items()]
    old = {"metadata": {"name": "w"}, "spec": {"arguments": {"parameters": parameters}}}
    made = submission.resubmitted(old, case["input"]["parameters"])
    assert _parameters(made) == case["expect"]["value"]


_SOURCES: dict[str | None, dict[str, Any]] = {
    None: {},
    "value": {"value": "of-template"},
    "configMapKeyRef": {"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
}


@pytest.mark.parametrize("case", cases("join_argument"))
def test_an_argument_comes_whole_from_the_first_that_gives_it(case: dict[str, Any]) -> None:
    asked = given(case)
    layers = []
    for owner in ("workflow", "template"):
        kind = asked[f"in_{owner}"]
        source = {"value": f"of-{owner}"} if kind == "value" else _SOURCES[kind]
        layers.append({"parameters": [{"name": asked["name"], **source}]})
    (found,) = merge.join_arguments(layers)["parameters"]
    owner, field = case["expect"]["value"].split()
    expected = _SOURCES["configMapKeyRef"] if field == "valueFrom" else {"value": f"of-{owner}"}
    assert found == {"name": asked["name"], **expected}


@pytest.mark.parametrize("case", cases("merge_to"))
def test_a_merge_lets_the_target_win(case: dict[str, Any]) -> None:
    found = merge.merge(
        _with_arguments(case["input"]["target"]), _with_arguments(case["input"]["patch"])
    )
    expected = _with_arguments(case["expect"]["value"])
    assert {key: found[key] for key in expected} == expected


def _with_arguments(spec: dict[str, Any]) -> dict[str, Any]:
    parameters = [{"name": k, "value": v} for k, v in spec["arguments"].items()]
    return {**spec, "arguments": {"parameters": parameters}}


@pytest.mark.parametrize("case", cases("join_spec"))
def test_workflow_wins_over_template_over_defaults(case: dict[str, Any]) -> None:
    layers = [_spec(case["input"][name]) for name in ("workflow", "workflow_template", "defaults")]
    found = merge.join_specs(*layers)
    found["templates"] = [item["name"] for item in found["templates"]]
    assert {key: found[key] for key in case["expect"]} == case["expect"]


def _spec(facts: list[str]) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    for fact in facts:
        field, _, value = fact.partition(" ")
        if field == "template":
            spec.setdefault("templates", []).append({"name": value})
        elif field in ("argument", "artifact"):
            name, _, text = value.partition("=")
            kind = "parameters" if field == "argument" else "artifacts"
            spec.setdefault("arguments", {})[kind] = [{"name": name, "value": text}]
        elif field == "ttl":
            spec["ttlStrategy"] = {"secondsAfterCompletion": int(value)}
        else:
            spec[field] = int(value) if value.isdigit() else value
    return spec


@pytest.mark.parametrize("case", cases("ttl_expired"))
def test_a_finished_workflow_expires_by_its_own_phase(case: dict[str, Any]) -> None:
    asked = given(case)
    finished_at = NOW - timedelta(seconds=asked["finished_seconds_ago"])
    found = retention.is_expired(asked["ttl"], asked["phase"], finished_at, NOW)
    assert found == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("ttl_effective"))
def test_the_workflows_own_ttl_comes_before_its_templates(case: dict[str, Any]) -> None:
    specs = [
        {} if seconds is None else {"ttlStrategy": {"secondsAfterCompletion": seconds}}
        for seconds in (case["input"]["spec_ttl"], case["input"]["stored_spec_ttl"])
    ]
    found = retention.strategy(specs[0], specs[1])
    assert found == {"secondsAfterCompletion": case["expect"]["value"]}


@pytest.mark.parametrize("case", cases("is_done"))
def test_a_workflow_is_done_when_completed_and_archived(case: dict[str, Any]) -> None:
    labels = {P + key: value for key, value in case["input"].get("labels", {}).items()}
    assert retention.is_done(labels) == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("node_field_selector"))
def test_a_node_is_selected_by_its_fields(case: dict[str, Any]) -> None:
    node = dict(case["input"]["node"])
    inputs = node.pop("inputs")
    node["inputs"] = {"parameters": [{"name": k, "value": v} for k, v in inputs.items()]}
    found = selectors.node_matches(case["input"]["selector"], node)
    assert found == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("name_from_field_selector"))
def test_a_field_selector_names_a_workflow(case: dict[str, Any]) -> None:
    assert selectors.name_in(case["input"]["selector"]) == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("fields_excludes"))
def test_fields_say_which_paths_are_wanted(case: dict[str, Any]) -> None:
    found = Fields(case["input"]["fields"]).excludes(case["input"]["path"])
    assert found == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("fields_clean"))
def test_fields_take_from_an_answer_what_is_not_wanted(case: dict[str, Any]) -> None:
    answer = {
        "status": {"phase": "p", "nodes": {"a": {}}},
        "metadata": {"name": "n"},
        "spec": {"entrypoint": "e"},
    }
    found = Fields(case["input"]["fields"]).clean(answer)
    assert all(_has(found, path) for path in case["expect"]["kept"])
    assert not any(_has(found, path) for path in case["expect"]["dropped"])


def _has(value: Any, path: str) -> bool:
    for key in path.split("."):
        if key not in value:
            return False
        value = value[key]
    return True


@pytest.mark.parametrize("case", cases("list_options"))
def test_list_options_are_read_as_argo_reads_them(case: dict[str, Any]) -> None:
    asked = given(case)
    found = outcome(
        lambda: listing.query(
            namespace=asked.get("namespace", ""),
            label_selector=asked.get("labelSelector", ""),
            field_selector=asked.get("fieldSelector", ""),
            limit=asked.get("limit", 0),
            continue_=asked.get("continue", ""),
            name_prefix=asked.get("namePrefix", ""),
        )
    )
    expected = case["expect"]["value"]
    if isinstance(expected, str):
        assert isinstance(found, UserError)
        status, _, text = expected.partition(" ")
        assert status == "500" or text in str(found)
        return
    for name, value in expected.items():
        assert getattr(found, _QUERY_FIELDS.get(name, name)) == _as_time(name, value)


_QUERY_FIELDS = {
    "namePrefix": "name_prefix",
    "nameFilter": "name_filter",
    "namespaceFilter": "namespace_filter",
    "minStartedAt": "min_started_at",
    "maxStartedAt": "max_started_at",
    "showRemainingItemCount": "show_remaining_item_count",
}


def _as_time(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name.endswith("StartedAt") else value


@pytest.mark.parametrize("case", cases("throttler_sequence"))
def test_the_throttle_admits_in_argos_order(case: dict[str, Any]) -> None:
    """The cases are prose; the table below spells each out as calls and the answers they must get."""
    config = case["input"]["config"]
    throttle = Throttle(_limits(config))
    running: set[str] = set()
    for step in THROTTLE[case["id"]]:
        verb, *rest = step.split()
        if verb == "add":
            throttle.add(
                rest[0],
                _namespace(rest[0]),
                priority=int(rest[1]),
                created=NOW + timedelta(seconds=int(rest[2])),
            )
        elif verb == "remove":
            throttle.remove(rest[0])
            running.discard(rest[0])
        elif verb == "limit":
            throttle.limits = Limits(total=int(rest[0]), per_namespace=int(rest[1]))
        else:
            running.update(throttle.admit())
            for key in rest:
                assert throttle.is_running(key) == (verb == "yes"), step


def _limits(config: dict[str, Any]) -> Limits:
    per = config["namespace"]
    if isinstance(per, dict):
        return Limits(
            total=config["total"], per_namespace=config["namespace_default"], namespaces=per
        )
    return Limits(total=config["total"], per_namespace=per)


def _namespace(key: str) -> str:
    return key.partition("/")[0]


THROTTLE = {
    "throttle-001": ["add default/c 0 2", "add default/b 0 1", "add default/a 0 0",
                     "yes default/a default/b default/c"],
    "throttle-002": ["add a/0 0 0", "yes a/0", "add a/1 0 -1", "add b/0 0 -2", "add b/1 0 -3",
                     "no a/1 b/0 b/1", "remove a/0", "yes b/1", "no a/1 b/0"],
    "throttle-003": ["add x/a 1 0", "yes x/a", "add x/b 2 0", "yes x/b", "add x/c 3 0", "add x/d 4 0",
                     "no x/c x/d", "remove x/a", "yes x/d", "no x/c", "remove x/b", "yes x/c"],
    "throttle-004": ["add a/0 0 0", "add a/1 0 1", "add a/2 0 2", "add b/0 1 0", "add b/1 1 1", "add b/2 1 2",
                     "yes a/0 b/0", "no a/1 b/1", "remove a/0", "yes a/1", "no b/1", "remove b/0", "yes b/1"],
    "throttle-005": ["add a/0 1 0", "add b/0 2 0", "add a/1 3 0", "yes a/0 b/0 a/1", "add a/2 4 0", "add a/3 5 0",
                     "add a/4 6 0", "add b/1 7 0", "no a/2 a/3 a/4 b/1", "add c/0 1 0", "yes c/0"],
    "throttle-006": [*[f"add {letter}/0 0 {n}" for n, letter in enumerate("abcdef")],
                     "yes a/0 b/0 c/0 d/0", "no e/0 f/0", "limit 5 0", "yes e/0", "no f/0"],
    "throttle-007": ["add default/a 0 0", "add default/b 0 1", "add default/c 0 2", "yes default/a",
                     "no default/b default/c", "limit 4 3", "yes default/b default/c"],
}  # fmt: skip
