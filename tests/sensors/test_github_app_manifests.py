"""`source.git.githubApp`: a repository read with the token of an App's installation, by git itself."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.reach import PUBLIC
from sensors import github_login
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.git_access import Access
from tests.sensors.test_manifest_sources import WORKFLOW, commit, git, read, refusal
from tests.servers import webapi
from tests.servers.git_host import GitHost

pytest.importorskip("cryptography")

APP = {"privateKey": {"name": "app", "key": "pem"}, "appID": 42, "installationID": 7}


@pytest.fixture(scope="module")
def key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def pem(key: Any) -> str:
    from cryptography.hazmat.primitives import serialization as forms

    none = forms.NoEncryption()
    made: bytes = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, none)
    return made.decode()


@pytest.fixture
async def host(tmp_path: Path, key: Any) -> AsyncIterator[GitHost]:
    flows = tmp_path / "acme" / "flows.git"
    flows.mkdir(parents=True)
    git(flows, "init", "-q", "-b", "main")
    (flows / "w.yaml").write_bytes(WORKFLOW)
    commit(flows, "one")
    fake = GitHost(tmp_path)
    fake.public_key = key.public_key()
    async with webapi.running(fake):
        yield fake


def source(host: GitHost, **more: Any) -> dict[str, Any]:
    url = f"{host.url}/acme/flows.git"
    return {"git": {"url": url, "branch": "main", "filePath": "w.yaml", "githubApp": APP, **more}}


async def test_a_private_repository_is_read_with_a_token_of_the_installation(
    host: GitHost, pem: str
) -> None:
    found = await read(source(host), app__pem=pem)
    assert found["kind"] == "Workflow"
    (statement,) = host.statements
    assert statement["iss"] == "42"


async def test_an_app_may_be_written_in_texts_and_the_remote_decides_the_host(
    host: GitHost, pem: str
) -> None:
    app = {**APP, "appID": "42", "installationID": "7"}
    remote = {"name": "origin", "urls": [f"{host.url}/acme/flows.git"]}
    more = {"url": "https://unreachable.invalid/x.git", "remote": remote, "githubApp": app}
    assert (await read(source(host, **more), app__pem=pem))["kind"] == "Workflow"


async def test_neither_key_nor_token_shows_when_the_server_repeats_what_it_was_shown(
    host: GitHost, pem: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    host.echoes = True
    text = await refusal(source(host), app__pem=pem)
    assert "source.git: fetch of http://" in text
    shown = capfd.readouterr()
    for place in (text, shown.out, shown.err, caplog.text):
        assert "github-token" not in place
        assert "PRIVATE KEY" not in place
        assert "eC1hY2Nlc3MtdG9rZW4" not in place  # x-access-token, as a header has it


def test_what_git_says_of_a_login_is_masked() -> None:
    given = Access("https://x/y", "https", authorization="Basic bWU6aHVudGVyMg==")
    said = "remote: bad header Basic bWU6aHVudGVyMg== of me with hunter2"
    assert given.masked(said) == "remote: bad header Basic *** of me with ***"


async def test_the_token_is_on_no_command_line(
    host: GitHost, pem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[tuple[Any, ...]] = []
    started = asyncio.create_subprocess_exec

    async def noted(*words: Any, **more: Any) -> Any:
        lines.append(words)
        return await started(*words, **more)

    monkeypatch.setattr("asyncio.create_subprocess_exec", noted)
    await read(source(host), app__pem=pem)
    assert any("fetch" in words for words in lines)
    assert "github-token" not in str(lines)


async def test_an_installation_that_is_not_there_is_worth_a_retry(host: GitHost, pem: str) -> None:
    with pytest.raises(TriggerFailed, match=r"githubApp: POST .*/installations/8/access_tokens"):
        await read(source(host, githubApp={**APP, "installationID": 8}), app__pem=pem)
    host.is_away = True
    with pytest.raises(TriggerFailed, match="503"):
        await read(source(host), app__pem=pem)


async def test_an_answer_without_a_token_says_so_and_is_not_shown(host: GitHost, pem: str) -> None:
    host.answer_of_api = {"token": "secret-of-github", "expires_at": "soon"}
    with pytest.raises(TriggerFailed, match="is no token of an installation") as failure:
        await read(source(host), app__pem=pem)
    assert "secret-of-github" not in str(failure.value)


async def test_a_key_that_is_none_is_refused_and_not_shown(host: GitHost) -> None:
    text = await refusal(source(host), app__pem="hunter2")
    assert "githubApp.privateKey is no PEM key" in text
    assert "hunter2" not in text


async def test_the_api_is_out_of_reach_where_the_repository_is(host: GitHost, pem: str) -> None:
    with pytest.raises(TriggerRefused, match=r"githubApp: .*private address"):
        await read(source(host), PUBLIC, app__pem=pem)
    assert host.log == []


async def test_an_app_opens_no_repository_by_ssh(host: GitHost, pem: str) -> None:
    with pytest.raises(BadSensor, match="https:// only"):
        await read(source(host, url="git@github.com:acme/flows.git"), app__pem=pem)


APIS = {
    "https://github.com/acme/flows.git": "https://api.github.com",
    "https://acme.ghe.com/acme/flows": "https://api.acme.ghe.com",
    "https://me:word@git.acme.example:8443/acme/flows": "https://git.acme.example:8443/api/v3",
}


@pytest.mark.parametrize("url", APIS)
def test_the_api_belongs_to_the_server_of_the_repository(url: str) -> None:
    assert github_login._api(url) == APIS[url]
