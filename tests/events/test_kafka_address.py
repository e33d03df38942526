"""Addresses of Kafka brokers as people write them."""

import pytest

from events import kafka


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("broker:9093", ("broker", 9093)),
        ("broker", ("broker", 9092)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[::1]:9093", ("::1", 9093)),
        ("[::1]", ("::1", 9092)),
    ],
)
def test_the_port_may_be_left_out(written: str, meant: tuple[str, int]) -> None:
    assert kafka.address(written) == meant


async def test_an_address_that_is_none_is_told_and_ends_nothing() -> None:
    from aiokafka.errors import KafkaConnectionError

    told = await kafka.why(KafkaConnectionError(), "broker:port", {"security_protocol": "SSL"})
    assert "port" in told.lower()
