"""What to do when a target refuses: the words of its library, and the field of the trigger that decides it."""

import re

_CASES = (
    (
        re.compile(r"certificate verify failed", re.IGNORECASE),
        "{kind}.tls.caCertSecret has to hold the authority that signed the server's certificate for this name",
    ),
    (
        re.compile(r"alert (bad certificate|certificate required|unknown ca)", re.IGNORECASE),
        "the server may want {kind}.tls.clientCertSecret and clientKeySecret of an authority it knows",
    ),
    (  # under TLS 1.3 the alert may come too late for a client that is writing by then
        re.compile(r"broken pipe|connection reset|connection lost", re.IGNORECASE),
        "a server that breaks off during TLS may want {kind}.tls.clientCertSecret and clientKeySecret",
    ),
    (
        re.compile(r"authorization violation|authentication failed|AuthenticationFailed", re.IGNORECASE),
        "check the secrets of {kind}.{login}",
    ),
)  # fmt: skip


def advised(text: str, kind: str, login: str) -> str:
    """The text with what to do, if it is known; `login` is the block with user and password."""
    for pattern, advice in _CASES:
        if pattern.search(text):
            return f"{text}; {advice.format(kind=kind, login=login)}"
    return text
