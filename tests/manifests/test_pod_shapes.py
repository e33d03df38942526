"""Kubernetes' own parts of a workflow have Kubernetes' types: refused where Argo's decoding refuses them, by path."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bireme.kit.errors import InvalidManifest
from bireme.manifests.decode import decode
from bireme.manifests.pod_shapes import shape_faults
from bireme.manifests.pod_types import FIELDS

AT = "spec.templates[0].container"
CONTAINER: dict[str, tuple[dict[str, Any], str]] = {
    "a number as the value of a variable": ({"env": [{"name": "A", "value": 5}]}, "env[0].value"),
    "true as the value of a variable": ({"env": [{"name": "A", "value": True}]}, "env[0].value"),
    "a text where a secret's key belongs": (
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": "x"}}]},
        "env[0].valueFrom.secretKeyRef",
    ),
    "a number as a secret's name": (
        {"envFrom": [{"secretRef": {"name": 5}}]},
        "envFrom[0].secretRef.name",
    ),
    "no quantity": ({"resources": {"limits": {"cpu": "banana"}}}, "resources.limits.cpu"),
    "a blank in a quantity": (
        {"resources": {"requests": {"memory": "10 Mi"}}},
        "resources.requests.memory",
    ),
    "an empty quantity": ({"resources": {"limits": {"cpu": ""}}}, "resources.limits.cpu"),
    "a tag as a quantity": ({"resources": {"limits": {"cpu": "{{x}}"}}}, "resources.limits.cpu"),
    "a list of limits": ({"resources": {"limits": []}}, "resources.limits"),
    "a word for true": (
        {"volumeMounts": [{"name": "v", "mountPath": "/x", "readOnly": "yes"}]},
        "volumeMounts[0].readOnly",
    ),
    "a port in quotes": ({"ports": [{"containerPort": "80"}]}, "ports[0].containerPort"),
    "a command that is no list": (
        {"livenessProbe": {"exec": {"command": "ls"}}},
        "livenessProbe.exec.command",
    ),
    "a user in quotes": (
        {"securityContext": {"runAsUser": "0"}},
        "securityContext.runAsUser",
    ),
}
SPEC: dict[str, tuple[dict[str, Any], str]] = {
    "a volume's size": (
        {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "big"}}]},
        "volumes[0].emptyDir.sizeLimit",
    ),
    "a mode in quotes": (
        {"volumes": [{"name": "v", "secret": {"secretName": "s", "defaultMode": "0644"}}]},
        "volumes[0].secret.defaultMode",
    ),
    "a claim's storage": (
        {
            "volumeClaimTemplates": [
                {"metadata": {"name": "w"}, "spec": {"resources": {"requests": {"storage": "?"}}}}
            ]
        },
        "volumeClaimTemplates[0].spec.resources.requests.storage",
    ),
    "a toleration": ({"tolerations": [{"key": 5}]}, "tolerations[0].key"),
    "an affinity": ({"affinity": {"nodeAffinity": []}}, "affinity.nodeAffinity"),
    "a name server": ({"dnsConfig": {"nameservers": "x"}}, "dnsConfig.nameservers"),
    "a budget": (
        {"podDisruptionBudget": {"minAvailable": True}},
        "podDisruptionBudget.minAvailable",
    ),
}
FINE: list[dict[str, Any]] = [
    {"env": [{"name": "A", "value": "5"}, {"name": "B"}, {"name": "C", "value": None}]},
    {"env": [{"name": "A", "valu": 5}]},
    {"resources": {"limits": {"cpu": 1, "memory": "1.5Gi"}, "requests": {"cpu": 0.5, "x": "1e3"}}},
    {"readinessProbe": {"httpGet": {"port": 80}}, "livenessProbe": {"httpGet": {"port": "web"}}},
    {"securityContext": {"runAsUser": 0, "capabilities": {"add": ["NET_ADMIN"]}}},
]


def workflow(container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    templates = [{"name": "main", "container": {"image": "x", **container}}]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "w"},
        "spec": {"entrypoint": "main", "templates": templates, **spec},
    }


def faults(manifest: dict[str, Any]) -> list[str]:
    try:
        decode(manifest)
    except InvalidManifest as error:
        return [problem.path for problem in error.problems]
    return []


@pytest.mark.parametrize("case", CONTAINER.values(), ids=CONTAINER)
def test_a_part_of_a_container_of_another_type_is_refused(case: tuple[dict[str, Any], str]) -> None:
    container, path = case
    assert faults(workflow(container)) == [f"{AT}.{path}"]


@pytest.mark.parametrize("case", SPEC.values(), ids=SPEC)
def test_a_part_of_a_pod_of_another_type_is_refused(case: tuple[dict[str, Any], str]) -> None:
    part, path = case
    assert faults(workflow({}, **part)) == [f"spec.{path}"]


@pytest.mark.parametrize("container", FINE)
def test_what_argo_accepts_is_accepted(container: dict[str, Any]) -> None:
    assert faults(workflow(container)) == []


def test_every_container_and_kind_is_looked_at() -> None:
    wrong = {"name": "c", "image": "x", "env": [{"name": "A", "value": 5}]}
    template = {
        "name": "main",
        "containerSet": {"containers": [wrong], "volumeMounts": [{"name": 5}]},
        "sidecars": [wrong],
        "podResources": {"limits": {"cpu": "banana"}},
        "securityContext": {"runAsUser": "0"},
    }
    step = {"name": "s", "inline": template}
    spec = {
        "entrypoint": "all",
        "templates": [{"name": "all", "steps": [[step]]}],
        "templateDefaults": {"volumes": [{"name": 5}]},
    }
    inline = "templates[0].steps[0][0].inline"
    below = {
        f"{inline}.containerSet.containers[0].env[0].value",
        f"{inline}.containerSet.volumeMounts[0].name",
        f"{inline}.sidecars[0].env[0].value",
        f"{inline}.podResources.limits.cpu",
        f"{inline}.securityContext.runAsUser",
        "templateDefaults.volumes[0].name",
    }
    whole = {**workflow({}), "spec": spec}
    assert set(faults(whole)) == {f"spec.{path}" for path in below}
    cron = {
        **whole,
        "kind": "CronWorkflow",
        "spec": {"schedules": ["* * * * *"], "workflowSpec": spec},
    }
    assert set(faults(cron)) == {f"spec.workflowSpec.{path}" for path in below}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(sorted({f for fields in FIELDS.values() for f in fields})),
            inner,
            max_size=4,
        )
    ),
)


@given(volumes=_JSON, affinity=_JSON)
def test_any_value_is_judged_and_none_breaks_the_judge(volumes: Any, affinity: Any) -> None:
    spec = {"volumes": volumes, "affinity": affinity}
    found = list(shape_faults(spec, "spec"))
    assert bool(found) or volumes in (None, []) or isinstance(volumes, list)
    assert all(fault.path.startswith(("spec.volumes", "spec.affinity")) for fault in found)


def test_every_type_that_a_field_holds_is_known() -> None:
    leaves = {"string", "bool", "int", "number", "quantity", "intOrString"}
    held = {kind.rpartition(" ")[2] for fields in FIELDS.values() for kind in fields.values()}
    assert held - leaves <= set(FIELDS)
