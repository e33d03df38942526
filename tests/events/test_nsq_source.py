"""The nsq source against a fake nsqd and lookup daemon: NSQ itself comes in no package we can start."""

import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bireme.storage.ports import StorageUnavailable
from tests.servers import certificates, nsqd, webapi
from tests.servers.waiting import until


@pytest.fixture
async def near() -> AsyncIterator[nsqd.Nsqd]:
    async with nsqd.running(nsqd.Nsqd()) as server:
        yield server


@pytest.fixture
async def lookup(near: nsqd.Nsqd) -> AsyncIterator[nsqd.Lookup]:
    async with AsyncExitStack() as stack:
        server = nsqd.Lookup(near)
        await stack.enter_async_context(webapi.running(server))
        yield server


async def apply(bench: Any, lookup: nsqd.Lookup, **config: Any) -> None:
    host = lookup.url.removeprefix("http://")
    event = {"hostAddress": host, "topic": "orders", "channel": "ship", "jsonBody": True, **config}
    await bench.apply({"nsq": {"orders": event}})


async def test_a_message_becomes_one_event_and_is_finished(
    bench: Any, near: nsqd.Nsqd, lookup: nsqd.Lookup
) -> None:
    name = near.send(b'{"n": 1.50}')
    await apply(bench, lookup, metadata={"team": "shop"})
    (event,) = await bench.arrived(1)
    payload = json.loads(event.data)
    assert list(payload) == ["body", "timestamp", "nsqdAddress", "metadata"]
    assert payload["timestamp"] == str(1527000000000000000 + int(name, 16))
    assert payload["nsqdAddress"] == near.address
    assert b'"body":{"n":1.50}' in event.data
    await until(lambda: near.finished == [name], "the message is finished")
    assert "SUB orders ship" in near.said


async def test_bytes_are_base64_without_json_body(
    bench: Any, near: nsqd.Nsqd, lookup: nsqd.Lookup
) -> None:
    await apply(bench, lookup, jsonBody=False)
    near.send("plain ✓".encode())
    payload = json.loads((await bench.arrived(1))[0].data)
    assert base64.b64decode(payload["body"]).decode() == "plain ✓"


async def test_a_message_that_is_delivered_twice_is_one_event(
    bench: Any, near: nsqd.Nsqd, lookup: nsqd.Lookup
) -> None:
    await apply(bench, lookup)
    name = near.send(b"1")
    await until(lambda: near.finished == [name])
    near.give((name, b"1", 1))
    last = near.send(b"2")
    await until(lambda: near.finished == [name, name, last])
    assert len(await bench.events()) == 2
    assert bench.bank.status()[0].duplicates == 1


async def test_poison_is_finished_and_does_not_stop_the_others(
    bench: Any, near: nsqd.Nsqd, lookup: nsqd.Lookup
) -> None:
    await apply(bench, lookup)
    sent = [near.send(b"no json"), near.send(b"{}")]
    await bench.arrived(1)
    await until(lambda: near.finished == sent)
    assert len(await bench.events()) == 1


async def test_a_message_is_not_finished_while_the_log_cannot_be_written(
    bench: Any, near: nsqd.Nsqd, lookup: nsqd.Lookup
) -> None:
    publish = bench.bus.publish
    tries = 0

    async def away(events: Any, also: Any = None) -> Any:
        nonlocal tries
        tries += 1
        raise StorageUnavailable("the disk is full")

    bench.bus.publish = away
    await apply(bench, lookup)
    name = near.send(b"{}")
    await until(lambda: tries >= 2, "it is tried again")
    assert near.finished == []
    assert near.in_flight == 1
    bench.bus.publish = publish
    await until(lambda: near.finished == [name])
    assert len(await bench.events()) == 1


async def test_heartbeats_are_answered(bench: Any, near: nsqd.Nsqd, lookup: nsqd.Lookup) -> None:
    await apply(bench, lookup)
    near.beat()
    await until(lambda: "NOP" in near.said)


async def test_a_message_in_hand_when_the_connection_breaks_comes_again(
    bench: Any, near: nsqd.Nsqd, lookup: nsqd.Lookup
) -> None:
    await apply(bench, lookup)
    near.hang_up()
    await until(lambda: bench.bank.status()[0].state == "waiting to restart")
    name = near.send(b"{}")
    await until(lambda: near.finished == [name], "it is connected again")
    assert len(await bench.events()) == 1


async def test_every_nsqd_is_listened_to_and_one_that_is_away_does_not_stop_the_others(
    bench: Any, near: nsqd.Nsqd, lookup: nsqd.Lookup
) -> None:
    far, gone = nsqd.Nsqd(), nsqd.Nsqd()
    lookup.nsqds = (gone, near, far)
    async with nsqd.running(far):
        await apply(bench, lookup)
        near.send(b"1")
        far.send(b"2")
        events = await bench.arrived(2)
    found = {json.loads(event.data)["nsqdAddress"] for event in events}
    assert found == {near.address, far.address}
    assert bench.bank.status()[0].restarts == 0


async def test_a_topic_nobody_has_yet_is_waited_for(bench: Any, lookup: nsqd.Lookup) -> None:
    lookup.nsqds = ()
    await apply(bench, lookup)
    assert bench.bank.status()[0].state == "listening"


async def test_what_an_nsqd_has_against_us_is_told(
    bench: Any, near: nsqd.Nsqd, lookup: nsqd.Lookup
) -> None:
    near.refusal = b"E_BAD_CHANNEL SUB channel name is not valid"
    await apply(bench, lookup)
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert near.address in status.error
    assert "E_BAD_CHANNEL" in status.error


async def test_nothing_is_sent_in_the_open_when_tls_is_wanted(
    bench: Any, near: nsqd.Nsqd, lookup: nsqd.Lookup
) -> None:
    await apply(bench, lookup, tls={"enabled": True})
    assert "does not offer it" in bench.bank.status()[0].error
    assert not [line for line in near.said if line.startswith("SUB")]


async def test_tls_is_spoken_when_it_is_wanted(bench: Any, tmp_path: Path) -> None:
    authority = certificates.authority(tmp_path)
    pair = certificates.signed(tmp_path, authority, "nsqd")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    bench.secrets.values["tls", "ca"] = authority.certificate.read_bytes()
    async with nsqd.running(nsqd.Nsqd(context)) as server, AsyncExitStack() as stack:
        lookup = nsqd.Lookup(server)
        await stack.enter_async_context(webapi.running(lookup))
        await apply(bench, lookup, tls={"caCertSecret": {"name": "tls", "key": "ca"}})
        name = server.send(b"{}")
        await until(lambda: server.finished == [name])
    assert len(await bench.events()) == 1


@pytest.mark.parametrize("field", ["hostAddress", "topic", "channel"])
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, lookup: nsqd.Lookup, field: str
) -> None:
    await apply(bench, lookup, **{field: ""})
    status = bench.bank.status()[0]
    assert status.state == "refused"
    assert f"{field} is missing" in status.error
