"""Workflows over the API: create, submit, read, watch, logs, operations."""

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.server.conftest import TOKEN, Running

BASE = "/api/v1/workflows/default"


def workflow(*command: str, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"generateName": "w-"},
        "spec": {
            "entrypoint": "main",
            "arguments": {"parameters": [{"name": "text", "value": "hello"}]},
            "templates": [{"name": "main", "container": {"image": "x", "command": list(command)}}],
            **spec,
        },
    }


WAITING = workflow() | {
    "spec": {
        "entrypoint": "main",
        "templates": [{"name": "main", "suspend": {}}],
    }
}


async def create(engine: Running, manifest: dict[str, Any]) -> str:
    made = await engine.ask("POST", BASE, {"workflow": manifest})
    assert made.status == 200, made
    assert made.body["status"]["phase"]
    return str(made.body["metadata"]["name"])


async def test_a_created_workflow_runs_and_its_output_can_be_read(engine: Running) -> None:
    name = await create(engine, workflow("sh", "-c", "echo one; echo {{workflow.parameters.text}}"))
    assert name.startswith("w-")
    done = await engine.ended(name)
    assert done["status"]["phase"] == "Succeeded"
    answer = await engine.ask("GET", f"{BASE}/{name}/log?logOptions.container=main")
    assert answer.status == 200
    entries = [json.loads(line)["result"] for line in str_body(answer.body)]
    assert [entry["content"] for entry in entries] == ["one", "hello"]
    only = await engine.ask("GET", f"{BASE}/{name}/log?grep=^h")
    assert only.body["result"]["content"] == "hello"
    last = await engine.ask("GET", f"{BASE}/{name}/log?logOptions.tailLines=1")
    assert last.body["result"]["content"] == "hello"


def str_body(body: Any) -> list[str]:
    return body.splitlines() if isinstance(body, str) else [json.dumps(body)]


async def test_fields_keep_what_is_asked_for(engine: Running) -> None:
    name = await create(engine, workflow("true"))
    await engine.ended(name)
    found = await engine.get(f"{BASE}/{name}?fields=status.phase")
    assert found == {"status": {"phase": "Succeeded"}}
    listed = await engine.get(f"{BASE}?fields=items.metadata.name")
    assert listed == {"items": [{"metadata": {"name": name}}]}


async def test_a_page_of_the_list_says_where_the_next_begins(engine: Running) -> None:
    names = {await create(engine, workflow("true")) for _ in range(3)}
    first = await engine.get(BASE + "?listOptions.limit=2")
    assert len(first["items"]) == 2
    following = first["metadata"]["continue"]
    rest = await engine.get(f"{BASE}?listOptions.limit=2&listOptions.continue={following}")
    assert len(rest["items"]) == 1
    both = first["items"] + rest["items"]
    assert {item["metadata"]["name"] for item in both} == names


async def test_a_dry_run_creates_nothing(engine: Running) -> None:
    made = await engine.ask("POST", BASE, {"workflow": workflow("true"), "serverDryRun": True})
    assert made.status == 200
    assert (await engine.get(BASE))["items"] == []


async def test_a_workflow_can_be_suspended_resumed_and_deleted(engine: Running) -> None:
    name = await create(engine, WAITING)
    stopped = await engine.ask("PUT", f"{BASE}/{name}/suspend", {})
    assert stopped.body["spec"]["suspend"] is True
    resumed = await engine.ask("PUT", f"{BASE}/{name}/resume", {})
    assert resumed.status == 200, resumed
    assert (await engine.ended(name))["status"]["phase"] == "Succeeded"
    again = await engine.ask("PUT", f"{BASE}/{name}/stop", {})
    assert again.status in (400, 409)
    copy = await engine.ask("PUT", f"{BASE}/{name}/resubmit", {})
    assert copy.body["metadata"]["name"] != name
    gone = await engine.ask("DELETE", f"{BASE}/{name}")
    assert (gone.status, gone.body) == (200, {})
    assert (await engine.ask("GET", f"{BASE}/{name}")).status == 404


