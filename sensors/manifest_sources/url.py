"""`source.url`: what a web server has there.

    source:
      url: {path: https://example.com/build.yaml}

The certificate is checked unless `verifyCert: false` says otherwise.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bireme.kit import outward
from events import fields
from events.ports import Place
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.registry import manifest_sources
from sensors.surroundings import Surroundings

if TYPE_CHECKING:
    import aiohttp

_LIMIT_BYTES = 512 * 1024


@manifest_sources.register("url")
class UrlSource:
    """One GET; only status 200 with at most 512 KiB is an answer."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        """Argo's URLArtifact."""

        path: str = ""
        verify_cert: bool | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._reach = surroundings.reach
        self._client: aiohttp.ClientSession | None = None

    async def read(self, block: dict[str, Any], place: Place) -> bytes:
        import aiohttp

        url = block.get("path") or ""
        if urlsplit(url).scheme not in ("http", "https"):
            raise BadSensor(f"source.url.path is {url!r}, expected http://… or https://…")
        self._client = self._client or outward.session(self._reach)
        request = outward.Request("GET", url, verify=block.get("verifyCert") is not False)
        try:
            answer = await outward.send(self._client, request, _LIMIT_BYTES)
        except outward.OutwardRefused as error:
            raise TriggerRefused(f"source.url: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise TriggerFailed(f"source.url: GET {url} failed: {error}") from error
        if answer.status != 200:
            raise TriggerFailed(f"source.url: GET {url} answered {answer.status}, expected 200")
        return answer.body

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
