"""Artifacts over HTTP, as Argo serves them: by name and by uid, of inputs and outputs, files of directories."""

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from tests.server.conftest import TOKEN, Running

hera = pytest.importorskip("hera.workflows")
pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated")  # hera's own

WRITE = (
    "echo content > /tmp/o.txt; mkdir -p /tmp/d/e; echo one > /tmp/d/a.txt;"
    " echo two > '/tmp/d/e/b c.html'; ln -s /etc/passwd /tmp/d/out;"
    " printf 'odd' > \"$(printf '/tmp/d/\\351')\"; truncate -s 64M /tmp/big; echo x > /tmp/x.html.gz"
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
                hera.Artifact(name="big", path="/tmp/big", archive=plain),
                hera.Artifact(name="packed", path="/tmp/x.html.gz", archive=plain),
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
        assert (page.status, page.body.count("<li>")) == (200, 3)
        assert f'href="{base}/e/b%20c.html"' in page.body
        assert f'href="{base}/%E9">\ufffd</a>' in page.body
    file = await engine.ask("GET", base + "/e/b%20c.html")
    assert (file.body, file.headers["Content-Type"]) == ("two\n", "text/html")
    assert "sandbox" in file.headers["Content-Security-Policy"]
    archived = base.replace("workflows/kept", f"archived-workflows/{uid}")
    assert (await engine.ask("GET", archived + "/a.txt")).body == "one\n"


async def test_a_page_of_a_part_leads_to_files_however_its_address_is_spelt(
    engine: Running,
) -> None:
    _, _, nodes = await kept(engine)
    base = f"/artifact-files/default/workflows/kept/{nodes['write']}/outputs/folder"
    page = await engine.ask("GET", base + "/%65/")
    assert f'<ul><li><a href="{base}/e/b%20c.html">e/b c.html</a></li></ul>' in page.body


async def test_what_is_packed_is_not_called_what_is_in_it(engine: Running) -> None:
    _, _, nodes = await kept(engine)
    file = await engine.ask("GET", f"/artifacts/default/kept/{nodes['write']}/packed")
    assert file.headers["Content-Type"] == "application/gzip"


async def test_a_reader_who_hangs_up_is_no_fault_of_the_engine(engine: Running) -> None:
    _, _, nodes = await kept(engine)
    address = urlsplit(engine.address)
    path = f"/artifacts/default/kept/{nodes['write']}/big"
    asked = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"

    def hang_up() -> None:
        with socket.create_connection((address.hostname, address.port)) as reader:
            reader.sendall(asked.encode())
            assert reader.recv(12) == b"HTTP/1.1 200"

    with capture_logs() as said:
        await asyncio.to_thread(hang_up)
        assert (await engine.ask("GET", path)).status == 200  # by then the other is long over
    assert said == []


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
