"""Azure Queue Storage by its REST API: messages are received, and deleted once they are done with."""

import base64
import binascii
import hmac
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from email.utils import format_datetime, parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from bireme.kit.clock import Clock
from events import azure_identity, rest
from events.azure_identity import Identity
from events.ports import BadSourceConfig
from events.streams import ServerAway

_ENDPOINT = "https://{}.queue.core.windows.net"
_NAME = re.compile(r"[a-z0-9]{3,24}")
_VERSION = "2021-12-02"
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
_MOST_ANSWER = 16 << 20
_MOST = 32  # messages in one answer, the service's own limit


class Message(NamedTuple):
    """`id` is the same at every delivery, `receipt` is good for this one."""

    id: str
    receipt: str
    inserted: str
    text: str


class Account(NamedTuple):
    """Where the queues are, and what opens them: a key, a shared access signature, or else an identity."""

    endpoint: str
    name: str
    key: bytes
    signature: str

    @classmethod
    def parse(cls, text: str) -> "Account":
        """Of a connection string, as the portal shows it. Raises BadSourceConfig, without what is written there."""
        pairs = (part.partition("=") for part in text.strip().split(";") if part)
        given = {name: value for name, _, value in pairs}
        name, suffix = given.get("AccountName", ""), given.get("EndpointSuffix", "core.windows.net")
        protocol = given.get("DefaultEndpointsProtocol", "https")
        endpoint = given.get("QueueEndpoint") or (
            f"{protocol}://{name}.queue.{suffix}" if name else ""
        )
        try:
            key = base64.b64decode(given.get("AccountKey", ""), validate=True)
        except binascii.Error as error:
            raise BadSourceConfig("connectionString: AccountKey is no base64") from error
        signature = given.get("SharedAccessSignature", "").removeprefix("?")
        if not endpoint or not ((name and key) or signature):
            raise BadSourceConfig(
                "connectionString needs AccountName and AccountKey,"
                " or QueueEndpoint and SharedAccessSignature"
            )
        return cls(endpoint.rstrip("/"), name, key, signature)

    @classmethod
    def named(cls, name: str) -> "Account":
        """In Azure's public cloud, opened by an identity. Raises BadSourceConfig for what is no name of an account."""
        if not _NAME.fullmatch(name):
            raise BadSourceConfig(
                f"storageAccountName is {name!r}: 3 to 24 small letters and digits"
            )
        return cls(_ENDPOINT.format(name), name, b"", "")


class Queue:
    """One queue of an account. `identity` opens one that nothing else opens."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        account: Account,
        name: str,
        clock: Clock,
        identity: Identity,
    ) -> None:
        self._session = session
        self._identity = identity
        self._account = account
        self._url = f"{account.endpoint}/{name}"
        self._clock = clock

    async def receive(self, hidden_s: int) -> list[Message]:
        """What is there, without a wait; hidden from others that long. Raises ServerAway."""
        query = {"numofmessages": str(_MOST), "visibilitytimeout": str(hidden_s)}
        _, text = await self._call("GET", "/messages", query)
        try:
            return [_message(one) for one in ElementTree.fromstring(text)]
        except (ElementTree.ParseError, ValueError, TypeError) as error:
            raise ServerAway(f"{self._url}: this is no answer of a queue: {error}") from error

    async def delete(self, message: Message) -> bool:
        """False when it is no longer ours, for it was hidden long enough: it comes again. Raises ServerAway."""
        path, query = f"/messages/{message.id}", {"popreceipt": message.receipt}
        status, _ = await self._call("DELETE", path, query, harmless=(400, 404))
        return status < 300

    async def _call(
        self, method: str, path: str, query: Mapping[str, str], harmless: tuple[int, ...] = ()
    ) -> tuple[int, bytes]:
        url, signed = self._url + path, dict(parse_qsl(self._account.signature))
        headers = {
            "x-ms-date": format_datetime(self._clock.now(), usegmt=True),
            "x-ms-version": _VERSION,
        }
        if self._account.key:
            headers["Authorization"] = _authorization(self._account, method, url, query, headers)
        elif not signed:
            token = await self._identity.token(azure_identity.STORAGE)
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with self._session.request(
                method,
                url,
                params={**query, **signed},
                headers=headers,
                allow_redirects=False,
                timeout=_TIMEOUT,
            ) as answer:
                text = await rest.whole(answer, _MOST_ANSWER)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ServerAway(f"{self._url}: {str(error) or type(error).__name__}") from error
        if answer.status >= 300 and answer.status not in harmless:
            code = answer.headers.get("x-ms-error-code", "")
            raise ServerAway(f"{self._url}: {answer.status} {code or answer.reason}")
        return answer.status, text


def _authorization(
    account: Account, method: str, url: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> str:
    """The service's "shared key": a digest of the request. None of ours has a body or one of the eleven headers."""
    shown = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    resource = f"/{account.name}{urlsplit(url).path}"
    asked = "".join(f"\n{name}:{value}" for name, value in sorted(query.items()))
    text = method + "\n" * 12 + shown + resource + asked
    digest = base64.b64encode(hmac.digest(account.key, text.encode(), "sha256")).decode()
    return f"SharedKey {account.name}:{digest}"


def _message(found: ElementTree.Element) -> Message:
    inserted = parsedate_to_datetime(found.findtext("InsertionTime", ""))
    return Message(
        found.findtext("MessageId", ""),
        found.findtext("PopReceipt", ""),
        f"{inserted:%Y-%m-%dT%H:%M:%SZ}",
        found.findtext("MessageText", ""),
    )
