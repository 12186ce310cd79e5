"""An archive of Kafka's classes, which Java writes after one start: later starts need half the processor time.

`make setup` makes the archive, beside the jars. Java uses it only with the same jars and the same Java, and otherwise
ignores it; a Java before 24 cannot make one and starts without it.
"""

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.embedded import kafka
from infra.embedded.process import Child
from infra.topics import create_topics

Report = Callable[[str], None]


def is_usable(class_path: str) -> bool:
    kept = kafka.archive(class_path)
    if not kept.exists():
        return False
    check = (str(kafka.java()), f"-XX:AOTCache={kept}", "-XX:AOTMode=on", *kafka.JAVA_SETTINGS, "-cp", class_path)
    return subprocess.run((*check, "-version"), capture_output=True).returncode == 0


def make(class_path: str, report: Report) -> None:
    """Make the archive if there is no usable one. Raise PartFailed if Kafka does not start."""
    if is_usable(class_path):
        return
    report("starting Kafka once, so that its later starts are quicker")
    kept = kafka.archive(class_path)
    kept.unlink(missing_ok=True)
    with TemporaryDirectory() as folder:
        home = Path(folder)
        made = home / kept.name
        kafka.prepare(home, class_path)
        part = kafka.part(home, class_path)
        java, *arguments = part.command
        child = Child(replace(part, command=(java, f"-XX:AOTCacheOutput={made}", *arguments), stop_within=120.0), home)
        child.start()
        try:
            asyncio.run(_use(child, kafka.bootstrap(home)))
        finally:
            child.stop()
        if made.exists():
            shutil.move(made, kept)


async def _use(child: Child, bootstrap: str) -> None:
    """Do what each start does, so that the archive has the classes for it."""
    await child.wait_ready()
    await create_topics(bootstrap)
