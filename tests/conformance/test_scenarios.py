"""The cases of Argo Workflows that tell a story: a small workflow is played, and its facts are compared."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bireme.lang import tags
from bireme.lang.errors import LangError
from controller.dag import locks
from controller.dag.locks import BadLocks
from controller.dag.model import Lock, OperationRefused
from controller.locks import Claim, LockTable
from tests.dag.play import LEAF, NOW, Play, spec

CASES = Path(__file__).parents[3] / "shared" / "conformance" / "cases" / "argo-workflows.json"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="no conformance material here")


def cases(op: str) -> list[Any]:
    if not CASES.exists():
        return []
    found = [case for case in json.loads(CASES.read_text())["cases"] if case["op"] == op]
    return [pytest.param(case, id=case["id"]) for case in found]


def one(id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        case for case in json.loads(CASES.read_text())["cases"] if case["id"] == id
    )
    return found


# --- outputs of what was skipped --------------------------------------------------------------------------------

PRODUCER = {"name": "produce", "container": LEAF["container"]}
REFERENCE = "tasks.producer.outputs.parameters.msg"


def skipped(value: str, *, produced: str | None = None, wanted: str | None = None) -> Play:
    """A consumer of an output whose producer was skipped."""
    source: dict[str, Any] = {"path": "/tmp/o"}
    source |= {} if produced is None else {"default": produced}
    producer = {**PRODUCER, "outputs": {"parameters": [{"name": "msg", "valueFrom": source}]}}
    asked: dict[str, Any] = {"name": "m"}
    asked |= {} if wanted is None else {"default": wanted}
    consumer = {**LEAF, "name": "consume", "inputs": {"parameters": [asked]}}
    tasks = [
        {"name": "producer", "template": "produce", "when": "false"},
        {
            "name": "consumer",
            "template": "consume",
            "depends": "producer.Succeeded || producer.Skipped",
            "arguments": {"parameters": [{"name": "m", "value": value}]},
        },
    ]
    return Play(spec({"name": "main", "dag": {"tasks": tasks}}, producer, consumer))


@pytest.mark.parametrize(
    ("id", "play"),
    [
        ("outputs.absent-008", {"value": f"{{{{{REFERENCE}}}}}", "produced": "d"}),
        ("outputs.absent-010", {"value": f"{{{{{REFERENCE}}}}}", "wanted": "f"}),
        ("outputs.absent-011", {"value": f"{{{{={REFERENCE} ?? 'inline-fallback'}}}}"}),
    ],
)
def test_a_consumer_of_a_skipped_output_takes_a_default(id: str, play: dict[str, str]) -> None:
    found = skipped(**play)
    assert found.run.get("wf.consumer").inputs == (one(id)["expect"]["consumer_input"],)


def test_a_consumer_of_a_skipped_output_without_any_default_is_an_error() -> None:
    expected = one("outputs.absent-009")["expect"]
    play = skipped(f"{{{{{REFERENCE}}}}}")
    assert play.phase("wf.consumer") == expected["consumer_phase"]
    assert expected["message_contains"] in play.message("wf.consumer")


def test_arguments_of_a_task_whose_condition_is_false_are_not_evaluated() -> None:
    expected = one("outputs.absent-012")["expect"]
    asks = {"parameters": [{"name": "m", "value": "{{=asInt(workflow.parameters.data)}}"}]}
    task = {"name": "B", "template": "consume", "arguments": asks}
    task["when"] = "{{= workflow.parameters.data != ''}}"
    consumer = {**LEAF, "name": "consume", "inputs": {"parameters": [{"name": "m"}]}}
    given = {"parameters": [{"name": "data", "value": ""}]}
    play = Play(spec({"name": "main", "dag": {"tasks": [task]}}, consumer, arguments=given))
    assert play.phase("wf.B") == expected["B"]
    assert play.run.phase == expected["workflow_phase"]


def hooked(value: str, **parameter: Any) -> Play:
    """A step that runs, whose exit hook asks for the output of one that was skipped."""
    source = {"parameters": [{"name": "msg", "valueFrom": {"path": "/tmp/o"}}]}
    asks = {"parameters": [{"name": "m", "value": value}]}
    steps = [
        [{"name": "producer", "template": "produce", "when": "false"}],
        [
            {
                "name": "a",
                "template": "leaf",
                "hooks": {"exit": {"template": "consume", "arguments": asks}},
            }
        ],
    ]
    consumer = {**LEAF, "name": "consume", "inputs": {"parameters": [{"name": "m", **parameter}]}}
    play = Play(spec({"name": "main", "steps": steps}, {**PRODUCER, "outputs": source}, consumer))
    play.ends("wf[1].a")
    return play


@pytest.mark.parametrize(
    ("id", "value", "parameter"),
    [
        (
            "outputs.absent-014",
            "{{steps.producer.outputs.parameters.msg}}",
            {"default": "FALLBACK"},
        ),
        (
            "outputs.absent-015",
            "{{=steps.producer.outputs.parameters.msg ?? 'hook-fallback'}}",
            {},
        ),
    ],
)
def test_the_hook_of_a_step_takes_a_default_too(
    id: str, value: str, parameter: dict[str, Any]
) -> None:
    play = hooked(value, **parameter)
    assert play.run.get("wf[1].a.onExit").inputs == (one(id)["expect"]["hook_input"],)


def test_all_parameters_at_once_are_a_list() -> None:
    case = one("template.params_json-001")
    given = case["input"]
    inputs = [
        {"name": name, **({} if value is None else {"value": value})}
        for name, value in given["template_inputs"].items()
    ]
    main = {"name": "main", "inputs": {"parameters": inputs}}
    main["container"] = {"image": "x", "args": [given["value"]]}
    known = [{"name": n, "value": v} for n, v in given["workflow_parameters"].items()]
    play = Play(spec(main, arguments={"parameters": known}))
    assert play.out["wf"].template["container"]["args"] == [case["expect"]["value"]]


# --- what people ask --------------------------------------------------------------------------------------------


def waiting(case: dict[str, Any]) -> Play:
    outputs = [
        {"name": "message", "valueFrom": {"supplied": {}}},
        {
            "name": "message2",
            "globalName": "message-global-param",
            "valueFrom": {"supplied": {}},
        },
    ]
    gate: dict[str, Any] = {"name": "gate", "suspend": {}}
    if "node_outputs" not in case["input"]:
        gate["outputs"] = {"parameters": outputs}
    main = {"name": "main", "steps": [[{"name": "approve", "template": "gate"}]]}
    return Play(spec(main, gate))


def of_this_engine(case: Any) -> bool:
    """Which workflow is meant is not the engine's business."""
    return "workflow" not in case.values[0]["input"]


