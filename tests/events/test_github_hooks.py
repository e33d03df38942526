"""GitHub's hooks: registered, looked after and taken away, against a fake of GitHub's API."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.servers import webapi
from tests.servers.waiting import until

SHOP, DOCS, ORG = "/repos/acme/shop/hooks", "/repos/acme/docs/hooks", "/orgs/acme/hooks"


@pytest.fixture
async def github() -> AsyncIterator[webapi.Github]:
    async with webapi.running(webapi.Github(SHOP, DOCS, ORG)) as api:
        assert isinstance(api, webapi.Github)
        yield api


@pytest.fixture
def apply(bench: Any, github: webapi.Github, free_port: Callable[[], int]) -> Callable[..., Any]:
    bench.secrets.values["github", "token"] = b"github-token\n"
    bench.secrets.values["github", "secret"] = b"s3cret"
    port = free_port()

    async def with_(**config: Any) -> None:
        event = {
            "repositories": [{"owner": "acme", "names": ["shop", "docs"]}],
            "webhook": {"endpoint": "/push", "port": str(port), "url": "https://ci.example/"},
            "events": ["push", "pull_request"],
            "apiToken": {"name": "github", "key": "token"},
            "webhookSecret": {"name": "github", "key": "secret"},
            "active": True,
            "githubBaseURL": github.url,
            "githubUploadURL": github.url,
            **config,
        }
        await bench.apply({"github": {"ci": event}})

    return with_


def hooks(github: webapi.Github, path: str) -> list[Any]:
    return list(github.hooks[path].values())


async def registered(github: webapi.Github, *paths: str) -> None:
    await until(lambda: all(github.hooks[path] for path in paths), "the hooks are registered")


async def test_a_hook_is_made_for_every_repository(github: webapi.Github, apply: Any) -> None:
    await apply()
    await registered(github, SHOP, DOCS)
    (hook,) = hooks(github, SHOP)
    assert hook["config"] == {
        "url": "https://ci.example/push",
        "content_type": "json",
        "insecure_ssl": "0",
        "secret": "s3cret",
    }
    assert (hook["name"], hook["active"], hook["events"]) == ("web", True, ["push", "pull_request"])


async def test_a_hook_that_is_there_is_brought_up_to_date_and_not_doubled(
    github: webapi.Github, apply: Any
) -> None:
    old = {
        "id": 700,
        "events": ["push"],
        "active": False,
        "config": {"url": "https://ci.example/push"},
    }
    others = {
        str(n): {"id": n, "events": [], "config": {"url": f"https://other.example/{n}"}}
        for n in range(100, 300)
    }
    github.hooks[SHOP] = {**others, "700": old}
    await apply(repositories=[{"owner": "acme", "names": ["shop"]}])
    await until(lambda: github.hooks[SHOP]["700"]["active"])
    assert github.hooks[SHOP]["700"]["config"]["secret"] == "s3cret"
    assert len(github.hooks[SHOP]) == 201
    assert ("POST", SHOP) not in github.log


async def test_hooks_of_organizations_and_the_one_of_an_old_manifest(
    github: webapi.Github, apply: Any
) -> None:
    await apply(repositories=[], organizations=["acme"])
    await registered(github, ORG)
    await apply(repositories=[], owner="acme", repository="docs")
    await registered(github, DOCS)


@pytest.mark.parametrize("removes", [True, False])
async def test_hooks_are_taken_away_at_the_end_when_asked_for(
    bench: Any, github: webapi.Github, apply: Any, removes: bool
) -> None:
    await apply(deleteHookOnFinish=removes)
    await registered(github, SHOP, DOCS)
    await bench.bank.remove("default", "hooks")
    assert bool(hooks(github, SHOP)) is not removes
    assert bool(hooks(github, DOCS)) is not removes


async def test_one_repository_that_is_not_there_does_not_stop_the_others(
    github: webapi.Github, apply: Any
) -> None:
    await apply(repositories=[{"owner": "acme", "names": ["nowhere", "docs"]}])
    await registered(github, DOCS)


async def test_deliveries_are_taken_while_the_api_is_away(
    bench: Any, github: webapi.Github, apply: Any, free_port: Callable[[], int]
) -> None:
    github.is_away = True
    port = free_port()
    await apply(
        webhook={"endpoint": "/push", "port": str(port), "url": "https://ci.example"},
        webhookSecret=None,
    )
    await until(lambda: bool(github.log))
    async with bench.client.post(f"http://127.0.0.1:{port}/push", json={}) as answer:
        assert answer.status == 200
    assert bench.bank.status()[0].state == "listening"


async def test_an_app_asks_for_its_token_with_a_signed_statement(
    bench: Any, github: webapi.Github, apply: Any
) -> None:
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    bench.secrets.values["github", "app"] = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    github.public_key = key.public_key()
    app = {
        "privateKey": {"name": "github", "key": "app"},
        "appID": 42,
        "installationID": 7,
    }
    await apply(apiToken=None, githubApp=app)
    await registered(github, SHOP, DOCS)
    (statement,) = github.statements
    assert statement["iss"] == "42"
    assert statement["exp"] - statement["iat"] == 600


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"events": []}, "events is missing"),
        ({"contentType": "xml"}, "contentType is json or form"),
        ({"githubUploadURL": ""}, "githubBaseURL and githubUploadURL go together"),
        ({"organizations": ["acme"]}, "not both"),
        ({"repositories": []}, "name whose hooks to register"),
        (
            {"githubApp": {"privateKey": {"name": "a", "key": "b"}}},
            "githubApp needs privateKey, appID and installationID",
        ),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, apply: Any, config: dict[str, Any], complaint: str
) -> None:
    await apply(**config)
    (status,) = bench.bank.status()
    assert status.state == "refused"
    assert complaint in status.error


async def test_a_token_never_reaches_the_log(
    github: webapi.Github, apply: Any, capsys: pytest.CaptureFixture[str], bench: Any
) -> None:
    bench.secrets.values["github", "token"] = b"wrong-token"
    await apply()
    await until(lambda: ("GET", SHOP) in github.log)
    await bench.bank.close()
    printed = capsys.readouterr().out
    assert "the credentials are not accepted" in printed
    assert "wrong-token" not in printed
    assert "s3cret" not in printed
