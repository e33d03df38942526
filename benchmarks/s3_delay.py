"""S3 upload → event in the log, beside the notification's own delay: upload → message at a bare long poller of SQS."""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import kept
from benchmarks.engine import Engine
from benchmarks.report import Figure
from tests.servers import moto, process, waiting

COUNT, _WARM = 60, 10
_PAUSE_S = 0.05  # for the poller to be waiting again
MANIFESTS = """
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: bench}
spec:
  s3:
    upload:
      bucket: landing
      region: us-east-1
      endpoint: http://127.0.0.1:%d
      accessKey: {name: aws, key: access}
      secretKey: {name: aws, key: secret}
      filter: {prefix: ours-}
      sqs: {queue: ours, waitTimeSeconds: 20}
---
apiVersion: v1
kind: Secret
metadata: {name: aws}
stringData: {access: test, secret: test}
"""


def delay() -> Figure:
    with moto.running() as store:
        plain = asyncio.run(_bare(store))
        ours = _ours(store)
    return Figure(
        name="S3 upload → event in the log, p50",
        value=ours,
        unit="ms",
        limit=plain,
        limit_name="notification at a bare long poller",
        ratio=ours / plain,
        target="≤ 1.20",
        met=ours / plain <= 1.2,
    )


def _ours(store: process.Server) -> float:
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder))
        engine.write("bench.yaml", MANIFESTS % store.port)
        engine.start()
        try:
            sent = asyncio.run(_upload_all(store, engine))
        finally:
            engine.stop()
        return _p50(sent, kept.times(engine))


async def _upload_all(store: process.Server, engine: Engine) -> list[float]:
    """One at a time, the next when the one before is in the log: so the two lists are in one order."""
    async with moto.client(store, "s3") as s3:
        return [await _taken_in(s3, engine, n) for n in range(COUNT)]


async def _taken_in(s3: Any, engine: Engine, number: int) -> float:
    at = await _upload(s3, f"ours-{number}")
    await asyncio.sleep(_PAUSE_S)
    await waiting.until(lambda: kept.count(engine) > number, "the upload is in the log")
    return at


async def _bare(store: process.Server) -> float:
    async with moto.client(store, "s3") as s3, moto.client(store, "sqs") as sqs:
        queue = await _make_bucket(s3, sqs)
        pairs = [await _one(s3, sqs, queue, f"bare-{n}.csv") for n in range(COUNT)]
    return _p50([sent for sent, _ in pairs], [seen for _, seen in pairs])


async def _one(s3: Any, sqs: Any, queue: str, key: str) -> tuple[float, float]:
    seen = asyncio.create_task(_seen(sqs, queue, key))
    await asyncio.sleep(_PAUSE_S)
    return await _upload(s3, key), await seen


async def _seen(sqs: Any, queue: str, key: str) -> float:
    """When the message about the object is here. The first of a queue is a test and about none."""
    body = ""
    while key not in body:
        answer = await sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)
        at = time.time()
        for message in answer.get("Messages", ()):
            body = message["Body"]
            await sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return at


async def _upload(s3: Any, key: str) -> float:
    """Returns when it was begun."""
    at = time.time()
    await s3.put_object(Bucket="landing", Key=key, Body=b"1,2,3\n")
    return at


async def _make_bucket(s3: Any, sqs: Any) -> str:
    """The bucket, whose uploads named `ours-` and `bare-` each have their queue; returns the bare one's address."""
    await s3.create_bucket(Bucket="landing")
    told = []
    for name in ("ours", "bare"):
        url = (await sqs.create_queue(QueueName=name))["QueueUrl"]
        about = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        rules = [{"Name": "prefix", "Value": f"{name}-"}]
        told.append(
            {
                "QueueArn": about["Attributes"]["QueueArn"],
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": rules}},
            }
        )
    await s3.put_bucket_notification_configuration(
        Bucket="landing", NotificationConfiguration={"QueueConfigurations": told}
    )
    return str(url)


def _p50(sent: list[float], seen: list[float]) -> float:
    """In milliseconds; the first ones do not count."""
    waits = [(after - before) * 1000 for before, after in zip(sent, seen, strict=True)]
    return statistics.median(waits[_WARM:])
