"""Argo Events' own cases on filters, bodies, statuses and calendars of event sources."""

import io
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from bireme.kit.clock import SystemClock
from bireme.kit.errors import NotFound
from bireme.kit.ids import CountedIds
from bireme.lang.errors import LangError
from bireme.storage.ports import StorageUnavailable
from events import filtering
from events.buses.memory import MemoryBus
from events.http import Listeners
from events.run import EventBank
from events.sources import calendar, file

CASES = Path(__file__).parents[2] / ".." / "shared" / "conformance" / "cases" / "argo-events.json"
TOKEN = {"name": "hooks", "key": "token"}
MISSING = {"name": "hooks", "key": "missing"}

needs_cases = pytest.mark.skipif(not CASES.exists(), reason="no conformance material")


def cases(group: str) -> list[Any]:
    return list(json.loads(CASES.read_text())[group]) if CASES.exists() else []


@needs_cases
@pytest.mark.parametrize("case", cases("eventSourceFilter"), ids=lambda case: case["expression"])
def test_a_filter_decides_as_upstream(case: Any) -> None:
    payload = case["data"].encode()
    if case["error"] is None:
        assert filtering.PayloadFilter(case["expression"]).accepts(payload) is case["result"]
        return
    with pytest.raises(LangError):
        filtering.PayloadFilter(case["expression"]).accepts(payload)


@needs_cases
@pytest.mark.parametrize("case", cases("envExpand"), ids=lambda case: json.dumps(case["input"]))
def test_dotted_names_become_objects_as_upstream(case: Any) -> None:
    """Removing conflicts and expanding are one step here, so the removed form is compared expanded."""
    expected = case["output"]
    if case["op"] == "removeConflicts":
        expected = filtering.names(json.dumps(expected).encode())
    assert filtering.names(json.dumps(case["input"]).encode()) == expected


@needs_cases
@pytest.mark.parametrize("case", cases("fileOps"), ids=lambda case: case["op"])
def test_file_operations_have_upstreams_numbers(case: Any) -> None:
    assert int(file.operations(case["op"])) == case["value"]


@needs_cases
@pytest.mark.parametrize("case", cases("exclusionDates"), ids=lambda case: case["input"][0])
def test_exclusion_dates_are_read_as_upstream(case: Any) -> None:
    expected = [datetime.fromisoformat(date) for date in case["dates"]]
    assert calendar.exclusion_dates(case["input"]) == expected


class RefusingBus(MemoryBus):
    """A bus whose store can be taken away."""

    away = False

    async def publish(self, events: Any, also: Any = None) -> Any:
        if self.away:
            raise StorageUnavailable("the disk is full")
        return await super().publish(events, also)


class OneSecret:
    def secret(self, namespace: str, name: str, key: str) -> bytes:
        if key != "token":
            raise NotFound(f"no secret {namespace}/{name} key {key}")
        return b"s3cret\n"

    def config(self, namespace: str, name: str, key: str) -> str:
        raise NotFound(f"no config map {namespace}/{name} key {key}")


class Served:
    """A bank with one webhook source at a time, and its client."""

    def __init__(self, bus: RefusingBus, bank: EventBank, client: aiohttp.ClientSession) -> None:
        self.bus = bus
        self.bank = bank
        self.client = client
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    async def serve(self, **config: Any) -> None:
        event = {"endpoint": "/fake", "port": str(self.port), "method": "POST", **config}
        await self.apply({"webhook": {"fake": event}})

    async def apply(self, spec: dict[str, Any]) -> None:
        metadata = SimpleNamespace(name="hooks", namespace="default")
        await self.bank.apply(SimpleNamespace(metadata=metadata, raw={"spec": spec}))
        await self.bank.settled()

    async def ask(
        self, method: str, path: str = "/fake", body: str = "{}", headers: Any = None
    ) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.client.request(
            method, url, data=io.BytesIO(body.encode()) if body else None, headers=headers
        ) as response:
            return response.status, await response.text()

    async def last_payload(self) -> str:
        async for events in self.bus.read("test", 0):
            return events[-1].data.decode()
        return ""


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    clock, listeners = SystemClock(), Listeners("127.0.0.1")
    bus = RefusingBus(clock)
    bank = EventBank(
        bus_of=lambda *_: bus,
        clock=clock,
        ids=CountedIds(),
        secrets=OneSecret(),
        state=None,  # type: ignore[arg-type]
        http=listeners,
    )
    async with aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as client:
        yield Served(bus, bank, client)
    await bank.close()
    await listeners.close()


