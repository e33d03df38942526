"""Argo's remaining unit-level cases, and the table of those that ask about what is not here, with the reason."""

import json
import posixpath
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bireme.manifests import decode, validate, validate_arguments
from bireme.manifests.artifacts import Artifact
from bireme.manifests.decode import InvalidManifest
from bireme.manifests.validate_names import Invalid
from controller import artifact_gc, schedule, submission
from controller.dag import lock_status, locks, progress
from controller.dag.model import Lock, Node, OperationRefused
from executor.places import Place
from executor.volumes import Bind
from server.cli import listing, options, output
from tests.dag.play import NOW, Play, spec

HERE = Path(__file__).parent
CASES = Path(__file__).parents[3] / "shared/conformance/cases/argo-workflows.json"

NOT_HERE = {
    "ancestors_by_finish_time": "outputs are found by the name of their task, so no order among ancestors matters",
    "append_to_key": "a file's whole key is made at once, from namespace, workflow, node and name",
    "artifact_gc_pod_name": "artifacts are deleted by the engine itself, without a pod",
    "auth_mode": "one token opens the API; there is no single sign-on",
    "config_ttl_seconds": "settings are numbers of seconds, not durations",
    "creator_email_label": "there is no single sign-on that would tell who submits",
    "creator_label": "there is no single sign-on that would tell who submits",
    "creator_preferred_username_label": "there is no single sign-on that would tell who submits",
    "failed_hosts": "steps run on this machine; there is no other host that a retry could go to",
    "infer_self_link": "the path of an object is asked of the cluster, not guessed from its kind",
    "instance_selector": "an engine has its own database, so nothing has to say whose a workflow is",
    "kubectl_args": "the cluster is asked through its API, without kubectl",
    "max_workflow_size_default": "a workflow is rows of a database; an object's size has no limit there",
    "mount_nested_under": "paths of artifacts and volumes are laid over each other, the deeper one above",
    "parse_override_allowlist": "there are no workflowRestrictions",
    "pod_gc_default_strategy": "there are no pods to delete",
    "pod_gc_selector": "there are no pods to delete",
    "pod_to_node": "there are no pods; what an executor reports is a state, a message and an exit code",
    "relocate": "what has only a key lies in the local store; there is no repository to complete it from",
    "resolve_repository": "the local store stands for the artifact repository",
    "resolve_subpath": "the stores of this release have one kind of key",
    "resources_duration_text": "it is shown as JSON, in seconds by resource",
    "step_or_task_name_from_node_name": "a node knows its step by number; no name is taken apart",
    "strftime_utc": "there is a variable for each letter, and none that takes a format",
    "upsert_message": "a condition has one message, made anew each time",
    "validate_uploaded_key": "the API takes no uploads",
    "volume_claim_gc_default": "directories of claims go with the workflow (WF-34)",
}
"""By op: why no case of it can be asked."""

ELSEWHERE = {
    "mutex_sequence": "tests/conformance/test_scenarios.py, by its id",
    "cron.submit-002": "tests/controller/test_cron.py",
    "merge-011": "there are no workflowRestrictions",
    "merge-012": "there are no workflowRestrictions; what a run is made of is in its history and cannot be edited",
    "outputs.absent-016": "as outputs.absent-008, from a file of examples",
    "outputs.absent-017": "as outputs.absent-010, from a file of examples",
    "template.params_json-001": "tests/conformance/test_scenarios.py",
}
"""What is told elsewhere, or cannot be."""


def every() -> list[dict[str, Any]]:
    return list(json.loads(CASES.read_text())["cases"]) if CASES.exists() else []


def cases(*ops: str) -> list[Any]:
    if not CASES.exists():
        return [pytest.param({}, marks=pytest.mark.skip("no conformance material"))]
    return [pytest.param(case, id=case["id"]) for case in every() if case["op"] in ops]


def one(id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in every() if c["id"] == id)["expect"]
    return found


def needs_material() -> None:
    if not CASES.exists():
        pytest.skip("no conformance material")


