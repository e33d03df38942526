"""CVE-2022-25856 (GHSA-qpgx-64h2-gc3c): a trigger's git source read any file of the machine, by `..` and by links.

Here nothing is checked out: a file is read out of the fetched commit, where a link is only a text.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.errors import BiremeError
from sensors import fetching
from tests.sensors.acting import Actor

SECRET = "the-content-of-a-file-of-the-machine"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A file that must not be read, and a repository full of ways to it."""
    (tmp_path / "token").write_text(f"kind: {SECRET}\n")
    repository = tmp_path / "repository"
    (repository / "inner").mkdir(parents=True)
    (repository / "trigger.yaml").symlink_to(tmp_path / "token")
    (repository / "relative.yaml").symlink_to("../token")
    (repository / "inner" / "up").symlink_to("../..")
    (repository / ".gitattributes").write_text("*.yaml filter=evil\n")
    run(repository, "init", "-q", "-b", "master")
    run(repository, "config", "filter.evil.smudge", f"cat {tmp_path / 'token'}")
    run(repository, "add", ".")
    run(repository, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "x")
    os.link(tmp_path / "token", repository / "hard.yaml")
    return repository


def run(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


WAYS = [
    "trigger.yaml", "relative.yaml", "inner/up/token", "../token", "inner/../../token", "hard.yaml",
    "./trigger.yaml", "/trigger.yaml", "inner\\..\\..\\token", "~/token", ":/trigger.yaml", "*.yaml",
    "trigger.yaml\0", ":(glob)**", "", "/", ".git/config",
]  # fmt: skip


@pytest.mark.parametrize("path", WAYS)
async def test_no_path_of_a_repository_leads_out_of_it(machine: Path, path: str) -> None:
    source = {"git": {"url": f"file://{machine}", "filePath": path, "cloneDirectory": "/x"}}
    with pytest.raises((BiremeError, ValueError)) as failure:
        await read(source)
    assert SECRET not in str(failure.value)


async def read(source: dict[str, Any]) -> Any:
    fetcher = fetching.Fetcher(Actor("log").around)
    start = fetching.begun("k8s", {"source": source}, {})
    try:
        return await fetcher.finished(start, Actor("k8s").firing(start))
    finally:
        await fetcher.close()
