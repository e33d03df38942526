"""The child's life: what it gives up, what it costs, how it ends and comes back."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from bireme.kit.errors import MissingExtra
from bireme.lang.script import Overrun, Program
from bireme.sandbox import process
from bireme.sandbox.limits import Limits
from bireme.sandbox.patience import Patience
from bireme.sandbox.process import SandboxUnavailable
from bireme.sandbox.run import Sandbox

ONE = Program("jq.first", ".")
LOOP = Program("lua.truth", "while true do end")


def pid_of(sandbox: Sandbox) -> int:
    child = sandbox._child
    assert child is not None
    return child._process.pid


def test_the_child_is_confined_by_everything_this_system_has(sandbox: Sandbox) -> None:
    measures = sandbox.measures()
    assert {"RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CPU", "RLIMIT_CORE"} <= set(measures)
    if sys.platform == "linux":
        assert {"RLIMIT_AS", "RLIMIT_NPROC", "seccomp"} <= set(measures)


FORBIDDEN = {
    "read a file": "open('/etc/passwd')",
    "write a file": "open('/tmp/x', 'w')",
    "fork": "os.fork()",
    "start a program": "os.execv('/bin/true', ['true'])",
    "connect": "socket.socket()",
    "signal others": "os.kill(os.getppid(), 0)",
    "allow itself more": "resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))",
}


@pytest.mark.skipif(sys.platform != "linux", reason="system calls are refused on Linux")
@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_confined_process_cannot(what: str) -> None:
    code = (
        "import os, resource, socket\n"
        "from bireme.sandbox import confine\n"
        "confine.confine(512 << 20, 10)\n"
        f"try:\n {FORBIDDEN[what]}\nexcept (OSError, ValueError):\n os.write(1, b'refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=True)
    assert done.stdout == b"refused"


def test_a_child_killed_while_idle_is_replaced_unseen(sandbox: Sandbox) -> None:
    sandbox.run(ONE, b"1")
    os.kill(pid_of(sandbox), signal.SIGKILL)
    assert sandbox.run(ONE, b"2") == b"2"


def test_a_child_that_worked_long_enough_is_replaced() -> None:
    sandbox = Sandbox(Limits(life_s=0))
    try:
        sandbox.run(ONE, b"1")
        first = pid_of(sandbox)
        sandbox.run(ONE, b"1")
        assert pid_of(sandbox) != first
    finally:
        sandbox.close()


def test_a_child_that_is_stopped_is_given_up() -> None:
    sandbox = Sandbox(Limits(wall_s=0.1))
    try:
        sandbox.run(ONE, b"1")
        os.kill(pid_of(sandbox), signal.SIGSTOP)
        with pytest.raises(Overrun, match="did not answer in time"):
            sandbox.run(ONE, b'"' + b"x" * 4_000_000 + b'"')
        assert sandbox.run(ONE, b"2") == b"2"
    finally:
        sandbox.close()


def test_closing_ends_the_child_and_the_next_program_starts_another() -> None:
    sandbox = Sandbox()
    sandbox.close()
    sandbox.run(ONE, b"1")
    pid = pid_of(sandbox)
    sandbox.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert sandbox.run(ONE, b"2") == b"2"
    sandbox.close()


def test_the_child_ends_when_its_parent_does() -> None:
    code = (
        "import os, sys\n"
        "from bireme.sandbox.run import Sandbox\n"
        "s = Sandbox(); s.measures(); print(s._child._process.pid, flush=True); os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=True)
    deadline = time.monotonic() + 10
    while is_alive(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(int(done.stdout))


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_that_overruns_repeatedly_is_left_alone_and_others_are_not() -> None:
    sandbox = Sandbox(Limits(cpu_s=0.02, strikes=2, rest_s=60, debt_s=1000))
    try:
        for _ in range(2):
            with pytest.raises(Overrun, match=r"longer than 0\.02 s"):
                sandbox.run(LOOP, b"{}")
        started = time.monotonic()
        with pytest.raises(Overrun, match="left alone for 60 s"):
            sandbox.run(LOOP, b"{}")
        assert time.monotonic() - started < 0.02
        assert sandbox.run(ONE, b"1") == b"1"
    finally:
        sandbox.close()


def test_a_child_that_does_not_start_is_not_waited_for_again_at_once() -> None:
    sandbox = Sandbox(Limits(start_s=0.001, pause_s=60))
    for _ in range(2):
        with pytest.raises(SandboxUnavailable, match="does not start"):
            sandbox.run(ONE, b"1")
    sandbox = Sandbox(Limits(start_s=0.001, pause_s=0))
    with pytest.raises(SandboxUnavailable):
        sandbox.run(ONE, b"1")
    sandbox.limits = Limits()
    assert sandbox.run(ONE, b"1") == b"1"
    sandbox.close()


def test_rests_grow_until_the_program_keeps_to_its_budget() -> None:
    patience = Patience(Limits(strikes=3, rest_s=30, longest_rest_s=100))
    now, rests = 0.0, []
    for _ in range(6):
        patience.overran(LOOP, now, 0.1)
        rests.append(patience.rest_left(LOOP, now))
        now += rests[-1]
    assert rests == [0, 0, 30, 60, 100, 100]
    assert patience.rest_left(LOOP, now) == 0
    patience.answered(LOOP)
    patience.overran(LOOP, now, 0.1)
    assert patience.rest_left(LOOP, now) == 0


def test_many_bad_programs_together_get_less_patience_than_one() -> None:
    patience = Patience(Limits(strikes=3, debt_s=1, rest_s=30))
    programs = [Program("jq.first", str(number)) for number in range(10)]
    for program in programs:
        patience.overran(program, 0.0, 0.25)
    rests = [patience.rest_left(program, 0.0) for program in programs]
    assert rests == [0, 0, 0, 0, 30, 30, 30, 30, 30, 30]
    late = Program("jq.first", "late")
    patience.overran(late, 60.0, 0.25)
    assert patience.rest_left(late, 60.0) == 0


def test_threads_wait_for_each_other(sandbox: Sandbox) -> None:
    answers: dict[int, set[bytes]] = {}

    def ask(number: int) -> None:
        answers[number] = {sandbox.run(ONE, str(number).encode()) for _ in range(50)}

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: {str(number).encode()} for number in range(4)}


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'bireme\[script\]'"):
        Sandbox().run(ONE, b"1")
