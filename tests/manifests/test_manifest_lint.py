"""Validation with places, and what lint adds to it."""

from pathlib import Path

import pytest

from bireme.manifests.decode import decode_all
from bireme.manifests.lint import lint
from bireme.manifests.validate import validate

EXAMPLES = Path(__file__).parents[2] / "../shared/conformance/workflows"
HEAD = "apiVersion: argoproj.io/v1alpha1\nkind: {}\nmetadata: {{name: x}}\nspec:\n"


def linted(kind: str, spec: str, *, strict_argo: bool = False) -> list[tuple[int, str, str]]:
    """(line of the spec, severity, message) of each problem."""
    head = HEAD.format(kind)
    found, _ = lint([(head + spec, "f.yaml")], strict_argo=strict_argo)
    return [
        (problem.line - head.count("\n"), problem.severity, problem.message) for problem in found
    ]


def test_a_variable_out_of_scope_is_named_on_its_own_line() -> None:
    spec = """  entrypoint: main
  templates:
  - name: main
    container:
      image: i
      args:
      - fine
      - "{{inputs.parameters.nope}}"
"""
    message = "templates.main: failed to resolve {{inputs.parameters.nope}}"
    assert linted("Workflow", spec) == [(8, "error", message)]


def test_faults_of_several_templates_are_all_reported() -> None:
    spec = """  entrypoint: a
  templates:
  - {name: a, container: {image: ""}}
  - {name: b, steps: [[{name: s, template: gone}]]}
"""
    errors = [
        (line, text) for line, severity, text in linted("Workflow", spec) if severity == "error"
    ]
    assert errors == [
        (3, "templates.a.container.image may not be empty"),
        (4, "templates.b templates.b.steps[0].s template name 'gone' undefined"),
    ]


def test_an_object_that_two_files_define_is_named_with_both_places() -> None:
    text = HEAD.format("WorkflowTemplate") + "  templates: [{name: a, container: {image: i}}]\n"
    [problem] = lint([(text, "a.yaml"), (text, "b.yaml")])[0]
    assert (problem.severity, problem.file, problem.line) == ("warning", "b.yaml", 3)
    assert "a.yaml:3" in problem.message
    other = text.replace("name: x", "name: x, namespace: elsewhere")
    assert lint([(text, "a.yaml"), (other, "b.yaml")])[0] == []


def test_a_faulty_field_does_not_hide_the_other_faults() -> None:
    spec = """  entrypoint: nope
  parallelism: many
  templates:
  - name: a
    container: {image: x, comand: [echo], args: ["{{inputs.parameters.q}}"]}
"""
    assert linted("Workflow", spec) == [
        (2, "error", 'expected an integer, found "many"'),
        (5, "error", "unknown field 'comand'"),
        (1, "error", "template name 'nope' undefined"),
        (5, "error", "templates.a templates.a: failed to resolve {{inputs.parameters.q}}"),
        (4, "warning", "template 'a' is never used"),
    ]


def test_problems_come_with_advice() -> None:
    text = HEAD.format("Workflow") + "  templates: []\n"
    (manifest,), _ = decode_all(text)
    (problem,) = validate(manifest)
    assert problem.message == "spec.entrypoint is required"
    assert "name of the template to start with" in problem.advice


def test_templates_of_other_files_are_found() -> None:
    template = HEAD.format("WorkflowTemplate") + "  templates: [{name: t, container: {image: i}}]\n"
    call = "{name: a, templateRef: {name: x, template: t}}"
    workflow = (
        HEAD.format("Workflow").replace("name: x", "name: w")
        + f"  entrypoint: main\n  templates: [{{name: main, steps: [[{call}]]}}]\n"
    )
    assert lint([(template, "t.yaml"), (workflow, "w.yaml")]) == ([], 2)
    (alone,), _ = lint([(workflow, "w.yaml")])
    assert (alone.severity, "x.t not found" in alone.message) == ("warning", True)


def test_a_chain_of_templates_without_end_is_an_error_not_a_crash() -> None:
    templates = [
        f"  - {{name: t{i}, steps: [[{{name: s, template: t{i + 1}}}]]}}\n" for i in range(2000)
    ]
    spec = "  entrypoint: t0\n  templates:\n" + "".join(templates)
    (problem, *_) = linted("Workflow", spec)
    assert problem[1] == "error"


