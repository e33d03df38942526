"""What is left out at the start is there when it is needed: outgoing TLS is verified as ever."""

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from server import lean
from tests.servers import certificates

ASK = """
import asyncio, ssl, sys
from server import lean
lean.import_libraries()
import aiohttp, structlog
assert "rich" not in sys.modules
assert ssl.create_default_context.__module__ == "ssl"
assert "set_default_verify_paths" not in vars(ssl.SSLContext)

async def ask():
    async with aiohttp.ClientSession() as session, session.get(sys.argv[1]) as answer:
        print(answer.status)

try:
    asyncio.run(ask())
except aiohttp.ClientConnectorCertificateError as error:
    print("refused:", error.certificate_error.verify_message)
"""


@pytest.mark.parametrize(
    ("trusted", "said"), [(True, "204"), (False, "refused: unable to get local issuer certificate")]
)
async def test_a_lean_engine_trusts_the_authorities_of_the_machine_and_no_others(
    tmp_path: Path, trusted: bool, said: str
) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    ours, theirs = (certificates.authority(tmp_path / name) for name in ("ours", "theirs"))
    pair = certificates.signed(tmp_path, ours, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    async with await asyncio.start_server(_serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        asked = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            ASK,
            f"https://localhost:{port}/",
            env={"SSL_CERT_FILE": str((ours if trusted else theirs).certificate)},
            stdout=subprocess.PIPE,
        )
        out, _ = await asked.communicate()
    assert out.decode().strip() == said


async def test_a_late_context_checks_names_and_certificates() -> None:
    context, usual = lean.late_context(), ssl.create_default_context()
    for rule in ("verify_mode", "check_hostname", "verify_flags", "minimum_version", "options"):
        assert getattr(context, rule) == getattr(usual, rule)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()
