"""Where triggers read objects from: real files, a real web server, a real repository, a real S3 API."""

import base64
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bireme.kit.clock import FixedClock
from bireme.kit.errors import BiremeError, NotFound
from bireme.kit.ids import CountedIds
from bireme.kit.reach import PUBLIC, Reach
from sensors import fetching
from sensors.errors import BadSensor, TriggerFailed
from sensors.model import Firing
from sensors.surroundings import Surroundings
from tests.servers import moto, process

WORKFLOW = b"kind: Workflow\nmetadata: {generateName: b-}\nspec: {entrypoint: main}\n"


class Kept:
    """Secrets and config maps by name and key."""

    def __init__(self, values: dict[tuple[str, str], str]) -> None:
        self.values = values

    def secret(self, namespace: str, name: str, key: str) -> bytes:
        return self.values[name, key].encode()

    def config(self, namespace: str, name: str, key: str) -> str:
        if (name, key) not in self.values:
            raise NotFound(f'config map "{name}" key "{key}" not found in namespace "{namespace}"')
        return self.values[name, key]


async def read(source: dict[str, Any], reach: Reach | None = None, **secrets: str) -> Any:
    kept = Kept({tuple(name.split("__")): value for name, value in secrets.items()})  # type: ignore[misc]
    workflows: Any = None
    around = Surroundings(FixedClock(), CountedIds(), workflows, kept)
    if reach is not None:
        around = Surroundings(FixedClock(), CountedIds(), workflows, kept, reach)
    fetcher = fetching.Fetcher(around)
    start = fetching.begun("k8s", {"source": source}, {})
    firing = Firing(id="f", namespace="default", sensor="s", trigger="t", kind="k8s", spec=start)
    try:
        return await fetcher.finished(start, firing)
    finally:
        await fetcher.close()


async def refusal(source: dict[str, Any], reach: Reach | None = None, **secrets: str) -> str:
    with pytest.raises(BiremeError) as failure:
        await read(source, reach, **secrets)
    assert not failure.value.retriable or isinstance(failure.value, TriggerFailed)
    return str(failure.value)


async def test_a_config_map_is_read_and_its_absence_is_worth_a_retry() -> None:
    source = {"configmap": {"name": "flows", "key": "build"}}
    assert (await read(source, flows__build=WORKFLOW.decode()))["kind"] == "Workflow"
    with pytest.raises(TriggerFailed, match='config map "flows" key "build" not found'):
        await read(source)


async def test_a_file_is_read_as_its_first_document(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_bytes(WORKFLOW + b"---\nkind: Other\n")
    assert (await read({"file": {"path": str(tmp_path / "w.yaml")}}))["kind"] == "Workflow"


async def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not a file" in await refusal({"file": {"path": str(tmp_path / "pipe")}})
    missing = await refusal({"file": {"path": str(tmp_path / "none")}})
    assert "cannot be read: No such file or directory" in missing


async def test_an_error_shows_where_a_text_is_wrong_and_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("user: root\npassword: [hunter2\n")
    text = await refusal({"file": {"path": str(tmp_path / "secret")}})
    assert text == "k8s.source.file is not YAML at line 3, column 1"
    (tmp_path / "plain").write_text("root:x:0:0")
    text = await refusal({"file": {"path": str(tmp_path / "plain")}})
    assert text == "k8s.source does not hold one object"


async def test_a_large_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"a: " + b"x" * (1 << 21))
    assert "is longer than" in await refusal({"file": {"path": str(tmp_path / "large")}})


@pytest.fixture
async def site() -> AsyncIterator[str]:
    async def page(request: web.Request) -> web.StreamResponse:
        if request.path == "/endless":
            answer = web.StreamResponse()
            await answer.prepare(request)
            try:
                while True:
                    await answer.write(b"x" * 65536)
            except ConnectionError:
                return answer
        if request.path == "/moved":
            raise web.HTTPFound("http://127.0.0.1:1/inside")
        return web.Response(body=WORKFLOW, status=200 if request.path == "/w" else 500)

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    server = TestServer(app)
    await server.start_server()
    yield f"http://localhost:{server.port}"
    await server.close()


async def test_a_url_is_read(site: str) -> None:
    assert (await read({"url": {"path": f"{site}/w"}}))["kind"] == "Workflow"


async def test_a_url_that_does_not_answer_with_the_object_says_so(site: str) -> None:
    assert "answered 500, expected 200" in await refusal({"url": {"path": f"{site}/other"}})
    assert "longer than 524288 bytes" in await refusal({"url": {"path": f"{site}/endless"}})
    assert "private address" in await refusal({"url": {"path": f"{site}/moved"}})
    assert "private address" in await refusal({"url": {"path": f"{site}/w"}}, PUBLIC)
    assert "expected http" in await refusal({"url": {"path": "file:///etc/passwd"}})


@pytest.fixture(scope="module")
def aws() -> Iterator[process.Server]:
    with moto.running() as server:
        yield server