async def test_what_had_succeeded_is_kept_by_a_memoized_resubmission(
    engine: Running, tmp_path: Path
) -> None:
    marker, runs = tmp_path / "marker", tmp_path / "runs"
    scripts = {
        "once": f"echo x >> {runs}; echo made",
        "then": f"cat {marker} && echo $0 {{{{inputs.parameters.m}}}}",
    }
    given = {"parameters": [{"name": "m", "value": "{{steps.once.outputs.result}}"}]}
    steps = [
        [{"name": "once", "template": "once"}],
        [{"name": "then", "template": "then", "arguments": given}],
    ]
    templates = [
        {"name": name, "container": {"image": "x", "command": ["sh", "-c", text]}}
        for name, text in scripts.items()
    ]
    templates[1]["inputs"] = {"parameters": [{"name": "m"}]}
    manifest = {
        "metadata": {"generateName": "w-"},
        "spec": {"entrypoint": "main", "templates": [{"name": "main", "steps": steps}, *templates]},
    }
    name = await create(engine, manifest)
    assert (await engine.ended(name))["status"]["phase"] == "Failed"
    marker.write_text("there")
    again = await engine.ask("PUT", f"{BASE}/{name}/resubmit", {"memoized": True})
    assert again.status == 200, again
    done = await engine.ended(again.body["metadata"]["name"])
    assert done["status"]["phase"] == "Succeeded"
    assert runs.read_text() == "x\n"
    nodes = {node["displayName"]: node for node in done["status"]["nodes"].values()}
    assert nodes["then"]["inputs"]["parameters"] == [{"name": "m", "value": "made"}]
    assert nodes["once"]["message"].startswith("original pod: ")
    refused = await engine.ask(
        "PUT", f"{BASE}/{done['metadata']['name']}/resubmit", {"memoized": True}
    )
    assert refused.status in (400, 409), refused


async def test_latest_is_the_newest(engine: Running) -> None:
    name = await create(engine, workflow("true"))
    assert (await engine.get(f"{BASE}/@latest"))["metadata"]["name"] == name


async def test_a_template_is_submitted_with_parameters(engine: Running) -> None:
    template = {"metadata": {"name": "t"}, "spec": workflow("true")["spec"]}
    await engine.ask("POST", "/api/v1/workflow-templates/default", {"template": template})
    options = {"parameters": ["text=bye"], "labels": "a=b"}
    made = await engine.ask(
        "POST",
        BASE + "/submit",
        {"resourceKind": "WorkflowTemplate", "resourceName": "t", "submitOptions": options},
    )
    assert made.status == 200, made
    assert made.body["metadata"]["labels"]["a"] == "b"
    assert made.body["spec"]["arguments"]["parameters"] == [{"name": "text", "value": "bye"}]
    assert (await engine.ended(made.body["metadata"]["name"]))["status"]["phase"] == "Succeeded"


async def test_lint_refuses_what_create_refuses(engine: Running) -> None:
    good = await engine.ask("POST", BASE + "/lint", {"workflow": workflow("true")})
    assert good.status == 200, good
    wrong = workflow("true", entrypoint="nowhere")
    for path in (BASE + "/lint", BASE):
        answer = await engine.ask("POST", path, {"workflow": wrong})
        assert answer.status == 400
        assert "nowhere" in answer.body["message"]


async def test_a_watch_sends_each_change_as_a_server_sent_event(engine: Running) -> None:
    name = await create(engine, workflow("true"))
    phases = await asyncio.to_thread(_watched, engine.address, name)
    assert phases[-1] == "Succeeded"


def _watched(address: str, name: str) -> list[str]:
    url = (
        f"{address}/api/v1/workflow-events/default?listOptions.fieldSelector=metadata.name%3D{name}"
    )
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/event-stream"}
    phases = []
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as lines:
        assert lines.headers["Content-Type"].startswith("text/event-stream")
        for line in lines:
            if len(line) > 6:
                change = json.loads(line[6:])["result"]
                phases.append(change["object"]["status"]["phase"])
                if phases[-1] == "Succeeded":
                    break
    return phases


async def test_a_watch_of_nothing_stays_open_and_wrong_options_get_a_status(
    engine: Running,
) -> None:
    answer = await engine.ask("GET", f"{BASE}/nothing/log")
    assert (answer.status, answer.body["code"]) == (404, 5)
