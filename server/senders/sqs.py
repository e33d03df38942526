"""To the queue of an `sqs` source."""

import uuid

from events import aws, queue
from events.ports import Asker
from events.sources.sqs import SqsSource
from server.senders.ports import NoText

Config = SqsSource.Config


async def send(asker: Asker, config: SqsSource.Config, to: str, body: bytes) -> str:
    """Raises NoText, or AwsError naming the queue and what helps."""
    name, text = to or config.queue, _text(body)
    async with aws.Aws(config, asker).client("sqs") as client:
        url = await queue.find(client, name, config.queue_account_id)
        with aws.speaking_to(f"the queue {name}"):
            kept = await client.send_message(QueueUrl=url, MessageBody=text, **_ordered(url))
    return f"queue {name}, message {kept['MessageId']}"


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise NoText("a queue takes text only, and the body is none: send it as base64") from error


def _ordered(url: str) -> dict[str, str]:
    """What a FIFO queue asks for: each message is new."""
    if not url.endswith(".fifo"):
        return {}
    return {"MessageGroupId": "bireme-send", "MessageDeduplicationId": uuid.uuid4().hex}
