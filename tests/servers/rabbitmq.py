"""A RabbitMQ broker. It needs some six seconds to start: one for a test session."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator

from tests.servers import process
from tests.servers.waiting import until

PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # the one of PATH would change the user


@contextlib.contextmanager
def running(*lines: str, user: str = "guest:guest") -> Iterator[process.Server]:
    """A broker at `amqp://<user>@127.0.0.1:<server.port>/`; `lines` are its configuration."""
    if not os.path.exists(PROGRAM):
        process.missing("rabbitmq-server")
    port, dist, mapper = process.free_port(), process.free_port(), process.free_port()
    with process.scratch("rabbitmq") as folder:
        (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        env = {
            "RABBITMQ_NODENAME": f"t{port}@localhost",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(dist),
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
            "HOME": str(folder),
        }
        server = process.Server([PROGRAM], port, folder, env)
        try:
            with process.running(server):
                asyncio.run(_answers(port, user))
                yield server
        finally:
            command = ["epmd", "-port", str(mapper), "-kill"]
            subprocess.run(command, check=False, capture_output=True, env={**os.environ, **env})


async def _answers(port: int, user: str) -> None:
    """The port is open some time before the broker speaks."""
    import aio_pika

    async def speaks() -> bool:
        try:
            connection = await aio_pika.connect(f"amqp://{user}@127.0.0.1:{port}/")
        except Exception:
            return False
        await connection.close()
        return True

    await until(speaks, "the broker speaks AMQP", 60)
