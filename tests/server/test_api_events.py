"""From a webhook to a workflow, and back again by explaining."""

import asyncio
import json
from typing import Any

from server import payloads
from server.cli import send
from tests.server.conftest import Running
from tests.servers.process import free_port

APPLY = "/api/v1/bireme/objects/apply"


def manifests(port: int) -> list[dict[str, Any]]:
    argo = "argoproj.io/v1alpha1"
    run = {
        "apiVersion": argo,
        "kind": "Workflow",
        "metadata": {"generateName": "order-"},
        "spec": {
            "entrypoint": "main",
            "templates": [{"name": "main", "container": {"image": "x", "command": ["true"]}}],
        },
    }
    return [
        {
            "apiVersion": argo,
            "kind": "Sensor",
            "metadata": {"name": "orders"},
            "spec": {
                "dependencies": [
                    {
                        "name": "order",
                        "eventSourceName": "orders",
                        "eventName": "message",
                        "filters": {
                            "data": [{"path": "body.state", "type": "string", "value": ["paid"]}]
                        },
                    }
                ],
                "triggers": [
                    {
                        "template": {
                            "name": "go",
                            "argoWorkflow": {"operation": "submit", "source": {"resource": run}},
                        }
                    }
                ],
            },
        },
        {
            "apiVersion": argo,
            "kind": "EventSource",
            "metadata": {"name": "orders"},
            "spec": {
                "webhook": {"message": {"endpoint": "/orders", "method": "POST", "port": str(port)}}
            },
        },
    ]


async def apply(engine: Running) -> str:
    port = free_port()
    for manifest in manifests(port):
        done = await engine.ask("POST", APPLY, {"manifest": manifest})
        assert (done.status, done.body["action"]) == (200, "created"), done
    return f"http://127.0.0.1:{port}/orders"


async def post(url: str, **order: Any) -> int:
    delivery = payloads.deliver(payloads.message(**order))
    status, _ = await asyncio.to_thread(send.post, url, delivery)
    return status


async def test_an_event_becomes_a_workflow_and_can_be_explained(engine: Running) -> None:
    url = await apply(engine)
    assert await post(url, number=7) == 200
    items = (await engine.get("/api/v1/workflows/default"))["items"]
    assert len(items) == 1, "the workflow exists once the sender has its 200"
    name = items[0]["metadata"]["name"]
    found = await engine.get("/api/v1/bireme/explain/event/@latest")
    (sensor,) = found["sensors"]
    assert sensor["decisions"][-1]["outcome"] == "fired"
    assert sensor["decisions"][-1]["receipt"]["name"] == name
    back = await engine.get(f"/api/v1/bireme/explain/workflow/default/{name}")
    assert back["origin"] == "fired by sensor default/orders, trigger go"
    assert back["causes"][0]["event"]["id"] == found["event"]["id"]
    assert (await engine.ended(name))["status"]["phase"] == "Succeeded"


async def test_an_event_that_is_turned_away_leaves_its_reason(engine: Running) -> None:
    url = await apply(engine)
    assert await post(url, state="open") == 200
    assert (await engine.get("/api/v1/workflows/default"))["items"] == []
    listed = (await engine.get("/api/v1/bireme/events?source=orders"))["items"]
    assert json.dumps(listed[0]["data"]).count("open") == 1
    (decision,) = (await engine.get("/api/v1/bireme/decisions"))["items"]
    assert decision["outcome"] == "filtered"
    about = await engine.get("/api/v1/bireme/explain/sensor/default/orders")
    assert about["outcomes"] == {"filtered": 1}


async def test_an_event_nobody_listens_to_and_one_that_never_came(engine: Running) -> None:
    url = await apply(engine)
    await engine.ask("DELETE", "/api/v1/bireme/objects/default/Sensor/orders")
    assert await post(url) == 200
    found = await engine.get("/api/v1/bireme/explain/event/1")
    assert (found["sensors"], found["withoutDecision"]) == ([], [])
    missing = await engine.ask("GET", "/api/v1/bireme/events/nothing")
    assert (missing.status, missing.body["code"]) == (404, 5)


async def test_metrics_count_what_happened(engine: Running) -> None:
    url = await apply(engine)
    await post(url)
    await engine.ended(
        (await engine.get("/api/v1/workflows/default"))["items"][0]["metadata"]["name"]
    )
    text = (await engine.ask("GET", "/metrics")).body
    assert 'argo_workflows_gauge{phase="Succeeded"} 1.0' in text
    assert 'argo_workflows_total_count_total{namespace="default",phase="Succeeded"} 1.0' in text
    assert "bireme_events_accepted_total 1.0" in text
    assert "process_resident_memory_bytes" in text


async def test_kinds_are_listed_by_family(engine: Running) -> None:
    kinds = await engine.get("/api/v1/bireme/kinds")
    assert set(kinds) >= {"sources", "buses", "filters", "triggers", "backends", "artifacts"}
    assert {"webhook", "github", "calendar", "file"} <= set(kinds["sources"])
    assert {"argoWorkflow", "http", "log"} <= set(kinds["triggers"])
