"""Artifacts over HTTP, as Argo serves them: by name and by uid, of inputs and outputs, files of directories."""

import asyncio
from typing import Any

import pytest

from tests.server.conftest import TOKEN, Running

hera = pytest.importorskip("hera.workflows")
pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated")  # hera's own

WRITE = (
    "echo content > /tmp/o.txt; mkdir -p /tmp/d/e; echo one > /tmp/d/a.txt;"
    " echo two > '/tmp/d/e/b c.html'; ln -s /etc/passwd /tmp/d/out"
)


def written_and_read(engine: Running) -> Any:
    service = hera.WorkflowsService(
        host=engine.address, token=f"Bearer {TOKEN}", namespace="default"
    )
    plain = hera.NoneArchiveStrategy()
    with hera.Workflow(
        name="kept", entrypoint="main", namespace="default", workflows_service=service
    ) as made:
        write = hera.Container(
            name="write",
            image="alpine",
            command=["sh", "-c", WRITE],
            outputs=[
                hera.Artifact(name="file", path="/tmp/o.txt", archive=plain),
                hera.Artifact(name="folder", path="/tmp/d", archive=plain),
            ],
        )
        read = hera.Container(
            name="read",
            image="alpine",
            command=["cat", "/tmp/i.txt"],
            inputs=[
                hera.Artifact(name="file", path="/tmp/i.txt"),
                hera.Artifact(name="word", path="/tmp/w.txt"),
            ],
        )
        with hera.Steps(name="main"):
            written = write(name="write")
            word = hera.RawArtifact(name="word", data="hello")
            read(name="read", arguments=[written.get_artifact("file"), word])
    return made


async def kept(engine: Running) -> tuple[Any, str, dict[str, str]]:
    """The client, the uid and the ids of the nodes of a workflow that has ended."""
    made = written_and_read(engine)
    ended = await asyncio.to_thread(made.create, wait=True, poll_interval=1)
    assert ended.status.phase == "Succeeded", ended.status.message
    nodes = {node.display_name: name for name, node in ended.status.nodes.items()}
    return made.workflows_service, ended.metadata.uid, nodes


async def test_artifacts_are_read_with_heras_client(engine: Running) -> None:
    client, uid, nodes = await kept(engine)
    calls = (
        (client.get_output_artifact, ("kept", nodes["write"], "file"), "content\n"),
        (client.get_output_artifact_by_uid, (uid, nodes["write"], "file"), "content\n"),
        (client.get_input_artifact, ("kept", nodes["read"], "word"), "hello"),
        (client.get_input_artifact_by_uid, (uid, nodes["read"], "file"), "content\n"),
    )
    for call, arguments, text in calls:
        assert await asyncio.to_thread(call, *arguments) == str(text.encode())


async def test_the_files_of_a_directory_are_listed_and_served(engine: Running) -> None:
    _, uid, nodes = await kept(engine)
    base = f"/artifact-files/default/workflows/kept/{nodes['write']}/outputs/folder"
    for address in (base, base + "/"):
        page = await engine.ask("GET", address)
        assert (page.status, page.body.count("<li>")) == (200, 2)
        assert f'href="{base}/e/b%20c.html"' in page.body
    file = await engine.ask("GET", base + "/e/b%20c.html")
    assert (file.body, file.headers["Content-Type"]) == ("two\n", "text/html")
    assert "sandbox" in file.headers["Content-Security-Policy"]
    archived = base.replace("workflows/kept", f"archived-workflows/{uid}")
    assert (await engine.ask("GET", archived + "/a.txt")).body == "one\n"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/artifacts/default/kept/{write}/folder", 400, "is a directory"),
        ("/artifacts/default/kept/{write}/gone", 404, "no artifact 'gone' among its outputs"),
        ("/artifacts/default/kept/kept-1/file", 404, "no node kept-1"),
        ("/artifacts/default/other/kept-1/file", 404, "not found"),
        ("/artifact-files/default/workflows/kept/{write}/outputs/folder/out", 404, "no file 'out'"),
        ("/artifact-files/default/workflows/kept/{write}/outputs/folder/..%2f..", 404, "no file"),
    ],
)
async def test_what_is_not_there_is_said(
    engine: Running, path: str, status: int, words: str
) -> None:
    _, _, nodes = await kept(engine)
    answer = await engine.ask("GET", path.format(write=nodes["write"]))
    assert (answer.status, words in answer.body["message"]) == (status, True), answer


async def test_a_file_that_was_deleted_is_not_found(engine: Running) -> None:
    _, _, nodes = await kept(engine)
    root = engine.deck.settings.data_dir
    for file in root.rglob("o.txt"):
        file.unlink()
    answer = await engine.ask("GET", f"/artifacts/default/kept/{nodes['write']}/file")
    assert (answer.status, "there is nothing under" in answer.body["message"]) == (404, True)


async def test_a_stranger_reads_no_artifact(engine: Running) -> None:
    answer = await engine.ask("GET", "/artifacts/default/kept/kept-1/file", token="")
    assert answer.status == 401
