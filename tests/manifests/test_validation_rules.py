"""Rules of Argo's validator that its own cases leave open: the first fault, or none."""

from typing import Any

import pytest

from bireme.manifests import decode, validate

LEAF = {"name": "l", "container": {"image": "b"}}
SCRIPT = {"name": "s", "script": {"image": "b", "source": "x"}}
SAY = {"name": "say", "inputs": {"parameters": [{"name": "m"}]}, "container": {"image": "b"}}


def say(name: str, value: str, **more: Any) -> dict[str, Any]:
    parameters = [{"name": "m", "value": value}]
    return {"name": name, "template": "say", "arguments": {"parameters": parameters}, **more}


def workflow(*main: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "x"},
        "spec": {"entrypoint": "main", "templates": [*main, LEAF, SCRIPT, SAY], **spec},
    }


def steps(*groups: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"name": "main", "steps": list(groups), **more}


def first_fault(raw: dict[str, Any], *stored: dict[str, Any]) -> str:
    known = {(each["kind"], each["metadata"]["name"]): each for each in stored}
    problems = validate.validate(decode.decode(raw), lambda kind, _, name: known.get((kind, name)))
    return problems[0].message if problems else ""


A = {"name": "a", "template": "s"}
RESULT = "{{steps.a.outputs.result}}"


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        pytest.param(
            workflow(steps([A, say("b", RESULT)])), "", id="a step sees those before it in its group"
        ),
        pytest.param(
            workflow(steps([say("b", RESULT), A])),
            "templates.main.steps failed to resolve {{steps.a.outputs.result}}",
            id="and none behind it",
        ),
        pytest.param(
            workflow(steps([{"name": "a", "template": "no", "hooks": {"h": {"template": "l"}}}])),
            "templates.main.steps[0].a template name 'no' undefined",
            id="the template before the hooks",
        ),
        pytest.param(
            workflow(steps([{"name": "a", "template": "say", "inline": {"container": {}}}])),
            "templates.main.steps[0].a templates..container.image may not be empty",
            id="an inline body wins over the name",
        ),
        pytest.param(
            workflow(steps([{"name": "a", "template": "no", "inline": LEAF}])),
            "templates.main.steps[0].a template name 'no' undefined",
            id="the name must exist all the same",
        ),
        pytest.param(
            workflow(steps(parallelism=1)),
            "templates.main.parallelism is only valid for steps and dag templates",
            id="no steps at all are no steps template",
        ),
        pytest.param(
            workflow(steps(timeout="1m")),
            "Unknown template doesn't support timeout field",
            id="and have no timeout",
        ),
        pytest.param(
            workflow(
                steps([{"name": "a", "template": "l", "arguments": {"artifacts": [
                    {"name": "f", "fromExpression": "steps.x.outputs.artifacts.y"}]}}])
            ),
            "templates.main.steps[0].a.arguments.f.from, artifact location, or key is required",
            id="fromExpression alone is no source of an argument",
        ),
        pytest.param(
            workflow(
                {**SAY, "name": "main"},
                arguments={"parameters": [{"name": "m", "value": "{{item.x}}"}]},
            ),
            "templates.main: failed to resolve {{item.x}}",
            id="variables inside the arguments of the workflow",
        ),
        pytest.param(
            workflow(
                steps([{"name": "a", "template": "t", "arguments": {"parameters": [
                    {"name": "m", "valueFrom": {"supplied": {}}}]}}]),
                {"name": "t", "inputs": {"parameters": [{"name": "m", "default": "d"}]}, **LEAF}
                | {"name": "t"},
            ),
            "templates.main.steps[0].a templates.t inputs.parameters.m was not supplied",
            id="an argument without a value hides the default",
        ),
        pytest.param(
            workflow(
                steps([{"name": "a", "template": "t", "arguments": {"artifacts": [
                    {"name": "f", "raw": {"data": "x"}}]}}]),
                {"name": "t", "inputs": {"artifacts": [
                    {"name": "f", "path": "/f", "s3": {"key": "{{inputs.parameters.no}}"}}]},
                 "container": {"image": "b"}},
            ),
            "",
            id="an artifact given replaces the place it would come from",
        ),
    ],
)  # fmt: skip
def test_a_workflow_is_judged_as_argo_judges_it(raw: dict[str, Any], fault: str) -> None:
    assert first_fault(raw) == fault


