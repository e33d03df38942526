"""`http` templates against a real server: what is sent, what counts as success, what a restart may do again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bireme.kit.clock import SystemClock
from bireme.kit.errors import NotFound
from bireme.storage.open import open_database
from bireme.storage.ports import Database
from executor.backends.http import HttpBackend
from executor.model import DEADLINE_EXCEEDED, Report, Task
from executor.surroundings import Surroundings
from tests.executor.bench import Bench, in_seconds, make_task


class OneSecret:
    def secret(self, namespace: str, name: str, key: str) -> bytes:
        if (name, key) != ("hooks", "token"):
            raise NotFound(f'secret "{name}" key "{key}" not found')
        return b"Bearer s3cret\n"

    def config(self, namespace: str, name: str, key: str) -> str:
        raise NotFound(name)


class Target:
    """A server that keeps what it was sent. `hold` makes it wait before it answers."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.hold: asyncio.Event | None = None
        self.arrived = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(
            {
                "method": request.method,
                "headers": dict(request.headers),
                "body": await request.read(),
            }
        )
        self.arrived.set()
        if self.hold:
            await self.hold.wait()
        status = int(request.query.get("status", "200"))
        headers = {"X-Color": "red"}
        if target := request.query.get("to"):
            headers["Location"] = target
        return web.Response(status=status, text=request.query.get("say", "hi\n"), headers=headers)


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
async def url(target: Target) -> AsyncIterator[Callable[[str], str]]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", target.answer)
    server = TestServer(app)
    await server.start_server()
    yield lambda path: str(server.make_url(path))
    if target.hold:
        target.hold.set()
    await server.close()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path / "bireme.db")
    yield opened
    await opened.close()


Open = Callable[[], Awaitable[Bench]]


