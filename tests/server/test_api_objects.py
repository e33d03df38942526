"""Templates, crons, sources and sensors over the API."""

from typing import Any

import pytest

from tests.server.conftest import Running

TEMPLATE: dict[str, Any] = {
    "metadata": {"name": "t", "labels": {"team": "a"}},
    "spec": {
        "entrypoint": "main",
        "arguments": {"parameters": [{"name": "text", "value": "default"}]},
        "templates": [
            {
                "name": "main",
                "container": {
                    "image": "x",
                    "command": ["echo", "{{workflow.parameters.text}}"],
                },
            }
        ],
    },
}
CRON: dict[str, Any] = {
    "metadata": {"name": "c"},
    "spec": {"schedules": ["0 2 * * *"], "workflowSpec": TEMPLATE["spec"]},
}
SENSOR: dict[str, Any] = {
    "metadata": {"name": "s"},
    "spec": {
        "dependencies": [{"name": "d", "eventSourceName": "e", "eventName": "x"}],
        "triggers": [{"template": {"name": "t", "log": {}}}],
    },
}
SOURCE: dict[str, Any] = {
    "metadata": {"name": "e"},
    "spec": {"calendar": {"x": {"interval": "1h"}}},
}

FAMILIES = [
    ("workflow-templates/default", "template", TEMPLATE),
    ("cluster-workflow-templates", "template", TEMPLATE),
    ("cron-workflows/default", "cronWorkflow", CRON),
    ("sensors/default", "sensor", SENSOR),
    ("event-sources/default", "eventSource", SOURCE),
]


@pytest.mark.parametrize(("path", "field", "manifest"), FAMILIES, ids=[f[0] for f in FAMILIES])
async def test_an_object_is_created_read_changed_and_deleted(
    engine: Running, path: str, field: str, manifest: dict[str, Any]
) -> None:
    base, name = f"/api/v1/{path}", manifest["metadata"]["name"]
    made = await engine.ask("POST", base, {field: manifest})
    assert made.status == 200, made
    assert made.body["metadata"]["uid"]
    assert (await engine.ask("POST", base, {field: manifest})).status == 409
    read = await engine.get(f"{base}/{name}")
    assert read["metadata"]["resourceVersion"] == "1"
    assert [o["metadata"]["name"] for o in (await engine.get(base))["items"]] == [name]
    read["metadata"]["labels"] = {"changed": "yes"}
    changed = await engine.ask("PUT", f"{base}/{name}", {field: read})
    assert changed.status == 200, changed
    assert changed.body["metadata"]["resourceVersion"] == "2"
    assert changed.body["metadata"]["uid"] == read["metadata"]["uid"]
    stale = await engine.ask("PUT", f"{base}/{name}", {field: {**read, "spec": manifest["spec"]}})
    assert stale.status == 409, stale
    gone = await engine.ask("DELETE", f"{base}/{name}")
    assert (gone.status, gone.body) == (200, {})
    assert (await engine.ask("GET", f"{base}/{name}")).status == 404
    assert (await engine.get(base))["items"] == []


async def test_a_list_is_narrowed_by_label_and_by_name(engine: Running) -> None:
    base = "/api/v1/workflow-templates/default"
    await engine.ask("POST", base, {"template": TEMPLATE})
    assert len((await engine.get(base + "?listOptions.labelSelector=team%3Da"))["items"]) == 1
    assert (await engine.get(base + "?listOptions.labelSelector=team%3Db"))["items"] == []
    assert (await engine.get(base + "?namePattern=zzz"))["items"] == []


async def test_a_cron_shows_its_next_runs_and_can_be_switched(engine: Running) -> None:
    base = "/api/v1/cron-workflows/default"
    await engine.ask("POST", base, {"cronWorkflow": CRON})
    assert len((await engine.get(base + "/c"))["status"]["nextScheduledTimes"]) == 3
    suspended = await engine.ask("PUT", base + "/c/suspend", {})
    assert suspended.body["spec"]["suspend"] is True
    resumed = await engine.ask("PUT", base + "/c/resume", {})
    assert not resumed.body["spec"].get("suspend")
    path = "/api/v1/workflows/default/submit"
    made = await engine.ask("POST", path, {"resourceKind": "cronwf", "resourceName": "c"})
    assert made.body["metadata"]["name"].startswith("c-")


async def test_secrets_are_applied_and_never_shown(engine: Running) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"key": "do not show this"},
    }
    done = await engine.ask("POST", "/api/v1/bireme/objects/apply", {"manifest": secret})
    assert (done.status, done.body["action"]) == (200, "created")
    listed = await engine.get("/api/v1/bireme/objects/default/Secret")
    assert listed["items"][0]["stringData"] == {"key": "***"}


async def test_a_wrong_manifest_says_everything_that_is_wrong(engine: Running) -> None:
    wrong = {**TEMPLATE, "spec": {"entrypiont": "main", "templates": 3}}
    answer = await engine.ask("POST", "/api/v1/workflow-templates/default", {"template": wrong})
    assert (answer.status, answer.body["code"]) == (400, 3)
    paths = {problem["path"] for problem in answer.body["problems"]}
    assert paths == {"spec.entrypiont", "spec.templates"}
