"""Hooks that a source registers with the service that calls it: made at start, looked after, taken away at the end."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import structlog

from bireme.kit.backoff import Backoff
from bireme.kit.clock import Clock
from bireme.kit.errors import BiremeError
from bireme.kit.supervise import run_together
from events import fields
from events.ports import BadSourceConfig, Surroundings
from events.rest import Api, ApiError

log = structlog.get_logger(__name__)

CHECK_S = 60.0
_BACKOFF = Backoff(base_s=5, factor=2, cap_s=300)
# The bank gives a source ten seconds to end.
_FAREWELL_S = 6.0


class Hooks(Protocol):
    """The hooks of one source at its service."""

    async def ensure(self) -> None:
        """Make them be there, as configured; what is right already is left alone."""
        ...

    async def remove(self) -> None:
        """Take away those that `ensure` made or found."""
        ...


async def beside(
    listening: Awaitable[None],
    hooks: Hooks,
    surroundings: Surroundings,
    *,
    remove_at_end: bool,
    interval_s: float = CHECK_S,
) -> None:
    """Listen, and look after the hooks, until cancelled."""
    looking = keep(
        hooks,
        surroundings.clock,
        subject=surroundings.place.subject,
        remove_at_end=remove_at_end,
        interval_s=interval_s,
    )
    await run_together({"http": listening, "hooks": looking}, stop=asyncio.Event())


async def keep(
    hooks: Hooks, clock: Clock, *, subject: str, remove_at_end: bool, interval_s: float
) -> None:
    """Look after the hooks until cancelled. A service that is away never stops the source from listening."""
    attempt = 0
    try:
        while True:
            try:
                await hooks.ensure()
                attempt = 0
            except BiremeError as error:
                attempt += 1
                log.warning("hook_not_registered", subject=subject, error=str(error))
            await clock.sleep(_BACKOFF.delay(attempt) if attempt else interval_s)
    finally:
        if remove_at_end:
            await _say_farewell(hooks, subject)


async def _say_farewell(hooks: Hooks, subject: str) -> None:
    try:
        async with asyncio.timeout(_FAREWELL_S):
            await hooks.remove()
    except (BiremeError, TimeoutError) as error:
        log.warning("hook_not_removed", subject=subject, error=str(error) or "no answer in time")


async def each(paths: Iterable[str], work: Callable[[str], Awaitable[None]]) -> None:
    """Do it for every path. One that fails does not stop the others; at the end ApiError has what failed."""
    failures = []
    for path in paths:
        try:
            await work(path)
        except ApiError as error:
            failures.append(str(error))
    if failures:
        raise ApiError("; ".join(failures))


class ListedHooks(ABC):
    """Hooks that a service lists by number under each of `paths`: one with our address is made where there is none, and
    brought up to date where there is."""

    change = "PUT"
    """The method that changes a hook."""

    def __init__(self, surroundings: Surroundings, paths: Sequence[str]) -> None:
        self._around = surroundings
        self._paths = paths
        self._ours: dict[str, list[int]] = {}

    @abstractmethod
    async def _authorized(self) -> Api:
        """The API with the credentials as they are now."""

    @abstractmethod
    def _wanted(self) -> dict[str, Any]: ...

    @abstractmethod
    def _is_ours(self, hook: dict[str, Any]) -> bool: ...

    @abstractmethod
    def _is_right(self, hook: dict[str, Any], wanted: dict[str, Any]) -> bool: ...

    async def ensure(self) -> None:
        api = await self._authorized()
        await each(self._paths, lambda path: self._ensure(path, api))

    async def _ensure(self, path: str, api: Api) -> None:
        wanted = self._wanted()
        found = [hook async for hook in api.numbered_pages(path) if self._is_ours(hook)]
        # A hook's secret cannot be read: it is written once by every process.
        is_first = path not in self._ours
        for hook in found:
            if is_first or not self._is_right(hook, wanted):
                await api.call(self.change, f"{path}/{hook['id']}", body=wanted)
        if not found:
            found = [await api.call("POST", path, body=wanted)]
            self._tell("hook_registered", f"{path}/{found[0]['id']}")
        self._ours[path] = [hook["id"] for hook in found]

    async def remove(self) -> None:
        api = await self._authorized()

        async def take_away(hook: str) -> None:
            await api.call("DELETE", hook)
            self._tell("hook_removed", hook)

        await each([f"{path}/{id_}" for path, ids in self._ours.items() for id_ in ids], take_away)

    def _tell(self, what: str, hook: str) -> None:
        log.info(what, kind=self._around.place.kind, subject=self._around.place.subject, hook=hook)

    def _secret(self, ref: fields.SecretRef) -> str:
        """As deliveries are verified with it."""
        return fields.secret(self._around.secrets, self._around.place, ref).decode()


def address(webhook: fields.Webhook) -> str:
    """Where the service shall call. Raises BadSourceConfig when `url` is no address."""
    if not webhook.url.startswith(("http://", "https://")):
        raise BadSourceConfig(f"webhook.url: {webhook.url!r} is no http or https address")
    path = webhook.endpoint if webhook.endpoint.startswith("/") else f"/{webhook.endpoint}"
    return webhook.url.rstrip("/") + path
