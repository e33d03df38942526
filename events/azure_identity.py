"""Who this machine is for Azure: its managed or workload identity, or a login, wherever Microsoft's library finds one.

The only file that knows that library. It looks at the environment by itself, as Google's and Amazon's do.
"""

import re
from types import TracebackType
from typing import Any

from bireme.kit.errors import MissingExtra
from events.streams import ServerAway

SERVICE_BUS = "https://servicebus.azure.net/.default"
EVENT_HUBS = "https://eventhubs.azure.net/.default"
STORAGE = "https://storage.azure.com/.default"

_NAMESPACE = re.compile(
    r"[a-z0-9-]+\.servicebus\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)", re.IGNORECASE
)
_MOST_WORDS = 800


class NoIdentity(ServerAway):
    """Azure gives this machine no token; the message says where an identity was looked for."""


def is_namespace(host: str) -> bool:
    """Whether the host is Azure's own: nobody else may be shown a token of this machine."""
    return bool(_NAMESPACE.fullmatch(host))


class Identity:
    """Found at its first use, the same from then on. Close it."""

    def __init__(self) -> None:
        self._credential: Any = None

    async def credential(self, scope: str) -> Any:
        """For the clients of Microsoft's libraries; it has just opened `scope`. Raises NoIdentity, MissingExtra."""
        await self.token(scope)
        return self._credential

    async def token(self, scope: str) -> str:
        """Good for some minutes at least. Raises NoIdentity, MissingExtra."""
        try:
            from azure.core.exceptions import AzureError
            from azure.identity.aio import DefaultAzureCredential
        except ImportError as error:
            raise MissingExtra("azure", "an identity of this machine") from error
        self._credential = self._credential or DefaultAzureCredential()
        try:
            found = await self._credential.get_token(scope)
        except (AzureError, OSError, ValueError) as error:
            words = " ".join(str(error).split())[:_MOST_WORDS]
            raise NoIdentity(f"Azure gives this machine no token: {words}") from error
        return str(found.token)

    async def close(self) -> None:
        credential, self._credential = self._credential, None
        if credential is not None:
            await credential.close()

    async def __aenter__(self) -> "Identity":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
