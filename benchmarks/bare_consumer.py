"""The least a consumer can be that starts a program a message: `python -m benchmarks.bare_consumer PORT TOPIC LOG`."""

import asyncio
import json
import os
import sys

from aiokafka import AIOKafkaConsumer

from benchmarks.bare import spawn


async def main(port: str, topic: str, log: str) -> None:
    out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=f"127.0.0.1:{port}",
        group_id="bare",
        auto_offset_reset="earliest",
    ) as consumer:
        async for record in consumer:
            spawn(json.loads(record.value)["n"], out)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
