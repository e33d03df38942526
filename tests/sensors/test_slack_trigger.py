"""The slack trigger against a server that speaks as Slack does."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from tests.sensors.acting import Actor, ref


class Slack:
    """Posts are kept; `says` is answered instead of ok."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.says: dict[str, Any] = {}
        self.status = 200
        self.url = ""

    async def post(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers["Authorization"])
        self.posts.append(await request.json())
        answer = self.says or {"ok": True, "ts": f"17.{len(self.posts)}"}
        return web.json_response(answer, status=self.status)


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    made = Slack()
    app = web.Application()
    app.router.add_post("/chat.postMessage", made.post)
    server = TestServer(app)
    await server.start_server()
    made.url = str(server.make_url(""))
    yield made
    await server.close()


@pytest.fixture
async def actor() -> AsyncIterator[Actor]:
    async with Actor("slack", token="xoxb-secret") as made:
        yield made


async def test_a_message_has_text_sender_and_what_the_event_says(
    slack: Slack, actor: Actor, make_event: Any
) -> None:
    text = {
        "src": {"dependencyName": "a", "dataTemplate": "n is {{ .Input.body.n }}"},
        "dest": "message",
    }
    receipt = await actor.fire(
        {"a": make_event("e1")}, slackToken=ref("token"), endpoint=slack.url, channel="#builds",
        message="x", parameters=[text], sender={"username": "b", "icon": ":ship:"},
        blocks=json.dumps([{"type": "divider"}]), attachments="[]",
    )  # fmt: skip
    assert receipt.note == "17.1"
    assert slack.tokens == ["Bearer xoxb-secret"]
    assert slack.posts == [
        {
            "channel": "builds", "text": "n is 1", "attachments": [], "username": "b",
            "blocks": [{"type": "divider"}], "icon_emoji": ":ship:",
        }
    ]  # fmt: skip


async def test_messages_of_one_key_are_one_thread(slack: Slack, actor: Actor) -> None:
    thread = {"messageAggregationKey": "builds", "broadcastMessageToChannel": True}
    block = {"slackToken": ref("token"), "endpoint": slack.url, "message": "m"}
    for key, channel in (("k", "one"), ("k", "one"), ("k", "two"), ("other", "one")):
        await actor.fire(
            {}, **block, channel=channel, thread={**thread, "messageAggregationKey": key}
        )
    assert [post.get("thread_ts") for post in slack.posts] == [None, "17.1", None, None]
    assert slack.posts[1]["reply_broadcast"] is True


ANSWERS: dict[str, tuple[int, dict[str, Any], type[Exception]]] = {
    "no such channel": (200, {"ok": False, "error": "channel_not_found"}, TriggerRefused),
    "a bad token": (200, {"ok": False, "error": "invalid_auth"}, TriggerRefused),
    "too many": (429, {"ok": False, "error": "ratelimited"}, TriggerFailed),
    "broken": (200, {"ok": False, "error": "internal_error"}, TriggerFailed),
    "away": (503, {"ok": False}, TriggerFailed),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_error_with_status_200_is_an_error(slack: Slack, actor: Actor, name: str) -> None:
    slack.status, slack.says, kind = ANSWERS[name]
    with pytest.raises(kind, match="slack: posting to c failed"):
        await actor.fire({}, slackToken=ref("token"), endpoint=slack.url, channel="c", message="m")


def test_nothing_to_say_and_nowhere_to_say_it_are_refused() -> None:
    actor = Actor("slack")
    with pytest.raises(BadSensor, match="no slack channel provided"):
        actor.prepared({}, message="m")
    with pytest.raises(BadSensor, match="no text to post"):
        actor.prepared({}, channel="#c")
    with pytest.raises(BadSensor, match=r"slack\.blocks is not JSON"):
        actor.prepared({}, channel="c", blocks="{")
    with pytest.raises(BadSensor, match=r"slack\.attachments is not a JSON list"):
        actor.prepared({}, channel="c", attachments="{}")
