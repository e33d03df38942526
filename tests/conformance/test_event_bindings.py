"""Argo's cases of WorkflowEventBindings: what a selector lets pass, what is submitted, and what is said of the rest."""

import json
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from bireme.manifests import decode, validate
from bireme.manifests.resolve import nothing_stored
from events.model import Event
from sensors.errors import BadSensor
from sensors.filters.selector import SelectorFilter
from sensors.model import Origin
from sensors.triggers.workflow_event_binding import WorkflowEventBindingTrigger
from sensors.view import View
from server.api.events import seen
from tests.conformance.test_other_cases import cases
from tests.dag.play import NOW

Json = dict[str, Any]


def event(payload: Any) -> Event:
    data = {"namespace": "ns", "discriminator": "d", "metadata": {}, "payload": payload}
    return Event(
        id="e", namespace="ns", source="api:v1", subject="events", type="workflow-event", time=NOW,
        data=json.dumps(data).encode(),
    )  # fmt: skip


def submitted(given: Json, payload: Any) -> Json:
    """The manifest that a binding's `submit` makes of the event. Raises BadSensor."""
    nobody: Any = None
    block = {"workflowTemplateRef": {"name": "my-wft"}, "binding": "my-wfeb", **given}
    trigger = WorkflowEventBindingTrigger(nobody)
    origin = Origin("ns", "event-binding:my-wfeb", "submit", 0.0)
    template = {"template": {"name": "submit", "workflowEventBinding": block}}
    manifest: Json = trigger.prepare(template, {"event": event(payload)}, origin)["manifest"]
    return manifest


@pytest.mark.parametrize("case", cases("event_binding"))
def test_a_binding_submits_what_its_selector_lets_pass(case: Json) -> None:
    given, want = case["input"], case["expect"]["value"]
    verdict = SelectorFilter({"text": given["selector"]}, "and").verdict(
        View(event(given["payload"]))
    )
    if not verdict.passed:
        found = f"error: {verdict.error}" if verdict.error else "no workflow"
        # The place in the text may follow; casting is told within the sentence about evaluating.
        assert want.split(": ")[-1].split(" (")[0] in found
        assert want.startswith("error") == bool(verdict.error)
        return
    parameter = {"name": "my-param", "valueFrom": {"event": given.get("param", "''")}}
    block = {"arguments": {"parameters": [parameter]}}
    if "template" in given:
        block["workflowTemplateRef"] = {"name": given["template"]}
    if "failed to compile" in want:
        with pytest.raises(BadSensor, match=r"parameters\[0\].valueFrom.event: failed to compile"):
            submitted(block, given["payload"])
        return
    manifest = submitted(block, given["payload"])
    if "template" in given:
        [problem, *_] = validate.validate(decode.decode(manifest), nothing_stored, "submit")
        assert f'"{given["template"]}" not found' in problem.message
        assert problem.message in want or want.endswith("not found")
        return
    assert manifest["spec"]["arguments"]["parameters"][0]["value"] == want


@pytest.mark.parametrize("case", cases("event_binding_metadata"))
def test_metadata_are_expressions_that_say_texts(case: Json) -> None:
    given, want = dict(case["input"]), case["expect"]["value"]
    payload = given.pop("payload")
    if isinstance(want, str) and want.startswith("error"):
        with pytest.raises(BadSensor):
            submitted({"metadata": given}, payload)
        return
    made = submitted({"metadata": given}, payload)["metadata"]
    if "labels" in given:
        assert want.items() <= made["labels"].items()
    elif "generateName" in given:
        assert made["generateName"] == want.removeprefix("starts with ")
    else:
        assert made["name"] == want


@pytest.mark.parametrize("case", cases("event_metadata"))
def test_headers_that_senders_make_up_are_seen(case: Json) -> None:
    pairs = [(name, value) for name, values in case["input"]["headers"].items() for value in values]
    assert seen(CIMultiDictProxy(CIMultiDict(pairs))) == case["expect"]["value"]