@pytest.mark.parametrize("case", list(filter(of_this_engine, cases("set_outputs"))))
def test_outputs_are_supplied_or_refused(case: dict[str, Any]) -> None:
    given, expected, play = case["input"], case["expect"], waiting(case)
    wish = {"selector": given["selector"], "outputs": given["outputs"]}
    if "error" in expected:
        with pytest.raises(OperationRefused) as refused:
            play.ask("set", **wish)
        assert str(refused.value) == expected["error"]
        return
    play.ask("set", **wish)
    left = play.run.outputs
    found = left.parameters.get("message-global-param") if left else None
    assert found == expected.get("workflow_output")


@pytest.mark.parametrize("case", cases("stop_node"))
def test_a_waiting_node_is_stopped_with_a_message(case: dict[str, Any]) -> None:
    play = waiting(case)
    play.ask("stop", **case["input"])
    node = play.run.get("wf[0].approve")
    assert (node.phase, node.message) == (case["expect"]["node_phase"], case["expect"]["message"])


@pytest.mark.parametrize("case", cases("stop_workflow"))
def test_what_is_over_cannot_be_stopped(case: dict[str, Any]) -> None:
    play = Play(spec(LEAF))
    play.ends("wf")
    text = case["expect"]["error"].replace(case["input"]["name"], "wf")
    with pytest.raises(OperationRefused) as refused:
        play.ask("stop")
    assert str(refused.value) == text.replace('namespace: ""', 'namespace: "d"')


