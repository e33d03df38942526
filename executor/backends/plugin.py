"""`plugin` templates: work that a server of somebody else's does, by the contract of Argo's executor plugins.

```yaml
templates:
  - name: tell
    plugin:
      slack: {text: "{{workflow.name}} is done"}
```

Each configured plugin is asked in turn (`POST <address>/api/v1/template.execute`), the one of the template's own name
first, until one answers with a node. A node that has not ended is asked for again after its `requeue`; so a plugin is
asked more than once by contract, and after a restart of the engine too. A plugin's token is the key `token` of the
secret `<plugin>-plugin` in the namespace of the workflow, if there is one.
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from bireme.kit import outward
from bireme.kit.backoff import Backoff
from bireme.kit.errors import NotFound, ServiceError
from bireme.lang import goduration
from bireme.lang.errors import LangError
from executor.agent import Agent, Ending
from executor.model import Outputs, Report, Task
from executor.ports import ExecutorError
from executor.registry import backends
from executor.surroundings import Surroundings

if TYPE_CHECKING:
    import aiohttp

Json = dict[str, Any]

NOBODY = "no plugin executed the template"
_ANSWER_BYTES = 1 << 20
_ANSWER_S = 30.0
_REQUEUE_S = 10.0
_TRIES = 5
_AGAIN = Backoff(base_s=0.2, factor=2, cap_s=5)
_STATES: dict[str, Any] = {"Succeeded": "succeeded", "Failed": "failed", "Error": "error"}


class PluginFailed(ExecutorError):
    """A plugin answered, but not as the contract has it; the message names the plugin."""


class PluginUnavailable(ExecutorError, ServiceError):
    """A plugin did not answer, or asked to be left alone for now."""


@backends.register("plugin")
class PluginBackend(Agent):
    """Asks executor plugins. The client is made at the first question."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._client: aiohttp.ClientSession | None = None

    async def perform(self, task: Task, again: bool) -> Ending:
        wanted = next(iter(task.template["plugin"]), "")
        known = self.surroundings.plugins
        if not known:
            return Ending(
                "error",
                f"template '{task.template.get('name')}' plugin '{wanted}': no executor plugin is configured; start the"
                f" engine with BIREME_EXECUTOR_PLUGINS={wanted or 'NAME'}=http://ADDRESS",
            )
        for name in sorted(known, key=lambda name: name != wanted):
            if ending := await self._ask(task, name):
                return ending
        return Ending("failed", NOBODY)

    async def close(self) -> None:
        await super().close()
        if self._client is not None:
            await self._client.close()

    async def _ask(self, task: Task, name: str) -> Ending | None:
        """One plugin, until the node has ended; None when the template is not for it."""
        while True:
            answer = await self._patiently(task, name)
            node: Json = answer.get("node") or {}
            if not node:
                return None
            if state := _STATES.get(node.get("phase") or ""):
                return Ending(state, node.get("message") or "", _outputs(node.get("outputs") or {}))
            self._tell(task, node)
            await self.surroundings.clock.sleep(_requeue_s(name, answer))

    def _tell(self, task: Task, node: Json) -> None:
        now, progress = self.surroundings.clock.now(), str(node.get("progress") or "")
        self.surroundings.reports.put(
            Report(task=task.id, state="progress", at=now, progress=progress)
        )

    async def _patiently(self, task: Task, name: str) -> Json:
        """The plugin's answer, asked again a few times when it is not there."""
        for attempt in range(1, _TRIES):
            try:
                return await self._answer(task, name)
            except PluginUnavailable:
                await self.surroundings.clock.sleep(_AGAIN.delay(attempt))
        return await self._answer(task, name)

    async def _answer(self, task: Task, name: str) -> Json:
        import aiohttp

        request = self._request(task, name)
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await outward.send(self._session(), request, _ANSWER_BYTES)
        except (aiohttp.ClientError, OSError) as error:
            text = str(error) or type(error).__name__
            raise PluginUnavailable(f"plugin '{name}' at {request.url}: {text}") from error
        if answer.status == 404:
            return {}
        if answer.status == 503:
            raise PluginUnavailable(f"plugin '{name}' at {request.url} is not available (503)")
        if answer.status != 200:
            text = answer.body[:200].decode("utf-8", "replace")
            raise PluginFailed(f"plugin '{name}' answered {answer.status}: {text}")
        return _decoded(name, answer.body)

    def _request(self, task: Task, name: str) -> outward.Request:
        metadata = {"name": task.workflow, "namespace": task.namespace, "uid": task.run}
        body = msgspec.json.encode({"workflow": {"metadata": metadata}, "template": task.template})
        address = self.surroundings.plugins[name].rstrip("/")
        return outward.Request(
            "POST",
            f"{address}/api/v1/template.execute",
            headers={"Content-Type": "application/json"},
            secrets=dict(self._token(task, name)),
            body=body,
        )

    def _token(self, task: Task, name: str) -> Iterator[tuple[str, str]]:
        try:
            token = self.surroundings.secrets.secret(task.namespace, f"{name}-plugin", "token")
        except NotFound:
            return
        yield "Authorization", f"Bearer {token.decode('utf-8', 'replace').strip()}"

    def _session(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._client is None:
            self._client = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._client


def _decoded(name: str, body: bytes) -> Json:
    try:
        return msgspec.json.decode(body or b"{}", type=Json)
    except msgspec.DecodeError as error:
        raise PluginFailed(f"plugin '{name}' did not answer with a JSON object: {error}") from error


def _requeue_s(name: str, answer: Json) -> float:
    try:
        return goduration.parse(str(answer.get("requeue") or f"{_REQUEUE_S}s")).total_seconds()
    except LangError as error:
        raise PluginFailed(f"plugin '{name}': requeue: {error}") from error


def _outputs(told: Json) -> Outputs:
    """A node's outputs as Argo writes them."""
    parameters = {p["name"]: str(p.get("value") or "") for p in told.get("parameters") or ()}
    result, code = told.get("result"), told.get("exitCode")
    return Outputs(
        parameters=parameters,
        artifacts={a["name"]: a for a in told.get("artifacts") or ()},
        result=None if result is None else str(result),
        exit_code=None if code is None else str(code),
    )
