"""`bireme run` over Argo's own example manifests that need only a shell or Python: the phase each ends in."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "workflows"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(
        not FOLDER.is_dir(), reason="the conformance material is not beside the checkout"
    ),
]

LATER: dict[str, str] = {
    "synchronization-": "mutexes and semaphores come with the workflow language release",
    "memoize-simple": "memoize comes with the workflow language release",
    "container-set-template/": "containerSet comes with the workflow language release",
    "variables-showcase": "daemon with outputs.ip comes with the workflow language release",
    "work-avoidance": "needs a volume claim and an S3 bucket",
    "volumes-existing": "needs a volume claim",
    "volumes-emptydir": "volumes come with the container backend",
    "map-reduce": "needs an S3 bucket",
    "resubmit": "fails by chance until resubmitted",
    "suspend-template": "waits for a person",
    "cron-when": "a CronWorkflow, which bireme run does not wait for",
    "dag-inline-cronworkflow": "a CronWorkflow, which bireme run does not wait for",
}


def examples() -> list[dict[str, Any]]:
    if not FOLDER.is_dir():
        return []
    index = json.loads((FOLDER / "index.json").read_text())
    local = [e for e in index["examples"] if e["tier"] == "local"]
    return [e for e in local if not any(e["file"].startswith(prefix) for prefix in LATER)]


def support(example: dict[str, Any]) -> list[str]:
    """The files of templates and config maps that an example refers to."""
    files = []
    for path in sorted(FOLDER.rglob("*.yaml")):
        text = path.read_text()
        if (
            "kind: WorkflowTemplate" in text
            or "kind: ClusterWorkflowTemplate" in text
            or "kind: ConfigMap" in text
        ):
            files.append(str(path))
    own = str(FOLDER / example["file"])
    return [path for path in files if path != own] if example["needs"] else []


def outcome(example: dict[str, Any]) -> tuple[str, str]:
    command = [sys.executable, "-m", "server", "run", str(FOLDER / example["file"]), "-o", "json"]
    for path in support(example):
        command += ["--with", path]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=240, env=os.environ, check=False
        )
    except subprocess.TimeoutExpired:
        return "Running", "it did not end within 240 s"
    try:
        return json.loads(done.stdout)["status"]["phase"], done.stderr[-600:]
    except (ValueError, KeyError):
        return f"exit {done.returncode}", done.stderr[-600:]


def test_each_local_example_ends_in_the_phase_that_argo_reports(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cases = examples()
    with ThreadPoolExecutor(max_workers=8) as pool:
        results = list(pool.map(outcome, cases))
    wrong, rows = [], []
    for example, (phase, text) in zip(cases, results, strict=True):
        expected = example["expected_phase"]
        wanted = {"Succeeded", "Failed", "Error"} if expected == "Random" else {expected}
        rows.append(f"{'pass' if phase in wanted else 'FAIL'}  {example['file']}  {phase}")
        if phase not in wanted:
            wrong.append(f"{example['file']}: expected {expected}, got {phase}\n{text}")
    with capsys.disabled():
        print("\n" + "\n".join(rows))
        print("\n".join(f"not applicable  {prefix}*  {why}" for prefix, why in LATER.items()))
    assert not wrong, "\n".join(wrong)
