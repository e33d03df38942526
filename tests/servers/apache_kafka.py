"""Apache Kafka itself, one KRaft node: transactions, TLS and everything else the small broker lacks.

Its jars come from Maven (46 MB, once, kept in the user's cache); it needs Java 17 and some five seconds to start.
"""

import contextlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.servers import process

VERSION = "3.9.1"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bireme-tests"
_PROJECT = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>t</groupId><artifactId>t</artifactId><version>1</version>
<dependencies><dependency>
<groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
</dependency></dependencies></project>
"""
_SETTINGS = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/log
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
message.max.bytes=4194304
"""


def jars() -> Path:
    """The folder with Kafka's jars, fetched on first use."""
    folder = _CACHE / f"kafka-{VERSION}"
    if folder.is_dir():
        return folder
    if not shutil.which("mvn"):
        process.missing("mvn, which fetches Apache Kafka")
    with process.scratch("maven") as scratch:
        (scratch / "pom.xml").write_text(_PROJECT)
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs"]
        subprocess.run(command, cwd=scratch, check=True, capture_output=True, timeout=300)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # another run was faster
            shutil.move(scratch / "libs", folder)
    return folder


@contextlib.contextmanager
def running(*settings: str) -> Iterator[process.Server]:
    """A broker at `127.0.0.1:<server.port>`; its records survive `kill`. `settings` are lines of its
    configuration, in which `{port}` and `{controller}` are the ports."""
    if not shutil.which("java"):
        process.missing("java, which runs Apache Kafka")
    classes = f"{jars()}/*"
    with process.scratch("apache-kafka") as folder:
        port, controller = process.free_port(), process.free_port()
        places = {"port": port, "controller": controller, "folder": folder}
        lines = (_SETTINGS + "\n".join(settings) + "\n").format_map(places)
        config = folder / "server.properties"
        config.write_text(lines)
        java = ["java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes]
        cluster = uuid.UUID(int=1).hex[:22]
        tool = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)]
        done = subprocess.run(tool, capture_output=True, cwd=folder, text=True)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{lines}"
        server = process.Server([*java, "kafka.Kafka", str(config)], port, folder)
        with process.running(server) as found:
            yield found


def allow(server: process.Server, topic: str, *operations: str) -> None:
    """Whoever asks may do these to the topic, and nothing else, where an authorizer is configured."""
    rights = [word for one in operations for word in ("--operation", one)]
    command = ["java", "-cp", f"{jars()}/*", "kafka.admin.AclCommand", "--bootstrap-server"]
    command += [
        f"127.0.0.1:{server.port}",
        "--add",
        "--allow-principal",
        "User:*",
        "--topic",
        topic,
    ]
    subprocess.run([*command, *rights], check=True, capture_output=True, timeout=60)
