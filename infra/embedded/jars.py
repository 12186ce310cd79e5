"""The pinned jars: Apache Kafka, and the browser libraries, which Maven Central has as WebJars.

`jars.toml` lists every file with its checksum and names no registry: jgo's pure-Python Maven resolver fetches from
Maven Central. `python -m infra.embedded.pin` writes the list.
"""

import hashlib
import json
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jgo.maven import Artifact

LIST = Path(__file__).with_name("jars.toml")

WEB_FILES = {
    "htmx.org": ("dist/htmx.min.js",),
    "htmx-ext-sse": ("sse.js",),
    "leaflet": ("dist/leaflet.js", "dist/leaflet.css", "dist/images/"),
    "uplot": ("dist/uPlot.iife.min.js", "dist/uPlot.min.css"),
    # used only for its country borders (GeoJSON, Apache-2.0), so that the map works offline
    "echarts": ("map/json/world.json",),
}

Report = Callable[[str], None]


class JarUnavailable(Exception):
    """A jar is not in the cache and could not be fetched."""

    code = "jar-unavailable"


class WrongChecksum(Exception):
    """A fetched file differs from the pinned one."""

    code = "wrong-checksum"

    def __init__(self, path: Path, expected: str, found: str) -> None:
        super().__init__(
            f"{path.name} has sha256 {found}, but {expected} is pinned. "
            "The file was removed; if a second fetch says the same, do not use that source."
        )


@dataclass(frozen=True)
class Jar:
    use: str
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def pinned(path: Path = LIST) -> tuple[Jar, ...]:
    return tuple(Jar(**row) for row in tomllib.loads(path.read_text())["jar"])


def fetch(cache: Path, report: Report, jars: tuple[Jar, ...] | None = None) -> dict[Jar, Path]:
    """Return every pinned jar in the cache, verified; missing ones are downloaded, each with a line of progress.

    Raise WrongChecksum, JarUnavailable.
    """
    jars = pinned() if jars is None else jars
    directory = cache / "jars"
    directory.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if not (directory / jar.file_name).exists()]
    if missing:
        _download_all(missing, cache, report)
    found = {jar: directory / jar.file_name for jar in jars}
    for jar, path in found.items():
        _verify(path, jar)
    return found


def _download_all(missing: list[Jar], cache: Path, report: Report) -> None:
    from jgo.maven import MavenContext  # imported here, because a start that finds all jars does not need it

    directory = cache / "jars"
    maven = MavenContext(repo_cache=cache / "maven", timeout=60)
    for number, jar in enumerate(missing, start=1):
        report(f"fetching jar {number} of {len(missing)}: {jar.file_name}")
        artifact = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        fetched = _download(artifact)
        _verify(fetched, jar)
        fetched.replace(directory / jar.file_name)


def class_path(jars: dict[Jar, Path]) -> str:
    return ":".join(str(path) for jar, path in jars.items() if jar.use.startswith("kafka"))


def web_assets(home: Path, cache: Path, report: Report) -> Path:
    """Unpack the browser libraries into `home/static` and return that directory.

    It then contains htmx.min.js, sse.js, leaflet.js, leaflet.css, images/, uPlot.iife.min.js, uPlot.min.css and
    countries.json (GeoJSON, one feature per country, with the property `name`).
    """
    target = home / "static"
    jars = fetch(cache, report, tuple(jar for jar in pinned() if jar.use == "web"))
    stamp = target / ".versions"
    wanted = "\n".join(jar.sha256 for jar in jars)
    if stamp.exists() and stamp.read_text() == wanted:
        return target
    for jar, path in jars.items():
        root = f"META-INF/resources/webjars/{jar.artifact}/{jar.version}/"
        with zipfile.ZipFile(path) as archive:
            for name in _members(archive, jar, root):
                file = target / name.removeprefix(root).removeprefix("dist/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(name))
    _thin_out(target / "map" / "json" / "world.json", target / "countries.json")
    stamp.write_text(wanted)
    return target


def _members(archive: zipfile.ZipFile, jar: Jar, root: str) -> Iterator[str]:
    for name in archive.namelist():
        for wanted in WEB_FILES[jar.artifact]:
            inside = wanted.endswith("/") and name.startswith(root + wanted) and not name.endswith("/")
            if inside or name == root + wanted:
                yield name


def _thin_out(world: Path, countries: Path) -> None:
    """GeoJSON with coordinates to 0.01 degree, about 1 km: it has a third of the size and looks the same."""
    outlines = json.loads(world.read_text(), parse_float=lambda text: round(float(text), 2))
    outlines["features"] = [feature for feature in outlines["features"] if feature["properties"]["name"]]
    countries.write_text(json.dumps(outlines, separators=(",", ":"), ensure_ascii=False))
    world.unlink()


def _download(artifact: "Artifact") -> Path:
    import requests

    part_of_earlier_try = artifact.cached_path
    if part_of_earlier_try is not None:
        part_of_earlier_try.unlink(missing_ok=True)
    try:
        return artifact.resolve()
    except (RuntimeError, requests.RequestException) as failure:
        raise JarUnavailable(
            f"{artifact} could not be fetched from Maven Central ({failure}). Is this machine connected? "
            "A proxy is taken from the variable HTTPS_PROXY."
        ) from failure


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(path: Path, jar: Jar) -> None:
    found = sha256(path)
    if found != jar.sha256:
        path.unlink()
        raise WrongChecksum(path, jar.sha256, found)
