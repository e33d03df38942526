"""Signatures of Amazon SNS messages: versions 1 and 2, with certificates from nowhere but SNS itself."""

import base64
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bireme.kit.errors import MissingExtra, ServiceError, UserError
from events import rest
from events.ports import EventsError

_HOST = re.compile(r"sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?")
_MOST_BYTES = 64 * 1024
_MOST_KEPT = 16
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = (
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
)

Fetch = Callable[[str], Awaitable[bytes]]


class NotSigned(UserError):
    """The message is not what SNS has signed."""


class CertificateUnavailable(EventsError, ServiceError):
    """SNS's certificate cannot be had now."""

    retriable = True
    blame = "service"


class Envelope(msgspec.Struct, frozen=True, rename="pascal"):
    """What every message to an HTTP endpoint has."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    timestamp: str = ""
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)
    signature_version: str = ""
    signature: str = ""
    signing_cert_url: str = msgspec.field(name="SigningCertURL", default="")

    def signed_text(self) -> bytes:
        """The text that the signature is over: names and values in turn, one a line, of what is there."""
        names = _NOTIFICATION if self.type == "Notification" else _CONFIRMATION
        values = msgspec.to_builtins(self)
        lines = [f"{name}\n{values[name]}\n" for name in names if values.get(name) is not None]
        return "".join(lines).encode()


class Verifier:
    """Verifies messages; `fetch` gets a certificate. Some certificates are kept, for they change rarely."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    async def verify(self, envelope: Envelope) -> None:
        """Raises NotSigned, or CertificateUnavailable when that cannot be known now."""
        url = envelope.signing_cert_url
        if not is_of_sns(url):
            raise NotSigned(f"SigningCertURL is no address of SNS: {url[:200]!r}")
        if not envelope.signature:
            raise NotSigned("the message has no signature")
        if url not in self._kept:
            self._kept[url] = await self._fetch(url)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        check(envelope, self._kept[url])


def is_of_sns(url: str) -> bool:
    """Whether the address is SNS's own: https, its host, no port, no user, a PEM file."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and _HOST.fullmatch(parts.netloc) is not None
        and parts.path.endswith(".pem")
    )


def check(envelope: Envelope, certificate: bytes) -> None:
    """Raises NotSigned unless the certificate's key has signed the envelope."""
    try:
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
    except ModuleNotFoundError as error:
        raise MissingExtra("crypto", "verifying signatures of SNS") from error
    algorithms: dict[str, Any] = {"1": hashes.SHA1(), "2": hashes.SHA256()}
    algorithm = algorithms.get(envelope.signature_version)
    if algorithm is None:
        raise NotSigned(f"SignatureVersion {envelope.signature_version[:20]!r} is neither 1 nor 2")
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
        signature = base64.b64decode(envelope.signature, validate=True)
        if not isinstance(key, rsa.RSAPublicKey):
            raise NotSigned("the certificate's key is no RSA key")
        key.verify(signature, envelope.signed_text(), padding.PKCS1v15(), algorithm)
    except (ValueError, InvalidSignature) as error:
        raise NotSigned("the signature does not fit the message") from error


async def fetch(url: str) -> bytes:
    """The certificate at the address. No redirect is followed."""
    timeout = aiohttp.ClientTimeout(total=10)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            text = await rest.whole(answer, _MOST_BYTES)
            if answer.status != 200:
                raise CertificateUnavailable(f"{url}: {answer.status}")
            return text
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise CertificateUnavailable(f"{url}: {str(error) or type(error).__name__}") from error
