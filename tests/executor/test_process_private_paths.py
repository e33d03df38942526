"""Absolute paths a template declares belong to the step alone."""

from pathlib import Path
from typing import Any

import pytest

from executor.runner import view
from tests.executor.bench import Bench, exists, make_task, open_process_backend, shell, text


def writes(path: str) -> dict[str, Any]:
    return {"parameters": [{"name": "text", "valueFrom": {"path": path}}]}


def text_of(report: Any) -> str:
    assert report.state == "succeeded", report.message
    return str(report.outputs.parameters["text"])


async def test_two_hundred_steps_write_the_same_path_and_never_meet(bench: Bench) -> None:
    tasks = [
        shell(f"n{number}", f"echo {number} > /tmp/out.txt", outputs=writes("/tmp/out.txt"))
        for number in range(200)
    ]
    await bench.start(*tasks)
    assert [text_of(await bench.end(task)) for task in tasks] == [str(n) for n in range(200)]
    assert not exists("/tmp/out.txt")


@pytest.mark.parametrize(
    "path", ["/bireme-out.txt", "/bireme/deep/er/out.txt", "/usr/bireme-out", "/mnt/a/b"]
)
async def test_a_path_whose_directories_do_not_exist_can_be_written(
    bench: Bench, path: str
) -> None:
    script = f"mkdir -p $(dirname {path}) && echo here > {path} && ls /usr/bin/env"
    report = await bench.run(shell("deep", script, outputs=writes(path)))
    assert text_of(report) == "here"
    assert not exists(path)


async def test_what_else_lies_there_stays_visible_and_stale_files_do_not(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "neighbour").write_text("seen")
    (tmp_path / "shared").mkdir()
    (tmp_path / "out").write_text("stale")
    script = f"cd {tmp_path}; cat neighbour > shared/copy; cat out || cat neighbour > out"
    report = await bench.run(shell("near", script, outputs=writes(f"{tmp_path}/out")))
    assert text_of(report) == "seen"
    assert (tmp_path / "out").read_text() == "stale"
    assert (tmp_path / "shared" / "copy").read_text() == "seen"


async def test_an_existing_system_file_can_be_an_output(bench: Bench) -> None:
    report = await bench.run(shell("os", "cat /etc/passwd", outputs=writes("/etc/passwd")))
    assert text_of(report) == text("/etc/passwd").removesuffix("\n")


async def test_a_step_that_declares_nothing_sees_the_machine_as_it_is(
    bench: Bench, tmp_path: Path
) -> None:
    await bench.run(shell("plain", f"echo x > {tmp_path}/real"))
    assert (tmp_path / "real").read_text() == "x\n"


async def test_exit_code_and_stop_work_in_a_private_view(bench: Bench) -> None:
    report = await bench.run(shell("fails", "exit 9", outputs=writes("/tmp/out.txt")))
    assert (report.state, report.message) == ("failed", "main: Error (exit code 9)")


async def test_a_program_that_vanishes_in_the_view_is_an_error(
    bench: Bench, tmp_path: Path
) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    container = {"image": "x", "command": [str(program)]}
    report = await bench.run(
        make_task("hidden", {"container": container, "outputs": writes(str(program))})
    )
    assert report.state == "error"
    assert f"cannot start '{program}'" in report.message


async def test_without_namespaces_steps_take_turns_and_their_files_are_moved(
    root: Path, tmp_path: Path
) -> None:
    bench = Bench(open_process_backend(root, view="turns"))
    path = f"{tmp_path}/out"
    (tmp_path / "out").write_text("mine")
    tasks = [
        shell(f"n{number}", f"test ! -e {path} && echo {number} > {path}", outputs=writes(path))
        for number in range(5)
    ]
    await bench.start(*tasks)
    assert [text_of(await bench.end(task)) for task in tasks] == ["0", "1", "2", "3", "4"]
    assert (tmp_path / "out").read_text() == "mine"
    await bench.backend.close()


def test_declared_paths_become_a_tree_without_what_lies_below_another() -> None:
    tree = view.tree_of(["/tmp/b/c", "/tmp/a", "/tmp/b", "/x"])
    assert tree == {"tmp": {"a": {}, "b": {}}, "x": {}}


def test_the_topmost_directory_that_must_be_replaced_is_found(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    paths = [f"{tmp_path}/kept/out", f"{tmp_path}/kept/new/out"]
    assert view.mount_points(view.tree_of(paths), "") == [f"{tmp_path}/kept"]
