"""The child's main loop: programs in, answers out, nothing else within reach.

Started by `run.py` as a bare interpreter; imports as little as it can, since every restart waits for it.
"""

import os
import sys
from collections.abc import Callable
from typing import Protocol

from bireme.sandbox import confine, frames
from bireme.sandbox.deadline import Deadline
from bireme.sandbox.failures import Failed, TooMuch
from bireme.sandbox.jq_engine import JqEngine
from bireme.sandbox.lua_engine import LuaEngine

Run = Callable[[str], bytes]


class Engine(Protocol):
    """One language. Compiling raises Failed; running raises Failed and TooMuch."""

    def compile(self, kind: str, text: str) -> Run: ...


class Slots:
    """The programs given so far, each compiled when first needed."""

    def __init__(self, engines: dict[str, Engine], program_bytes: int, deadline: Deadline) -> None:
        self._engines = engines
        self._deadline = deadline
        self._program_bytes = program_bytes
        self._texts: dict[int, bytes] = {}
        self._compiled: dict[int, Run] = {}

    def define(self, slot: int, body: bytes) -> None:
        self._compiled.pop(slot, None)
        self._texts[slot] = body

    def __getitem__(self, slot: int) -> Run:
        if slot not in self._compiled:
            body = self._texts[slot]
            if len(body) > self._program_bytes:
                raise Failed(f"the program is longer than {self._program_bytes} bytes")
            kind, text = frames.unpacked(body)
            self._deadline.start()
            try:
                self._compiled[slot] = self._engines[kind.partition(".")[0]].compile(kind, text)
            finally:
                self._deadline.stop()
        return self._compiled[slot]


def main(arguments: list[str]) -> None:
    """Serve the socket that is our standard input until it closes."""
    os.environ.clear()  # noqa: TID251 - the interpreter put a locale in; programs shall see nothing
    memory, lua, output, program, cpu_us, life_s = map(int, arguments)
    deadline = Deadline(cpu_us / 1e6)
    engines: dict[str, Engine] = {
        "jq": JqEngine(output, deadline),
        "lua": LuaEngine(lua, output, deadline),
    }
    slots = Slots(engines, program, deadline)
    _warm(slots)
    held = confine.confine(memory, life_s)
    _send(frames.reply(frames.DONE, " ".join(held).encode()))
    _serve(slots)


def _warm(slots: Slots) -> None:
    """Everything that is imported or opened on first use must be so before the doors close."""
    for slot, kind, text in ((0, "jq.all", "."), (1, "lua.table", "return event")):
        slots.define(slot, frames.packed(kind, text))
        slots[slot]('{"a":[1.5,"\\u00e9",{}]}')


def _serve(slots: Slots) -> None:
    while head := _receive(frames.REQUEST_SIZE):
        action, slot, size = frames.request_head(head)
        body = _receive(size)
        if action == frames.DEFINE:
            slots.define(slot, body)
            continue
        _send(frames.reply(*_answer(slots, action, slot, body)))


def _answer(slots: Slots, action: int, slot: int, body: bytes) -> tuple[int, bytes]:
    try:
        run = slots[slot]
        return frames.DONE, run(body.decode()) if action == frames.RUN else b""
    except TooMuch as error:
        return frames.TOO_MUCH, str(error).encode()
    except MemoryError:
        return frames.TOO_MUCH, b"memory ran out"
    except Exception as error:  # noqa: BLE001 - whatever a program brings about is its own failure
        text = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        return frames.FAILED, text.encode(errors="replace")


def _receive(size: int) -> bytes:
    """Exactly so many bytes; empty at the end of the stream."""
    parts: list[bytes] = []
    while size:
        part = os.read(0, min(size, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _send(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(0, rest) :]


if __name__ == "__main__":
    main(sys.argv[1:])
