"""The Kafka example for real: counts are exact, also when the engine is killed again and again under load."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.engine import Engine
from server.cli import send
from tests.servers import kafka, process

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("SOAK_KILLS", "3"))
MESSAGES = 30 * (KILLS + 1)


@pytest.fixture
def broker() -> Iterator[process.Server]:
    with kafka.running() as server:
        asyncio.run(make_topic(server.port))
        yield server


@pytest.fixture
def engine(tmp_path: Path, broker: process.Server) -> Iterator[Engine]:
    engine = Engine(tmp_path)
    for path in sorted((ROOT / "examples" / "kafka-pipeline").glob("*.yaml")):
        text = path.read_text().replace("127.0.0.1:9092", f"127.0.0.1:{broker.port}")
        engine.write(path.name, text.replace("groupName: bireme-orders", "groupName: e2e"))
    yield engine
    if engine.process is not None and engine.process.poll() is None:
        engine.stop()


async def make_topic(port: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
    await admin.start()
    await admin.create_topics([NewTopic("orders", 2, 1)])
    await admin.close()


async def produce(port: int, orders: list[dict[str, Any]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{port}")
    await producer.start()
    for order in orders:
        await producer.send_and_wait(
            "orders", json.dumps(order).encode(), partition=order["id"] % 2
        )
    await producer.stop()


def events(engine: Engine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.call("/api/v1/bireme/events?limit=1000")["items"]
    return found


def test_every_message_is_one_event_one_decision_and_at_most_one_workflow_through_kills(
    engine: Engine, broker: process.Server
) -> None:
    orders = [
        {"id": n, "state": "paid" if n % 3 else "open", "total": 150} for n in range(MESSAGES)
    ]
    engine.start()
    step = MESSAGES // (KILLS + 1)
    for kill in range(KILLS + 1):
        asyncio.run(produce(broker.port, orders[kill * step : (kill + 1) * step]))
        if kill < KILLS:
            engine.kill()
            engine.start()
    engine.until(lambda: len(events(engine)) >= MESSAGES, 90)
    paid = {order["id"] for order in orders if order["state"] == "paid"}
    engine.until(lambda: len(succeeded(engine)) >= len(paid), 90)
    assert Counter(e["data"]["body"]["id"] for e in events(engine)) == Counter(range(MESSAGES))
    decisions = engine.call("/api/v1/bireme/decisions?limit=1000")["items"]
    outcomes = Counter(decision["outcome"] for decision in decisions)
    assert outcomes == {"fired": len(paid), "filtered": MESSAGES - len(paid)}
    assert Counter(succeeded(engine)) == Counter(str(n) for n in paid)


def succeeded(engine: Engine) -> list[str]:
    """The order of each workflow that has ended well."""
    return [
        item["spec"]["arguments"]["parameters"][0]["value"]
        for item in engine.call("/api/v1/workflows/default?listOptions.limit=1000")["items"] or []
        if item["status"].get("phase") == "Succeeded"
    ]


def test_a_message_sent_from_the_command_line_arrives_and_can_be_read_again(
    engine: Engine, broker: process.Server
) -> None:
    engine.start()
    send.to_kafka(f"127.0.0.1:{broker.port}/orders", b'{"id": 7, "state": "paid", "total": 120}')
    engine.until(lambda: succeeded(engine) == ["7"], 60)
    path = "/api/v1/event-sources/default/kafka-orders/rewind"
    engine.call(path, {"event": "message", "to": "beginning"}, "PUT")
    engine.until(lambda: succeeded(engine) == ["7", "7"], 60)
