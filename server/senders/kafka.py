"""To the topic of a `kafka` source: the brokers have the message when `send` returns."""

import logging
from typing import Any

from events import kafka
from events.ports import TimedAsker
from events.sources.kafka import KafkaSource, access

Config = KafkaSource.Config


async def send(asker: TimedAsker, config: KafkaSource.Config, to: str, body: bytes) -> str:
    """As it is, also where the source reads Avro. Raises KafkaAway, BadSourceConfig, NotFound."""
    from aiokafka import AIOKafkaProducer
    from aiokafka.errors import KafkaConnectionError, KafkaError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what fails is said once, by us
    topic, brokers, options = to or config.topic, kafka.addresses(config.url), access(config, asker)
    producer: Any = AIOKafkaProducer(bootstrap_servers=brokers, **options)
    try:
        await producer.start()
        kept = await producer.send_and_wait(topic, body)
    except KafkaConnectionError as error:
        why = await kafka.why(error, brokers[0], options)
        raise kafka.KafkaAway(f"{why} at {config.url}") from error
    except KafkaError as error:
        raise kafka.KafkaAway(f"{topic} did not take the message: {error}") from error
    finally:
        await producer.stop()
    return f"{topic}, partition {kept.partition}, offset {kept.offset}"
