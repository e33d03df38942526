"""`plugin` templates against servers that speak Argo's contract, well and badly."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bireme.kit.clock import SystemClock
from bireme.storage.open import open_database
from executor.backends.plugin import PluginBackend
from executor.surroundings import Surroundings
from server.secrets import KeptSecrets
from tests.executor.bench import Bench, make_task

TASK = make_task("tell", {"plugin": {"hello": {"text": "hi"}}})
DONE = {"node": {"phase": "Succeeded", "message": "said it"}}


class Plugin:
    """Gives its answers one after the other, the last one for ever; keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[dict[str, Any], str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((await request.json(), request.headers.get("Authorization", "")))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int):
            return web.Response(status=answer, text="no")
        return web.Response(text=answer) if isinstance(answer, str) else web.json_response(answer)


Open = Callable[..., Any]


@pytest.fixture
async def with_plugins(tmp_path: Path) -> AsyncIterator[Open]:
    closing: list[Any] = []

    async def address(plugin: Plugin) -> str:
        app = web.Application()
        app.router.add_post("/api/v1/template.execute", plugin.answer)
        server = TestServer(app)
        await server.start_server()
        closing.append(server.close)
        return str(server.make_url("/"))

    async def make(values: Mapping[str, str] | None = None, **plugins: Plugin) -> Bench:
        database = await open_database(tmp_path / "bireme.db")
        around = Surroundings(
            root=tmp_path,
            clock=SystemClock(),
            database=database,
            secrets=KeptSecrets(tmp_path, values or {}),
            plugins={name: await address(plugin) for name, plugin in plugins.items()},
        )
        bench = Bench(PluginBackend(around))
        closing.extend([database.close, bench.backend.close])
        return bench

    yield make
    for close in reversed(closing):
        await close()


async def test_a_plugin_is_told_workflow_and_template_and_its_node_ends_the_step(
    with_plugins: Open,
) -> None:
    outputs = {"parameters": [{"name": "p", "value": "1"}], "result": "r"}
    plugin = Plugin({"node": {"phase": "Succeeded", "outputs": outputs}})
    report = await (await with_plugins({"HELLO_PLUGIN_TOKEN": "t0ken"}, hello=plugin)).run(TASK)
    assert report.state == "succeeded"
    assert report.outputs is not None
    assert (report.outputs.parameters, report.outputs.result) == ({"p": "1"}, "r")
    [(body, token)] = plugin.asked
    assert body["workflow"] == {"metadata": {"name": "wf", "namespace": "default", "uid": "run-1"}}
    assert body["template"]["plugin"] == {"hello": {"text": "hi"}}
    assert token == "Bearer t0ken"


async def test_a_node_that_runs_is_asked_for_again_and_shows_progress(with_plugins: Open) -> None:
    running = {"node": {"phase": "Running", "progress": "1/2"}, "requeue": "1ms"}
    plugin = Plugin(running, running, DONE)
    bench = await with_plugins(hello=plugin)
    assert (await bench.run(TASK)).message == "said it"
    assert len(plugin.asked) == 3
    assert [r.progress for r in bench.reports if r.state == "progress"] == ["1/2", "1/2"]


async def test_plugins_are_asked_in_turn_the_templates_own_first(with_plugins: Open) -> None:
    other, hello = Plugin(DONE), Plugin({})
    assert (await (await with_plugins(other=other, hello=hello)).run(TASK)).state == "succeeded"
    assert (len(hello.asked), len(other.asked)) == (1, 1)


async def test_a_template_that_nobody_takes_fails_in_argos_words(with_plugins: Open) -> None:
    report = await (await with_plugins(a=Plugin({}), b=Plugin(404))).run(TASK)
    assert (report.state, report.message) == ("failed", "no plugin executed the template")


async def test_a_busy_plugin_is_asked_again(with_plugins: Open) -> None:
    assert (await (await with_plugins(hello=Plugin(503, DONE))).run(TASK)).state == "succeeded"


ENDINGS = {
    "failed": ({"node": {"phase": "Failed", "message": "no room"}}, "failed", "no room"),
    "refusal": (500, "error", "plugin 'hello' answered 500: no"),
    "no JSON": ("[", "error", "plugin 'hello' did not answer with a JSON object"),
    "bad requeue": ({"node": {"phase": "Running"}, "requeue": "x"}, "error", "plugin 'hello': requeue: "),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDINGS)
async def test_a_bad_end_says_whose_it_is(with_plugins: Open, case: str) -> None:
    answer, state, message = ENDINGS[case]
    report = await (await with_plugins(hello=Plugin(answer))).run(TASK)
    assert report.state == state
    assert report.message.startswith(message)


async def test_without_plugins_the_step_says_how_to_configure_one(with_plugins: Open) -> None:
    report = await (await with_plugins()).run(TASK)
    assert report.state == "error"
    assert "template 'tell' plugin 'hello': no executor plugin is configured" in report.message
    assert "BIREME_EXECUTOR_PLUGINS=hello=http://ADDRESS" in report.message
