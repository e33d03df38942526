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
