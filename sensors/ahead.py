"""Programs of dependencies (`transform`, `script`), run before the transaction that needs their answers.

Every commit goes through one writer, and a program may take long: so it runs in a thread of its own, and in the
transaction its answer is only looked up. What was not foreseen there (a sensor edited in between) runs on the spot.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from bireme.lang.script import NO_SCRIPTS, Program, ScriptError, Scripts
from events.model import Event
from sensors.entry import Entry
from sensors.view import View

Concerned = Iterable[tuple[Event, Sequence[Entry]]]
"""Events, each with the sensors that will look at it."""


_Key = tuple[str, str, str, str]


def _key(event: Event) -> _Key:
    """Ids may come from senders: two sources may have the same."""
    return event.namespace, event.source, event.subject, event.id


def has_programs(raw: Mapping[str, Any]) -> bool:
    """True if a dependency of the sensor runs a program; cheap, compiles nothing."""
    items = (raw.get("spec") or {}).get("dependencies") or ()
    return any(isinstance(item, dict) and _has_program(item) for item in items)


def _has_program(dependency: Mapping[str, Any]) -> bool:
    filters = dependency.get("filters")
    is_scripted = isinstance(filters, dict) and filters.get("script")
    return bool(dependency.get("transform") or is_scripted)


class Answers:
    """`Scripts` about one event: what was asked before is known, anything else is asked when it is needed."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._known: dict[tuple[Program, bytes], bytes | ScriptError] = {}
        self.holders = 0

    def run(self, program: Program, data: bytes) -> bytes:
        """See `Scripts.run`."""
        answer = self._known.get((program, data))
        if answer is None:
            answer = self._known[program, data] = self._ask(program, data)
        if isinstance(answer, ScriptError):
            raise answer
        return answer

    def check(self, program: Program) -> None:
        """See `Scripts.check`."""
        self._scripts.check(program)

    def _ask(self, program: Program, data: bytes) -> bytes | ScriptError:
        try:
            return self._scripts.run(program, data)
        except ScriptError as error:
            return error


class Ahead:
    """Whoever will evaluate events in a transaction opens `asked` around it. Belongs to the event loop, except `of`."""

    def __init__(self, scripts: Scripts = NO_SCRIPTS) -> None:
        self._scripts = scripts
        self._answers: dict[_Key, Answers] = {}
        # One is enough: the sandbox runs one program at a time.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="programs")

    def of(self, event: Event) -> Scripts:
        """What answers programs about the event. May be called from any thread."""
        return self._answers.get(_key(event), self._scripts)

    @asynccontextmanager
    async def asked(self, concerned: Concerned) -> AsyncIterator[None]:
        """The programs of these sensors have run on their events, and their answers are kept, while this is open."""
        asking = [(event, self._hold(event), entries) for event, entries in concerned]
        try:
            if asking:
                await asyncio.get_running_loop().run_in_executor(self._thread, _ask_all, asking)
            yield
        finally:
            for event, *_ in asking:
                self._let_go(event)

    def _hold(self, event: Event) -> Answers:
        """One event may be asked about for several sensors, and by several callers at a time."""
        answers = self._answers.setdefault(_key(event), Answers(self._scripts))
        answers.holders += 1
        return answers

    def _let_go(self, event: Event) -> None:
        answers = self._answers[_key(event)]
        answers.holders -= 1
        if not answers.holders:
            del self._answers[_key(event)]

    def close(self) -> None:
        """Nothing more is asked; a program that runs is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _ask_all(asking: Sequence[tuple[Event, Answers, Sequence[Entry]]]) -> None:
    for event, answers, entries in asking:
        view = View(event, answers)
        for entry in entries:
            _ask(entry, view)


def _ask(entry: Entry, view: View) -> None:
    """Judge as the evaluation will: so exactly the programs run that it comes to."""
    try:
        routes = entry.sensor.routes
    except Exception:  # noqa: BLE001 - the evaluation that follows reports it
        return
    for dependency in routes.get((view.event.source, view.event.subject), ()):
        try:
            dependency.judge(dependency.transform(view))
        except Exception:  # noqa: BLE001 - the evaluation that follows reports it
            continue
