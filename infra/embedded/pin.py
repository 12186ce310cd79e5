"""Writes jars.toml: `python -m infra.embedded.pin` after editing TOP, to move to new versions."""

from pathlib import Path

from jgo.maven import Dependency, MavenContext

from infra.config import Config
from infra.embedded.jars import LIST, pinned, sha256

# Each is resolved separately: otherwise the BOM of the logging binding would select another version of kafka-clients.
TOP = {
    "kafka": ("org.apache.kafka:kafka_2.13:4.4.0",),
    "kafka-log": ("org.apache.logging.log4j:log4j-slf4j-impl:2.25.5",),
    "web": (
        "org.webjars.npm:htmx.org:2.0.7",
        "org.webjars.npm:htmx-ext-sse:2.2.2",
        "org.webjars.npm:leaflet:1.9.4",
        "org.webjars.npm:uplot:1.6.30",
        "org.webjars.npm:echarts:4.1.0",
    ),
}
TRANSITIVE = {"kafka"}


def lock(cache: Path) -> str:
    """The text of jars.toml for TOP. The checksums are those of the files that Maven Central serves now: check the
    diff."""
    maven = MavenContext(repo_cache=cache / "maven-lock", timeout=60)
    rows = ["# Written by `python -m infra.embedded.pin`; do not edit.\n"]
    for use, coordinates in TOP.items():
        for coordinate in coordinates:
            group, name, version = coordinate.split(":")
            artifact = maven.project(group, name).at_version(version).artifact()
            found = [artifact]
            if use in TRANSITIVE:
                _, below = maven.resolver.resolve([Dependency(artifact)])
                found += sorted((dependency.artifact for dependency in below), key=str)
            for one in found:
                values = {"use": use, "group": one.groupId, "artifact": one.artifactId, "version": one.version}
                values["sha256"] = sha256(one.resolve())
                rows.append("[[jar]]\n" + "".join(f'{key} = "{value}"\n' for key, value in values.items()))
    return "\n".join(rows)


if __name__ == "__main__":
    LIST.write_text(lock(Config.load().cache))
    print(f"{len(pinned())} jars pinned in {LIST}")
