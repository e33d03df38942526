"""What the argoWorkflow trigger makes of its template."""

from typing import Any

import pytest

from bireme.kit.clock import FixedClock
from bireme.kit.errors import UserError
from bireme.kit.ids import CountedIds
from sensors.errors import TriggerFailed
from sensors.model import Firing, Origin
from sensors.surroundings import Surroundings
from sensors.triggers.argo_workflow import ArgoWorkflowTrigger

ORIGIN = Origin("prod", "github", "build", 1.5)


@pytest.fixture
def trigger(deck: Any) -> ArgoWorkflowTrigger:
    return ArgoWorkflowTrigger(
        Surroundings(
            clock=FixedClock(), ids=CountedIds(), workflows=deck.workflows,
            secrets=deck.bank.outbox.surroundings.secrets,
        )
    )  # fmt: skip


def prepared(trigger: ArgoWorkflowTrigger, **block: Any) -> dict[str, Any]:
    definition = {"template": {"name": "build", "argoWorkflow": block}}
    return trigger.prepare(definition, {}, ORIGIN)


WORKFLOW = {"kind": "Workflow", "metadata": {"generateName": "b-"}, "spec": {"entrypoint": "main"}}


def test_a_submission_carries_the_labels_of_argo(trigger: ArgoWorkflowTrigger) -> None:
    made = prepared(trigger, operation="submit", source={"resource": WORKFLOW})["manifest"]
    assert made["metadata"] == {
        "generateName": "b-",
        "namespace": "prod",
        "labels": {
            "events.argoproj.io/sensor": "github",
            "events.argoproj.io/trigger": "build",
            "events.argoproj.io/action-timestamp": "1500",
        },
    }
    assert WORKFLOW["metadata"] == {"generateName": "b-"}, (
        "the sensor's own manifest stays as it is"
    )


def test_an_inline_source_is_read_as_yaml(trigger: ArgoWorkflowTrigger) -> None:
    text = "metadata: {name: once}\nspec: {entrypoint: main}\n---\nkind: Other\n"
    made = prepared(trigger, operation="submit", source={"inline": text})["manifest"]
    assert made["metadata"]["name"] == "once"


def test_flags_of_the_command_line_shape_the_workflow(trigger: ArgoWorkflowTrigger) -> None:
    flags = ["-p", "a=1", "--parameter=b=2", "--priority", "5", "--wait", "-l", "x=y"]
    made = prepared(trigger, operation="submit", source={"resource": WORKFLOW}, args=flags)[
        "manifest"
    ]
    assert made["spec"]["arguments"]["parameters"] == [
        {"name": "a", "value": "1"},
        {"name": "b", "value": "2"},
    ]
    assert made["spec"]["priority"] == 5
    assert made["metadata"]["labels"]["x"] == "y"


def test_submit_from_a_template_submits_a_reference_to_it(trigger: ArgoWorkflowTrigger) -> None:
    template = {"kind": "WorkflowTemplate", "metadata": {"name": "etl"}}
    made = prepared(trigger, operation="submit-from", source={"resource": template})
    assert made["operation"] == "submit"
    assert made["manifest"]["spec"] == {"workflowTemplateRef": {"name": "etl"}}


async def test_submit_from_a_cluster_template_says_that_it_is_one(
    trigger: ArgoWorkflowTrigger,
) -> None:
    template = {"kind": "ClusterWorkflowTemplate", "metadata": {"name": "etl"}}
    made = prepared(trigger, operation="submit-from", source={"resource": template})
    reference = {"name": "etl", "clusterScope": True}
    assert made["manifest"]["spec"] == {"workflowTemplateRef": reference}


def firing_of(spec: dict[str, Any]) -> Firing:
    return Firing(
        id="f", namespace="prod", sensor="github", trigger="build", kind="argoWorkflow", spec=spec
    )


async def test_submit_from_a_schedule_asks_for_its_workflow_when_it_acts(
    trigger: ArgoWorkflowTrigger,
) -> None:
    cron = {"kind": "CronWorkflow", "metadata": {"name": "nightly"}}
    spec = prepared(
        trigger, operation="submit-from", source={"resource": cron}, args=["-p", "day=today"]
    )
    firing = firing_of(spec)
    assert not trigger.is_complete(firing)
    assert not trigger.fits_inside(firing)
    ready = await trigger.complete(firing)
    assert trigger.fits_inside(ready)
    made = (ready.spec or {})["manifest"]
    assert made["metadata"]["labels"]["cron"] == "nightly"
    assert made["metadata"]["labels"]["events.argoproj.io/sensor"] == "github"
    assert made["spec"]["arguments"]["parameters"] == [{"name": "day", "value": "today"}]


async def test_an_object_from_elsewhere_is_read_when_the_trigger_acts(
    trigger: ArgoWorkflowTrigger, tmp_path: Any
) -> None:
    file = tmp_path / "w.yaml"
    spec = prepared(trigger, operation="submit", source={"file": {"path": str(file)}})
    with pytest.raises(TriggerFailed, match="cannot be read"):
        await trigger.complete(firing_of(spec))
    file.write_text("metadata: {generateName: b-}\nspec: {entrypoint: main}\n")
    ready = await trigger.complete(firing_of(spec))
    assert (ready.spec or {})["manifest"]["metadata"]["namespace"] == "prod"
    assert (ready.id, firing_of(spec).spec) == ("f", spec)


async def test_other_operations_go_to_the_workflow_named(
    trigger: ArgoWorkflowTrigger, deck: Any
) -> None:
    named = {"metadata": {"name": "run-1"}}
    spec = prepared(
        trigger, operation="retry", source={"resource": named},
        args=["--restart-successful", "--node-field-selector", "templateName=a", "-p", "x=1"],
    )  # fmt: skip
    firing = Firing(
        id="f", namespace="prod", sensor="s", trigger="t", kind="argoWorkflow", spec=spec
    )
    assert not trigger.fits_inside(firing)
    receipt = await trigger.fire(firing)
    assert (receipt.name, receipt.note) == ("run-1", "retry")
    options = {
        "restartSuccessful": True,
        "nodeFieldSelector": "templateName=a",
        "parameters": ["x=1"],
    }
    assert deck.workflows.operations == [("prod", "run-1", "retry", options)]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no name to operate on": (
        {"operation": "stop", "source": {"resource": {"metadata": {}}}},
        "failed to execute the workflow stop operation, no name is given",
    ),
    "no name to submit": (
        {"operation": "submit", "source": {"resource": {"metadata": {}}}},
        "neither name nor generateName is given",
    ),
    "no source": ({"operation": "submit"}, "unknown artifact location"),
    "an operation nobody knows": (
        {"operation": "delete", "source": {"resource": {"metadata": {"name": "x"}}}},
        "unknown workflow operation type delete",
    ),
    "a list": ({"operation": "submit", "source": {"inline": "[1]"}}, "does not hold one object"),
    "a flag nobody knows": (
        {"operation": "submit", "source": {"resource": WORKFLOW}, "args": ["--dry-run"]},
        "flag '--dry-run' is not supported",
    ),
    "a kind that cannot be submitted from": (
        {
            "operation": "submit-from",
            "source": {"resource": {"kind": "Pod", "metadata": {"name": "x"}}},
        },
        "invalid kind Pod",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_with_a_sentence(
    trigger: ArgoWorkflowTrigger, name: str
) -> None:
    block, message = REFUSED[name]
    with pytest.raises(UserError) as failure:
        prepared(trigger, **block)
    assert message in str(failure.value)
