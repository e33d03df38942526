"""The custom trigger against a real gRPC server, whose messages are made by protobuf from Argo's definition."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from bireme.kit.reach import PUBLIC
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from tests.sensors.acting import Actor, payload, ref
from tests.servers import certificates

BYTES, BOOL, STRING = 12, 8, 9
MESSAGES = {
    "FetchResourceRequest": [("resource", BYTES)],
    "FetchResourceResponse": [("resource", BYTES)],
    "ExecuteRequest": [("resource", BYTES), ("payload", BYTES)],
    "ExecuteResponse": [("response", BYTES)],
    "ApplyPolicyRequest": [("request", BYTES)],
    "ApplyPolicyResponse": [("success", BOOL), ("message", STRING)],
}


def messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="trigger.proto", package="triggers", syntax="proto3"
    )
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, 1):
            message.field.add(name=field, number=number, type=kind, label=1)  # type: ignore[arg-type]
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call]
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"triggers.{name}"))  # type: ignore[no-untyped-call]
        for name in MESSAGES
    }


PROTO = messages()


class Theirs:
    """Somebody's trigger server."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, ...]] = []
        self.verdict: dict[str, Any] = {"success": True}
        self.code: grpc.StatusCode | None = None
        self.resource = b'{"color": "red", "n": 1}'
        self.url = ""

    async def FetchResource(self, request: Any, context: Any) -> Any:
        metadata = dict(context.invocation_metadata())
        self.seen.append(("fetch", request.resource.decode(), metadata["idempotency-key"]))
        if self.code is not None:
            await context.abort(self.code, "not now")
        return PROTO["FetchResourceResponse"](resource=self.resource)

    async def Execute(self, request: Any, context: Any) -> Any:
        self.seen.append(("execute", request.resource.decode(), request.payload.decode()))
        return PROTO["ExecuteResponse"](response=b"x" * 300)

    async def ApplyPolicy(self, request: Any, context: Any) -> Any:
        self.seen.append(("policy", str(len(request.request))))
        return PROTO["ApplyPolicyResponse"](**self.verdict)

    def handlers(self) -> Any:
        made = {
            name: grpc.unary_unary_rpc_method_handler(
                getattr(self, name),
                request_deserializer=PROTO[f"{name}Request"].FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for name in ("FetchResource", "Execute", "ApplyPolicy")
        }
        return grpc.method_handlers_generic_handler("triggers.Trigger", made)


@pytest.fixture
async def theirs() -> AsyncIterator[Theirs]:
    made = Theirs()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((made.handlers(),))
    made.url = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield made
    await server.stop(0)


async def test_a_resource_is_fetched_filled_and_executed(theirs: Theirs, make_event: Any) -> None:
    color = {"src": {"dependencyName": "a", "dataKey": "body.n"}, "dest": "color"}
    async with Actor("custom") as actor:
        receipt = await actor.fire(
            {"a": make_event("e1")}, serverURL=theirs.url, spec={"size": "large"},
            parameters=[color], payload=payload(),
        )  # fmt: skip
    assert receipt.kind == "custom"
    assert theirs.seen == [
        ("fetch", "size: large\n", "f1"),
        ("execute", '{"color": "1", "n": 1}', '{"n":1}'),
        ("policy", "300"),
    ]


async def test_a_policy_that_says_no_is_a_failure(theirs: Theirs) -> None:
    theirs.verdict = {"success": False, "message": "half done"}
    async with Actor("custom") as actor:
        with pytest.raises(TriggerFailed, match="custom: half done"):
            await actor.fire({}, serverURL=theirs.url, spec={"a": "b"})


async def test_codes_say_whether_a_retry_may_help(theirs: Theirs) -> None:
    async with Actor("custom") as actor:
        theirs.code = grpc.StatusCode.UNAVAILABLE
        with pytest.raises(TriggerFailed, match="UNAVAILABLE: not now"):
            await actor.fire({}, serverURL=theirs.url, spec={"a": "b"})
        theirs.code = grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(TriggerRefused, match="INVALID_ARGUMENT: not now"):
            await actor.fire({}, serverURL=theirs.url, spec={"a": "b"})


async def test_a_server_is_trusted_by_its_certificate(tmp_path: Path) -> None:
    authority = certificates.authority(tmp_path)
    pair = certificates.signed(tmp_path, authority, "server")
    made, server = Theirs(), grpc.aio.server()
    server.add_generic_rpc_handlers((made.handlers(),))
    shown = grpc.ssl_server_credentials([(pair.key.read_bytes(), pair.certificate.read_bytes())])
    port = server.add_secure_port("127.0.0.1:0", shown)
    await server.start()
    block = {
        "serverURL": f"127.0.0.1:{port}", "secure": True, "certSecret": ref("ca"),
        "serverNameOverride": "localhost", "spec": {"a": "b"},
    }  # fmt: skip
    async with Actor("custom", ca=authority.texts[0]) as actor:
        assert (await actor.fire({}, **block)).kind == "custom"
    other = tmp_path / "other"
    other.mkdir()
    async with Actor("custom", ca=certificates.authority(other).texts[0]) as actor:
        with pytest.raises(TriggerFailed, match="UNAVAILABLE"):
            await actor.fire({}, **block)
    await server.stop(0)


async def test_a_private_server_is_out_of_public_reach() -> None:
    async with Actor("custom", PUBLIC) as actor:
        with pytest.raises(TriggerRefused, match="private address"):
            await actor.fire({}, serverURL="localhost:1", spec={"a": "b"})
    with pytest.raises(BadSensor, match=r"custom\.serverURL is missing"):
        Actor("custom").prepared({})


HOSTILE = [b"\xff" * 20, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a", b"\x0f\x00"]


@pytest.mark.parametrize("answer", HOSTILE)
def test_what_is_no_message_is_refused_by_the_reader(answer: bytes) -> None:
    from sensors.triggers.custom import _decoded

    with pytest.raises(ValueError, match=r"number|field|wire"):
        _decoded(answer, 1)
