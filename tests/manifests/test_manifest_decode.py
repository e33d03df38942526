"""From text to typed manifests, and everything wrong with a text at once."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bireme.kit.errors import InvalidManifest
from bireme.manifests import decode
from bireme.manifests.events import EventSource, Sensor
from bireme.manifests.objects import Secret
from bireme.manifests.schema import schema
from bireme.manifests.workflow import CronWorkflow, Workflow

ARGO = "argoproj.io/v1alpha1"
EXAMPLES = Path(__file__).parents[2] / "../shared/conformance/workflows"


def workflow(spec: dict[str, Any], kind: str = "Workflow") -> dict[str, Any]:
    return {"apiVersion": ARGO, "kind": kind, "metadata": {"name": "x"}, "spec": spec}


def problems(text: str) -> list[tuple[int, str, str]]:
    _, found = decode.decode_all(text, "f.yaml")
    return [(problem.line, problem.path, problem.message) for problem in found]


def test_a_workflow_is_typed_whole() -> None:
    step = {"name": "a", "template": "t", "withItems": [1, None, {"k": "v"}], "when": "true"}
    artifact = {"name": "f", "from": "{{x}}"}
    spec = {
        "entrypoint": "main",
        "podGC": {"strategy": "OnPodSuccess"},
        "arguments": {"artifacts": [artifact]},
        "templates": [{"name": "main", "steps": [[step]], "activeDeadlineSeconds": "10"}],
    }
    manifest = decode.decode(workflow(spec))
    assert isinstance(manifest, Workflow)
    template = manifest.spec.templates[0]
    assert template.steps is not None
    assert template.steps[0][0].with_items == [1, None, {"k": "v"}]
    assert (template.active_deadline_seconds, template.type) == ("10", "Steps")
    assert manifest.spec.pod_gc is not None
    assert manifest.spec.arguments.artifacts[0].from_ == "{{x}}"
    assert decode.plain(manifest.spec) == spec


def test_parameters_keep_numbers_and_booleans_as_text() -> None:
    given = [{"name": "a", "value": 1e3}, {"name": "b", "default": True, "enum": [1, "x"]}]
    manifest = decode.decode(workflow({"arguments": {"parameters": given}}))
    a, b = manifest.spec.arguments.parameters
    assert (a.value, b.value, b.default, b.enum) == ("1000", None, "true", ["1", "x"])
    assert manifest.raw["spec"]["arguments"]["parameters"][0]["value"] == "1000"


def test_nulls_count_as_unwritten_but_not_in_items() -> None:
    step = {"name": "a", "template": "t", "args": None, "withItems": [None, {"a": None}]}
    manifest = decode.decode(workflow({"templates": [{"name": "m", "steps": [[step]]}]}))
    (template,) = manifest.spec.templates
    assert template.steps[0][0].with_items == [None, {"a": None}]


def test_the_value_given_is_left_as_it_was() -> None:
    given = workflow({"synchronization": {"mutex": {"name": "m"}}, "onExit": None})
    before = msgspec.json.encode(given)
    decode.decode(given)
    assert msgspec.json.encode(given) == before


def test_older_spellings_become_todays() -> None:
    lock = {"synchronization": {"mutex": {"name": "m"}, "semaphore": {"namespace": "n"}}}
    inner = {**lock, "templates": [{"name": "t", **lock}], "ttlSecondsAfterFinished": 5}
    given = workflow({"schedule": "* * * * *", "workflowSpec": inner}, "CronWorkflow")
    manifest = decode.decode(given)
    assert isinstance(manifest, CronWorkflow)
    assert manifest.spec.schedules == ["* * * * *"]
    spec = manifest.spec.workflow_spec
    for locks in (spec.synchronization, spec.templates[0].synchronization):
        assert locks is not None
        assert (locks.mutexes[0].name, locks.semaphores[0].namespace) == ("m", "n")
    assert spec.ttl_strategy is not None
    assert spec.ttl_strategy.seconds_after_completion == 5
    assert ("spec.schedule", "schedules") in manifest.renamed


def test_the_context_of_a_webhook_may_be_written_as_the_published_schema_has_it() -> None:
    hook = {"webhookContext": {"endpoint": "/old", "port": "12000"}, "endpoint": "/push"}
    raw = {"kind": "EventSource", "metadata": {"name": "e"}, "spec": {"webhook": {"push": hook}}}
    manifest = decode.decode({"apiVersion": "argoproj.io/v1alpha1", **raw})
    assert isinstance(manifest, EventSource)
    assert manifest.spec.sources["webhook"]["push"] == {"endpoint": "/push", "port": "12000"}
    assert manifest.renamed[0][0] == "spec.webhook.push.webhookContext"


def test_every_fault_is_named_by_path_and_line() -> None:
    text = f"""apiVersion: {ARGO}
kind: Workflow
metadata: {{name: x, labels: {{n: 1}}}}
spec:
  entrypont: main
  templates:
  - name: main
    dag:
      tasks:
      - name: a
        dependancies: [b]
    retryStrategy: {{limit: [1]}}