def test_every_case_is_asked_or_has_a_reason_why_not() -> None:
    needs_material()
    asked = "".join(path.read_text() for path in sorted(HERE.glob("test_*.py")))
    words = set(re.findall(r"\w+", asked))
    left = {case["op"] for case in every() if case["op"] not in words}
    told = {case["id"] for case in every() if case["op"] == "scenario" and case["id"] in asked}
    assert not left
    assert {case["id"] for case in every() if case["op"] == "scenario"} == told
    assert set(NOT_HERE) <= {case["op"] for case in every()}


# --- progress and names -----------------------------------------------------------------------------------------


def leaf(text: str, phase: Any = "Running") -> Node:
    return Node(id="n", name="n", type="Pod", phase=phase, progress=text)


@pytest.mark.parametrize("case", cases("progress_add"))
def test_progress_of_nothing_adds_nothing(case: dict[str, Any]) -> None:
    """`0/0` is the sum over no leaf at all."""
    texts = [text for text in case["input"].values() if text != "0/0"]
    found = progress.total([leaf(text) for text in texts])
    assert progress.text(found) == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("progress_complete"))
def test_a_leaf_that_succeeded_is_complete(case: dict[str, Any]) -> None:
    found = progress.of_leaf(leaf(case["input"]["a"], "Succeeded"))
    assert progress.text(found) == case["expect"]["value"]


def lock_of(name: str) -> Lock:
    """The lock that is asked for by the parts of a name."""
    home, kind, rest = name.split("/", 2)
    asked: dict[str, Any] = {
        "Mutex": {"mutexes": [{"name": rest}]},
        "Database": {"semaphores": [{"database": {"key": rest}}]},
        "ConfigMap": {
            "semaphores": [
                {"configMapKeyRef": {"name": rest.split("/")[0], "key": rest.split("/")[-1]}}
            ]
        },
    }[kind]
    hold = locks.wanted(asked, home)
    assert hold is not None
    return hold.locks[0]


def is_name(case: Any) -> bool:
    """Names are only made here, never read, so none that is wrong can be met."""
    return bool(case.values[0] and case.values[0]["expect"]["value"] != "error")


@pytest.mark.parametrize("case", list(filter(is_name, cases("decode_lock_name"))))
def test_a_lock_is_called_by_its_parts(case: dict[str, Any]) -> None:
    assert lock_of(case["input"]["name"]).name == case["input"]["name"]


@pytest.mark.parametrize("case", cases("needs_database"))
def test_a_lock_of_a_database_has_a_row(case: dict[str, Any]) -> None:
    found = [lock_of(name) for name in case["input"]["locks"]]
    assert any(lock.key for lock in found) == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("holder_key"))
def test_a_holder_is_called_by_its_workflow_and_node(case: dict[str, Any]) -> None:
    given = case["input"]
    play = Play(spec({"name": "main", "suspend": {}}))
    run = play.run
    run.source = msgspec.structs.replace(
        run.source, namespace=given["namespace"], name=given["workflow"]
    )
    assert lock_status.holder_key(run, given["node"]) == case["expect"]["value"]


# --- retries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("podspecpatch_retries"))
def test_a_pod_spec_patch_knows_the_number_of_its_attempt(case: dict[str, Any]) -> None:
    given, found = case["input"], []
    main = {"name": "main", "podSpecPatch": given["patch"], "container": {"image": "x"}}
    play = Play(spec({**main, "retryStrategy": {"limit": given["attempts"]}}))
    for number in range(given["attempts"]):
        found.append(play.out[f"wf({number})"].template["podSpecPatch"])
        play.ends(f"wf({number})", "failed")
    assert found == [f'memory: "{value}"' for value in case["expect"]["value"]]


@pytest.mark.parametrize("case", cases("retry_parameters"))
def test_a_manual_retry_takes_new_parameters(case: dict[str, Any]) -> None:
    given = case["input"]
    known = [{"name": name, "value": value} for name, value in given["arguments"].items()]
    main = {
        "name": "main",
        "container": {"image": "x", "args": ["{{workflow.parameters.message}}"]},
    }
    play = Play(spec(main, arguments={"parameters": known}))
    play.ends("wf", "failed")
    play.retry(parameters=dict(text.split("=", 1) for text in given["parameters"]))
    assert play.run.parameters == case["expect"]["spec"]
    assert play.out["wf"].template["container"]["args"] == [case["expect"]["spec"]["message"]]


