"""Events larger than an outside bus takes are found before anything is sent: a server's refusal would not say which."""

from collections.abc import Callable, Sequence

from events.model import Event
from events.ports import TooLarge

# Names of headers, numbers and dates come to less than this.
_FIXED_BYTES = 2048
# The most that one character of an event's texts can take: four bytes, each written as %XX.
_BYTES_PER_CHARACTER = 12


def check(events: Sequence[Event], size_of: Callable[[Event], int], most: int, advice: str) -> None:
    """Sizes in bytes, as the server counts them. Raises TooLarge."""
    reasons = {
        event.id: f"EventSource {event.namespace}/{event.source}, event {event.subject} {event.id}: "
        f"{size} bytes with its headers, the bus takes at most {most}; {advice}"
        for event in events
        if _may_exceed(event, most) and (size := size_of(event)) > most
    }
    if reasons:
        raise TooLarge(reasons)


def _may_exceed(event: Event, most: int) -> bool:
    """False where counting can be spared, as for all but very few: counting costs as much as half a publication."""
    if event.attributes:
        return True
    texts = len(event.id) + len(event.namespace) + len(event.source) + len(event.subject)
    texts += len(event.type) + len(event.content_type) + len(event.dedup) + len(event.bus)
    return len(event.data) + _FIXED_BYTES + _BYTES_PER_CHARACTER * texts > most
