"""Requests to web services for the triggers that speak HTTP: one guarded client, errors as a trigger's."""

import asyncio
from typing import TYPE_CHECKING

from bireme.kit import outward
from bireme.kit.reach import Reach
from sensors.errors import TriggerFailed, TriggerRefused

if TYPE_CHECKING:
    import aiohttp


class Web:
    """Sends. The client is made at the first request, and connects to nothing out of reach."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._client: aiohttp.ClientSession | None = None

    async def send(
        self, request: outward.Request, *, timeout_s: float, body_limit: int = 0
    ) -> outward.Answer:
        """The final answer, whatever its status. Raises TriggerRefused or TriggerFailed."""
        import aiohttp

        try:
            async with asyncio.timeout(timeout_s):
                return await outward.send(self._session(), request, body_limit)
        except outward.OutwardRefused as error:
            raise TriggerRefused(str(error)) from error
        except TimeoutError as error:
            raise TriggerFailed(
                f"{request.method} {request.url} failed: no answer within {timeout_s:g} s"
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            text = str(error) or type(error).__name__
            raise TriggerFailed(f"{request.method} {request.url} failed: {text}") from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _session(self) -> "aiohttp.ClientSession":
        if self._client is None:
            self._client = outward.session(self._reach)
        return self._client