@needs_cases
@pytest.mark.parametrize("number", range(len(cases("webhookBody"))))
async def test_a_body_becomes_a_payload_as_upstream(served: Served, number: int) -> None:
    case = cases("webhookBody")[number]
    request = case["request"]
    await served.serve(method=case.get("configuredMethod", request["method"]))
    status, _ = await served.ask(
        request["method"],
        request.get("url", "/fake"),
        request.get("body", ""),
        request.get("headers"),
    )
    assert status == case["status"]
    if "payloadContains" in case:
        assert case["payloadContains"] in await served.last_payload()


async def inactive(served: Served) -> tuple[int, str]:
    await served.serve()
    event = {"endpoint": "/other", "port": str(served.port), "method": "POST"}
    fake = {"endpoint": "/fake", "port": str(served.port), "method": "POST"}
    await served.apply({"webhook": {"fake": fake, "other": event}})
    assert (await served.ask("POST", "/other"))[0] == 200
    await served.apply({"webhook": {"other": event}})
    return await served.ask("POST")


async def other_method(served: Served) -> tuple[int, str]:
    await served.serve(method="GET")
    return await served.ask("POST")


async def no_token(served: Served) -> tuple[int, str]:
    await served.serve(authSecret=TOKEN)
    assert (await served.ask("POST", headers={"Authorization": "Basic x"}))[0] == 401
    return await served.ask("POST")


async def other_token(served: Served) -> tuple[int, str]:
    await served.serve(authSecret=TOKEN)
    right = {"Authorization": "Bearer s3cret"}
    assert (await served.ask("POST", headers=right))[0] == 200
    return await served.ask("POST", headers={"Authorization": "Bearer other"})


async def unreadable_secret(served: Served) -> tuple[int, str]:
    await served.serve(authSecret=MISSING)
    return await served.ask("POST", headers={"Authorization": "Bearer s3cret"})


async def too_large(served: Served) -> tuple[int, str]:
    await served.serve()
    return await served.ask("POST", body='"' + "x" * 1_048_576 + '"')


async def published(served: Served) -> tuple[int, str]:
    await served.serve()
    return await served.ask("POST")


async def filtered(served: Served) -> tuple[int, str]:
    await served.serve(filter={"expression": "body.ok.missing == 1"})
    assert await served.ask("POST") == (200, "success")
    await served.serve(filter={"expression": "false"})
    return await served.ask("POST")


async def not_recorded(served: Served) -> tuple[int, str]:
    await served.serve()
    served.bus.away = True
    return await served.ask("POST")


async def health(served: Served) -> tuple[int, str]:
    await served.serve()
    return await served.ask("GET", "/health")


async def unknown_path(served: Served) -> tuple[int, str]:
    await served.serve()
    return await served.ask("POST", "/elsewhere")


SCENES: dict[str, Callable[[Served], Awaitable[tuple[int, str]]]] = {
    "route inactive (service not ready)": inactive,
    "method differs from spec.method": other_method,
    'authSecret set, Authorization header missing or not "Bearer <x>"': no_token,
    "authSecret set, token differs": other_token,
    "authSecret set, secret unreadable": unreadable_secret,
    "body larger than maxPayloadSize (default 1048576)": too_large,
    "event published": published,
    "event filtered out by filter.expression (or the filter failed)": filtered,
    "bus publish failed after 5 attempts": not_recorded,
    "GET /health": health,
    "unknown path": unknown_path,
}


@needs_cases
@pytest.mark.parametrize("case", cases("webhookStatus"), ids=lambda case: case["when"])
async def test_a_request_is_answered_as_upstream(served: Served, case: Any) -> None:
    status, words = await SCENES[case["when"]](served)
    assert status == case["status"]
    assert words == case.get("body", words)
