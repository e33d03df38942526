"""The least a consumer can be that commits each batch: `python -m benchmarks.bare_commits PORT TOPIC COUNT`.

It does nothing with a message. It prints how many a second it took, from the first batch to the last.
"""

import asyncio
import sys
import time
from uuid import uuid4

from aiokafka import AIOKafkaConsumer

from benchmarks.report import rate


async def main(port: str, topic: str, count: int) -> float:
    times: list[float] = []
    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=f"127.0.0.1:{port}",
        group_id=f"bare-{uuid4().hex}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) as consumer:
        while len(times) < count:
            found = await consumer.getmany(timeout_ms=1000, max_records=500)
            if found:
                await consumer.commit()
            times += [time.time()] * sum(map(len, found.values()))
    return rate(times)


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
