"""Events larger than an outside bus takes are found before anything is sent: a server's refusal would not say which."""

from collections.abc import Callable, Sequence

from events.model import Event
from events.ports import TooLarge


def check(events: Sequence[Event], size_of: Callable[[Event], int], most: int, advice: str) -> None:
    """Sizes in bytes, as the server counts them. Raises TooLarge."""
    reasons = {
        event.id: f"EventSource {event.namespace}/{event.source}, event {event.subject} {event.id}: "
        f"{size} bytes with its headers, the bus takes at most {most}; {advice}"
        for event in events
        if (size := size_of(event)) > most
    }
    if reasons:
        raise TooLarge(reasons)
