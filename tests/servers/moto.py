"""S3, SQS, SNS, EventBridge and Lambda of the package moto, as one server that really delivers notifications."""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator

from tests.servers import process

KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextlib.contextmanager
def running() -> Iterator[process.Server]:
    """A server at `http://127.0.0.1:<server.port>`; any keys are good."""
    if importlib.util.find_spec("moto") is None:
        process.missing("the package moto")
    port = process.free_port()
    with process.scratch("moto") as folder:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with process.running(process.Server(command, port, folder, KEYS)) as found:
            yield found
