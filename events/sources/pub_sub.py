"""Event source `pubSub`: messages of a Google Cloud Pub/Sub subscription.

    spec:
      pubSub:
        orders:
          projectID: shop
          topic: orders
          subscriptionID: ship           # made when it is missing and the topic is named
          jsonBody: true
          credentialSecret: {name: google, key: account.json}

Payload: `{"id": …, "body": …, "attributes": {…}, "publishTime": "2026-11-26 14:00:00.5 +0000 UTC", "metadata": {…}}`.

A message is acknowledged after its event is durable, and is one event however often it is delivered.
"""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import orjson

from bireme.kit.ids import digest
from events import fields, rest, streams
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

if TYPE_CHECKING:
    import aiohttp
    from gcloud.aio.auth import Token

_GOOGLE = "https://pubsub.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/pubsub"
_BATCH = 100
_DEADLINE_S = 60
_EMPTY_S = 0.5
_MOST_ANSWER = 64 << 20


class _Message(NamedTuple):
    """As received. `attempt` is counted only for a subscription with a dead letter topic, else 0."""

    ack: str
    attempt: int
    raw: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.raw["messageId"])


@sources.register("pubSub")
class PubSubSource:
    """Each message once. Poison goes to the dead letter topic where the subscription has one, else it is
    acknowledged with a line in the log."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        project_id: str = msgspec.field(default="", name="projectID")
        topic_project_id: str = msgspec.field(default="", name="topicProjectID")
        topic: str = ""
        subscription_id: str = msgspec.field(default="", name="subscriptionID")
        credential_secret: fields.SecretRef | None = None
        delete_subscription_on_finish: bool = False
        endpoint: str = ""
        json_body: bool = False
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if not config.topic and config.topic_project_id:
            raise BadSourceConfig("you can't specify topicProjectID if you don't specify topic")
        if not config.topic and not config.subscription_id:
            raise BadSourceConfig("must specify topic or subscriptionID")
        if not config.project_id:
            raise BadSourceConfig("projectID is missing: write the project of the subscription")
        self._config = config
        self._around = surroundings
        place = surroundings.place
        ours = f"bireme-{digest(place.namespace, place.name, place.subject)[:16]}"
        name = config.subscription_id or ours
        self._subscription = f"projects/{config.project_id}/subscriptions/{name}"
        self._topic = (
            f"projects/{config.topic_project_id or config.project_id}/topics/{config.topic}"
        )
        self._forward = streams.Forwarder[_Message](surroundings, self._event, _where)

    async def run(self, publish: Publish) -> None:
        async with rest.session() as session:
            service = _Service(self._config.endpoint or _GOOGLE, session, self._token(session))
            async with self._subscribed(service):
                self._around.ready()
                while True:
                    await self._work(service, publish)

    def _token(self, session: "aiohttp.ClientSession") -> "Token | None":
        """From the secret, else as Google's tools find theirs; an `endpoint` without a secret is an emulator's."""
        config = self._config
        if config.endpoint and config.credential_secret is None:
            return None
        try:
            from gcloud.aio.auth import Token
        except ImportError as error:
            raise streams.missing("gcp", "pubSub") from error
        account = self._account()
        return Token(
            service_file=io.StringIO(account) if account else None,
            session=session,  # type: ignore[arg-type]  # the library means this or requests
            scopes=[_SCOPE],
        )

    def _account(self) -> str | None:
        """Checked, for the library takes the machine's own account when it cannot read this one."""
        account = streams.text(
            self._around.secrets, self._around.place, self._config.credential_secret
        )
        if account is None:
            return None
        try:
            found = orjson.loads(account)
        except orjson.JSONDecodeError:  # whose words may be the secret's
            found = None
        if not isinstance(found, dict) or "type" not in found:
            raise BadSourceConfig("credentialSecret is no JSON key of a service account")
        return account

    @asynccontextmanager
    async def _subscribed(self, service: "_Service") -> AsyncIterator[None]:
        """A source that fails is not finished: its subscription keeps what comes until the restart."""
        await self._subscribe(service)
        try:
            yield
        except asyncio.CancelledError:
            if self._config.delete_subscription_on_finish:
                with suppress(rest.ApiError, streams.ServerAway):
                    await service.call("DELETE", self._subscription)
            raise

    async def _subscribe(self, service: "_Service") -> None:
        """Raises ApiError with what is wrong, BadSourceConfig when the subscription is another topic's."""
        try:
            found = await service.call("GET", self._subscription)
        except rest.ApiError as error:
            if error.status != 404 or not self._config.topic:
                raise
            wanted = {"topic": self._topic, "ackDeadlineSeconds": _DEADLINE_S}
            found = await service.call("PUT", self._subscription, wanted)
        if self._config.topic and found["topic"] != self._topic:
            raise BadSourceConfig(
                f"{self._subscription} is a subscription of {found['topic']}, not of {self._topic}"
            )

    async def _work(self, service: "_Service", publish: Publish) -> None:
        messages = await service.pull(self._subscription)
        if not messages:
            await self._around.clock.sleep(_EMPTY_S)
            return
        poison = await self._forward(publish, messages)
        for_dead_letters = [one for one in poison if one.attempt]
        kept = [one for one in messages if one not in for_dead_letters]
        if kept:
            acks = {"ackIds": [one.ack for one in kept]}
            await service.call("POST", f"{self._subscription}:acknowledge", acks)
        if for_dead_letters:
            nacks = {"ackIds": [one.ack for one in for_dead_letters], "ackDeadlineSeconds": 0}
            await service.call("POST", f"{self._subscription}:modifyAckDeadline", nacks)

    def _event(self, message: _Message) -> NewEvent:
        raw = message.raw
        payload = {
            "id": message.id,
            "body": streams.body(base64.b64decode(raw.get("data", "")), self._config.json_body),
            "attributes": raw.get("attributes") or {},
            "publishTime": _go_time(raw.get("publishTime", "")),
        }
        dedup = f"{self._subscription}:{message.id}"
        return streams.event(payload, self._config.metadata, dedup=dedup)


class _Service:
    """Pub/Sub's REST API with our token."""

    def __init__(self, base: str, session: "aiohttp.ClientSession", token: "Token | None") -> None:
        self._api = rest.Api(session, base, most_bytes=_MOST_ANSWER)
        self._token = token

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        return await self._api.call(
            method, f"/v1/{path}", body=body, headers=await self._authorization()
        )

    async def pull(self, subscription: str) -> list[_Message]:
        """What is there, after a wait; nothing when the service let us wait until we gave up."""
        try:
            answer = await self.call("POST", f"{subscription}:pull", {"maxMessages": _BATCH})
        except rest.ApiError as error:
            if type(error.__cause__) is TimeoutError:
                return []
            raise
        return [
            _Message(one["ackId"], one.get("deliveryAttempt", 0), one["message"])
            for one in (answer or {}).get("receivedMessages", ())
        ]

    async def _authorization(self) -> dict[str, str]:
        if self._token is None:
            return {}
        import aiohttp

        try:
            return {"Authorization": f"Bearer {await self._token.get()}"}
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise streams.ServerAway(
                f"no token from Google for these credentials: {type(error).__name__}"
            ) from error


def _go_time(text: str) -> str:
    """As Go writes a time in UTC."""
    if not text:
        return ""
    moment = datetime.fromisoformat(text)
    _, point, fraction = text.rstrip("Z").partition(".")
    fraction = fraction.rstrip("0")
    return f"{moment:%Y-%m-%d %H:%M:%S}{point if fraction else ''}{fraction} +0000 UTC"


def _where(message: _Message) -> dict[str, Any]:
    return {"message": message.id}
