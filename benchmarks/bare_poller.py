"""The least a long poller can be: `python -m benchmarks.bare_poller PORT QUEUE`.

It waits for a queue's messages and deletes them. For every one about an object it prints when the message was here, in
seconds of the clock.
"""

import asyncio
import sys
import time

from tests.servers.moto import client_at


async def main(port: str, queue: str) -> None:
    async with client_at(int(port), "sqs") as sqs:
        while True:
            answer = await sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)
            at = time.time()
            for message in answer.get("Messages", ()):
                handle = message["ReceiptHandle"]
                await sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
                if "Records" in message["Body"]:  # the first of a queue is a test and about none
                    print(at, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
