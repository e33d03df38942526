"""The S3 example for real: objects and data sets start workflows, once each, also when the engine is killed."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.engine import TOKEN, Engine
from tests.servers import moto, process

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "s3-etl"
TOLD = {"landing-uploads": "sales/", "landing-days": "daily/"}


async def make_bucket(server: process.Server) -> None:
    """The bucket, the queues and the notifications, as the example's README makes them."""
    async with moto.client(server, "s3") as s3, moto.client(server, "sqs") as sqs:
        await s3.create_bucket(Bucket="landing")
        told = []
        for queue, prefix in TOLD.items():
            url = (await sqs.create_queue(QueueName=queue))["QueueUrl"]
            about = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
            rules = [{"Name": "prefix", "Value": prefix}]
            told.append(
                {
                    "QueueArn": about["Attributes"]["QueueArn"],
                    "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
                    "Filter": {"Key": {"FilterRules": rules}},
                }
            )
        await s3.put_bucket_notification_configuration(
            Bucket="landing", NotificationConfiguration={"QueueConfigurations": told}
        )


@pytest.fixture
def store() -> Iterator[process.Server]:
    with moto.running() as server:
        asyncio.run(make_bucket(server))
        yield server


@pytest.fixture
def engine(tmp_path: Path, store: process.Server) -> Iterator[Engine]:
    engine = Engine(tmp_path)
    for path in sorted(EXAMPLE.glob("*.yaml")):
        text = path.read_text().replace("127.0.0.1:5000", f"127.0.0.1:{store.port}")
        engine.write(
            path.name,
            text.replace("waitTimeSeconds: 5", "waitTimeSeconds: 1, visibilityTimeout: 3"),
        )
    yield engine
    if engine.process is not None and engine.process.poll() is None:
        engine.stop()


def send(engine: Engine, store: process.Server, *options: str) -> None:
    """`bireme send s3`, as people type it."""
    place = ["--server", f"http://127.0.0.1:{engine.port}", "--token", TOKEN]
    env = {**os.environ, **moto.KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store.port}"}
    command = [sys.executable, "-m", "server", "send", "s3", *place, *options]
    subprocess.run(command, env=env, check=True, timeout=60, capture_output=True)


def named(engine: Engine, prefix: str) -> list[dict[str, Any]]:
    return [
        one
        for one in engine.workflows()
        if one["metadata"]["name"].startswith(prefix) and one["status"].get("phase") == "Succeeded"
    ]


def parameters(engine: Engine, run: dict[str, Any]) -> dict[str, str]:
    whole = engine.workflow(run["metadata"]["name"])
    return {one["name"]: one["value"] for one in whole["spec"]["arguments"]["parameters"]}


def test_uploads_and_complete_days_start_workflows(engine: Engine, store: process.Server) -> None:
    engine.start()
    send(engine, store, "--event", "upload")
    engine.until(lambda: len(named(engine, "etl-")) == 1)
    file = parameters(engine, named(engine, "etl-")[0])["file"]
    assert file.startswith("sales/sent-")
    assert file.endswith(".csv")

    send(engine, store, "--to", "s3://landing/daily/2026-11-26/a.csv")
    engine.kill()
    send(engine, store, "--to", "s3://landing/daily/2026-11-26/b.csv")
    send(engine, store, "--to", "s3://landing/sales/while-away.csv")
    send(engine, store, "--to", "s3://landing/daily/2026-11-26/_SUCCESS")
    engine.start()
    engine.until(lambda: len(named(engine, "day-")) == 1 and len(named(engine, "etl-")) == 2)
    day = parameters(engine, named(engine, "day-")[0])
    assert day == {"day": "2026-11-26", "objects": "2"}
    kinds = [one["type"] for one in engine.call("/api/v1/bireme/events")["items"]]
    assert kinds == ["s3"] * 3
