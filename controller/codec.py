"""Runs and steps to and from the bytes of their rows. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from controller.dag import model as dag
from controller.dag.fold import fold
from controller.dag.status import summary
from controller.model import FINAL_PHASES, PhaseRow, RunRow, rfc3339


class Entry(msgspec.Struct, array_like=True, omit_defaults=True):
    """One row of history: what changed in a step, and the operations of people that were part of its cause."""

    changes: list[dag.Change]
    operations: list[dag.Operation] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def encode_entry(changes: list[dag.Change], operations: Sequence[dag.Operation] = ()) -> bytes:
    """A step as a row of history."""
    return _encoder.encode(Entry(changes, list(operations)))


def decode_entry(entry: bytes) -> Entry:
    """A row of history as a step."""
    return _decoder.decode(entry)


def replay(run: Any, entries: Iterable[bytes]) -> int:
    """Fold every entry into a run that has just begun; returns how many there were."""
    count = 0
    for entry in entries:
        fold(run, _decoder.decode(entry).changes)
        count += 1
    return count


def new_row(live: Any, firing: str) -> RunRow:
    """The row of a run that has just been born; one whose first step has not been made yet is Pending."""
    made = phase_row(live)
    return RunRow(
        uid=live.uid,
        namespace=live.namespace,
        name=live.name,
        phase=made.phase,
        live=made.live,
        firing=firing or None,
        cron=live.cron,
        labels={**(live.definition.metadata.get("labels") or {}), **live.run.labels},
        manifest=msgspec.json.encode(live.definition),
        status=made.status,
        created_at=live.created_at.timestamp(),
        started_at=made.started_at,
        finished_at=made.finished_at,
    )


def phase_row(live: Any) -> PhaseRow:
    """What the run's own row says after a step."""
    run = live.run
    return PhaseRow(
        uid=live.uid,
        phase=run.phase or "Pending",
        live=run.phase not in FINAL_PHASES,
        status=msgspec.json.encode(summary(run)),
        started_at=_seconds(run.started),
        finished_at=_seconds(run.finished),
        cron=live.cron,
    )


def broken_row(uid: str, cron: str | None, message: str, now: datetime) -> PhaseRow:
    """The row of a run the engine could not bring forward: it ends in Error and says why."""
    status = {"phase": "Error", "message": message, "finishedAt": rfc3339(now)}
    return PhaseRow(
        uid=uid, phase="Error", live=False, status=msgspec.json.encode(status),
        started_at=now.timestamp(), finished_at=now.timestamp(), cron=cron,
    )  # fmt: skip


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
