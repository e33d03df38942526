"""Events as values: CloudEvents 1.0 plus the place in our log."""

from datetime import datetime

import msgspec


# No collector: events hold nothing that could hold them, and there are thousands of them at a time.
class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One accepted event. `data` is the payload as the source shaped it, JSON text unless `content_type` says else.

    `source` is the EventSource object's name and `subject` the event's name in it (`spec.webhook.<subject>`), as Argo
    Events has them. `seq` is 0 until the log has accepted the event. `dedup` is the sender's own delivery id, empty
    when the protocol has none; two events of one source and subject with the same `dedup` are one event. `bus` is the
    EventBus that its source names, empty for the one named default.
    """

    id: str
    namespace: str
    source: str
    subject: str
    type: str
    time: datetime
    data: bytes
    content_type: str = "application/json"
    attributes: dict[str, str] = {}
    dedup: str = ""
    seq: int = 0
    received_at: datetime | None = None
    bus: str = ""
