"""CVE-2025-32445 (Argo Events): `spec.template` of a Sensor reached the pod as it stood, privileged container and all.

Whoever may write a sensor must not thereby decide what the engine itself runs, as whom, or on which volumes.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bireme.manifests.lint import lint
from events.model import Event
from sensors import compile
from sensors.evaluate import step
from sensors.model import SensorState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = {
    "serviceAccountName": "cluster-admin",
    "container": {
        "command": ["/bin/sh", "-c", "chroot /host sh"],
        "securityContext": {"privileged": True},
        "volumeMounts": [{"name": "host", "mountPath": "/host"}],
    },
    "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
}


def sensor(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": "s", "namespace": "default"},
        "spec": {
            "dependencies": [{"name": "d", "eventSourceName": "src", "eventName": "e"}],
            "triggers": [{"template": {"name": "t", "log": {}}}],
            **spec,
        },
    }


def fired(raw: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What each firing acts by: its id, and all of the manifest that reaches the trigger."""
    event = Event(
        id="1", namespace="default", source="src", subject="e", type="webhook", time=NOW,
        data=b"{}", seq=1,
    )  # fmt: skip
    result = step(compile.sensor(raw), SensorState(), event, NOW)
    return [(fire.id, fire.rule.definition) for fire in result.fires]


def test_nothing_of_a_sensors_template_reaches_what_fires() -> None:
    [firing] = fired(sensor())
    assert fired(sensor(template=HOSTILE)) == [firing]


@pytest.mark.parametrize("field", HOSTILE)
def test_lint_says_that_the_field_does_nothing(field: str) -> None:
    text = msgspec.json.encode(sensor(template=HOSTILE)).decode()
    found, _ = lint([(text, "sensor.yaml")])
    assert f"'{field}' has no effect" in "\n".join(problem.message for problem in found)
