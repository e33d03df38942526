"""Fields that only pods honour are named with their place, once each."""

from typing import Any

import pytest

from bireme.manifests import lint
from bireme.manifests.lint_pod_fields import pod_doubts
from bireme.manifests.pod_fields import pod_fields

MANIFEST = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: wf}
spec:
  entrypoint: main
  serviceAccountName: robot
  templates:
    - name: main
      nodeSelector: {disk: ssd}
      container:
        image: busybox
        command: [echo]
        imagePullPolicy: Always
        resources: {limits: {memory: 1Gi, cpu: "1"}, requests: {cpu: "1"}}
        readinessProbe: {tcpSocket: {port: 1}}
      sidecars:
        - {name: s, image: x, command: [ls], imagePullPolicy: Always}
"""


def test_each_field_is_a_warning_at_its_first_line() -> None:
    problems, _ = lint.lint([(MANIFEST, "m.yaml")])
    found = {p.path: (p.line, p.severity, p.message) for p in problems if "no effect" in p.message}
    text = "has no effect where steps are processes of one machine"
    main = "spec.templates[0].container"
    assert found == {
        "spec.serviceAccountName": (7, "warning", f"'serviceAccountName' {text}"),
        "spec.templates[0].nodeSelector": (10, "warning", f"'nodeSelector' {text}"),
        f"{main}.imagePullPolicy": (14, "warning", f"'imagePullPolicy' {text}; 2 places"),
        f"{main}.resources.limits.cpu": (15, "warning", f"'cpu' {text}"),
        f"{main}.resources.requests": (15, "warning", f"'requests' {text}"),
        f"{main}.readinessProbe": (16, "warning", f"'readinessProbe' {text}"),
    }


def test_probes_of_daemons_and_kept_limits_are_not_named() -> None:
    probe = {"tcpSocket": {"port": 1}}
    container = {"readinessProbe": probe, "resources": {"limits": {"memory": "1Gi"}}}
    assert list(pod_fields({"templates": [{"daemon": True, "container": container}]})) == []


def test_containers_of_every_role_are_looked_at() -> None:
    odd = {"tty": True}
    template = {
        "containerSet": {"containers": [{}, odd]},
        "initContainers": [odd],
        "sidecars": [odd],
    }
    assert list(pod_fields({"templates": [template]})) == [
        "templates[0].containerSet.containers[1].tty",
        "templates[0].initContainers[0].tty",
        "templates[0].sidecars[0].tty",
    ]


TTY = {"container": {"tty": True}}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"templateDefaults": TTY}, "templateDefaults.container.tty"),
        (
            {"templates": [{"steps": [[{"name": "a", "inline": TTY}]]}]},
            "templates[0].steps[0][0].inline.container.tty",
        ),
        (
            {"templates": [{"dag": {"tasks": [{"name": "a", "inline": TTY}]}}]},
            "templates[0].dag.tasks[0].inline.container.tty",
        ),
        (
            {"templates": [{"retryStrategy": {"affinity": {"nodeAntiAffinity": {}}}}]},
            "templates[0].retryStrategy.affinity",
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}]},
            "volumes[0].emptyDir.sizeLimit",
        ),
        (
            {"templates": [{"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]}]},
            "templates[0].volumes[0].emptyDir.medium",
        ),
        (
            {"templates": [{"container": {"volumeMounts": [{"mountPropagation": "None"}]}}]},
            "templates[0].container.volumeMounts[0].mountPropagation",
        ),
        (
            {
                "templates": [
                    {"daemon": True, "container": {"startupProbe": {"failureThreshold": 3}}}
                ]
            },
            "templates[0].container.startupProbe.failureThreshold",
        ),
        ({"artifactGC": {"podSpecPatch": "{}"}}, "artifactGC.podSpecPatch"),
        (
            {
                "templates": [
                    {"outputs": {"artifacts": [{"artifactGC": {"podMetadata": {"a": 1}}}]}}
                ]
            },
            "templates[0].outputs.artifacts[0].artifactGC.podMetadata",
        ),
        ({"artifactRepositoryRef": {"key": "k"}}, "artifactRepositoryRef"),
    ],
)
def test_a_field_without_effect_is_named_wherever_it_is_written(
    spec: dict[str, Any], path: str
) -> None:
    assert list(pod_fields(spec)) == [path]


def test_an_extended_resource_is_named_whole() -> None:
    limits = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    doubts = list(pod_doubts({"templates": [{"name": "t", "container": limits}]}))
    assert [message.split(" has ")[0] for _, message, _ in doubts] == ["'nvidia.com/gpu'"]