DOUBTS = {
    "a template nobody calls": (
        "  entrypoint: a\n  templates:\n  - {name: a, suspend: {}}\n  - {name: b, suspend: {}}\n",
        (4, "template 'b' is never used"),
    ),
    "depends that is no condition": (
        "  entrypoint: m\n  templates:\n  - name: m\n    dag:\n      tasks:\n"
        "      - {name: a, inline: {suspend: {}}}\n"
        "      - {name: b, inline: {suspend: {}}, depends: a &&}\n",
        (7, "unexpected token EOF"),
    ),
    "depends that no outcome satisfies": (
        "  entrypoint: m\n  templates:\n  - name: m\n    dag:\n      tasks:\n"
        "      - {name: a, inline: {suspend: {}}}\n"
        "      - {name: b, inline: {suspend: {}}, depends: a.Succeeded && a.Failed}\n",
        (7, "task 'b' never runs"),
    ),
    "a step that uses its own group": (
        "  entrypoint: m\n  templates:\n  - name: m\n    steps:\n    - - {name: a, template: t}\n"
        "      - {name: b, template: t, when: '{{steps.a.status}} == x'}\n  - {name: t, suspend: {}}\n",
        (6, "step 'b' uses 'a' of its own group"),
    ),
    "a duration that is none": (
        "  entrypoint: m\n  templates:\n  - name: m\n    suspend:\n      duration: soon\n",
        (5, "soon"),
    ),
    "a task that waits for one that never runs": (
        "  entrypoint: m\n  templates:\n  - name: m\n    dag:\n      target: b\n      tasks:\n"
        "      - {name: a, inline: {suspend: {}}}\n      - {name: b, inline: {suspend: {}}}\n",
        (7, "task 'a' never runs: no target needs it"),
    ),
    "an outcome that a task without condition never has": (
        "  entrypoint: m\n  templates:\n  - name: m\n    dag:\n      tasks:\n"
        "      - {name: a, inline: {suspend: {}}}\n"
        "      - {name: b, inline: {suspend: {}}, depends: a.Omitted}\n",
        (7, "task 'b' never runs"),
    ),
    "recursion that nothing ends": (
        "  entrypoint: m\n  templates:\n  - name: m\n    steps: [[{name: a, template: n}]]\n"
        "  - name: n\n    steps: [[{name: b, template: m}]]\n",
        (3, "calls itself without end: m -> n -> m"),
    ),
    "a loop over nothing": (
        "  entrypoint: m\n  templates:\n  - name: m\n    steps:\n"
        "    - - name: a\n        inline: {suspend: {}}\n        withItems: []\n",
        (7, "an empty list is no loop"),
    ),
    "a loop of unknown size without parallelism": (
        "  entrypoint: m\n  arguments: {parameters: [{name: p, value: '[]'}]}\n  templates:\n  - name: m\n"
        "    steps: [[{name: a, template: t, withParam: '{{workflow.parameters.p}}'}]]\n"
        "  - {name: t, suspend: {}}\n",
        (5, "nothing limits the fan-out"),
    ),
    "a sequence of thousands without parallelism": (
        "  entrypoint: m\n  templates:\n  - name: m\n"
        "    steps: [[{name: a, template: t, withSequence: {start: 1, end: 5000}}]]\n"
        "  - {name: t, suspend: {}}\n",
        (4, "starts 5000 items at once"),
    ),
    "an argument that nobody takes": (
        "  entrypoint: m\n  templates:\n  - name: m\n    steps:\n    - - name: a\n        template: t\n"
        "        arguments: {parameters: [{name: p, value: x}]}\n  - {name: t, suspend: {}}\n",
        (7, "template 't' has no input parameter 'p'"),
    ),
    "an output that nothing writes": (
        "  entrypoint: m\n  templates:\n  - name: m\n    script: {image: i, source: echo hello}\n"
        "    outputs:\n      parameters:\n      - {name: p, valueFrom: {path: /tmp/out.txt}}\n",
        (7, "output 'p' is never produced"),
    ),
    "a tag with a misspelt root": (
        "  entrypoint: m\n  templates:\n  - name: m\n    inputs: {parameters: [{name: p, value: x}]}\n"
        "    container: {image: i, args: ['{{input.parameters.p}}']}\n",
        (5, "{{input.parameters.p}} can never be resolved"),
    ),
    "an item outside a loop": (
        "  entrypoint: m\n  templates:\n  - {name: m, container: {image: i, args: ['{{item}}']}}\n",
        (3, "{{item}} stands outside a loop"),
    ),
    "an attempt's number without retries": (
        "  entrypoint: m\n  templates:\n  - {name: m, container: {image: i, args: ['{{retries}}']}}\n",
        (3, "needs a retryStrategy"),
    ),
    "a parameter that an expression cannot find": (
        "  entrypoint: m\n  templates:\n  - {name: m, container: {image: i, args: ['{{=inputs.parameters.p}}']}}\n",
        (3, "no parameter 'p' is declared"),
    ),
    "a step that an expression cannot find": (
        "  entrypoint: m\n  templates:\n  - name: m\n    steps:\n    - - {name: a, template: t}\n"
        "    - - {name: b, template: t, when: '{{=steps.c.status == \"x\"}}'}\n  - {name: t, suspend: {}}\n",
        (6, "no step or task is named 'c'"),
    ),
    "a hyphen in an expression": (
        "  entrypoint: m\n  templates:\n  - name: m\n    inputs: {parameters: [{name: my-p, value: x}]}\n"
        "    container: {image: i, args: ['{{=inputs.parameters.my-p}}']}\n",
        (5, "can never be resolved"),
    ),
    "a merge strategy that kubectl does not know": (
        "  entrypoint: m\n  templates:\n  - name: m\n    resource:\n      action: patch\n"
        "      mergeStrategy: mix\n      manifest: 'kind: Pod'\n",
        (6, "'mix' is not one of strategic, merge, json"),
    ),
    "a gauge that does something else": (
        "  entrypoint: m\n  templates:\n  - name: m\n    suspend: {}\n    metrics:\n      prometheus:\n"
        "      - {name: g, help: h, gauge: {value: '1', operation: Mul}}\n",
        (7, "'Mul' is not one of Set, Add, Sub"),
    ),
    "a blank before the expression": (
        "  entrypoint: m\n  templates:\n  - {name: m, container: {image: i, args: ['{{ =1 + 1}}']}}\n",
        (3, "taken as a name"),
    ),
    "a retry expression that does not parse": (
        "  entrypoint: m\n  templates:\n  - name: m\n    container: {image: i}\n"
        "    retryStrategy:\n      expression: a ==\n",
        (6, "unexpected token EOF"),
    ),
}