"""
    assert problems(text) == [
        (3, "metadata.labels.n", "expected a string, found 1"),
        (5, "spec.entrypont", "unknown field 'entrypont'"),
        (11, "spec.templates[0].dag.tasks[0].dependancies", "unknown field 'dependancies'"),
        (
            12,
            "spec.templates[0].retryStrategy.limit",
            "expected an integer or a string, found a list",
        ),
    ]


def test_an_unknown_field_comes_with_the_closest_known_one() -> None:
    with pytest.raises(InvalidManifest, match="did you mean entrypoint"):
        decode.decode(workflow({"entrypont": "x"}))


def test_one_bad_document_never_stops_the_others() -> None:
    text = f"kind: Nope\n---\napiVersion: {ARGO}\nkind: Workflow\nmetadata: {{name: good}}\n---\n- 1\n---\na: [\n"
    manifests, found = decode.decode_all(text)
    assert [manifest.metadata.name for manifest in manifests] == ["good"]
    assert len(found) == 3


def test_members_of_a_list_keep_their_lines() -> None:
    text = f"""kind: List
apiVersion: v1
items:
- apiVersion: {ARGO}
  kind: Workflow
  metadata: {{name: a}}
  spec: {{}}
- apiVersion: {ARGO}
  kind: Workflow
  metadata: {{name: b}}
  spec:
    nope: 1
"""
    manifests, found = decode.decode_all(text)
    assert [manifest.metadata.name for manifest in manifests] == ["a"]
    assert [(problem.object, problem.line) for problem in found] == [("Workflow b", 12)]


def test_a_foreign_kubernetes_kind_is_left_alone_with_a_warning() -> None:
    _, (problem,) = decode.decode_all("apiVersion: v1\nkind: Service\nmetadata: {name: x}\n")
    assert problem.severity == "warning"


def test_secrets_are_decoded() -> None:
    secret = decode.decode(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s"},
            "data": {"a": "aGk="},
            "stringData": {"b": "plain"},
        }
    )
    assert isinstance(secret, Secret)
    assert secret.values == {"a": b"hi", "b": b"plain"}


def test_sections_of_an_event_source_are_kept_for_their_plugins() -> None:
    spec = {"webhook": {"push": {"port": "1"}}, "mine": {"x": {}}, "service": {"ports": [{}]}}
    source = decode.decode({**workflow(spec), "kind": "EventSource"})
    assert isinstance(source, EventSource)
    assert source.spec.sources == {"webhook": {"push": {"port": "1"}}, "mine": {"x": {}}}
    assert source.raw["spec"] == spec


def test_a_misspelt_section_is_no_plugin() -> None:
    with pytest.raises(InvalidManifest, match="did you mean webhook"):
        decode.decode({**workflow({"webhok": {"push": {}}}), "kind": "EventSource"})


def test_trigger_bodies_and_our_extensions_are_kept() -> None:
    template = {"name": "t", "http": {"url": "u"}, "join": {"key": "x"}}
    dead = {"template": {"name": "d", "log": {}}}
    trigger = {"template": template, "dlqTrigger": dead, "retryStrategy": {"steps": 2, "factor": 1}}
    sensor = decode.decode({**workflow({"triggers": [trigger]}), "kind": "Sensor"})
    assert isinstance(sensor, Sensor)
    (typed,) = sensor.spec.triggers
    assert typed.template is not None
    assert (typed.template.kind, typed.template.bodies) == ("http", {"http": {"url": "u"}})
    assert typed.template.join is not None
    assert typed.template.join.key == "x"
    assert typed.dlq_trigger is not None
    assert typed.dlq_trigger.template is not None
    assert typed.dlq_trigger.template.kind == "log"


def test_a_fault_in_a_section_is_placed_where_it_is_written() -> None:
    text = f"apiVersion: {ARGO}\nkind: EventSource\nmetadata: {{name: x}}\nspec:\n  webhook:\n    push: 1\n"
    assert problems(text) == [(6, "spec.webhook.push", "expected an object, found 1")]


def test_values_nested_too_deeply_are_refused() -> None:
    value: Any = 1
    for _ in range(500):
        value = {"a": value}
    with pytest.raises(InvalidManifest, match="levels deep"):
        decode.decode(workflow({"affinity": value}))


@pytest.mark.parametrize("kind", decode.KINDS)
def test_every_kind_has_a_schema_that_knows_its_fields(kind: str) -> None:
    made = schema(kind)
    name = made["properties"]["spec"]["$ref"].rpartition("/")[2]
    assert made["$defs"][name]["properties"]


@pytest.mark.skipif(not EXAMPLES.exists(), reason="conformance material is not here")
def test_argos_own_examples_decode() -> None:
    files = sorted(EXAMPLES.rglob("*.yaml"))
    found = [decode.decode_all(file.read_text(), file.name) for file in files]
    errors = [str(p) for _, problems in found for p in problems if p.severity == "error"]
    assert errors == []
    assert (len(files), sum(len(manifests) for manifests, _ in found)) == (144, 153)
