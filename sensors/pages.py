"""Pages of lists that are newest first: where one ends is where the next begins, whatever is taken off in between."""

from typing import Any, NamedTuple

from bireme.kit.errors import UserError

AFTER = "(created_at < ? OR (created_at = ? AND id > ?))"
"""The condition for rows that follow a mark, in the order `created_at DESC, id`."""


class BadMark(UserError):
    """A `continue` that no page has ended with."""


class Mark(NamedTuple):
    """The last item of a page."""

    created_at: float
    id: str

    @property
    def params(self) -> tuple[Any, ...]:
        """What `AFTER` takes."""
        return (self.created_at, self.created_at, self.id)


def mark(text: str) -> Mark | None:
    """None for an empty text: the first page. Raises BadMark."""
    if not text:
        return None
    moment, _, id = text.partition(",")
    try:
        return Mark(float(moment), id)
    except ValueError as error:
        raise BadMark(
            f"continue: expected what a page of the list has ended with, found '{text}'"
        ) from error


def answer(found: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """One page of at most `limit` out of one item more than that, with the text for the next one if there is one."""
    items = found[:limit]
    if len(found) <= limit or not items:
        return {"items": items}
    return {"items": items, "continue": text_of(items[-1])}


def text_of(item: dict[str, Any]) -> str:
    """The `continue` of a page that ends with this item."""
    return f"{item['createdAt']!r},{item['id']}"
