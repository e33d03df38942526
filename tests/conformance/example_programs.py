"""Programs that the images of Argo's examples bring and a bare machine may not: small stand-ins on the PATH."""

import os
import shutil
from pathlib import Path

_NC = """#!/usr/bin/env python3
# `nc -lk -p PORT`: listen until killed. Two of them may share the port: in Argo each has an address of its own.
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("-p") + 1])), reuse_port=True)
while True:
    server.accept()[0].close()
"""
PROGRAMS = {"nc": _NC}


def environment(folder: Path) -> dict[str, str]:
    """The environment of this process, with the stand-ins found after what the machine has itself."""
    for name, text in PROGRAMS.items():
        if not shutil.which(name):
            program = folder / name
            program.write_text(text)
            program.chmod(0o755)
    return {**os.environ, "PATH": f"{os.environ['PATH']}:{folder}"}
