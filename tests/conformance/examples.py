"""Argo's example manifests, each as far as it goes: `python -m tests.conformance.examples [TEXT]` prints the table.

Those of tier `local` are run to their end with `bireme run`; of the others every document is linted and, when it is a
workflow, planned by the pure engine. TEXT keeps the examples whose file name contains it.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bireme.manifests import decode, validate, yaml
from controller import merge
from controller import templates as stored
from controller.dag.advance import advance
from controller.dag.begin import begin
from controller.dag.model import Begin, Source
from tests.conformance import example_programs

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "workflows"
Json = dict[str, Any]

NOT_APPLICABLE = {
    "map-reduce": "needs an S3 bucket",
    "work-avoidance": "needs an S3 bucket",
    "dag-inline-cronworkflow": "needs the entrypoint of an image",
    "resubmit": "fails by chance until somebody resubmits it",
}
"""Why an example of tier local cannot end here, by the beginning of its file name."""

CONFIG = Path(__file__).with_name("example_config.yaml")
KINDS_OF_TEMPLATES = ("WorkflowTemplate", "ClusterWorkflowTemplate")
_LIMIT_S = 480  # the mutex examples sleep for 250 s, one step after the other
_WAITING_S = 8
_PARALLEL = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    outcome: str
    file: str
    text: str

    def __str__(self) -> str:
        return f"{self.outcome:4}  {self.file:70}  {self.text}"


def index() -> list[Json]:
    """All examples; none when the material is not beside the checkout."""
    if not FOLDER.is_dir():
        return []
    found: list[Json] = json.loads((FOLDER / "index.json").read_text())["examples"]
    return found


def rows(text: str = "") -> Iterator[Row]:
    """The table, in the order of the index."""
    chosen = [example for example in index() if text in example["file"]]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_PARALLEL) as pool:
        environment = example_programs.environment(Path(folder))
        yield from pool.map(lambda example: row(example, environment), chosen)


def row(example: Json, environment: dict[str, str]) -> Row:
    """What becomes of one example."""
    file = example["file"]
    for prefix, why in NOT_APPLICABLE.items():
        if file.startswith(prefix):
            return Row("n/a", file, why)
    if example["tier"] != "local":
        return _planned(example)
    return _run(example, environment)


# --- run ---------------------------------------------------------------------------------------------------------


def _run(example: Json, environment: dict[str, str]) -> Row:
    expected, limit_s = example["expected_phase"], _LIMIT_S
    if expected == "Running":  # it waits for a person
        limit_s = _WAITING_S
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as manifest:
        manifest.write(_as_workflow(example))
        manifest.flush()
        phase, text = _phase(manifest.name, _support(example), limit_s, environment)
    wanted = {"Random": {"Succeeded", "Failed", "Error"}, "Active": {"Succeeded"}}
    good = phase in wanted.get(expected, {expected})
    told = phase if good else f"expected {expected}, got {phase}: {text}"
    return Row("pass" if good else "FAIL", example["file"], told)


def _as_workflow(example: Json) -> str:
    """The text of the example; of a CronWorkflow the workflow that a tick would make."""
    text = (FOLDER / example["file"]).read_text()
    document = next(d.value for d in yaml.load(text, example["file"]) if isinstance(d.value, dict))
    if document.get("kind") != "CronWorkflow":
        return text
    made = {
        "apiVersion": document["apiVersion"],
        "kind": "Workflow",
        "metadata": {"generateName": "tick-"},
        "spec": document["spec"]["workflowSpec"],
    }
    return json.dumps(made)


def _phase(
    manifest: str, support: list[str], limit_s: int, environment: dict[str, str]
) -> tuple[str, str]:
    command = [sys.executable, "-m", "server", "run", manifest, "-o", "json"]
    for path in support:
        command += ["--with", path]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return "Running", f"it did not end within {limit_s} s"
    try:
        return json.loads(done.stdout)["status"]["phase"], done.stderr[-600:]
    except (ValueError, KeyError):
        return f"exit {done.returncode}", done.stderr[-600:]


def _support(example: Json) -> list[str]:
    """The files of templates and config maps that an example refers to."""
    if not example["needs"]:
        return []
    own, kinds = (
        FOLDER / example["file"],
        ("WorkflowTemplate", "ClusterWorkflowTemplate", "ConfigMap"),
    )
    return [str(CONFIG)] + [
        str(path)
        for path in sorted(FOLDER.rglob("*.yaml"))
        if path != own and any(f"kind: {kind}" in path.read_text() for kind in kinds)
    ]


# --- lint and plan -----------------------------------------------------------------------------------------------


def _planned(example: Json) -> Row:
    """Every document is decoded and, when it is a workflow, validated and begun."""
    told = []
    shelf = _shelf()
    path = FOLDER / example["file"]
    for document in yaml.load(path.read_text(), str(path)):
        if isinstance(document.value, dict) and document.value.get("kind"):
            problem, text = _plan(document.value, shelf)
            if problem:
                return Row("FAIL", example["file"], problem)
            told.append(text)
    return Row("pass", example["file"], f"{example['tier']}: {', '.join(told)}")


def _plan(value: Json, shelf: stored.TemplateShelf) -> tuple[str, str]:
    """What is wrong with the document, or what was done with it."""
    if not str(value.get("apiVersion", "")).startswith("argoproj.io/"):
        return "", f"{value['kind']} passed over"
    value = {**value, "metadata": {"namespace": "default", **(value.get("metadata") or {})}}
    manifest = decode.decode(value)
    if value["kind"] != "Workflow":
        return "", f"{value['kind']} decoded"
    problems = validate.validate_workflow(manifest, shelf.template, mode="create")
    if errors := [p.message for p in problems if p.severity == "error"]:
        return errors[0], ""
    spec = manifest.raw["spec"]
    spec = merge.join_specs(spec, stored.base_spec(spec, shelf, "default"), None)
    run = begin(_source(spec, shelf))
    done = advance(run, [Begin()], run.source.created)
    return ("" if run.phase == "Running" else run.message), f"planned, {len(done.effects)} effects"


def _source(spec: Json, shelf: stored.TemplateShelf) -> Source:
    return Source(
        uid="u",
        name="wf",
        namespace="default",
        spec=spec,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        templates=stored.closure(spec, shelf, "default"),
    )


def _shelf() -> stored.TemplateShelf:
    shelf = stored.TemplateShelf()
    for path in sorted(FOLDER.rglob("*.yaml")):
        for document in yaml.load(path.read_text(), str(path)):
            value = document.value
            if isinstance(value, dict) and value.get("kind") in KINDS_OF_TEMPLATES:
                shelf.apply(
                    decode.decode(
                        {**value, "metadata": {"namespace": "default", **value["metadata"]}}
                    ).raw
                )
    return shelf


def main() -> None:
    text = sys.argv[1] if len(sys.argv) > 1 else ""
    counts: dict[str, int] = {}
    for found in rows(text):
        counts[found.outcome] = counts.get(found.outcome, 0) + 1
        print(found, flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    sys.exit(1 if counts.get("FAIL") else 0)


if __name__ == "__main__":
    main()
