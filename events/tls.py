"""TLS towards a server, from the secrets a manifest names. For sources and buses that are clients of something."""

import ssl
import tempfile
from pathlib import Path

from events import fields
from events.ports import BadSourceConfig, Secrets

_OUT_OF_TIME = frozenset({9, 10})  # OpenSSL's numbers: not yet valid, expired
_OF_ANOTHER = frozenset({62, 64})  # host name, IP address


class Tls(fields.Fields, frozen=True, kw_only=True):
    """Argo's TLSConfig: whom to trust and who we are. Without anything but `enabled`, the system's authorities."""

    ca_cert_secret: fields.SecretRef | None = None
    client_cert_secret: fields.SecretRef | None = None
    client_key_secret: fields.SecretRef | None = None
    insecure_skip_verify: bool = False
    enabled: bool = False


def context(tls: Tls | None, secrets: Secrets, namespace: str) -> ssl.SSLContext | None:
    """What a client needs, None without TLS. Raises BadSourceConfig, NotFound."""
    if tls is None:
        return None
    if (tls.client_cert_secret is None) != (tls.client_key_secret is None):
        raise BadSourceConfig("tls: clientCertSecret and clientKeySecret go together")
    made = ssl.create_default_context()
    if tls.insecure_skip_verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    try:
        if ca := tls.ca_cert_secret:
            made.load_verify_locations(cadata=secrets.secret(namespace, ca.name, ca.key).decode())
        if tls.client_cert_secret and tls.client_key_secret:
            pair = (tls.client_cert_secret, tls.client_key_secret)
            parts = [secrets.secret(namespace, ref.name, ref.key) for ref in pair]
            _load_pair(made, b"\n".join(parts))
    except (ssl.SSLError, ValueError) as error:
        raise BadSourceConfig(f"tls: the certificates cannot be used: {error}") from error
    return made


def told(error: BaseException) -> str:
    """The error in words; what is wrong with the server's certificate by the field that would mend it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return str(error) or type(error).__name__
    said = cause.verify_message
    if cause.verify_code in _OUT_OF_TIME:
        return f"the server's certificate cannot be used: {said}; renew it there"
    if cause.verify_code in _OF_ANOTHER:
        return f"the server's certificate is of another address: {said}; correct the address, or renew it"
    return f"tls.caCertSecret does not vouch for the server: {said}"


def turned_away(field: str, error: BaseException) -> str:
    """What a server said to our credentials, with the field that names them."""
    return f"{field} is not accepted, check the secrets it names: {error}"


def _load_pair(made: ssl.SSLContext, pem: bytes) -> None:
    """The library reads keys from files only: a file of our own, readable by nobody else, gone at once."""
    with tempfile.TemporaryDirectory(prefix="bireme-tls-") as folder:
        path = Path(folder, "pair.pem")
        path.touch(mode=0o600)
        path.write_bytes(pem)
        made.load_cert_chain(path)
