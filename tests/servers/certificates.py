"""Certificates made for a test: an authority, and what it signs for 127.0.0.1 and localhost."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.servers import process


@dataclass(frozen=True)
class Pair:
    """A certificate and its key as files."""

    certificate: Path
    key: Path

    @property
    def texts(self) -> tuple[str, str]:
        return self.certificate.read_text(), self.key.read_text()


def authority(folder: Path) -> Pair:
    """A self-signed one."""
    return _made(folder, "authority", "-x509", "-days", "2", "-subj", "/CN=test-authority")


def signed(folder: Path, by: Pair, name: str) -> Pair:
    """One for `name`, good for servers on this machine and for clients."""
    return _made(
        folder, name, "-x509", "-days", "2", "-subj", f"/CN={name}", "-CA", str(by.certificate),
        "-CAkey", str(by.key), "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
        "-addext", "basicConstraints=CA:FALSE",
    )  # fmt: skip


def expired(folder: Path, by: Pair, of: Pair) -> str:
    """The text of a certificate for the key of `of`, which `by` signed and whose time is over."""
    asked = folder / "expired.csr"
    for words in (
        ["req", "-new", "-key", str(of.key), "-subj", "/CN=expired", "-out", str(asked),
         "-addext", "subjectAltName=IP:127.0.0.1"],
        ["x509", "-req", "-in", str(asked), "-CA", str(by.certificate), "-CAkey", str(by.key),
         "-CAcreateserial", "-days", "-1", "-copy_extensions", "copy", "-out", f"{asked}.pem"],
    ):  # fmt: skip
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    return Path(f"{asked}.pem").read_text()


def _made(folder: Path, name: str, *words: str) -> Pair:
    made = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    command = [
        "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", str(made.key), "-out", str(made.certificate), *words,
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        process.missing("the program openssl")
    return made
