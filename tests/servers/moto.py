"""S3, SQS, SNS, EventBridge and Lambda of the package moto, as one server that really delivers notifications."""

import contextlib
import importlib.util
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

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


def account(server: process.Server) -> dict[str, Any]:
    """How a manifest reaches it, with the keys in the secret `aws`."""
    return {
        "endpoint": f"http://127.0.0.1:{server.port}",
        "region": "us-east-1",
        "accessKey": {"name": "aws", "key": "access"},
        "secretKey": {"name": "aws", "key": "secret"},
    }


def client(server: process.Server, service: str) -> Any:
    """A test's own client."""
    return client_at(server.port, service)


@contextlib.asynccontextmanager
async def client_at(port: int, service: str) -> AsyncIterator[Any]:
    from aiobotocore.session import get_session

    async with get_session().create_client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ) as found:
        yield found
