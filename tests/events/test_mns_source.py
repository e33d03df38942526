"""The mns source against a fake of the service, which comes in no package we can start."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.servers import mns, webapi
from tests.servers.waiting import until


@pytest.fixture
async def queue() -> AsyncIterator[mns.Mns]:
    fake = mns.Mns()
    async with webapi.running(fake):
        yield fake


async def apply(bench: Any, fake: mns.Mns, **config: Any) -> None:
    bench.secrets.values.setdefault(("aliyun", "id"), mns.ACCESS_KEY.encode())
    bench.secrets.values.setdefault(("aliyun", "key"), mns.SECRET_KEY)
    event = {
        "endpoint": fake.url, "queue": "orders", "accessKey": {"name": "aliyun", "key": "id"},
        "secretKey": {"name": "aliyun", "key": "key"}, **config,
    }  # fmt: skip
    await bench.apply({"mns": {"orders": event}})


@pytest.mark.parametrize("text", ['{"n": 1} <&>', base64.b64encode(b'{"n": 1} <&>').decode()])
async def test_a_message_becomes_one_event_and_leaves_the_queue(
    bench: Any, queue: mns.Mns, text: str
) -> None:
    sent = queue.send(text)
    await apply(bench, queue, metadata={"team": "shop"}, jsonBody=True)
    (event,) = await bench.arrived(1)
    payload = json.loads(event.data)
    assert list(payload) == ["messageId", "body", "metadata"]
    assert payload["messageId"] == sent
    assert base64.b64decode(payload["body"]) == b'{"n": 1} <&>'
    await until(lambda: queue.deleted == [sent], "it is deleted")


async def test_a_message_that_comes_again_is_one_event(bench: Any, queue: mns.Mns) -> None:
    sent = queue.send("a")
    await apply(bench, queue)
    await until(lambda: queue.deleted == [sent])
    queue.visible.append((sent, "a"))
    await until(lambda: queue.deleted == [sent, sent], "it came again and was deleted")
    assert len(await bench.events()) == 1
    assert bench.bank.status()[0].duplicates == 1


async def test_a_wrong_key_is_told_without_the_key(bench: Any, queue: mns.Mns) -> None:
    bench.secrets.values["aliyun", "key"] = b"hunter2"
    await apply(bench, queue)
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert "403 SignatureDoesNotMatch" in status.error
    assert "hunter2" not in status.error


async def test_an_unknown_queue_is_named(bench: Any, queue: mns.Mns) -> None:
    await apply(bench, queue, queue="nowhere")
    assert "nowhere/messages: 404 QueueNotExist" in bench.bank.status()[0].error


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"queue": ""}, "queue is missing"),
        ({"endpoint": "mns.aliyuncs.com"}, "endpoint is 'mns.aliyuncs.com'"),
        ({"secretKey": None}, "accessKey and secretKey"),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, queue: mns.Mns, config: dict[str, Any], complaint: str
) -> None:
    await apply(bench, queue, **config)
    status = bench.bank.status()[0]
    assert status.state == "refused"
    assert complaint in status.error
