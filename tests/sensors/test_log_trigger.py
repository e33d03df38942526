"""The log trigger: what is seen of the events of a firing."""

from typing import Any

import structlog

from events.model import Event
from sensors.model import Firing, Origin
from sensors.triggers.log import LogTrigger


async def test_each_dependency_is_one_line_with_its_data(deck: Any, make_event: Any) -> None:
    trigger = LogTrigger(deck.bank.outbox.surroundings)
    image = Event(
        id="i", namespace="default", source="src", subject="b", type="s3", time=deck.clock.now(),
        data=b"\x00\x01", content_type="image/png",
    )  # fmt: skip
    spec = trigger.prepare({}, {"a": make_event("e1"), "b": image}, Origin("default", "s", "t", 0))
    made = Firing(id="f", namespace="default", sensor="s", trigger="t", kind="log", spec=spec)
    with structlog.testing.capture_logs() as lines:
        receipt = await trigger.fire(made)
    assert [(line["dependency"], line["data"]) for line in lines] == [
        ("a", '{"body": {"n": 1}}'),
        ("b", "AAE="),
    ]
    assert receipt.note == "2 line(s) logged"