# --- depends and retries ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("workflow_step"))
def test_a_task_is_made_by_the_result_it_waits_for(case: dict[str, Any]) -> None:
    result = case["input"].rpartition(".")[2]
    first = {"name": "A", "template": "leaf", **({"when": "false"} if result == "Skipped" else {})}
    second = {"name": "B", "template": "leaf", "depends": f"A.{result}"}
    play = Play(spec({"name": "main", "dag": {"tasks": [first, second]}}))
    if result != "Skipped":
        play.ends("wf.A", result.lower())
    assert ("wf.B" in play.out) == case["expect"]["B_created"]


@pytest.mark.parametrize("case", cases("max_duration"))
def test_a_backoff_beyond_the_longest_duration_is_not_waited_for(case: dict[str, Any]) -> None:
    backoff = {"duration": "60s", "maxDuration": "30s"}
    play = Play(spec({**LEAF, "name": "main", "retryStrategy": {"limit": 5, "backoff": backoff}}))
    play.ends("wf(0)", "failed")
    expected = case["expect"]
    assert play.message("wf") == expected["retry_node_message"]
    assert (play.run.phase, play.run.message) == (
        expected["workflow_phase"],
        expected["workflow_message"],
    )


@pytest.mark.parametrize("case", cases("retries_tag"))
def test_every_attempt_knows_its_number(case: dict[str, Any]) -> None:
    given = case["input"]
    main = {"name": "main", "retryStrategy": {"limit": given["limit"]}}
    main["container"] = {"image": "x", "args": [given["args"]]}
    play, found = Play(spec(main)), []
    for number in range(given["attempts"]):
        name = f"wf({number})"
        found += play.out[name].template["container"]["args"]
        play.ends(name, "failed")
    assert found == case["expect"]["value"]


# --- locks and names --------------------------------------------------------------------------------------------


def synchronization(items: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {"mutexes": [], "semaphores": []}
    for item in items:
        if "mutex" in item:
            home = {"namespace": item["namespace"]} if "namespace" in item else {}
            found["mutexes"].append({"name": item["mutex"], **home})
        else:
            name, key = item["semaphore"]
            found["semaphores"].append({"configMapKeyRef": {"name": name, "key": key}})
    return found


@pytest.mark.parametrize("case", cases("has_duplicate_locks"))
def test_the_same_lock_twice_is_refused(case: dict[str, Any]) -> None:
    asked = synchronization(case["input"]["items"])
    if not case["expect"]["value"]:
        assert locks.wanted(asked, "default") is not None
        return
    with pytest.raises(BadLocks, match="duplicate"):
        locks.wanted(asked, "default")


def test_a_mutex_goes_to_the_most_important_of_those_who_wait() -> None:
    """As sync.mutex-001, where three, with priority 5, is woken when one lets go."""
    expected = one("sync.mutex-001")["expect"]["results"]
    table, mutex = LockTable(lambda lock: 1), [Lock("default/Mutex/test")]
    claims = [
        Claim(name, "", created=NOW + timedelta(seconds=n), priority=5 if name == "three" else 0)
        for n, name in enumerate(("one", "two", "three", "four"))
    ]
    granted: list[str] = []
    for claim in [claims[0], *claims]:
        table.ask(claim, mutex)
        granted += [answer.claim.run for answer in table.answers() if not answer.waiting]
    assert granted == ["one", "one"]
    table.release("one", "")
    assert [a.claim.run for a in table.answers() if not a.waiting] == ["three"]
    assert expected[5][0] == "next woken: three"


@pytest.mark.parametrize("case", cases("substitute_configmap_key_ref"))
def test_the_reference_to_a_config_map_is_filled_in(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expect"]
    if "value" in expected:
        assert tags.replace(given["text"], given["globals"], strict="all") == expected["value"]
        return
    with pytest.raises(LangError) as raised:
        tags.replace(given["text"], given["globals"], strict="all")
    text = expected.get("error_contains") or expected["error"]
    assert text.removeprefix("failed to substitute configMapKeyRef: ") in str(raised.value)
