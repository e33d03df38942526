"""The email trigger against a real SMTP server."""

from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from bireme.kit.reach import PUBLIC
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from tests.sensors.acting import Actor, ref
from tests.servers import process


class Post:
    """Keeps the mails; `full` are recipients whose box is full."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.full: set[str] = set()
        self.port = 0

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address in self.full:
            return "452 the box is full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, kind: str, data: Any) -> Any:
        good = isinstance(data, LoginPassword) and data.password == b"hunter2-secret"
        return AuthResult(success=good, handled=False)


@pytest.fixture
def post() -> Iterator[Post]:
    made = Post()
    made.port = process.free_port()
    controller = Controller(
        made, hostname="127.0.0.1", port=made.port,
        authenticator=made.authenticate, auth_require_tls=False,
    )  # fmt: skip
    controller.start()
    yield made
    controller.stop()


def mail(post: Post, **more: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1", "port": post.port, "from": "b@example.com",
        "to": ["one@example.com", "two+tag@example.technology"], "subject": "s", "body": "hello",
        **more,
    }  # fmt: skip


def parsed(text: str) -> Message:
    import email

    return email.message_from_string(text)


async def test_each_recipient_gets_a_mail_of_its_own(post: Post, make_event: Any) -> None:
    subject = {
        "src": {"dependencyName": "a", "dataTemplate": "build {{ .Input.body.n }}"},
        "dest": "subject",
    }
    async with Actor("email", password="hunter2-secret") as actor:
        receipt = await actor.fire(
            {"a": make_event("e1")},
            **mail(post, parameters=[subject], username="me", smtpPassword=ref("password")),
        )
    assert receipt.note == "2 mail(s) sent"
    assert [to for to, _ in post.mails] == [["one@example.com"], ["two+tag@example.technology"]]
    first, second = (parsed(text) for _, text in post.mails)
    assert (first["Subject"], first["From"]) == ("build 1", "b@example.com")
    assert first.get_payload().strip() == "hello"  # type: ignore[union-attr]
    assert first["Message-ID"] != second["Message-ID"]


async def test_who_has_the_mail_does_not_get_it_again(post: Post) -> None:
    post.full = {"one@example.com"}
    async with Actor("email") as actor:
        with pytest.raises(TriggerFailed, match=r"1 not sent: one@example\.com: 452 the box"):
            await actor.fire({}, **mail(post))
        post.full = set()
        await actor.fire({}, **mail(post))
    assert [to for to, _ in post.mails] == [["two+tag@example.technology"], ["one@example.com"]]


async def test_a_wrong_password_is_not_tried_again_and_not_shown(post: Post) -> None:
    async with Actor("email", password="wrong-password") as actor:
        with pytest.raises(TriggerRefused, match="does not accept me: code 535") as failure:
            await actor.fire({}, **mail(post, username="me", smtpPassword=ref("password")))
    assert "wrong-password" not in str(failure.value)


async def test_a_password_is_not_sent_in_the_clear_to_another_machine(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensors.triggers import email

    monkeypatch.setattr(email, "_MACHINE", frozenset())
    async with Actor("email", password="hunter2-secret") as actor:
        with pytest.raises(TriggerRefused, match="offers no TLS"):
            await actor.fire({}, **mail(post, username="me", smtpPassword=ref("password")))
    assert post.mails == []


async def test_a_server_that_is_not_there_or_out_of_reach() -> None:
    post = Post()
    post.port = 1
    async with Actor("email") as actor:
        with pytest.raises(TriggerFailed, match=r"email: 127\.0\.0\.1:1"):
            await actor.fire({}, **mail(post))
    async with Actor("email", PUBLIC) as actor:
        with pytest.raises(TriggerRefused, match="private address"):
            await actor.fire({}, **mail(post))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no recipient": ({"to": []}, "email.to can't be empty"),
    "no body": ({"body": ""}, "email.body can't be empty"),
    "no subject": ({"subject": ""}, "email.subject can't be empty"),
    "a second header in the subject": ({"subject": "s\r\nBcc: x@y.z"}, "has a line break"),
    "a second recipient": ({"to": ["a@b.c\r\nBcc: x@y.z"]}, "is no address"),
    "a recipient in disguise": ({"to": ["a@b.c <x@y.z>"]}, "is no address"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_mail_is_refused(name: str) -> None:
    more, message = REFUSED[name]
    with pytest.raises(BadSensor) as failure:
        Actor("email").prepared({}, **mail(Post(), **more))
    assert message in str(failure.value)
