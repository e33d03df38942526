"""How commands find the engine of the same user: a private note beside its data, and a pointer to that note.

`<data dir>/engine.json` (0600) holds address, token and process id; `<state dir>/engines/` holds one file per data
directory with nothing but its path, so that the token stays where the data is.
"""

import contextlib
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from bireme.kit.ids import digest


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """A running engine: where it answers, with which token, as which process, since when (seconds since the epoch)."""

    server: str
    token: str = field(repr=False)
    pid: int
    data_dir: Path
    started_at: float


def token_for(data_dir: Path, given: str) -> tuple[str, bool]:
    """The engine's token, and whether it is new: the given one, else the kept one, else a fresh one that is kept."""
    kept = data_dir / "token"
    if given:
        return given, False
    if kept.exists():
        return kept.read_text().strip(), False
    token = secrets.token_urlsafe(32)
    write_private(kept, token)
    return token, True


def write_private(path: Path, text: str) -> None:
    """Replace the file atomically; only its owner may read it, from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    draft.replace(path)


def announce(engine: LocalEngine, state_dir: Path) -> None:
    """Leave the note and the pointer. A state directory that cannot be written costs discovery, not the engine."""
    note = {
        "server": engine.server,
        "token": engine.token,
        "pid": engine.pid,
        "startedAt": engine.started_at,
    }
    write_private(engine.data_dir / "engine.json", json.dumps(note))
    (engine.data_dir / "starting").unlink(missing_ok=True)
    try:
        write_private(_pointer(engine.data_dir, state_dir), str(engine.data_dir))
    except OSError:
        return


def withdraw(data_dir: Path, state_dir: Path) -> None:
    """The engine has ended: take note and pointer away."""
    (data_dir / "engine.json").unlink(missing_ok=True)
    _pointer(data_dir, state_dir).unlink(missing_ok=True)


def find(data_dir: Path, state_dir: Path) -> LocalEngine | None:
    """The engine of `data_dir` if it runs, else the one started last; None when none runs."""
    own = read_note(data_dir)
    if own is not None:
        return own
    folder = state_dir / "engines"
    pointers = sorted(folder.iterdir()) if folder.is_dir() else []
    others = [found for p in pointers if (found := read_note(Path(p.read_text()))) is not None]
    return max(others, key=lambda engine: engine.started_at, default=None)


def read_note(data_dir: Path) -> LocalEngine | None:
    """The note of a living engine; None when there is none, it cannot be read, or its process is gone."""
    try:
        note = json.loads((data_dir / "engine.json").read_text())
        engine = LocalEngine(
            note["server"], note["token"], note["pid"], data_dir, note["startedAt"]
        )
    except (OSError, ValueError, KeyError):
        return None
    return engine if is_alive(engine.pid) else None


def begin(data_dir: Path) -> None:
    """This process starts an engine, and has not come far yet. Where nothing can be written others tell of it."""
    with contextlib.suppress(OSError):
        write_private(data_dir / "starting", str(os.getpid()))


def is_starting(data_dir: Path) -> bool:
    """Whether a living process has begun to start an engine and has not said yet where it answers."""
    try:
        return is_alive(int((data_dir / "starting").read_text()))
    except (OSError, ValueError):
        return False


def is_alive(pid: int) -> bool:
    """Whether a process with that id exists (signal 0 asks without disturbing)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _pointer(data_dir: Path, state_dir: Path) -> Path:
    return state_dir / "engines" / digest(str(data_dir))
