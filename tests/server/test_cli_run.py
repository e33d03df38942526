"""`bireme run` as a process of its own: exit codes, output, interruption."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

HEAD = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: run-}
spec:
  entrypoint: main
  arguments: {parameters: [{name: text, value: hello}]}
  templates:
"""
ECHO = (
    HEAD
    + '    - {name: main, script: {image: x, command: [sh], source: "echo {{workflow.parameters.text}}"}}\n'
)
FAIL = (
    HEAD
    + '    - {name: main, script: {image: x, command: [sh], source: "echo the reason; exit 3"}}\n'
)
SLEEP = HEAD + "    - {name: main, container: {image: x, command: [sleep, '60']}}\n"
TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: t}
spec:
  entrypoint: main
  templates: [{name: main, container: {image: x, command: ["true"]}}]
"""


def start(*words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "server", "run", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(folder: Path, text: str, *words: str) -> tuple[int, str, str]:
    path = folder / "workflow.yaml"
    path.write_text(text)
    process = start(str(path), *words)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_success_is_zero_and_the_result_is_alone_on_standard_output(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, ECHO, "-p", "text=bye", "-o", "json")
    assert code == 0, err
    found = json.loads(out)
    (node,) = found["status"]["nodes"].values()
    assert found["status"]["phase"] == "Succeeded"
    assert node["outputs"]["exitCode"] == "0"


def test_failure_is_one_and_shows_what_the_step_printed_last(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, FAIL)
    assert code == 1
    assert "Failed" in out
    assert "the reason" in err


def test_what_the_steps_print_is_shown_on_request(tmp_path: Path) -> None:
    code, _, err = run(tmp_path, ECHO, "--log")
    assert code == 0
    assert ": hello" in err


def test_a_file_of_templates_says_how_to_run_one(tmp_path: Path) -> None:
    code, _, err = run(tmp_path, TEMPLATE)
    assert code == 1
    assert "--from wftmpl/t" in err
    assert run(tmp_path, TEMPLATE, "--from", "wftmpl/t")[0] == 0


def test_a_mistake_is_named_with_file_and_line_before_anything_runs(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, ECHO.replace("entrypoint: main", "entrypoint: nowhere"))
    assert (code, out) == (1, "")
    assert f"{tmp_path / 'workflow.yaml'}:" in err
    assert "nowhere" in err


def test_an_interruption_ends_the_steps_and_the_workflow(tmp_path: Path) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_text(SLEEP)
    process = start(str(path))
    assert process.stdout is not None
    while "Running" not in (line := process.stdout.readline()):
        assert line, "it ended before it ran"
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Failed" in out