@pytest.mark.parametrize("case", cases("resume"))
def test_a_waiting_node_is_resumed_and_says_by_whom(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expect"]
    main = {"name": "main", "steps": [[{"name": "approve", "template": "gate"}]]}
    play = Play(spec(main, {"name": "gate", "suspend": {}}))
    if expected.get("error"):
        with pytest.raises(OperationRefused):
            play.ask("resume", selector=given["selector"])
    else:
        play.ask("resume", selector=given["selector"], by=given["user"] or {})
    assert play.phase("wf[0].approve") == expected["node_phase"]
    assert play.message("wf[0].approve") == expected.get("message", "")


# --- scenarios --------------------------------------------------------------------------------------------------


def test_the_body_of_a_step_whose_condition_is_false_is_not_looked_at() -> None:
    needs_material()
    source = {"parameters": [{"name": "msg", "valueFrom": {"path": "/tmp/o"}}]}
    asks = {"parameters": [{"name": "m", "value": "{{steps.a.outputs.parameters.msg}}"}]}
    steps = [
        [{"name": "a", "template": "produce", "when": "false"}],
        [{"name": "b", "template": "consume", "when": "false", "arguments": asks}],
    ]
    produce = {"name": "produce", "container": {"image": "x"}, "outputs": source}
    consume = {"name": "consume", "container": {"image": "x"}}
    consume["inputs"] = {"parameters": [{"name": "m"}]}
    play = Play(spec({"name": "main", "steps": steps}, produce, consume))
    assert play.phase("wf[1].b") == one("outputs.absent-013")["phase"]


def test_an_output_falls_back_when_its_step_was_skipped() -> None:
    needs_material()
    text = "tasks.a.outputs.parameters.msg ?? 'expr-fallback'"
    result = {"name": "result", "valueFrom": {"expression": text}}
    source = {"parameters": [{"name": "msg", "valueFrom": {"path": "/tmp/o"}}]}
    produce = {"name": "produce", "container": {"image": "x"}, "outputs": source}
    tasks = [{"name": "a", "template": "produce", "when": "false"}]
    main = {"name": "main", "dag": {"tasks": tasks}, "outputs": {"parameters": [result]}}
    play = Play(spec(main, produce))
    left = play.run.get("wf").outputs
    assert left is not None
    assert left.parameters["result"] == one("outputs.absent-018")["dag_output_result"]


def test_two_schedules_that_meet_fire_once() -> None:
    needs_material()
    table = schedule.timetable({"schedules": ["* * * * *", "*/1 * * * *"]})
    first, second = schedule.next_times(table, NOW, 2)
    assert one("cron.submit-001")["workflows_created"] == 1
    assert (second - first).total_seconds() == 60


def test_a_scheduled_workflow_knows_its_moment() -> None:
    needs_material()
    cron = {"metadata": {"name": "c", "namespace": "d"}, "spec": {"workflowSpec": {}}}
    made = submission.from_cron(cron, "2026-01-01T00:00:00Z", "c-1")
    assert list(made["metadata"]["annotations"]) == one("cron.submit-003")["annotations"]


# --- artifacts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("clean_path"))
def test_the_path_of_an_artifact_may_not_climb(case: dict[str, Any]) -> None:
    expected, path = case["expect"]["value"], case["input"]["path"]
    artifact = Artifact(name="a1", path=path)
    if expected.startswith("error: "):
        with pytest.raises(Invalid) as refused:
            validate_arguments.check_artifact_path(artifact, "templates.t")
        assert expected.removeprefix("error: ") in str(refused.value)
        return
    validate_arguments.check_artifact_path(artifact, "templates.t")
    assert posixpath.normpath(path) == expected


def asking(strategy: str | None) -> dict[str, Any]:
    return {} if strategy is None else {"artifactGC": {"strategy": strategy}}


@pytest.mark.parametrize("case", cases("artifact_gc_strategy"))
def test_an_artifacts_own_strategy_comes_first(case: dict[str, Any]) -> None:
    given = case["input"]
    found = artifact_gc.strategy_of(asking(given["workflow"]), asking(given["artifact"]))
    assert found == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("workflow_has_artifact_gc"))
