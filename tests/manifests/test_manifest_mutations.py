"""Whatever is wrong with a manifest, the answer is a list of problems: nothing crashes on it."""

import copy
import json
import random
from typing import Any

import pytest

from bireme.kit.errors import InvalidManifest
from bireme.manifests import decode, validate
from bireme.manifests.lint import lint

ARGO = "argoproj.io/v1alpha1"
STEP = {"name": "a", "template": "t", "arguments": {"parameters": [{"name": "p", "value": "v"}]}}
TASK = {
    **STEP,
    "depends": "b.Succeeded",
    "withItems": [1, {"k": "v"}],
    "hooks": {"exit": {"template": "t"}},
}
LEAF = {
    "name": "t",
    "inputs": {
        "parameters": [{"name": "p"}],
        "artifacts": [{"name": "f", "path": "/f", "raw": {"data": "x"}}],
    },
    "container": {
        "image": "i",
        "args": ["{{inputs.parameters.p}}"],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    },
    "outputs": {"parameters": [{"name": "o", "valueFrom": {"path": "/o"}}]},
    "retryStrategy": {"limit": "2", "backoff": {"duration": "1m", "factor": 2}},
    "metrics": {
        "prometheus": [{"name": "m", "help": "h", "gauge": {"value": "1", "realtime": True}}]
    },
    "synchronization": {"mutex": {"name": "m"}},
    "podResources": {"limits": {"cpu": 1}},
}
SET = {
    "name": "s",
    "containerSet": {
        "containers": [
            {"name": "main", "image": "i"},
            {"name": "b", "image": "i", "dependencies": ["main"]},
        ]
    },
}
TEMPLATES = [
    {
        "name": "main",
        "steps": [[STEP], [{**STEP, "name": "b", "when": "{{steps.a.outputs.result}} == x"}]],
    },
    {"name": "d", "dag": {"tasks": [TASK, {**STEP, "name": "b"}], "target": "a"}},
    LEAF,
    SET,
    {"name": "r", "resource": {"action": "create", "manifest": "a: {{workflow.name}}"}},
    {"name": "w", "suspend": {"duration": "1s"}},
]
SPEC = {
    "entrypoint": "main",
    "onExit": "w",
    "templates": TEMPLATES,
    "arguments": {"parameters": [{"name": "x", "value": 1, "enum": [1, 2]}]},
    "podGC": {
        "strategy": "OnPodSuccess",
        "labelSelector": {"matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]},
    },
    "workflowMetadata": {"labelsFrom": {"l": {"expression": "1"}}},
}
FILTERS = {
    "data": [{"path": "p", "type": "number", "value": ["1"], "comparator": ">="}],
    "exprs": [{"expr": "a == 1", "fields": [{"name": "a", "path": "b"}]}],
    "time": {"start": "01:00:00", "stop": "02:00:00", "timezone": "UTC"},
    "context": {"type": "x"},
}
SOURCE = {"resource": {"apiVersion": ARGO, "kind": "Workflow", "metadata": {}, "spec": SPEC}}
PARAMETER = {"src": {"dependencyName": "d", "dataKey": "k"}, "dest": "x"}
TRIGGER = {
    "template": {
        "name": "t",
        "conditions": "d",
        "conditionsReset": [{"byTime": {"cron": "* * * * *"}}],
        "argoWorkflow": {"operation": "submit", "source": SOURCE, "parameters": [PARAMETER]},
    },
    "parameters": [PARAMETER],
    "rateLimit": {"unit": "Second", "requestsPerUnit": 1},
}
SENSOR = {
    "dependencies": [{"name": "d", "eventSourceName": "s", "eventName": "e", "filters": FILTERS}],
    "triggers": [TRIGGER],
}
MANIFESTS = [
    ("Workflow", SPEC),
    ("WorkflowTemplate", SPEC),
    ("CronWorkflow", {"schedule": "* * * * *", "timezone": "UTC", "workflowSpec": SPEC}),
    ("Sensor", SENSOR),
    ("EventSource", {"webhook": {"e": {"port": "1"}}, "service": {"ports": [{}]}}),
    ("EventBus", {"nats": {"native": {"replicas": 3}}}),
]
JUNK: list[Any] = [
    None, 0, -1, 1.5, True, "", "x", "{{inputs.parameters.x}}", "{{", "{{= 1}}", "{{=a", "a-b.c", [], {}, [None], [[]],
    {"name": "x"}, [{"name": "x"}], "9" * 400, "\ud800",
]  # fmt: skip


MODES: tuple[validate.Mode, ...] = ("create", "lint", "submit")


def mutated(value: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    value = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 2, 4))):
        holder, key = chance.choice(list(places(value)))
        holder["extra" if isinstance(holder, dict) and chance.random() < 0.1 else key] = (
            chance.choice(JUNK)
        )
    return value


def places(value: Any) -> Any:
    members = list(value.items() if isinstance(value, dict) else enumerate(value)) if value else []
    for key, member in members:
        yield value, key
        if isinstance(member, dict | list):
            yield from places(member)


@pytest.mark.parametrize(("kind", "spec"), MANIFESTS, ids=[kind for kind, _ in MANIFESTS])
def test_a_mutated_manifest_gets_problems_and_never_crashes(
    kind: str, spec: dict[str, Any]
) -> None:
    chance = random.Random(kind)
    whole = {"apiVersion": ARGO, "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    decoded = 0
    for _ in range(150):
        value = mutated(whole, chance)
        try:
            manifest = decode.decode(value)
        except InvalidManifest:
            continue
        decoded += 1
        for mode in MODES:
            validate.validate(manifest, mode=mode)
        lint([(json.dumps(value), "f.yaml")], strict_argo=True)
    assert decoded


def test_the_manifests_themselves_are_valid() -> None:
    for kind, spec in MANIFESTS:
        whole = {"apiVersion": ARGO, "kind": kind, "metadata": {"name": "x"}, "spec": spec}
        assert validate.validate(decode.decode(whole)) == []
