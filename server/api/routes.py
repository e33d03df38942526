"""Declared routes: every path says which verb on which resource it is, or that it is public. Nothing else is served."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from bireme.kit.errors import UserError
from server.deck import Deck

Handler = Callable[["Ask"], Awaitable[web.StreamResponse]]

DECK: web.AppKey[Deck] = web.AppKey("deck", Deck)


@dataclass(frozen=True, slots=True)
class Route:
    """`verb` on `resource`, as authorization will ask; public routes need no token and reveal nothing but health."""

    method: str
    path: str
    verb: str
    resource: str
    handler: Handler
    public: bool = False


class Routes:
    """The routes of one module, declared by decorator."""

    def __init__(self) -> None:
        self.declared: list[Route] = []

    def add(
        self, method: str, path: str, verb: str, resource: str, *, public: bool = False
    ) -> Callable[[Handler], Handler]:
        """Declare that the decorated handler answers `method path`."""

        def declare(handler: Handler) -> Handler:
            self.declared.append(Route(method, path, verb, resource, handler, public))
            return handler

        return declare


@dataclass(frozen=True, slots=True)
class Ask:
    """One request with what a handler needs: the deck, the path's parts, the query, the decoded body."""

    request: web.Request
    deck: Deck

    def part(self, name: str) -> str:
        """A piece of the path."""
        return self.request.match_info[name]

    @property
    def namespace(self) -> str:
        """The namespace in the path; "" (or "-") asks for all."""
        named = self.request.match_info.get("namespace", "")
        return "" if named == "-" else named

    def query(self, name: str, default: str = "") -> str:
        return self.request.query.get(name, default)

    def number(self, name: str, default: int = 0) -> int:
        """Raises BadRequest when the query parameter is no number."""
        text = self.query(name)
        try:
            return int(text) if text else default
        except ValueError as error:
            raise BadRequest(
                f"query parameter {name}: expected a number, found '{text}'"
            ) from error

    def flag(self, name: str) -> bool:
        return self.query(name).lower() in ("true", "1")

    async def body(self) -> dict[str, object]:
        """The JSON object in the body, {} when it is empty. Raises BadRequest."""
        import orjson

        raw = await self.request.read()
        try:
            decoded = orjson.loads(raw) if raw else {}
        except orjson.JSONDecodeError as error:
            raise BadRequest(f"the body is not JSON: {error}") from error
        if not isinstance(decoded, dict):
            raise BadRequest("the body must be a JSON object")
        return decoded


class BadRequest(UserError):
    """The request cannot be understood; the message says what was expected."""
