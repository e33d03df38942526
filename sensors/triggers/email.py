"""The `email` trigger: one mail for each recipient.

    template:
      name: tell
      email:
        host: smtp.example.com
        port: 587
        username: bireme
        smtpPassword: {name: smtp, key: password}
        from: bireme@example.com
        to: [team@example.com]
        subject: a build has begun
        body: hello
        parameters:
          - {src: {dependencyName: push, dataTemplate: "build of {{ .Input.body.ref }}"}, dest: subject}

Port 465 speaks TLS from the start; on others TLS is begun where the server offers it, and a password is sent over TLS
only (or to this machine). Parameters of both levels apply. When some recipients are refused the others still get their
mail, and a further attempt leaves those out. A mail's Message-ID follows from the firing and the recipient.
"""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

import asyncio
import re
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

from bireme.kit import ids
from bireme.manifests.base import KeySelector
from events.model import Event
from sensors import definition, fields, targets
from sensors.credentials import Credentials
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

Json = dict[str, Any]

_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_TIMEOUT_S = 30.0
_TLS_PORT = 465
_REMEMBERED = 1000
_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


@triggers.register("email")
class EmailTrigger:
    """Sends by SMTP, in a thread; a connection lives for one firing."""

    class Config(fields.Fields, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        host: str = ""
        port: int = 0
        username: str = ""
        smtp_password: KeySelector | None = None
        from_: str = ""
        to: list[str] = []
        subject: str = ""
        body: str = ""

    def __init__(self, surroundings: Surroundings) -> None:
        self.around = surroundings
        self.sent: dict[str, set[str]] = {}

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "email", events)
        for field in ("host", "to", "body", "subject"):
            if not block.get(field):
                raise BadSensor(f"email.{field} can't be empty")
        to = [_address(one) for one in block["to"]]
        return {
            "host": block["host"],
            "port": int(block.get("port") or 25),
            "username": block.get("username") or "",
            "password": block.get("smtpPassword"),
            "from": _address(block.get("from") or block.get("username") or ""),
            "to": to,
            "subject": _line(block["subject"]),
            "body": str(block["body"]),
            "at": origin.at,
        }

    async def fire(self, firing: Firing) -> Receipt:
        spec = firing.spec or {}
        credentials = Credentials(self.around.secrets, firing.namespace, "email")
        password = credentials.optional(spec["password"], "smtpPassword")
        address = await targets.check(self.around.reach, spec["host"], "email")
        done = self._done(firing.id)
        mails = [mail for mail in _mails(firing, spec) if mail.recipient not in done]
        server = _Server(spec["host"], address, spec["port"], spec["username"], password)
        failures = await asyncio.to_thread(server.send, mails, done)
        if failures:
            raise TriggerFailed(f"email: {len(failures)} not sent: {'; '.join(failures)}")
        self.sent.pop(firing.id, None)
        return Receipt(kind="email", note=f"{len(spec['to'])} mail(s) sent")

    async def close(self) -> None:
        """Holds nothing."""

    def _done(self, firing: str) -> set[str]:
        """To whom earlier attempts of the firing have sent their mail."""
        while len(self.sent) > _REMEMBERED:
            del self.sent[next(iter(self.sent))]
        return self.sent.setdefault(firing, set())


@dataclass(frozen=True, slots=True)
class _Mail:
    """One message to one recipient."""

    recipient: str
    message: EmailMessage


@dataclass(frozen=True, slots=True)
class _Server:
    """A mail server, at the address that was checked."""

    host: str
    address: str
    port: int
    username: str
    password: str

    def send(self, mails: list[_Mail], done: set[str]) -> list[str]:
        """Why some of the mails were not sent, by recipient; the others' recipients are added to `done`."""
        try:
            with self._connected() as smtp:
                return [text for mail in mails if (text := _sent(smtp, mail, done))]
        except smtplib.SMTPAuthenticationError as error:
            raise TriggerRefused(
                f"email: {self.host} does not accept {self.username}: code {error.smtp_code}"
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise TriggerFailed(
                f"email: {self.host}:{self.port}: {error}; the engine trusts the authorities of its system, or"
                " those in the file that SSL_CERT_FILE names"
            ) from error
        except (OSError, smtplib.SMTPException) as error:
            raise TriggerFailed(f"email: {self.host}:{self.port}: {error}") from error

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        is_tls = self.port == _TLS_PORT
        smtp = _TlsSmtp(self.address, context) if is_tls else _Smtp(self.address)
        try:
            smtp.connect(self.host, self.port)
            smtp.ehlo_or_helo_if_needed()
            if not is_tls and smtp.has_extn("starttls"):
                smtp.starttls(context=context)
                is_tls = True
            if self.username:
                self._log_in(smtp, is_tls)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _log_in(self, smtp: smtplib.SMTP, is_secure: bool) -> None:
        if not is_secure and self.host not in _MACHINE:
            raise TriggerRefused(
                f"email: {self.host}:{self.port} offers no TLS; the password is not sent in the clear"
            )
        smtp.login(self.username, self.password)


class _Smtp(smtplib.SMTP):
    """Connects to one address, whatever the name says by now."""

    def __init__(self, address: str) -> None:
        super().__init__(timeout=_TIMEOUT_S)
        self._address = address

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self._host = host
        return socket.create_connection((self._address, port), timeout)


class _TlsSmtp(_Smtp):
    """The same, with TLS from the first byte."""

    def __init__(self, address: str, context: ssl.SSLContext) -> None:
        super().__init__(address)
        self._context = context

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = super()._get_socket(host, port, timeout)
        return self._context.wrap_socket(plain, server_hostname=host)


def _sent(smtp: smtplib.SMTP, mail: _Mail, done: set[str]) -> str:
    try:
        smtp.send_message(mail.message, to_addrs=[mail.recipient])
    except smtplib.SMTPResponseException as error:
        return f"{mail.recipient}: {error.smtp_code} {_words(error.smtp_error)}"
    except smtplib.SMTPRecipientsRefused as error:
        [(code, words)] = error.recipients.values()
        return f"{mail.recipient}: {code} {_words(words)}"
    done.add(mail.recipient)
    return ""


def _words(text: bytes | str) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text


def _mails(firing: Firing, spec: Json) -> list[_Mail]:
    domain = spec["from"].rpartition("@")[2]
    mails = []
    for recipient in spec["to"]:
        message = EmailMessage()
        message["From"], message["To"] = spec["from"], recipient
        message["Subject"] = spec["subject"]
        message["Date"] = formatdate(spec["at"])
        message["Message-ID"] = f"<{ids.digest(firing.id, recipient)}@{domain}>"
        message.set_content(spec["body"])
        mails.append(_Mail(recipient, message))
    return mails


def _address(given: Any) -> str:
    if not _ADDRESS.fullmatch(str(given)):
        raise BadSensor(f"email: {given!r} is no address, expected one such as team@example.com")
    return str(given)


def _line(given: Any) -> str:
    text = str(given)
    if any(sign in text for sign in "\r\n\0"):
        raise BadSensor("email.subject has a line break")
    return text
