"""Custom metrics of workflows as Prometheus reads them."""

from typing import Any

from tests.server.conftest import Running

SPEC: dict[str, Any] = {
    "entrypoint": "main",
    "templates": [
        {
            "name": "main",
            "container": {"image": "x", "command": ["true"]},
            "metrics": {
                "prometheus": [
                    {
                        "name": "ends",
                        "help": "How often.",
                        "labels": [{"key": "status", "value": "{{status}}"}],
                        "counter": {"value": "1"},
                    },
                    {
                        "name": "seconds",
                        "help": "How long.",
                        "histogram": {"value": "{{duration}}", "buckets": [0.001, 60]},
                    },
                ]
            },
        }
    ],
}


async def test_custom_metrics_are_shown_beside_the_engines_own(engine: Running) -> None:
    made = await engine.ask(
        "POST", "/api/v1/workflows/default", {"workflow": {"metadata": {"name": "w"}, "spec": SPEC}}
    )
    assert made.status == 200
    await engine.ended("w")
    text = (await engine.ask("GET", "/metrics")).body
    assert 'argo_workflows_ends_total{status="Succeeded"} 1.0' in text
    assert 'argo_workflows_seconds_bucket{le="60.0"} 1.0' in text
    assert 'argo_workflows_seconds_bucket{le="+Inf"} 1.0' in text
    assert "argo_workflows_seconds_count 1.0" in text
    assert 'argo_workflows_gauge{phase="Succeeded"} 1.0' in text
