"""A Kubernetes API by plain HTTP: lists in pages and watches as lines, as JSON. Where and as whom comes from the
manifest's `cluster`, else from where Kubernetes tools look (kubeconfig, the pod's own account)."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from bireme.kit.errors import ServiceError
from events import fields
from events.ports import BadSourceConfig, EventsError, Surroundings

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=360)
_WATCH_S = 290  # the server ends a watch then, and we begin the next
_PAGE = 500
_LONGEST_LINE = 32 * 1024 * 1024


class ClusterUnavailable(EventsError, ServiceError):
    """The API cannot be reached, or does not let us look."""

    retriable = True
    blame = "service"


class Expired(EventsError, ServiceError):
    """The place to go on from is too old for the API: list anew."""

    retriable = True
    blame = "service"


class ClusterConfig(fields.Fields, frozen=True, kw_only=True):
    """An API by its address; `token` and `caCertificate` are secrets."""

    url: str
    token: fields.SecretRef | None = None
    ca_certificate: fields.SecretRef | None = None


class Cluster:
    """One API, its connections open."""

    def __init__(
        self, session: aiohttp.ClientSession, base: str, headers: dict[str, str], trust: Any
    ) -> None:
        self._session = session
        self._base = base.rstrip("/")
        self._headers = headers
        self._trust = trust

    async def list(self, path: str, query: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
        """Every object, and the place from which a watch goes on."""
        found: list[dict[str, Any]] = []
        more = {"limit": str(_PAGE)}
        while True:
            async with self._get(path, {**query, **more}) as answer:
                page = orjson.loads(await answer.read())
            found += page.get("items") or ()
            about = page.get("metadata") or {}
            if not about.get("continue"):
                return found, str(about.get("resourceVersion", ""))
            more["continue"] = about["continue"]

    async def watch(
        self, path: str, query: Mapping[str, str], after: str
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """(type, object) as they come, until the server ends it. Raises Expired."""
        asked = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": after,
            "timeoutSeconds": str(_WATCH_S),
        }
        async with self._get(path, {**query, **asked}) as answer:
            async for line in _lines(answer.content):
                told = orjson.loads(line)
                kind, thing = told["type"], told["object"]
                if kind == "ERROR":
                    raise _fault(path, int(thing.get("code", 500)), thing.get("message", ""))
                yield kind, thing

    @asynccontextmanager
    async def _get(
        self, path: str, query: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = self._base + path
        try:
            async with self._session.get(
                url, params=query, headers=self._headers, ssl=self._trust, allow_redirects=False
            ) as answer:
                if answer.status >= 300:
                    words = (await answer.content.read(500)).decode("utf-8", "replace")
                    raise _fault(path, answer.status, words)
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError) as error:
            raise ClusterUnavailable(f"{url}: {str(error) or type(error).__name__}") from error


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise ClusterUnavailable(f"the API sends a line longer than {_LONGEST_LINE} bytes")
        for line in lines:
            if line.strip():
                yield line


def _fault(path: str, status: int, words: str) -> EventsError:
    if status == 410:
        return Expired(f"{path}: {words}")
    advice = {
        401: "the credentials are not accepted: ",
        403: "the account may not list and watch this: ",
        404: "the API has no such resource, check group, version and resource: ",
    }.get(status, "")
    return ClusterUnavailable(f"{path}: {advice}{status} {words}")


@asynccontextmanager
async def connected(
    config: ClusterConfig | None, surroundings: Surroundings
) -> AsyncIterator[Cluster]:
    """The API, with the credentials as they are now."""
    if config is None:
        base, headers, trust = await _found()
    else:
        base, headers, trust = _given(config, surroundings)
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        yield Cluster(session, base, headers, trust)


def _given(config: ClusterConfig, around: Surroundings) -> tuple[str, dict[str, str], Any]:
    def secret(ref: fields.SecretRef) -> str:
        return fields.secret(around.secrets, around.place, ref).decode().strip()

    headers = {"Authorization": f"Bearer {secret(config.token)}"} if config.token else {}
    if config.ca_certificate is None:
        return config.url, headers, True
    try:
        trust = ssl.create_default_context(cadata=secret(config.ca_certificate))
    except (ssl.SSLError, ValueError) as error:
        raise BadSourceConfig(f"cluster.caCertificate is no PEM certificate: {error}") from error
    return config.url, headers, trust


async def _found() -> tuple[str, dict[str, str], Any]:
    from kubernetes_asyncio import client, config

    found = client.Configuration()
    try:
        await config.load_config(client_configuration=found)
    except config.ConfigException as error:
        raise ClusterUnavailable(f"no Kubernetes cluster is configured: {error}") from error
    trust = ssl.create_default_context(cafile=found.ssl_ca_cert)
    if found.cert_file:
        trust.load_cert_chain(found.cert_file, found.key_file)
    if not found.verify_ssl:
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
    token = await found.get_api_key_with_prefix("BearerToken")
    return str(found.host), {"Authorization": token} if token else {}, trust
