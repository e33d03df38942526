"""To the queue of an `sqs` source."""

import uuid

from events import aws, queue
from events.ports import Asker
from events.sources.sqs import SqsSource

Config = SqsSource.Config


async def send(asker: Asker, config: SqsSource.Config, to: str, body: bytes) -> str:
    """Raises AwsError naming the queue and what helps."""
    name = to or config.queue
    async with aws.Aws(config, asker).client("sqs") as client:
        url = await queue.find(client, name, config.queue_account_id)
        with aws.speaking_to(f"the queue {name}"):
            kept = await client.send_message(
                QueueUrl=url, MessageBody=body.decode(), **_ordered(url)
            )
    return f"queue {name}, message {kept['MessageId']}"


def _ordered(url: str) -> dict[str, str]:
    """What a FIFO queue asks for: each message is new."""
    if not url.endswith(".fifo"):
        return {}
    return {"MessageGroupId": "bireme-send", "MessageDeduplicationId": uuid.uuid4().hex}
