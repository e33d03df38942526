"""What a person meets when something is not as it should be: one sentence, an exit code, never a traceback."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bireme.kit.errors import NotFound
from server.cli.root import bireme
from tests.server.conftest import Running
from tests.server.test_cli_engine import Terminal
from tests.server.test_cli_run import HEAD, SLEEP, TEMPLATE
from tests.servers.process import free_port

QUICK = HEAD + "    - {name: main, container: {image: x, command: ['true']}}\n"


def typed(*words: str, **env: str) -> Result:
    return CliRunner().invoke(bireme, list(words), env=env)


def written(folder: Path, text: str) -> str:
    path = folder / "workflow.yaml"
    path.write_text(text)
    return str(path)


UP = {
    "a file where the data directory should be": (("file", "under"), "cannot be made"),
    "a database that is none": (("rubbish",), "bireme.db cannot be opened: file is not a database"),
    "a lock that cannot be written": (("locked",), "bireme.db.lock cannot be written"),
}


@pytest.mark.parametrize(("place", "said"), UP.values(), ids=list(UP))
def test_a_data_directory_that_cannot_be_used_is_named(
    tmp_path: Path, place: tuple[str, ...], said: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "rubbish").mkdir()
    (tmp_path / "rubbish" / "bireme.db").write_bytes(b"\x07" * 8192)
    (tmp_path / "locked" / "bireme.db.lock").mkdir(parents=True)
    done = typed("up", "--data-dir", str(tmp_path.joinpath(*place)), "--port", "0")
    assert (done.exit_code, said in done.stderr) == (1, True), done.output


def test_a_source_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    done = typed("run", written(tmp_path, TEMPLATE), "--from", "nope")
    assert done.exit_code == 1
    assert done.stderr == (
        "Error: cannot submit from 'nope'; expected cronwf/NAME, wftmpl/NAME or cwft/NAME\n"
    )


@pytest.mark.parametrize("name", ["Bad Name!", "../../etc", "a/b", "-x", "a\nb", "x" * 254])
def test_what_can_be_no_name_is_refused_by_field_and_line(tmp_path: Path, name: str) -> None:
    text = QUICK.replace("{generateName: run-}", json.dumps({"name": name}))
    for command in ("run", "lint"):
        done = typed(command, written(tmp_path, text))
        assert done.exit_code == 1
        assert "workflow.yaml:3: " in done.stderr
        assert "metadata.name" in done.stderr


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_bytes(b"\xff\xfe")
    done = typed("lint", str(path))
    assert f"{path}: the file cannot be read: it is not text in UTF-8 (byte 0)" in done.stderr


def test_a_file_that_is_no_text_does_not_hide_the_faults_of_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "b.yaml").write_text(QUICK.replace("entrypoint: main", "entrypoint: nope"))
    done = typed("lint", str(tmp_path))
    assert done.exit_code == 1
    assert "a.yaml: the file cannot be read" in done.stderr
    assert "nope" in done.stderr


async def test_files_without_an_object_are_said_to_be_so(engine: Running, tmp_path: Path) -> None:
    empty = written(tmp_path, "")
    submitted = await Terminal(engine).type("submit", empty)
    assert (submitted.exit_code, "is empty" in submitted.stderr) == (1, True)
    applied = await Terminal(engine).type("apply", empty)
    assert (applied.exit_code, "there is no manifest in" in applied.stderr) == (1, True)


async def test_a_phase_that_does_not_exist_is_not_an_empty_list(engine: Running) -> None:
    done = await Terminal(engine).type("list", "--status", "Suceeded")
    assert done.exit_code == 2
    assert "no phase 'Suceeded'; known: Pending, Running, Succeeded, Failed, Error" in done.stderr


async def test_what_is_watched_beside_json_goes_to_standard_error(
    engine: Running, tmp_path: Path
) -> None:
    words = ("submit", written(tmp_path, QUICK), "--watch", "-o", "json")
    done = await Terminal(engine).type(*words)
    (made,) = json.loads(done.stdout)
    assert f"{made['metadata']['name']} Succeeded" in done.stderr


async def test_every_list_of_texts_has_a_form_for_machines(engine: Running, tmp_path: Path) -> None:
    terminal = Terminal(engine)
    await terminal.type("submit", written(tmp_path, QUICK), "--wait")
    assert isinstance(await terminal.json("archive", "list-label-keys"), list)
    labels = ("archive", "list-label-values", "-l", "workflows.argoproj.io/phase")
    assert await terminal.json(*labels) == ["Succeeded"]
    assert (await terminal.json("archive", "get", "@latest"))["status"]["phase"] == "Succeeded"
    (plan,) = await terminal.json("cron", "preview", "0 2 * * *", "--count", "2")
    assert (plan["timezone"], len(plan["times"])) == ("UTC", 2)


class Stranger(BaseHTTPRequestHandler):
    """Some other program's port."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()
        self.wfile.write(b"404 page not found\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


def test_an_address_where_something_else_answers_is_said_to_be_no_engine() -> None:
    with HTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        thread = threading.Thread(target=stranger.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{stranger.server_port}"
        done = typed("list", "--server", url, "--token", "x")
        thread.join(10)
    assert done.exit_code == 1
    assert done.stderr == f"Error: {url} does not answer as an engine does: 404 page not found\n"


def test_our_own_errors_are_sentences_whoever_raises_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: Any) -> None:
        raise NotFound("nothing there")

    monkeypatch.setattr("server.families.kinds", raises)
    done = typed("kinds")
    assert (done.exit_code, done.stderr) == (1, "Error: nothing there\n")


@pytest.mark.e2e
def test_a_broker_that_is_away_is_said_to_be_so_once() -> None:
    address = f"127.0.0.1:{free_port()}"
    child = process("send", "kafka", "--to", f"{address}/orders", stdout=subprocess.PIPE)
    _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (1, f"Error: no broker answers at {address}\n")


def process(*words: str, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "server", *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.e2e
@pytest.mark.parametrize("words", [("version",), ("kinds", "-o", "json"), ("schema", "Workflow")])
def test_output_that_finds_no_room_is_a_sentence(words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        child = process(*words, stdout=full)
        _, said = child.communicate(timeout=30)
    assert child.returncode == 1
    assert said == "Error: the output cannot be written: No space left on device\n"


@pytest.mark.e2e
def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    child = process("schema", stdout=writing)
    os.close(writing)
    _, said = child.communicate(timeout=30)
    assert said == ""


@pytest.mark.e2e
@pytest.mark.slow
async def test_a_watch_that_is_interrupted_says_that_the_workflow_goes_on(
    engine: Running, tmp_path: Path
) -> None:
    await Terminal(engine).says("submit", written(tmp_path, SLEEP), "--name", "long")
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", "watch", "long", "-s", engine.address,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "BIREME_TOKEN": "a token for tests"},
    )  # fmt: skip
    assert child.stdout is not None
    await child.stdout.readline()
    child.send_signal(signal.SIGINT)
    _, said = await asyncio.wait_for(child.communicate(), 30)
    assert (child.returncode, said) == (130, b"workflow long goes on without being watched\n")
    await Terminal(engine).says("terminate", "long")


def test_the_examples_can_be_served_together() -> None:
    examples = Path(__file__).parents[2] / "examples"
    done = typed("lint", str(examples))
    assert (done.exit_code, done.stderr) == (0, "")