def test_a_workflow_has_artifacts_to_delete(case: dict[str, Any]) -> None:
    given = case["input"]
    outputs = {"artifacts": [{"name": "a", **asking(given["artifact"])}]}
    whole = {**asking(given["workflow"]), "templates": [{"name": "t", "outputs": outputs}]}
    assert artifact_gc.is_wanted(whole) == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("overlapping_volume"))
def test_an_artifact_lies_in_the_deepest_volume_around_it(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expect"]["value"]
    binds = {posixpath.normpath(at): Bind(Path("/of", name), False) for name, at in given["mounts"]}
    place = Place(Path("/root"), "t", binds)
    found = place.for_input(given["path"], {})
    assert place.in_volume(posixpath.normpath(given["path"])) == (expected is not None)
    assert expected is None or found.parts[:3] == ("/", "of", expected)


# --- manifests and commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("plugin_template_json"))
def test_a_plugin_template_names_one_plugin(case: dict[str, Any]) -> None:
    plugin = json.loads(case["input"]["json"])
    templates = [{"name": "main", "plugin": plugin}]
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"},
        "spec": {"entrypoint": "main", "templates": templates},
    }  # fmt: skip
    expected = case["expect"]["value"]
    problems = problems_of(manifest)
    assert bool(problems) == (expected != "ok")
    assert expected.removeprefix("error").removeprefix(": ") in "".join([*problems, "ok"])


def problems_of(manifest: dict[str, Any]) -> list[str]:
    try:
        found = validate.validate(decode.decode(manifest), lambda *_: None, "create")
    except InvalidManifest as error:
        return [str(error)]
    return [problem.message for problem in found]


@pytest.mark.parametrize("case", cases("parameters_file"))
def test_numbers_of_a_parameter_file_stay_as_they_are(case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text(case["input"]["yaml"])
    assert options.given_parameters((), str(path)) == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("humanize_short"))
def test_spans_are_short(case: dict[str, Any]) -> None:
    assert output.span(case["input"]["seconds"]) == case["expect"]["value"]


SELECTED: dict[str, Callable[[Any], dict[str, Any]]] = {
    "status": lambda phases: {"status": ",".join(phases)},
    "labels": lambda text: {"selector": text},
}


@pytest.mark.parametrize("case", cases("list_label_selector"))
def test_options_of_the_list_are_a_selector(case: dict[str, Any]) -> None:
    ((name, value),) = case["input"].items()
    asked = SELECTED.get(name, lambda value: {name: value})(value)
    assert listing.selector(asked) == case["expect"]["value"]


def of_argos_columns(case: Any) -> bool:
    """`wide` shows the progress, which says more than counts of pods."""
    return bool(case.values[0] and case.values[0]["input"]["options"].get("output") != "wide")


@pytest.mark.parametrize("case", list(filter(of_argos_columns, cases("list_output"))))
def test_a_list_looks_as_argos(case: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    given, now = case["input"]["options"], datetime.now(UTC)
    form = given.get("output")
    listing.show(
        [listed(case["input"]["workflow"], now)] if case["input"]["workflow"] else [],
        form,
        with_namespace=given.get("namespace", False),
        no_headers=given.get("no_headers", False),
    )
    printed = capsys.readouterr()
    assert printed.out + printed.err == case["expect"]["value"]


def listed(shown: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The workflow, created now."""
    at = now.isoformat()
    return {
        "metadata": {
            "name": shown["name"],
            "namespace": shown["namespace"],
            "creationTimestamp": at,
        },
        "spec": {"priority": shown["priority"]},
        "status": {
            "phase": shown["phase"],
            "message": shown["message"],
            "startedAt": "2026-01-01T00:00:00Z",
            "finishedAt": f"2026-01-01T00:00:0{shown['duration']}Z",
        },
    }