@pytest.mark.parametrize(("spec", "expected"), DOUBTS.values(), ids=DOUBTS)
def test_lint_doubts_what_argo_lets_pass(spec: str, expected: tuple[int, str]) -> None:
    ((line, severity, message),) = linted("Workflow", spec)
    assert (line, severity) == (expected[0], "warning")
    assert expected[1] in message


def test_an_expression_that_cannot_be_read_is_one_error_on_its_line() -> None:
    spec = (
        "  entrypoint: m\n  templates:\n  - {name: m, container: {image: i, args: ['{{=1 +}}']}}\n"
    )
    ((line, severity, message),) = linted("Workflow", spec)
    assert (line, severity) == (3, "error")
    assert message == "{{=1 +}} does not parse: unexpected token EOF (1:4)"


CLEAN = {
    "an item handed on by an inline template": "  entrypoint: m\n  templates:\n  - name: m\n    steps:\n"
    "    - - {name: a, withItems: [1], inline: {container: {image: i, args: ['{{item}}']}}}\n",
    "a fallback for a step that may not have run": "  entrypoint: m\n  templates:\n  - name: m\n    steps:\n"
    "    - - {name: a, template: t, when: '{{workflow.name}} == x'}\n"
    "    - - {name: b, template: t, when: \"{{=steps.a?.outputs?.result ?? 'x'}} == x\"}\n"
    "  - {name: t, container: {image: i}}\n",
    "recursion with a way out": "  entrypoint: m\n  templates:\n  - name: m\n"
    "    steps: [[{name: a, template: m, when: '{{workflow.name}} == x'}]]\n",
    "braces of another language": "  entrypoint: m\n  templates:\n"
    "  - {name: m, container: {image: i, args: ['{{ .Values.x }} {{user.name}} {{{raw}}}']}}\n",
    "a path that comes as a variable": "  entrypoint: m\n  templates:\n  - name: m\n"
    "    script: {image: i, source: 'echo > {{outputs.parameters.p.path}}'}\n"
    "    outputs: {parameters: [{name: p, valueFrom: {path: /tmp/out.txt}}]}\n",
    "a loop whose parallelism is set": "  entrypoint: m\n  parallelism: 5\n  templates:\n  - name: m\n"
    "    steps: [[{name: a, template: t, withSequence: {count: 5000}}]]\n  - {name: t, suspend: {}}\n",
}


