"""The bank: what is applied runs, what fails is said, and nobody stops a neighbour."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from bireme.kit.errors import InvalidManifest
from events.registry import sources
from tests.events.conftest import manifest


def webhook(port: int, endpoint: str = "/push", **config: Any) -> dict[str, Any]:
    return {"endpoint": endpoint, "method": "POST", "port": str(port), **config}


def states(bench: Any) -> dict[str, str]:
    return {status.subject: status.state for status in bench.bank.status()}


async def ask(bench: Any, port: int, path: str) -> int:
    async with bench.client.post(f"http://127.0.0.1:{port}{path}", data=b"{}") as response:
        return int(response.status)


async def test_every_event_of_a_source_listens(bench: Any, free_port: Callable[[], int]) -> None:
    port = free_port()
    await bench.apply({"webhook": {"a": webhook(port, "/a"), "b": webhook(port, "/b")}})
    assert states(bench) == {"a": "listening", "b": "listening"}
    assert [await ask(bench, port, path) for path in ("/a", "/b")] == [200, 200]
    assert [event.subject for event in await bench.events()] == ["a", "b"]


@pytest.mark.parametrize(("named", "kept"), [("audit", "audit"), ("default", "")])
async def test_events_know_the_bus_that_their_source_names(
    bench: Any, free_port: Callable[[], int], named: str, kept: str
) -> None:
    port = free_port()
    await bench.apply({"eventBusName": named, "webhook": {"a": webhook(port)}})
    assert await ask(bench, port, "/push") == 200
    assert [event.bus for event in await bench.events()] == [kept]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"port": "abc"}, "spec.webhook.bad: failed to parse server port 'abc'"),
        ({"port": ""}, "port can't be empty"),
        ({"endpoint": ""}, "endpoint can't be empty"),
        ({"endpont": "/x"}, "endpont"),
        ({"maxPayloadSize": []}, "spec.webhook.bad.maxPayloadSize"),
        ({"filter": {"expression": "body.("}}, "spec.webhook.bad.filter.expression: "),
        ({"serverCertSecret": {"name": "a", "key": "b"}}, "go together"),
    ],
)
async def test_a_config_that_cannot_work_is_refused_in_words_and_alone(
    bench: Any, free_port: Callable[[], int], config: dict[str, Any], words: str
) -> None:
    port = free_port()
    good, bad = webhook(port, "/good"), webhook(port, "/bad") | config
    if "serverCertSecret" in config:
        bad["port"] = str(free_port())
    await bench.apply({"webhook": {"bad": bad, "good": good}})
    refused, listening = bench.bank.status()
    assert words in refused.error
    assert refused.state != "listening"
    assert listening.state == "listening"
    assert await ask(bench, port, "/good") == 200


async def test_an_unknown_kind_is_refused_with_the_known_ones(bench: Any) -> None:
    await bench.apply({"telegraph": {"morse": {}}, "replicas": 1, "eventBusName": "default"})
    (status,) = bench.bank.status()
    assert status.state == "refused"
    assert "unknown kind 'telegraph'" in status.error
    assert ", ".join(sources.kinds()) in status.error


async def test_two_events_of_one_name_are_refused_and_nothing_changes(
    bench: Any, free_port: Callable[[], int]
) -> None:
    port = free_port()
    await bench.apply({"webhook": {"a": webhook(port)}})
    with pytest.raises(InvalidManifest, match='more than one "a" found in the spec'):
        await bench.apply({"webhook": {"a": webhook(port)}, "calendar": {"a": {"interval": "1h"}}})
    assert await ask(bench, port, "/push") == 200


async def test_the_second_claim_on_a_path_waits_and_names_the_first(
    bench: Any, free_port: Callable[[], int]
) -> None:
    port = free_port()
    await bench.apply({"webhook": {"a": webhook(port)}}, name="first")
    await bench.apply({"webhook": {"b": webhook(port)}}, name="second")
    first, second = bench.bank.status()
    assert (first.state, second.state) == ("listening", "waiting to restart")
    assert "taken by webhook 'a' of EventSource default/first" in second.error


async def test_applying_again_restarts_only_what_changed(
    bench: Any, free_port: Callable[[], int]
) -> None:
    port = free_port()
    await bench.apply({"webhook": {"a": webhook(port, "/a"), "b": webhook(port, "/b")}})
    await ask(bench, port, "/a")
    await ask(bench, port, "/b")
    await bench.apply({"webhook": {"a": webhook(port, "/a"), "b": webhook(port, "/c")}})
    counts = {status.subject: status.accepted for status in bench.bank.status()}
    assert counts == {"a": 1, "b": 0}
    assert [await ask(bench, port, path) for path in ("/a", "/b", "/c")] == [200, 400, 200]


async def test_a_source_whose_server_is_silent_holds_up_no_other(
    bench: Any, free_port: Callable[[], int]
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    port = free_port()
    async with await asyncio.start_server(silent, "127.0.0.1", port):
        away = {"redis": {"a": {"hostAddress": f"127.0.0.1:{port}", "channels": ["x"]}}}
        await bench.bank.apply(manifest(away, "away"))
        hook = {"endpoint": "/a", "method": "POST", "port": str(free_port())}
        await bench.bank.apply(manifest({"webhook": {"b": hook}}, "hooks"))
        await asyncio.wait_for(bench.bank.settled("default", "hooks"), 5)
        assert [one.state for one in bench.bank.status()] == ["starting", "listening"]
        await bench.bank.close()


async def test_what_left_the_manifest_stops(bench: Any, free_port: Callable[[], int]) -> None:
    port = free_port()
    await bench.apply({"webhook": {"a": webhook(port, "/a"), "b": webhook(port, "/b")}})
    await bench.apply({"webhook": {"b": webhook(port, "/b")}})
    assert states(bench) == {"b": "listening"}
    assert [await ask(bench, port, path) for path in ("/a", "/b")] == [400, 200]


async def test_a_removed_source_frees_its_port(bench: Any, free_port: Callable[[], int]) -> None:
    port = free_port()
    await bench.apply({"webhook": {"a": webhook(port)}})
    await bench.bank.remove("default", "hooks")
    assert bench.bank.status() == []
    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(bench, port, "/push")
    await bench.apply({"webhook": {"a": webhook(port)}})
    assert await ask(bench, port, "/push") == 200


def test_every_kind_says_how_it_is_written() -> None:
    """The module's docstring shows the manifest of its kind."""
    import sys

    for kind in sources.kinds():
        module = sys.modules[sources[kind].__module__]  # type: ignore[attr-defined]
        assert f"      {kind}:" in (module.__doc__ or "")
