"""Events posted to the API, for WorkflowEventBindings, as Argo Workflows takes them."""

import orjson
from aiohttp import web
from multidict import CIMultiDictProxy

from events.model import Event
from server import bindings
from server.api import applied, replies
from server.api.routes import Ask, BadRequest, Routes

routes = Routes()

applied.declare(
    routes,
    "/api/v1/workflow-event-bindings/{namespace}",
    "workfloweventbindings",
    "WorkflowEventBinding",
    "workflowEventBinding",
)


@routes.add("POST", "/api/v1/events/{namespace}/{discriminator:.*}", "create", "workflowevents")
async def receive(ask: Ask) -> web.StreamResponse:
    """Answers once the event is durable. What the bindings make of it is told by `bireme explain event`."""
    deck = ask.deck
    now = deck.clock.now()
    event = Event(
        id=deck.ids.uid(),
        namespace=ask.part("namespace"),
        source=bindings.SOURCE,
        subject=bindings.SUBJECT,
        type="workflow-event",
        time=now,
        data=await _data(ask),
    )
    await deck.bus.publish([event])
    return replies.reply({})


async def _data(ask: Ask) -> bytes:
    """What selectors and arguments see."""
    raw = (await ask.request.read()).strip() or b"null"
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    head = {
        "namespace": ask.part("namespace"),
        "discriminator": ask.part("discriminator"),
        "metadata": seen(ask.request.headers),
    }
    return orjson.dumps(head)[:-1] + b',"payload":' + raw + b"}"


def seen(headers: CIMultiDictProxy[str]) -> dict[str, list[str]]:
    """Of the headers those that senders make up, by lower-case name: the others may be secret."""
    names = sorted({name.lower() for name in headers if name.lower().startswith("x-")})
    return {name: headers.getall(name) for name in names}
