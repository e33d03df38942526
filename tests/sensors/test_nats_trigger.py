"""The nats trigger on a real server."""

from collections.abc import Iterator
from typing import Any

import pytest

from bireme.kit.reach import PUBLIC
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from tests.sensors.acting import Actor, payload, ref
from tests.servers import nats as servers
from tests.servers import process


@pytest.fixture(scope="module")
def server() -> Iterator[process.Server]:
    with servers.running() as found:
        yield found


async def test_a_message_is_published_once_and_carries_the_firing(
    server: process.Server, make_event: Any
) -> None:
    import nats

    url = f"nats://127.0.0.1:{server.port}"
    client = await nats.connect(url)
    seen = await client.subscribe("builds.>")
    await client.flush()
    async with Actor("nats") as actor:
        for id in ("f1", "f2"):
            receipt = await actor.fire(
                {"a": make_event("e1")}, id=id, url=url, subject="builds.done", payload=payload()
            )
    assert receipt.name == "builds.done"
    for id in ("f1", "f2"):
        message = await seen.next_msg(5)
        assert message.data == b'{"n":1}'
        assert (message.headers or {})["Nats-Msg-Id"] == id
    await client.close()


async def test_a_server_that_is_not_there_is_worth_a_retry() -> None:
    async with Actor("nats", user="user-of-nats", password="hunter2-secret") as actor:
        auth = {"basic": {"username": ref("user"), "password": ref("password")}}
        with pytest.raises(TriggerFailed, match=r"nats: a at nats://127\.0\.0\.1:1"):
            await actor.fire({}, url="nats://127.0.0.1:1", subject="a", auth=auth)
    async with Actor("nats", PUBLIC) as actor:
        with pytest.raises(TriggerRefused, match="private address"):
            await actor.fire({}, url="nats://127.0.0.1:1", subject="a")


def test_a_subject_with_wildcards_is_refused() -> None:
    with pytest.raises(BadSensor, match="cannot be published to"):
        Actor("nats").prepared({}, url="nats://x", subject="a.*", payload=payload())
