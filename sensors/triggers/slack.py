"""The `slack` trigger: a message in a channel, as a thread's beginning or a reply in it.

    template:
      name: tell
      slack:
        slackToken: {name: slack, key: token}
        channel: "#builds"
        message: a build has begun
        thread: {messageAggregationKey: builds, broadcastMessageToChannel: true}
        sender: {username: bireme, icon: ":ship:"}
        parameters:
          - {src: {dependencyName: push, dataTemplate: "push of {{ .Input.body.ref }}"}, dest: message}

`attachments` and `blocks` are JSON texts. Parameters of both levels apply. The first message of a
`messageAggregationKey` begins a thread, later ones reply to it; which thread that is, is remembered until the engine
stops. Slack answers errors with status 200: they are errors here. `endpoint` (our own field) is the API's address.
"""

import json
from collections.abc import Mapping
from typing import Any

from bireme.kit import outward
from bireme.manifests.base import KeySelector, Spec
from events.model import Event
from sensors import definition, fields
from sensors.credentials import Credentials
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings
from sensors.web import Web

Json = dict[str, Any]

_API = "https://slack.com/api"
_TIMEOUT_S = 30
_ANSWER_BYTES = 1 << 20
_THREADS = 1000
_PASSING = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable",
     "request_timeout", "message_limit_exceeded"}
)  # fmt: skip


class Thread(Spec, frozen=True):
    message_aggregation_key: str = ""
    broadcast_message_to_channel: bool = False


class Sender(Spec, frozen=True):
    username: str = ""
    icon: str = ""


@triggers.register("slack")
class SlackTrigger:
    """Posts by `chat.postMessage`."""

    class Config(fields.Fields, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        slack_token: KeySelector | None = None
        channel: str = ""
        message: str = ""
        attachments: str = ""
        blocks: str = ""
        thread: Thread | None = None
        sender: Sender | None = None
        endpoint: str = ""

    def __init__(self, surroundings: Surroundings) -> None:
        self.secrets = surroundings.secrets
        self.web = Web(surroundings.reach)
        self.threads: dict[tuple[str, ...], str] = {}

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "slack", events)
        channel = str(block.get("channel") or "").removeprefix("#")
        if not channel:
            raise BadSensor("no slack channel provided")
        message = {
            "channel": channel,
            "text": block.get("message") or "",
            **_listed(block, "attachments"),
            **_listed(block, "blocks"),
            **_sender(block.get("sender") or {}),
        }
        if not (message["text"] or "attachments" in message or "blocks" in message):
            raise BadSensor(
                "no text to post: At least one of message/attachments/blocks should be provided"
            )
        return {
            "token": block.get("slackToken") or {},
            "endpoint": (block.get("endpoint") or _API).rstrip("/"),
            "message": message,
            "thread": block.get("thread") or {},
        }

    async def fire(self, firing: Firing) -> Receipt:
        spec = firing.spec or {}
        message: Json = dict(spec["message"])
        key = self._thread_of(firing, spec)
        if key in self.threads:
            message["thread_ts"] = self.threads[key]
            message["reply_broadcast"] = bool(spec["thread"].get("broadcastMessageToChannel"))
        answer = await self._posted(firing, spec, message)
        stamp = str(answer.get("ts") or "")
        if key and stamp and key not in self.threads:
            self._remember(key, stamp)
        return Receipt(kind="slack", name=message["channel"], note=stamp)

    async def close(self) -> None:
        await self.web.close()

    def _thread_of(self, firing: Firing, spec: Json) -> tuple[str, ...]:
        aggregation = spec["thread"].get("messageAggregationKey") or ""
        if not aggregation:
            return ()
        return (firing.namespace, spec["endpoint"], spec["message"]["channel"], aggregation)

    def _remember(self, key: tuple[str, ...], stamp: str) -> None:
        self.threads[key] = stamp
        while len(self.threads) > _THREADS:
            del self.threads[next(iter(self.threads))]

    async def _posted(self, firing: Firing, spec: Json, message: Json) -> Json:
        token = Credentials(self.secrets, firing.namespace, "slack").text(
            spec["token"], "slackToken"
        )
        request = outward.Request(
            "POST",
            f"{spec['endpoint']}/chat.postMessage",
            headers={"Content-Type": "application/json; charset=utf-8"},
            secrets={"Authorization": f"Bearer {token}"},
            body=json.dumps(message),
        )
        answer = await self.web.send(request, timeout_s=_TIMEOUT_S, body_limit=_ANSWER_BYTES)
        return _checked(answer, message["channel"])


def _checked(answer: outward.Answer, channel: str) -> Json:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise TriggerFailed(f"slack: answered {answer.status} with what is no JSON object")
    if found.get("ok") is True:
        return found
    error = str(found.get("error") or f"status {answer.status}")
    text = f"slack: posting to {channel} failed: {error}"
    if answer.status == 429 or answer.status >= 500 or error in _PASSING:
        raise TriggerFailed(text)
    raise TriggerRefused(text)


def _listed(block: Json, field: str) -> Json:
    text = block.get(field)
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (TypeError, ValueError) as error:
        raise BadSensor(f"slack.{field} is not JSON: {error}") from error
    if not isinstance(found, list):
        raise BadSensor(f"slack.{field} is not a JSON list")
    return {field: found}


def _sender(sender: Json) -> Json:
    made = {"username": sender["username"]} if sender.get("username") else {}
    icon = str(sender.get("icon") or "")
    if icon:
        is_emoji = icon.startswith(":") and icon.endswith(":")
        made["icon_emoji" if is_emoji else "icon_url"] = icon
    return made