@pytest.mark.parametrize("spec", CLEAN.values(), ids=CLEAN)
def test_lint_keeps_quiet_about_what_is_meant(spec: str) -> None:
    assert linted("Workflow", spec) == []


SENSOR = """  dependencies:
  - {{name: a, eventSourceName: s, eventName: e}}
  - {{name: b, eventSourceName: s, eventName: e, filters: {{data: [{data}]}}}}
  triggers:
  - template: {{name: t, conditions: {conditions}, log: {{}}}}
    parameters: [{{src: {{dependencyName: {source}}}, dest: x}}]
"""
SENSORS = {
    "an undeclared name in conditions": ("a && c", "a", "number, value: ['1']", 5, "unknown"),
    "conditions that do not parse": ("a &&", "a", "number, value: ['1']", 5, "unexpected token"),
    "a dependency nobody waits for": ("a", "a", "number, value: ['1']", 3, "no trigger waits for"),
    "a parameter of an undeclared one": ("a && b", "aa", "number, value: ['1']", 6, "not declared"),
    "a number that is none": ("a && b", "a", "number, value: [x]", 3, "is not a number"),
    "a type there is not": ("a && b", "a", "date, value: [x]", 3, "no value has type 'date'"),
}


@pytest.mark.parametrize("case", SENSORS.values(), ids=SENSORS)
def test_lint_doubts_sensors_that_cannot_work(case: tuple[str, str, str, int, str]) -> None:
    conditions, source, data, line, expected = case
    spec = SENSOR.format(conditions=conditions, source=source, data=f"{{path: p, type: {data}}}")
    ((found_line, severity, message), *_) = linted("Sensor", spec)
    assert (found_line, severity) == (line, "error" if line == 5 else "warning")
    assert expected in message


def test_events_that_no_source_of_the_files_has_are_named() -> None:
    source = HEAD.format("EventSource") + "  webhook: {push: {endpoint: /}}\n"
    sensor = HEAD.format("Sensor") + (
        "  dependencies: [{name: a, eventSourceName: x, eventName: pusch}]\n"
        "  triggers: [{template: {name: t, log: {}}}]\n"
    )
    (problem, _), _ = lint([(source, "s.yaml"), (sensor, "x.yaml")])
    assert problem.path == "spec.dependencies[0].eventName"
    assert problem.advice == "did you mean push?"


def test_the_workflow_inside_a_trigger_is_checked_in_its_place() -> None:
    spec = """  dependencies: [{name: a, eventSourceName: x, eventName: e}]
  triggers:
  - template:
      name: t
      argoWorkflow:
        operation: submit
        source:
          resource:
            apiVersion: argoproj.io/v1alpha1
            kind: Workflow
            metadata: {generateName: w-}
            spec:
              entrypoint: gone
              templates: [{name: main, container: {image: i}}]
"""
    found = linted("Sensor", spec)
    assert (13, "error", "template name 'gone' undefined") in found


def test_strict_argo_names_extensions_and_old_spellings() -> None:
    sensor = """  dependencies: [{name: a, eventSourceName: x, eventName: e}]
  triggers:
  - template: {name: t, log: {}, join: {key: x, within: 1h}}
"""
    assert linted("Sensor", sensor) == []
    ((line, _, message),) = linted("Sensor", sensor, strict_argo=True)
    assert (line, "'join' is an extension" in message) == (3, True)
    cron = "  schedule: '* * * * *'\n  workflowSpec: {entrypoint: m, templates: [{name: m, suspend: {}}]}\n"
    assert linted("CronWorkflow", cron) == []
    ((_, _, message),) = linted("CronWorkflow", cron, strict_argo=True)
    assert "'schedule'" in message


@pytest.mark.skipif(not EXAMPLES.exists(), reason="conformance material is not here")
def test_argos_own_examples_lint_without_errors() -> None:
    files = sorted(EXAMPLES.rglob("*.yaml"))
    found, count = lint([(file.read_text(), file.name) for file in files])
    assert [str(problem) for problem in found if problem.severity == "error"] == []
    assert count == 153


def test_strict_argo_names_lists_that_a_cluster_does_not_admit() -> None:
    tasks = "".join(f"      - {{name: t{i}, template: t}}\n" for i in range(201))
    spec = "  entrypoint: m\n  templates:\n  - name: m\n    dag:\n      tasks:\n" + tasks
    spec += "  - {name: t, suspend: {}}\n"
    assert linted("Workflow", spec) == []
    ((line, _, message),) = linted("Workflow", spec, strict_argo=True)
    assert (line, message) == (5, "201 are more than the 200 that a cluster admits")