def test_arguments_named_twice_are_merged_when_a_template_is_referred_to() -> None:
    stored = workflow(steps([A])) | {"kind": "WorkflowTemplate", "metadata": {"name": "t"}}
    twice = {"parameters": [{"name": "p", "value": "1"}, {"name": "p", "value": "2"}]}
    raw = workflow(arguments=twice, workflowTemplateRef={"name": "t"})
    del raw["spec"]["templates"]
    assert first_fault(raw, stored) == ""


def cron(spec: dict[str, Any], text: str = "x", **metadata: Any) -> str:
    raw = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": "c", **metadata},
        "spec": {"schedules": ["* * * * *"], **spec},
    }
    main = {"name": "main", "container": {"image": "b", "args": [text]}}
    raw["spec"]["workflowSpec"] = {"entrypoint": "main", "templates": [main]}
    return first_fault(raw)


def test_the_workflows_of_a_schedule_see_the_metadata_that_is_meant_for_them() -> None:
    meant = {"workflowMetadata": {"labels": {"q": "1"}, "annotations": {"r": "1"}}}
    assert not cron(meant, "{{workflow.labels.q}} {{workflow.annotations.r}}")
    assert not cron({}, "{{workflow.annotations.workflows.argoproj.io/scheduled-time}}")
    assert not cron({}, "{{workflow.labels.workflows.argoproj.io/cron-workflow}}")


def test_the_workflows_of_a_schedule_do_not_see_its_own_labels() -> None:
    assert cron({}, "{{workflow.labels.q}}", labels={"q": "1"}) == (
        "cannot validate Workflow: templates.main: failed to resolve {{workflow.labels.q}}"
    )


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"schedules": ["x"], "timezone": "no"}, "cron schedule x is malformed"),
        ({"timezone": "no", "concurrencyPolicy": "no"}, "invalid timezone"),
        ({"schedules": ["99999999999999999999 * * * *"]}, "value out of range"),
        ({"schedules": ["a * * * *"]}, 'strconv.Atoi: parsing "a": invalid syntax'),
    ],
)
def test_the_first_fault_of_a_schedule_is_argos(spec: dict[str, Any], fault: str) -> None:
    assert fault in cron(spec)


def rule(operator: str, *values: str, key: str = "a") -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "fault"),
    [
        ({"matchLabels": {"example.com/a": "x", "b": ""}}, ""),
        ({"matchLabels": {"a b": "x"}}, 'key: Invalid value: "a b"'),
        ({"matchLabels": {"/a": "x"}}, 'key: Invalid value: "/a"'),
        ({"matchLabels": {"a": "x y"}}, 'values of a: Invalid value: "x y"'),
        ({"matchLabels": {"a": "x" * 64}}, "values of a: Invalid value"),
        (rule("Is", "x"), '"Is" is not a valid label selector operator'),
        (rule("In", "x"), ""),
        (rule("In"), "values set can't be empty"),
        (rule("Exists", "x"), "values set must be empty"),
        (rule("DoesNotExist"), ""),
        (rule("NotIn", "x", key="-a"), 'key: Invalid value: "-a"'),
        (rule("NotIn", "x-"), 'values of a: Invalid value: "x-"'),
    ],
)
def test_a_label_selector_is_one_that_a_cluster_would_take(
    selector: dict[str, Any], fault: str
) -> None:
    found = first_fault(workflow({**LEAF, "name": "main"}, podGC={"labelSelector": selector}))
    assert (
        (fault in found and found.startswith("podGC.labelSelector invalid: "))
        if fault
        else not found
    )
