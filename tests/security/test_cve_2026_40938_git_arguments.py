"""CVE-2026-40938 (GHSA-94jr-7pqp-xhcq), CVE-2026-3515: a revision or an address that git took for an option ran code.

Here a revision is matched before git sees it, stands behind the end of the options, and only web and ssh addresses
are passed on.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.errors import BiremeError
from tests.security.test_cve_2022_25856_git_source import machine, read

__all__ = ["machine"]

REVISIONS = [
    "--upload-pack=touch {marker}", "--upload-pack=touch${{IFS}}{marker}", "-utouch {marker}",
    "-c core.sshCommand=touch {marker}", "--output={marker}", "--exec=touch {marker}",
    "HEAD --upload-pack=touch {marker}", "$(touch {marker})", "`touch {marker}`", "; touch {marker}",
    "HEAD\n--upload-pack=touch {marker}", "+refs/heads/*:refs/heads/*", "..", "a..b",
]  # fmt: skip
ADDRESSES = [
    "--upload-pack=touch {marker}", "ext::sh -c touch% {marker}", "ext::sh", "fd::17",
    "ssh://-oProxyCommand=touch%20{marker}/x", "-oProxyCommand=touch:{marker}",
    "ssh://host;touch{marker}/x", "transport::address",
]  # fmt: skip


@pytest.mark.parametrize("field", ["ref", "branch", "tag"])
@pytest.mark.parametrize("revision", REVISIONS)
async def test_no_revision_is_an_option(
    machine: Path, tmp_path: Path, field: str, revision: str
) -> None:
    marker = tmp_path / "marker"
    await refused(f"file://{machine}", {field: revision.format(marker=marker)})
    assert not marker.exists()


@pytest.mark.parametrize("address", ADDRESSES)
async def test_no_address_is_an_option_or_a_helper(
    machine: Path, tmp_path: Path, address: str
) -> None:
    marker = tmp_path / "marker"
    await refused(address.format(marker=marker), {})
    assert not marker.exists()


async def refused(url: str, more: dict[str, Any]) -> None:
    assert shutil.which("git")
    with pytest.raises((BiremeError, ValueError)):
        await read({"git": {"url": url, "filePath": "a", "cloneDirectory": "/x", **more}})
