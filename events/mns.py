"""Alibaba's message service (MNS) by its REST API: messages are received, and deleted once they are done with."""

import base64
import hmac
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from email.utils import format_datetime
from typing import NamedTuple
from urllib.parse import quote

import aiohttp

from bireme.kit.clock import Clock
from events import rest
from events.streams import ServerAway

_VERSION = "2015-06-06"
_SPACE = "{http://mns.aliyuncs.com/doc/v1/}"
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)
_MOST_ANSWER = 16 << 20
_MOST = 16  # messages in one answer, the service's own limit
_NOTHING = "MessageNotExist"


class Message(NamedTuple):
    """`id` is the same at every delivery, `receipt` is good for this one."""

    id: str
    receipt: str
    text: str


class Keys(NamedTuple):
    """Who asks."""

    id: str
    secret: bytes


class Queue:
    """One queue of an account's endpoint, such as `https://1234.mns.cn-hangzhou.aliyuncs.com`."""

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: str, name: str, keys: Keys, clock: Clock
    ) -> None:
        self._session = session
        self._endpoint = endpoint.rstrip("/")
        self._path = f"/queues/{quote(name, safe='')}/messages"
        self._keys = keys
        self._clock = clock

    async def receive(self, wait_s: int) -> list[Message]:
        """What is there, after at most that wait; the queue says how long it stays hidden. Raises ServerAway."""
        query = {"numOfMessages": str(_MOST), "waitseconds": str(wait_s)}
        text = await self._call("GET", query, harmless=_NOTHING)
        if text is None:
            return []
        try:
            found = ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            raise ServerAway(f"{self._endpoint}: this is no answer of a queue: {error}") from error
        return [_message(one) for one in found.iter(f"{_SPACE}Message")]

    async def delete(self, message: Message) -> bool:
        """False when it is no longer ours, for it was hidden long enough: it comes again. Raises ServerAway."""
        query = {"ReceiptHandle": message.receipt}
        return await self._call("DELETE", query, harmless=_NOTHING) is not None

    async def _call(self, method: str, query: Mapping[str, str], harmless: str) -> bytes | None:
        """The answer, None where it is the harmless refusal."""
        resource = f"{self._path}?{'&'.join(f'{name}={value}' for name, value in query.items())}"
        headers = {
            "Date": format_datetime(self._clock.now(), usegmt=True),
            "x-mns-version": _VERSION,
        }
        headers["Authorization"] = _authorization(self._keys, method, headers, resource)
        place = f"{self._endpoint}{self._path}"
        try:
            async with self._session.request(
                method,
                place,
                params=query,
                headers=headers,
                skip_auto_headers=("Content-Type",),
                allow_redirects=False,
                timeout=_TIMEOUT,
            ) as answer:
                text = await rest.whole(answer, _MOST_ANSWER)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ServerAway(f"{place}: {str(error) or type(error).__name__}") from error
        if answer.status < 300:
            return text
        code = _code(text)
        if code == harmless:
            return None
        raise ServerAway(f"{place}: {answer.status} {code or answer.reason}")


def _authorization(keys: Keys, method: str, headers: Mapping[str, str], resource: str) -> str:
    """A digest of the request. None of ours has a body."""
    own = f"x-mns-version:{headers['x-mns-version']}\n"
    text = f"{method}\n\n\n{headers['Date']}\n{own}{resource}"
    digest = base64.b64encode(hmac.digest(keys.secret, text.encode(), "sha1")).decode()
    return f"MNS {keys.id}:{digest}"


def _code(text: bytes) -> str:
    try:
        return ElementTree.fromstring(text).findtext(f".//{_SPACE}Code", "")
    except ElementTree.ParseError:
        return ""


def _message(found: ElementTree.Element) -> Message:
    names = ("MessageId", "ReceiptHandle", "MessageBody")
    return Message(*(found.findtext(f"{_SPACE}{name}", "") for name in names))