async def test_an_object_in_a_bucket_is_read(aws: process.Server) -> None:
    async with moto.client(aws, "s3") as client:
        await client.create_bucket(Bucket="manifests")
        await client.put_object(Bucket="manifests", Key="w.yaml", Body=WORKFLOW)
        await client.put_object(Bucket="manifests", Key="large", Body=b"x" * (1 << 21))
    source = {
        "endpoint": f"127.0.0.1:{aws.port}", "insecure": True,
        "bucket": {"name": "manifests", "key": "w.yaml"},
        "accessKey": {"name": "aws", "key": "access"}, "secretKey": {"name": "aws", "key": "secret"},
    }  # fmt: skip
    keys = {"aws__access": "test", "aws__secret": "test"}
    assert (await read({"s3": source}, **keys))["kind"] == "Workflow"
    large = {**source, "bucket": {"name": "manifests", "key": "large"}}
    assert "is longer than" in await refusal({"s3": large}, **keys)
    missing = {**source, "bucket": {"name": "manifests", "key": "none"}}
    assert "object none of bucket manifests" in await refusal({"s3": missing}, **keys)
    assert "unknown field" in await refusal({"s3": {**source, "bukket": 1}}, **keys)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "flows").mkdir()
    (folder / "flows" / "w.yaml").write_bytes(WORKFLOW)
    (folder / "link.yaml").symlink_to("/etc/passwd")
    (folder / "there").symlink_to("/etc")
    git(folder, "init", "-q", "-b", "master")
    commit(folder, "one")
    git(folder, "tag", "v1")
    (folder / "flows" / "w.yaml").write_bytes(WORKFLOW.replace(b"b-", b"two-"))
    commit(folder, "two")
    return folder


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, message: str) -> None:
    git(folder, "add", ".")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", message)


def of(repository: Path, **more: Any) -> dict[str, Any]:
    config = {"url": f"file://{repository}", "filePath": "flows/w.yaml", "cloneDirectory": "/x"}
    return {"git": {**config, **more}}


async def test_a_file_of_a_repository_is_read_at_branch_tag_and_ref(repository: Path) -> None:
    async def name(**more: Any) -> Any:
        return (await read(of(repository, **more)))["metadata"]["generateName"]

    assert await name() == "two-"
    assert await name(tag="v1") == "b-"
    assert await name(ref="refs/tags/v1", branch="master") == "b-"


GIT_REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a link": ({"filePath": "link.yaml"}, "is a link or a directory"),
    "behind a link": ({"filePath": "there/passwd"}, "has no file there/passwd"),
    "a directory": ({"filePath": "flows"}, "is a link or a directory"),
    "upwards": ({"filePath": "../../etc/passwd"}, "must not contain .."),
    "a clone elsewhere": ({"cloneDirectory": "/git/../etc"}, "must not contain .."),
    "an option as branch": ({"branch": "--upload-pack=touch /tmp/x"}, "no name of a revision"),
    "an option as ref": ({"ref": "-c core.sshCommand=x"}, "no name of a revision"),
    "an option as url": ({"url": "--upload-pack=touch x"}, "which is no address"),
    "a helper as url": ({"url": "ext::sh -c whoami"}, "which is no address"),
    "a helper without spaces": ({"url": "ext::whoami"}, "expected https://"),
    "an option as host": ({"url": "ssh://-oProxyCommand=x/repo"}, "expected https://"),
    "no such branch": ({"branch": "none"}, "couldn't find remote ref"),
    "half an App": ({"githubApp": {"appID": 1}}, "needs privateKey, appID and installationID"),
    "an App and a password": (
        {
            "githubApp": {"appID": 1, "installationID": 7, "privateKey": {"name": "a", "key": "b"}},
            "creds": {"password": {"name": "git", "key": "password"}},
        },
        "one says who we are",
    ),
}


@pytest.mark.parametrize("name", GIT_REFUSED)
async def test_what_a_repository_must_not_do_is_refused(repository: Path, name: str) -> None:
    more, message = GIT_REFUSED[name]
    text = await refusal(of(repository, **more))
    assert message in text
    assert "root:" not in text


async def test_repositories_of_the_machine_are_out_of_reach_of_a_server(repository: Path) -> None:
    assert "out of reach" in await refusal(of(repository), PUBLIC)
    inside = await refusal({"git": {"url": "http://127.0.0.1:1/r.git", "filePath": "a"}}, PUBLIC)
    assert "private address" in inside


async def test_credentials_go_in_a_header_and_never_show(repository: Path) -> None:
    seen: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.Response(status=403, text="no")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    server = TestServer(app)
    await server.start_server()
    creds = {
        "username": {"name": "git", "key": "user"},
        "password": {"name": "git", "key": "password"},
    }
    source = {
        "url": f"http://localhost:{server.port}/r.git",
        "filePath": "a.yaml",
        "creds": creds,
    }
    text = await refusal({"git": source}, git__user="me", git__password="hunter2")
    await server.close()
    assert seen[0] == "Basic " + base64.b64encode(b"me:hunter2").decode()
    assert "hunter2" not in text
    assert seen[0].split()[1] not in text


async def test_values_wait_for_the_object_they_are_placed_in(
    tmp_path: Path, make_event: Any
) -> None:
    (tmp_path / "w.yaml").write_bytes(WORKFLOW)
    block = {
        "source": {"file": {"path": str(tmp_path / "w.yaml")}},
        "parameters": [
            {"src": {"dependencyName": "a", "dataKey": "body.n"}, "dest": "metadata.generateName",
             "operation": "append"},
            {"src": {"dependencyName": "other", "dataKey": "x"}, "dest": "metadata.name"},
        ],
    }  # fmt: skip
    start = fetching.begun("k8s", block, {"a": make_event("e1")})
    workflows: Any = None
    fetcher = fetching.Fetcher(Surroundings(FixedClock(), CountedIds(), workflows, Kept({})))
    firing = Firing(id="f", namespace="default", sensor="s", trigger="t", kind="k8s", spec=start)
    made = await fetcher.finished(start, firing)
    assert made["metadata"] == {"generateName": "b-1"}


def test_a_source_without_a_place_names_the_places() -> None:
    with pytest.raises(BadSensor, match=r"unknown artifact location: k8s\.source needs one of s3"):
        fetching.begun("k8s", {"source": {}}, {})
