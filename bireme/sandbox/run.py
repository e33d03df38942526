"""The sandbox as callers know it: `Scripts` by a child process that is started when first needed."""

import threading
import time
from collections import OrderedDict

from bireme.lang.script import Overrun, Program, ScriptError
from bireme.sandbox import frames
from bireme.sandbox.limits import Limits
from bireme.sandbox.patience import Patience
from bireme.sandbox.process import Child, SandboxUnavailable


class Sandbox:
    """Fits `bireme.lang.script.Scripts`; may be called from any thread, one program runs at a time.

    The caller waits for the answer: a warm one takes about 0.1 ms, a child's start some 80 ms, and the longest wait is
    `limits.wall_s`. `close` ends the child; the next program would start another.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._patience = Patience(self.limits)
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._slots: OrderedDict[Program, int] = OrderedDict()
        self._worked_s = 0.0
        self._failed: SandboxUnavailable | None = None
        self._again_at = 0.0

    def run(self, program: Program, data: bytes) -> bytes:
        """See `Scripts.run`."""
        with self._lock:
            return self._ask(program, frames.RUN, data)

    def check(self, program: Program) -> None:
        """See `Scripts.check`."""
        with self._lock:
            self._ask(program, frames.COMPILE, b"")

    def measures(self) -> list[str]:
        """By what the child is confined here: names of rlimits, `seccomp`."""
        with self._lock:
            return list(self._running().measures)

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._retire()

    def _ask(self, program: Program, action: int, data: bytes) -> bytes:
        started = time.monotonic()
        rest = self._patience.rest_left(program, started)
        if rest:
            raise Overrun(
                f"the program overran its budget repeatedly and is left alone for {rest:.0f} s"
            )
        try:
            status, body = self._exchange(program, action, data)
            if status == frames.TOO_MUCH:
                raise Overrun(body.decode(errors="replace"))
        except Overrun:
            now = time.monotonic()
            self._patience.overran(program, now, now - started)
            raise
        self._patience.answered(program)
        self._worked_s += time.monotonic() - started
        if status == frames.FAILED:
            raise ScriptError(body.decode(errors="replace"))
        return body

    def _exchange(self, program: Program, action: int, data: bytes) -> tuple[int, bytes]:
        if self._worked_s > self.limits.life_s:
            self._retire()
        try:
            return self._once(program, action, data)
        except (
            SandboxUnavailable
        ):  # most likely killed while idle, which is no fault of this program
            return self._once(program, action, data)

    def _once(self, program: Program, action: int, data: bytes) -> tuple[int, bytes]:
        child = self._running()
        try:
            return child.ask(self._request(program, action, data))
        finally:
            if child.is_closed:
                self._forget()

    def _request(self, program: Program, action: int, data: bytes) -> bytes:
        """The bytes that ask for it, with the program's text when the child does not have it."""
        slot = self._slots.get(program)
        if slot is not None:
            self._slots.move_to_end(program)
            return frames.request(action, slot, data)
        slot = len(self._slots)
        if slot == frames.SLOTS:
            _, slot = self._slots.popitem(last=False)
        self._slots[program] = slot
        given = frames.packed(program.kind, program.text)
        return frames.request(frames.DEFINE, slot, given) + frames.request(action, slot, data)

    def _running(self) -> Child:
        """The child, started if need be; after a start that failed, not before a pause is over."""
        if self._child is None:
            now = time.monotonic()
            if self._failed is not None and now < self._again_at:
                raise SandboxUnavailable(str(self._failed))
            try:
                self._child, self._failed = Child(self.limits), None
            except SandboxUnavailable as error:
                self._failed, self._again_at = error, time.monotonic() + self.limits.pause_s
                raise
        return self._child

    def _retire(self) -> None:
        if self._child is not None:
            self._child.close()
        self._forget()

    def _forget(self) -> None:
        self._child = None
        self._slots.clear()
        self._worked_s = 0.0
