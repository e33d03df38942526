"""hera's own client against the engine: submit, wait, list, cron, templates, the archive."""

import asyncio
from typing import Any

import pytest

from tests.server.conftest import TOKEN, Running

hera = pytest.importorskip("hera.workflows")
pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated")  # hera's own


def service(engine: Running) -> Any:
    return hera.WorkflowsService(host=engine.address, token=f"Bearer {TOKEN}", namespace="default")


def hello(service: Any, kind: Any = hera.Workflow, **more: Any) -> Any:
    with kind(entrypoint="main", workflows_service=service, namespace="default", **more) as made:
        hera.Container(name="main", image="alpine", command=["echo", "hello"])
    return made


async def test_a_workflow_is_created_and_waited_for(engine: Running) -> None:
    made = hello(service(engine), generate_name="hera-")
    ended = await asyncio.to_thread(made.create, wait=True, poll_interval=1)
    assert ended.status.phase == "Succeeded"
    listed = await asyncio.to_thread(service(engine).list_workflows, namespace="default")
    assert [item.metadata.name for item in listed.items] == [ended.metadata.name]


async def test_a_workflow_is_linted_and_refused_in_words(engine: Running) -> None:
    linted = await asyncio.to_thread(hello(service(engine), name="fine").lint)
    assert linted.metadata.name == "fine"
    broken = hello(service(engine), name="broken")
    broken.entrypoint = "gone"
    with pytest.raises(Exception, match="template name 'gone' undefined"):
        await asyncio.to_thread(broken.lint)


async def test_templates_and_schedules_are_kept(engine: Running) -> None:
    client = service(engine)
    template = hello(client, hera.WorkflowTemplate, name="kept")
    await asyncio.to_thread(template.create)
    cron = hello(client, hera.CronWorkflow, name="nightly", schedules=["0 2 * * *"])
    await asyncio.to_thread(cron.create)

    found = await asyncio.to_thread(client.get_cron_workflow, "nightly", namespace="default")
    assert found.spec.schedules == ["0 2 * * *"]
    assert (await asyncio.to_thread(client.list_workflow_templates, namespace="default")).items
    preview = await engine.get("/api/v1/cron-workflows/default/nightly/preview?count=2")
    assert (preview["words"], len(preview["times"])) == (["at 02:00"], 2)


async def test_what_the_list_has_lost_is_in_the_archive(engine: Running) -> None:
    client = service(engine)
    made = hello(client, name="gone", labels={"app": "x"})
    await asyncio.to_thread(made.create, wait=True, poll_interval=1)
    uid = (await engine.get("/api/v1/workflows/default/gone"))["metadata"]["uid"]
    await engine.deck.controller.retire(uid)

    listed = await asyncio.to_thread(client.list_archived_workflows, namespace="default")
    assert [item.metadata.name for item in listed.items] == ["gone"]
    found = await asyncio.to_thread(client.get_archived_workflow, uid)
    assert found.status.phase == "Succeeded"
    again = await engine.ask("PUT", f"/api/v1/archived-workflows/{uid}/resubmit", {})
    assert again.status == 200
    assert again.body["metadata"]["name"].startswith("gone-")
    keys = await engine.get("/api/v1/archived-workflows-label-keys")
    assert "app" in keys["items"]
    await asyncio.to_thread(client.delete_archived_workflow, uid)
    assert (await engine.ask("GET", f"/api/v1/archived-workflows/{uid}")).status == 404


async def test_stored_templates_are_submitted_with_arguments(engine: Running) -> None:
    client = service(engine)
    models = pytest.importorskip("hera.workflows.models")
    word = hera.Parameter(name="word", value="hi")
    await asyncio.to_thread(hello(client, hera.WorkflowTemplate, name="t", arguments=word).create)
    await asyncio.to_thread(
        hello(client, hera.CronWorkflow, name="c", schedules=["0 2 * * *"], arguments=word).create
    )
    wishes = models.SubmitOpts(parameters=["word=yo"], labels="a=b", generate_name="sub-")
    for kind, name in (("WorkflowTemplate", "t"), ("CronWorkflow", "c")):
        asked = models.WorkflowSubmitRequest(
            resource_kind=kind, resource_name=name, submit_options=wishes
        )
        made = await asyncio.to_thread(client.submit_workflow, asked)
        ended = await engine.ended(made.metadata.name)
        assert ended["status"]["phase"] == "Succeeded"
        assert ended["spec"]["arguments"]["parameters"] == [{"name": "word", "value": "yo"}]
        assert ended["metadata"]["labels"]["a"] == "b"


async def test_a_failed_workflow_is_retried_with_other_parameters(engine: Running) -> None:
    client = service(engine)
    models = pytest.importorskip("hera.workflows.models")
    with hera.Workflow(
        name="again",
        entrypoint="main",
        namespace="default",
        workflows_service=client,
        arguments=hera.Parameter(name="code", value="3"),
    ) as made:
        command = ["sh", "-c", "exit {{workflow.parameters.code}}"]
        hera.Container(name="main", image="alpine", command=command)
    failed = await asyncio.to_thread(made.create, wait=True, poll_interval=1)
    assert failed.status.phase == "Failed"
    asked = models.WorkflowRetryRequest(name="again", parameters=["code=0"])
    await asyncio.to_thread(client.retry_workflow, "again", asked)
    assert (await engine.ended("again"))["status"]["phase"] == "Succeeded"
