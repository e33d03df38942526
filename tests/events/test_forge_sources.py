"""gitlab, bitbucket, bitbucketserver and gerrit: deliveries verified, hooks registered with fakes of their APIs."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers import webapi
from tests.servers.waiting import until

KEY = b"s3cret"
URL = "https://ci.example/hook"


class Forge:
    """One kind under test: its config, how it signs."""

    def __init__(self, kind: str, bench: Any, port: int, **config: Any) -> None:
        self.kind, self.bench, self.port, self.config = kind, bench, port, config
        bench.secrets.values["forge", "secret"] = KEY + b"\n"
        bench.secrets.values["forge", "token"] = b"gitlab-token"
        bench.secrets.values["forge", "server"] = b"server-token"
        bench.secrets.values["forge", "user"] = b"user"
        bench.secrets.values["forge", "pass"] = b"pass"

    async def apply(self, url: str = "", **config: Any) -> None:
        webhook = {"endpoint": "/hook", "port": str(self.port), "url": url}
        await self.bench.apply({self.kind: {"ci": {"webhook": webhook, **self.config, **config}}})

    async def post(self, body: bytes = b"{}", **headers: str) -> tuple[int, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.port}/hook"
        async with self.bench.client.post(url, data=body, headers=named) as answer:
            return answer.status, await answer.text()

    @property
    def status(self) -> Any:
        return self.bench.bank.status()[0]


def ref(key: str) -> dict[str, str]:
    return {"name": "forge", "key": key}


def signed(body: bytes) -> str:
    return "sha256=" + hmac.new(KEY, body, hashlib.sha256).hexdigest()


@pytest.fixture
def gitlab(bench: Any, free_port: Callable[[], int]) -> Forge:
    return Forge("gitlab", bench, free_port(), secretToken=ref("secret"))


@pytest.fixture
def cloud(bench: Any, free_port: Callable[[], int]) -> Forge:
    return Forge("bitbucket", bench, free_port(), webhookSecret=ref("secret"))


@pytest.fixture
def server(bench: Any, free_port: Callable[[], int]) -> Forge:
    return Forge("bitbucketserver", bench, free_port(), webhookSecret=ref("secret"))


@pytest.fixture
def gerrit(bench: Any, free_port: Callable[[], int]) -> Forge:
    return Forge("gerrit", bench, free_port())


async def test_gitlabs_token_is_verified_also_without_managed_hooks(
    bench: Any, gitlab: Forge
) -> None:
    await gitlab.apply(metadata={"team": "shop"})
    right = {"x_gitlab_token": "s3cret", "x_gitlab_event": "Push Hook", "idempotency_key": "k-1"}
    assert await gitlab.post(x_gitlab_token="wrong") == (400, "token mismatch")
    assert await gitlab.post() == (400, "token mismatch")
    assert await gitlab.post(b"no json", **right) == (
        400,
        (await gitlab.post(b"no json", **right))[1],
    )
    body = b'{"n": 9007199254740993}'
    assert await gitlab.post(body, **right) == (200, "success")
    assert await gitlab.post(body, **right) == (200, "success")
    (event,) = await bench.events()
    assert list(json.loads(event.data)) == ["headers", "body", "metadata"]
    assert b'"body":{"n":9007199254740993}' in event.data


async def test_gitlabs_hooks_are_registered_and_kept_right(gitlab: Forge) -> None:
    shop, group = "/api/v4/projects/acme%2Fshop/hooks", "/api/v4/groups/7/hooks"
    async with webapi.running(webapi.Gitlab(shop, group)) as api:
        assert isinstance(api, webapi.Gitlab)
        api.hooks[group]["9"] = {"id": 9, "url": URL, "push_events": False}
        await gitlab.apply(
            "https://ci.example",
            projects=["acme/shop"],
            groups=["7"],
            events=["PushEvents", "TagPushEvents"],
            accessToken=ref("token"),
            gitlabBaseURL=api.url,
            deleteHookOnFinish=True,
        )
        await until(lambda: bool(api.hooks[shop]) and api.hooks[group]["9"]["push_events"])
        (hook,) = api.hooks[shop].values()
        assert (hook["url"], hook["push_events"], hook["note_events"]) == (URL, True, False)
        assert api.tokens == ["s3cret", "s3cret"]
        await gitlab.bench.bank.remove("default", "hooks")
        assert not api.hooks[shop]
        assert not api.hooks[group]


async def test_a_hook_that_is_gone_already_does_not_keep_the_others_from_going(
    gitlab: Forge,
) -> None:
    shop, group = "/api/v4/projects/acme%2Fshop/hooks", "/api/v4/groups/7/hooks"
    async with webapi.running(webapi.Gitlab(shop, group)) as api:
        assert isinstance(api, webapi.Gitlab)
        await gitlab.apply(
            "https://ci.example",
            projects=["acme/shop"],
            groups=["7"],
            events=["PushEvents"],
            accessToken=ref("token"),
            gitlabBaseURL=api.url,
            deleteHookOnFinish=True,
        )
        await until(lambda: bool(api.hooks[shop]) and bool(api.hooks[group]))
        api.hooks[shop].clear()
        await gitlab.bench.bank.remove("default", "hooks")
        assert not api.hooks[group]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"events": []}, "events is missing"),
        ({"events": ["Pushes"]}, "unknown 'Pushes'; known: PushEvents"),
        ({"gitlabBaseURL": ""}, "gitlabBaseURL is missing"),
        ({"projects": []}, "projects or groups"),
        ({"webhook": None}, "webhook is missing"),
    ],
)
async def test_gitlab_says_what_is_missing_to_register(
    gitlab: Forge, config: dict[str, Any], complaint: str
) -> None:
    whole = {
        "projects": ["1"],
        "events": ["PushEvents"],
        "accessToken": ref("token"),
        "gitlabBaseURL": "https://gitlab.example",
    }
    await gitlab.apply("https://ci.example", **{**whole, **config})
    assert gitlab.status.state == "refused"
    assert complaint in gitlab.status.error


async def test_bitbuckets_signature_is_verified_where_there_is_a_secret(
    bench: Any, cloud: Forge
) -> None:
    await cloud.apply()
    body = b'{"push": {}}'
    assert (await cloud.post(body))[0] == 400
    assert (await cloud.post(body, x_hub_signature=signed(b"other")))[0] == 400
    for _ in range(2):
        headers = {"x_hub_signature": signed(body), "x_request_uuid": "u-1"}
        assert await cloud.post(body, **headers) == (200, "success")
    assert len(await bench.events()) == 1


@pytest.mark.parametrize(
    ("auth", "authorization"),
    [
        ({"oauthToken": ref("token")}, "Bearer gitlab-token"),
        ({"basic": {"username": ref("user"), "password": ref("pass")}}, "Basic dXNlcjpwYXNz"),
    ],
)
async def test_bitbuckets_hooks_are_registered(
    cloud: Forge, auth: dict[str, Any], authorization: str
) -> None:
    path = "/repositories/acme/shop/hooks"
    async with webapi.running(webapi.Bitbucket(authorization, path)) as api:
        assert isinstance(api, webapi.Bitbucket)
        others = {f"{{{n}}}": {"uuid": f"{{{n}}}", "url": f"https://x/{n}"} for n in range(3)}
        ours = {"uuid": "{u}", "url": URL, "events": []}
        api.hooks[path] = {**others, "{u}": ours}
        await cloud.apply(
            "https://ci.example",
            repositories=[{"owner": "acme", "repositorySlug": "shop"}],
            events=["repo:push"],
            auth=auth,
            bitbucketBaseURL=api.url,
            deleteHookOnFinish=True,
        )
        await until(lambda: api.hooks[path]["{u}"]["events"] == ["repo:push"])
        assert api.hooks[path]["{u}"]["secret"] == "s3cret"
        assert len(api.hooks[path]) == 4
        await cloud.bench.bank.remove("default", "hooks")
        assert len(api.hooks[path]) == 3


def push(*branches: str) -> bytes:
    changes = [
        {"ref": {"id": f"refs/heads/{name}", "type": "BRANCH"}, "type": "UPDATE"}
        for name in branches
    ]
    place = {"slug": "web", "project": {"key": "SHOP"}}
    return json.dumps(
        {"eventKey": "repo:refs_changed", "repository": place, "changes": changes}
    ).encode()


async def branches(bench: Any) -> list[list[str]]:
    rows = await bench.database.read("SELECT data FROM events ORDER BY seq")
    bodies = [json.loads(row[0])["body"] for row in rows]
    return [[one["ref"]["id"].rpartition("/")[2] for one in body["changes"]] for body in bodies]


async def deliver(server: Forge, body: bytes, delivery: str = "d-1") -> tuple[int, str]:
    headers = {
        "x_hub_signature": signed(body),
        "x_event_key": "repo:refs_changed",
        "x_request_id": delivery,
    }
    return await server.post(body, **headers)


async def test_bitbucket_servers_signature_is_verified(bench: Any, server: Forge) -> None:
    await server.apply()
    assert (await server.post(push("main")))[0] == 400
    unprefixed = signed(push("main")).removeprefix("sha256=")
    assert (await server.post(push("main"), x_hub_signature="xxxxxxx" + unprefixed))[0] == 400
    assert await deliver(server, push("main", "dev")) == (200, "success")
    assert await deliver(server, push("main", "dev")) == (200, "success")
    assert await branches(bench) == [["main", "dev"]]


async def test_a_push_becomes_an_event_for_every_change(bench: Any, server: Forge) -> None:
    await server.apply(oneEventPerChange=True)
    for _ in range(2):
        assert await deliver(server, push("main", "dev")) == (200, "success")
    assert await branches(bench) == [["main"], ["dev"]]


async def test_pushes_to_a_branch_with_an_open_pull_request_are_left_out(
    bench: Any, server: Forge
) -> None:
    async with webapi.running(webapi.BitbucketServer()) as api:
        assert isinstance(api, webapi.BitbucketServer)
        api.pulls = {"refs/heads/dev"}
        await server.apply(
            skipBranchRefsChangedOnOpenPR=True,
            bitbucketserverBaseURL=f"{api.url}/rest",
            accessToken=ref("server"),
        )
        assert await deliver(server, push("dev"), "d-1") == (200, "success")
        assert await deliver(server, push("main", "dev"), "d-2") == (200, "success")
        assert await branches(bench) == [["main"]]
        api.is_away = True
        assert await deliver(server, push("dev"), "d-3") == (200, "success")
        assert await branches(bench) == [["main"], ["dev"]]


async def test_bitbucket_servers_hooks_are_registered_for_whole_projects(server: Forge) -> None:
    places = ("SHOP/repos/web", "DOCS/repos/a", "DOCS/repos/b", "DOCS/repos/c")
    known = [f"/rest/api/1.0/projects/{place}/webhooks" for place in places]
    async with webapi.running(webapi.BitbucketServer(*known)) as api:
        assert isinstance(api, webapi.BitbucketServer)
        api.repositories["DOCS"] = ["a", "b", "c"]
        await server.apply(
            "https://ci.example",
            projects=["DOCS"],
            repositories=[{"projectKey": "SHOP", "repositorySlug": "web"}],
            events=["repo:refs_changed"],
            bitbucketserverBaseURL=f"{api.url}/rest",
            accessToken=ref("server"),
            deleteHookOnFinish=True,
        )
        await until(lambda: all(api.hooks.values()))
        (hook,) = api.hooks[known[0]].values()
        assert (hook["url"], hook["configuration"]) == (URL, {"secret": "s3cret"})
        await server.bench.bank.remove("default", "hooks")
        assert not any(api.hooks.values())


async def test_gerrits_remotes_are_registered_and_its_events_taken(
    bench: Any, gerrit: Forge
) -> None:
    async with webapi.running(webapi.Gerrit()) as api:
        assert isinstance(api, webapi.Gerrit)
        await gerrit.apply(
            "https://ci.example",
            hookName="bireme",
            events=["change-merged"],
            projects=["a/b"],
            gerritBaseURL=api.url,
            auth={"username": ref("user"), "password": ref("pass")},
            deleteHookOnFinish=True,
        )
        path = "/a/config/server/webhooks~projects/a%2Fb/remotes/bireme"
        await until(lambda: path in api.remotes)
        assert api.remotes[path] == {"url": URL, "events": ["change-merged"], "sslVerify": False}
        assert await gerrit.post(b'{"type": "change-merged"}') == (200, "success")
        (event,) = await bench.events()
        assert json.loads(event.data)["body"] == {"type": "change-merged"}
        await bench.bank.remove("default", "hooks")
        assert api.remotes == {}


async def test_gerrit_says_what_is_missing_to_register(gerrit: Forge) -> None:
    await gerrit.apply("https://ci.example", events=["change-merged"])
    assert gerrit.status.state == "refused"
    assert "hookName, auth, gerritBaseURL, projects: needed" in gerrit.status.error
