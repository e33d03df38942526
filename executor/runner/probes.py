"""Is the step up? Probes as Kubernetes writes them, each attempt in a child that can be killed."""

import os
import signal
import socket
from typing import Any, NoReturn

Probe = dict[str, Any]


class Watch:
    """Probes, asked one after the other until the last has succeeded often enough."""

    def __init__(self, probes: list[Probe]) -> None:
        self._left = list(probes)
        self._next_at: float | None = None
        self._asking = 0
        self._ask_until = 0.0
        self._in_a_row = 0

    def is_due(self, now: float) -> bool:
        """Whether the next attempt should start; a child that takes too long is killed on the way."""
        if not self._left:
            return False
        if self._next_at is None:
            self._next_at = now + float(self._left[0].get("initialDelaySeconds") or 0)
        if self._asking and now >= self._ask_until:
            os.kill(self._asking, signal.SIGKILL)
        return not self._asking and now >= self._next_at

    def start(self, now: float) -> None:
        probe = self._left[0]
        self._ask_until = now + float(probe.get("timeoutSeconds") or 1)
        self._next_at = now + float(probe.get("periodSeconds") or 10)
        self._asking = os.fork()
        if not self._asking:
            _ask(probe)

    def answered(self, pid: int, code: int, now: float) -> bool:
        """Take in the end of an attempt; True when with it everything is up."""
        if pid != self._asking:
            return False
        self._asking = 0
        self._in_a_row = 0 if code else self._in_a_row + 1
        if self._in_a_row < int(self._left[0].get("successThreshold") or 1):
            return False
        self._left.pop(0)
        self._in_a_row, self._next_at = 0, None
        return not self._left

    def wait_s(self, now: float, longest: float) -> float:
        """How long nothing need be looked at."""
        if not self._left or self._next_at is None:
            return longest
        at = self._ask_until if self._asking else self._next_at
        return min(max(at - now, 0.01), longest)


def _ask(probe: Probe) -> NoReturn:
    """The child: exit code 0 means yes."""
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD, signal.SIGTERM))
        code = 0 if _holds(probe) else 1
    finally:
        os._exit(code)


def _holds(probe: Probe) -> bool:
    timeout_s = float(probe.get("timeoutSeconds") or 1)
    if command := (probe.get("exec") or {}).get("command"):
        null = os.open(os.devnull, os.O_WRONLY)
        actions = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
        pid = os.posix_spawnp(command[0], command, probe["env"], file_actions=actions)
        return os.waitpid(pid, 0)[1] == 0
    if "tcpSocket" in probe:
        where = probe["tcpSocket"]
        address = (where.get("host") or "127.0.0.1", int(where["port"]))
        with socket.create_connection(address, timeout_s):
            return True
    return _answers(probe["httpGet"], timeout_s)


def _answers(where: Probe, timeout_s: float) -> bool:
    import http.client
    import ssl

    address = where.get("host") or "127.0.0.1", int(where["port"])
    headers = {h["name"]: h["value"] for h in where.get("httpHeaders") or ()}
    if str(where.get("scheme") or "HTTP").upper() == "HTTPS":
        trusting = (
            ssl._create_unverified_context()
        )  # as the kubelet does: it asks for life, not for identity
        client: http.client.HTTPConnection = http.client.HTTPSConnection(
            *address, timeout=timeout_s, context=trusting
        )
    else:
        client = http.client.HTTPConnection(*address, timeout=timeout_s)
    client.request("GET", where.get("path") or "/", headers=headers)
    return 200 <= client.getresponse().status < 400
