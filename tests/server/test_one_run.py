"""A workflow run in this process: everything its steps print is told before the run is over."""

import hashlib
from pathlib import Path

from controller.submission import SubmitOptions
from server.onerun import OneRun
from server.settings import Settings

COUNT = {"name": "main", "container": {"image": "alpine", "command": ["seq", "200000"]}}
MANIFEST = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": "talkative"},
    "spec": {"entrypoint": "main", "templates": [COUNT]},
}


async def test_lines_that_take_long_to_print_are_not_lost(tmp_path: Path) -> None:
    heard = bytearray()

    def slowly(_: str, data: bytes) -> None:
        hashlib.pbkdf2_hmac("sha256", b"work", b"salt", 100_000)
        heard.extend(data)

    job = OneRun(Settings(data_dir=tmp_path, state_dir=tmp_path), (), lambda _: None, slowly)
    ended = await job.run(MANIFEST, SubmitOptions())
    assert ended.workflow["status"]["phase"] == "Succeeded"
    assert heard.splitlines()[-1] == b"200000"
