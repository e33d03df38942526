"""S3 upload → event in the log, beside the notification's own delay: upload → message at a bare long poller of SQS."""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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
    """Uploads in turn for the engine and for a bare poller, each a process of its own that waits all the time."""
    with moto.running() as store:
        ours, plain = _both(store)
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


def _both(store: process.Server) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        engine, log = Engine(Path(folder)), Path(folder, "bare.log")
        queue = asyncio.run(_make_bucket(store))
        engine.write("bench.yaml", MANIFESTS % store.port)
        engine.start()
        command = [sys.executable, "-m", "benchmarks.bare_poller", str(store.port), queue]
        with log.open("w") as out, subprocess.Popen(command, stdout=out) as poller:
            try:
                ours, plain = asyncio.run(_upload_all(store, engine, log))
            finally:
                poller.terminate()
                engine.stop()
        return _p50(ours, kept.times(engine)), _p50(plain, _seen(log))


async def _upload_all(
    store: process.Server, engine: Engine, log: Path
) -> tuple[list[float], list[float]]:
    """One at a time, the next when the one before has come: so uploads and arrivals are in one order."""
    ours: list[float] = []
    plain: list[float] = []
    async with moto.client(store, "s3") as s3:
        for n in range(COUNT):
            plain.append(await _come(s3, f"bare-{n}", lambda: len(_seen(log)) == len(plain) + 1))
            ours.append(await _come(s3, f"ours-{n}", lambda: kept.count(engine) == len(ours) + 1))
    return ours, plain


async def _come(s3: Any, key: str, has_come: Callable[[], bool]) -> float:
    """Returns when the upload was begun. Both pollers are given the time to be waiting again."""
    await asyncio.sleep(_PAUSE_S)
    at = await _upload(s3, key)
    await asyncio.sleep(_PAUSE_S)
    await waiting.until(has_come, f"{key} has come")
    return at


def _seen(log: Path) -> list[float]:
    """When each message came to the bare poller, in the order of the uploads."""
    return [float(line) for line in log.read_text().splitlines()]


async def _upload(s3: Any, key: str) -> float:
    """Returns when it was begun."""
    at = time.time()
    await s3.put_object(Bucket="landing", Key=key, Body=b"1,2,3\n")
    return at


async def _make_bucket(store: process.Server) -> str:
    """The bucket, whose uploads named `ours-` and `bare-` each have their queue; returns the bare one's address."""
    async with moto.client(store, "s3") as s3, moto.client(store, "sqs") as sqs:
        return await _notifying(s3, sqs)


async def _notifying(s3: Any, sqs: Any) -> str:
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
