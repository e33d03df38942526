"""The `nats` trigger: one message per firing on a subject.

    template:
      name: announce
      nats:
        url: nats://nats:4222
        subject: builds.done
        auth: {token: {name: nats, key: token}}
        payload:
          - {src: {dependencyName: push, dataKey: body.ref}, dest: ref}

The firing counts as done once the server has answered a ping sent after the message. `Nats-Msg-Id` is the firing's
id, so that a JetStream stream on the subject keeps it once. `auth` is one of `basic`, `token`, `nkey` (its seed) and
`credential` (a creds file); a seed never leaves this machine. Needs the extra `nats`.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from bireme.kit.errors import MissingExtra
from bireme.manifests.base import KeySelector, Spec
from events import nats_login
from events.model import Event
from sensors import definition, fields, targets
from sensors.advice import advised
from sensors.clients import Clients
from sensors.credentials import Credentials
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

Json = dict[str, Any]

_TIMEOUT_S = 10
_CLOSE_S = 3


class Auth(Spec, frozen=True):
    basic: fields.BasicAuth | None = None
    token: KeySelector | None = None
    nkey: KeySelector | None = None
    credential: KeySelector | None = None


@triggers.register("nats")
class NatsTrigger:
    """Keeps one connection per server and credentials."""

    class Config(fields.Sent, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        url: str = ""
        subject: str = ""
        tls: fields.Tls | None = None
        auth: Auth | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self.around = surroundings
        self.connections: Clients[Any] = Clients(lambda connection: connection.close())

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "nats", events)
        for field in ("url", "subject"):
            if not block.get(field):
                raise BadSensor(f"nats.{field} is missing")
        if any(sign.isspace() or sign in "*>" for sign in block["subject"]):
            raise BadSensor(f"nats.subject is {block['subject']!r}, which cannot be published to")
        return {
            "url": block["url"],
            "subject": block["subject"],
            "tls": block.get("tls"),
            "auth": block.get("auth") or {},
            "body": definition.payload(block, events).decode(),
        }

    async def fire(self, firing: Firing) -> Receipt:
        try:
            from nats import errors
        except ImportError as error:
            raise MissingExtra("nats", "the trigger nats") from error
        spec = firing.spec or {}
        credentials = Credentials(self.around.secrets, firing.namespace, "nats")
        login = _login(spec["auth"], credentials)
        key = (firing.namespace, spec["url"], str(spec["tls"]), *login.items())
        try:
            opening = partial(self._open, spec, login, credentials)
            async with self.connections.use(key, opening) as connection:
                identity = {"Nats-Msg-Id": firing.id}
                await connection.publish(spec["subject"], spec["body"].encode(), headers=identity)
                await connection.flush(_TIMEOUT_S)
        except (errors.Error, OSError, ValueError) as error:
            text = advised(str(error) or type(error).__name__, "nats", "auth")
            raise TriggerFailed(f"nats: {spec['subject']} at {_shown(spec)}: {text}") from error
        return Receipt(kind="nats", name=spec["subject"])

    async def close(self) -> None:
        await self.connections.close()

    async def _open(self, spec: Json, login: Json, credentials: Credentials) -> Any:
        from nats.aio.client import Client

        servers = [server.strip() for server in spec["url"].split(",")]
        hosts = [urlsplit(s if "://" in s else f"nats://{s}").hostname or "" for s in servers]
        await targets.check_all(self.around.reach, hosts, "nats")
        options = dict(login)
        if context := credentials.tls(spec["tls"]):
            options["tls"] = context
        client = Client()
        try:
            await client.connect(
                servers,
                connect_timeout=_TIMEOUT_S,
                max_reconnect_attempts=1,
                allow_reconnect=False,
                error_cb=_silent,
                **options,
            )
        except BaseException:
            # A refusal leaves the connection open. One that never came to speak TLS would be waited for, for ever.
            with suppress(Exception):
                async with asyncio.timeout(_CLOSE_S):
                    await client.close()
            raise
        return client


async def _silent(error: Exception) -> None:
    """What goes wrong is raised to the firing; the library would print it as well."""


def _login(auth: Json, credentials: Credentials) -> Json:
    if basic := auth.get("basic"):
        user, password = basic.get("username") or {}, basic.get("password") or {}
        return {
            "user": credentials.text(user, "auth.basic.username"),
            "password": credentials.text(password, "auth.basic.password"),
        }
    if token := auth.get("token"):
        return {"token": credentials.text(token, "auth.token")}
    try:
        return _keys(auth, credentials)
    except nats_login.BadLogin as error:
        raise TriggerRefused(f"nats.auth: {error}") from error


def _keys(auth: Json, credentials: Credentials) -> Json:
    if nkey := auth.get("nkey"):
        return {"nkeys_seed_str": nats_login.seed(credentials.text(nkey, "auth.nkey"))}
    if creds := auth.get("credential"):
        found = credentials.text(creds, "auth.credential")
        return {"user_credentials": nats_login.creds(found)}
    return {}


def _shown(spec: Json) -> str:
    return str(spec["url"]).rpartition("@")[2]