@pytest.fixture
async def another(database: Database, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one engine's backend after the other, on the same rows."""
    opened: list[Bench] = []

    async def make() -> Bench:
        if opened:
            await opened[-1].backend.close()
        around = Surroundings(
            root=tmp_path, clock=SystemClock(), database=database, secrets=OneSecret()
        )
        opened.append(Bench(HttpBackend(around)))
        return opened[-1]

    yield make
    for bench in opened:
        await bench.backend.close()


@pytest.fixture
async def bench(another: Open) -> Bench:
    return await another()


def ask(**block: Any) -> Task:
    fields = {"deadline": block.pop("deadline")} if "deadline" in block else {}
    return make_task("ask", {"http": block}, **fields)


def result_of(report: Report) -> str | None:
    return report.outputs.result if report.outputs else None


async def test_the_body_of_the_answer_is_the_result(
    bench: Bench, target: Target, url: Callable[[str], str]
) -> None:
    report = await bench.run(ask(url=url("/")))
    assert (report.state, result_of(report)) == ("succeeded", "hi\n")
    assert [seen.state for seen in bench.reports] == ["started", "succeeded"]
    assert target.seen[0]["method"] == "GET"


async def test_method_body_and_headers_are_sent_with_secrets_and_the_steps_key(
    bench: Bench, target: Target, url: Callable[[str], str]
) -> None:
    secret = {"secretKeyRef": {"name": "hooks", "key": "token"}}
    headers = [
        {"name": "Content-Type", "value": "application/json"},
        {"name": "Authorization", "valueFrom": secret},
        {"name": "Host", "value": "inner.example"},
    ]
    report = await bench.run(ask(url=url("/"), method="PUT", headers=headers, body="{}"))
    assert report.state == "succeeded"
    [seen] = target.seen
    assert (seen["method"], seen["body"]) == ("PUT", b"{}")
    assert seen["headers"]["Content-Type"] == "application/json"
    assert seen["headers"]["Authorization"] == "Bearer s3cret"
    assert seen["headers"]["Host"] == "inner.example"
    assert seen["headers"]["Idempotency-Key"] == "run-1/ask"


async def test_an_idempotency_key_of_the_manifest_is_the_only_one(
    bench: Bench, target: Target, url: Callable[[str], str]
) -> None:
    await bench.run(ask(url=url("/"), headers=[{"name": "idempotency-key", "value": "mine"}]))
    keys = [v for k, v in target.seen[0]["headers"].items() if k.lower() == "idempotency-key"]
    assert keys == ["mine"]


async def test_a_body_of_bytes_is_decoded(
    bench: Bench, target: Target, url: Callable[[str], str]
) -> None:
    await bench.run(ask(url=url("/"), method="POST", bodyFrom={"bytes": "AP8="}))
    assert target.seen[0]["body"] == b"\x00\xff"


async def test_a_status_outside_2xx_fails_and_keeps_the_body(
    bench: Bench, url: Callable[[str], str]
) -> None:
    report = await bench.run(ask(url=url("/?status=404&say=gone")))
    assert (report.state, report.message) == ("failed", "received non-2xx response code: 404")
    assert result_of(report) == "gone"


CONDITIONS = {
    "status": ("response.statusCode == 404", True, ""),
    "header": ("response.headers['X-Color'][0] == 'red'", True, ""),
    "body": ("response.body contains 'no'", True, ""),
    "request": ("request.method == 'GET' and request.url contains 'status'", True, ""),
    "false": ("response.body == 'yes'", False, "successCondition 'response.body == 'yes'' evaluated"),
    "broken": ("response.statusCode", False, "unable to cast expression result"),
    "unknown": ("answer.status == 200", False, "unknown name answer"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONDITIONS)
async def test_a_success_condition_decides_alone(
    bench: Bench, url: Callable[[str], str], case: str
) -> None:
    condition, holds, message = CONDITIONS[case]
    report = await bench.run(ask(url=url("/?status=404&say=no"), successCondition=condition))
    assert (report.state == "succeeded") is holds
    assert message in report.message


REFUSED = {
    "secret": (
        {"headers": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}]},
        'template \'ask\' http.headers[0].valueFrom.secretKeyRef: secret "x" key "y" not found',
    ),
    "base64": ({"bodyFrom": {"bytes": "%"}}, "template 'ask' http.bodyFrom.bytes is not base64"),
    "method": ({"method": "FETCH"}, "template 'ask' http.method is 'FETCH', expected one of"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_field_that_cannot_be_used_is_named_and_nothing_is_sent(
    bench: Bench, target: Target, url: Callable[[str], str], case: str
) -> None:
    fields, message = REFUSED[case]
    report = await bench.run(ask(url=url("/"), **fields))
    assert report.state == "error"
    assert message in report.message
    assert target.seen == []


UNSENDABLE = {
    "nobody listens": "http://127.0.0.1:1/",
    "no such scheme": "file:///etc/passwd",
    "no url at all": "",
}


@pytest.mark.parametrize("case", UNSENDABLE)
async def test_what_cannot_be_sent_fails_with_the_address(bench: Bench, case: str) -> None:
    report = await bench.run(ask(url=UNSENDABLE[case]))
    assert report.state == "failed"
    assert report.message.startswith(f"GET {UNSENDABLE[case]}:")


async def test_a_line_break_in_a_header_is_refused(bench: Bench, url: Callable[[str], str]) -> None:
    headers = [{"name": "A", "value": "x\r\nB: y"}]
    assert (await bench.run(ask(url=url("/"), headers=headers))).state == "failed"


async def test_a_redirect_inwards_is_refused(bench: Bench, url: Callable[[str], str]) -> None:
    report = await bench.run(ask(url=url("/?status=302&to=http://127.0.0.1:1/")))
    assert report.state == "failed"
    assert "a private address" in report.message


async def test_an_endless_answer_is_cut_off(bench: Bench, url: Callable[[str], str]) -> None:
    async def pour(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(40):
            await answer.write(b"x" * (1 << 16))
        return answer

    app = web.Application()
    app.router.add_get("/", pour)
    async with TestServer(app) as server:
        report = await bench.run(ask(url=str(server.make_url("/"))))
    assert report.state == "failed"
    assert "is longer than 1048576 bytes" in report.message


async def test_the_timeout_and_the_deadline_end_a_request(
    another: Open, target: Target, url: Callable[[str], str]
) -> None:
    target.hold = asyncio.Event()
    report = await (await another()).run(ask(url=url("/slow"), timeoutSeconds=0.05))
    assert (report.state, "no answer within 0.05 s" in report.message) == ("failed", True)
    late = make_task("late", {"http": {"url": url("/slow")}}, deadline=in_seconds(0.05))
    assert (await (await another()).run(late)).message == DEADLINE_EXCEEDED


async def test_a_stopped_request_is_given_up(
    bench: Bench, target: Target, url: Callable[[str], str]
) -> None:
    target.hold = asyncio.Event()
    task = ask(url=url("/"))
    await bench.start(task)
    await target.arrived.wait()
    await bench.backend.stop(task.id, timedelta(seconds=30))
    assert (await bench.end(task)).message == "stopped"


async def test_an_end_is_told_again_after_a_restart_without_a_second_request(
    another: Open, target: Target, url: Callable[[str], str]
) -> None:
    task = ask(url=url("/"), method="POST")
    first = await (await another()).run(task)
    later = await another()
    await later.backend.adopt([task])
    assert await later.end(task) == first
    assert len(target.seen) == 1


async def test_starting_twice_sends_once(
    bench: Bench, target: Target, url: Callable[[str], str]
) -> None:
    task = ask(url=url("/"), method="POST")
    await bench.start(task, task)
    await bench.end(task)
    assert len(target.seen) == 1


@pytest.mark.parametrize(
    ("method", "state", "sent"), [("GET", "succeeded", 2), ("PUT", "succeeded", 2), ("POST", "error", 1)]
)  # fmt: skip
async def test_a_request_under_way_at_a_crash_is_sent_again_only_when_http_allows_it(
    another: Open, target: Target, url: Callable[[str], str], method: str, state: str, sent: int
) -> None:
    target.hold = asyncio.Event()
    task = ask(url=url("/"), method=method)
    before = await another()
    await before.start(task)
    await target.arrived.wait()
    after = await another()
    target.hold.set()
    await after.backend.adopt([task])
    report = await after.end(task)
    assert (report.state, len(target.seen)) == (state, sent)
    assert len({seen["headers"]["Idempotency-Key"] for seen in target.seen}) == 1
    assert state != "error" or "it is not known whether the request arrived" in report.message


async def test_a_forgotten_step_leaves_no_row(
    bench: Bench, database: Database, url: Callable[[str], str]
) -> None:
    task = ask(url=url("/"))
    await bench.run(task)
    await bench.backend.forget([task.id])
    assert await database.read("SELECT task FROM agent_tasks") == []
