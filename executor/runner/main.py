"""The runner's loop: one socket, the children, the timers. Entry point of the process `executor.link` starts."""

import fcntl
import json
import os
import select
import signal
import socket
import sys
from typing import Any

from executor.runner import files
from executor.runner.steps import Steps

SOCKET = "runner.sock"
LOCK = "runner.lock"
PROTOCOL = 1
_LINGER_S = 5.0
_QUIET_S = 0.01
_STARTS_PER_TURN = 8


class Connection:
    """One engine that listens: bytes both ways, whole lines out of them."""

    def __init__(self, plug: socket.socket) -> None:
        self.plug = plug
        self._in = b""
        self.out = bytearray()
        self.is_blocked = False

    def lines(self) -> list[bytes] | None:
        """Whole lines that have come; None when the engine is gone."""
        try:
            chunk = self.plug.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not chunk:
            return None
        *whole, self._in = (self._in + chunk).split(b"\n")
        return whole

    def flush(self) -> bool:
        """Send what can be sent; False when the engine is gone."""
        try:
            while self.out:
                del self.out[: self.plug.send(self.out)]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


class Runner:
    """Serves one data directory until nobody listens and nothing runs."""

    def __init__(self, root: str) -> None:
        self._root = root
        os.makedirs(f"{root}/steps", exist_ok=True)
        files.spread(f"{root}/steps")
        self._poller = select.epoll()
        self._steps = Steps(root, self._poller, self._tell)
        self._connections: dict[int, Connection] = {}
        self._pending: list[dict[str, Any]] = []
        self._view = ""
        self._listener = self._listen()
        self._wakeup = self._wake_on_children()

    def run(self, ready: int) -> None:
        """Until idle; `ready` is told once engines can connect."""
        self._steps.take_over()
        os.write(ready, b"1")
        os.close(ready)
        while self._turn():
            pass
        os.unlink(f"{self._root}/{SOCKET}")

    def _turn(self) -> bool:
        """One round; False when it is time to go."""
        is_idle = self._steps.is_idle and not self._connections and not self._pending
        events = self._poller.poll(self._timeout(is_idle))
        for fd, _ in events:
            self._handle(fd)
        self._steps.reap()
        self._steps.run_timers()
        self._start_some()
        for fd, connection in list(self._connections.items()):
            self._flush(fd, connection)
        if not events:
            self._steps.rest()
        return bool(events) or not is_idle

    def _timeout(self, is_idle: bool) -> float | None:
        if self._pending:
            return 0.0
        if is_idle:
            return _LINGER_S
        timer = self._steps.next_timer()
        if self._steps.is_rested:
            return timer
        return _QUIET_S if timer is None else min(timer, _QUIET_S)

    def _handle(self, fd: int) -> None:
        if fd == self._listener.fileno():
            self._accept()
        elif fd == self._wakeup:
            os.read(fd, 4096)
        elif fd in self._steps.watched:
            self._steps.watched_ended(fd)
        elif fd in self._connections:
            self._receive(fd)

    def _accept(self) -> None:
        plug, _ = self._listener.accept()
        plug.setblocking(False)
        connection = Connection(plug)
        self._connections[plug.fileno()] = connection
        self._poller.register(plug.fileno(), select.EPOLLIN)
        ready = {"op": "ready", "protocol": PROTOCOL, "pid": os.getpid()}
        connection.out += json.dumps(ready).encode() + b"\n"

    def _receive(self, fd: int) -> None:
        lines = self._connections[fd].lines()
        if lines is None:
            self._drop(fd)
            return
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, message: dict[str, Any]) -> None:
        match message["op"]:
            case "start":
                self._pending.append(message)
            case "stop":
                self._start_some(everything=True)
                self._steps.stop(message["id"], message["grace_s"])
            case "hello":
                self._steps.base_env = message["env"]
                self._steps.log_bytes = message.get("log_bytes", 0)
                if kind := message.get("view"):
                    self._view = kind

    def _start_some(self, everything: bool = False) -> None:
        """A few at a time, so that a flood of starts does not hold up the reports of those that end."""
        count = len(self._pending) if everything else _STARTS_PER_TURN
        batch, self._pending = self._pending[:count], self._pending[count:]
        for message in batch:
            if message.get("private") or message.get("binds"):
                message["view"] = self._choose_view()
            self._steps.start(message)

    def _choose_view(self) -> str:
        """How this machine keeps declared paths apart; tried once."""
        if not self._view:
            from executor.runner import view  # half of all imports, and most engines never need it

            self._view = "namespaces" if view.is_possible(self._root) else "turns"
            self._tell(f'{{"op":"view","kind":"{self._view}"}}\n')
        return self._view

    def _tell(self, line: str) -> None:
        for connection in self._connections.values():
            connection.out += line.encode()

    def _flush(self, fd: int, connection: Connection) -> None:
        if not connection.out:
            return
        if not connection.flush():
            self._drop(fd)
            return
        if connection.is_blocked != bool(connection.out):
            connection.is_blocked = bool(connection.out)
            more = select.EPOLLOUT if connection.is_blocked else 0
            self._poller.modify(fd, select.EPOLLIN | more)

    def _drop(self, fd: int) -> None:
        self._poller.unregister(fd)
        self._connections.pop(fd).plug.close()

    def _listen(self) -> socket.socket:
        """Bound by a relative name, because the path of a socket may only be 107 bytes long."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        os.chdir(self._root)
        if os.path.lexists(SOCKET):
            os.unlink(SOCKET)
        listener.bind(SOCKET)
        os.chmod(SOCKET, 0o600)
        listener.listen(16)
        listener.setblocking(False)
        self._poller.register(listener.fileno(), select.EPOLLIN)
        return listener

    def _wake_on_children(self) -> int:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._poller.register(reader, select.EPOLLIN)
        return reader


def main() -> None:
    """`main ROOT READY_FD`: detach, take the data directory's lock, run. Without the lock another runner serves."""
    root, ready = sys.argv[1], int(sys.argv[2])
    if os.fork():
        os._exit(0)  # the starter reaps this one at once; the runner belongs to nobody
    os.umask(0o022)
    lock = os.open(f"{root}/{LOCK}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    os.set_inheritable(ready, False)
    Runner(root).run(ready)
