"""Ports of a home: free ports are chosen once and remembered in `ports.json`, so that two homes can run side by
side."""

import asyncio
import fcntl
import json
import random
import socket
from pathlib import Path

# Below the range that systems use for outgoing connections, in which a connection of another program could occupy a
# remembered port.
CHOICE = range(20_000, 32_000)


def remembered_port(home: Path, name: str) -> int:
    """The port of the part `name` in this home; a free one is chosen when it is first asked for."""
    return _choose(home, name, must_be_free=False)


def free_port(home: Path, name: str) -> int:
    """As remembered_port, but replace a port that another program has taken meanwhile. For use before a first start."""
    return _choose(home, name, must_be_free=True)


def _choose(home: Path, name: str, *, must_be_free: bool) -> int:
    home.mkdir(parents=True, exist_ok=True)
    path = home / "ports.json"
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        ports: dict[str, int] = json.loads(file.read() or "{}")
        if name not in ports or (must_be_free and not is_free(ports[name])):
            ports[name] = next(
                port for port in random.sample(CHOICE, len(CHOICE)) if port not in ports.values() and is_free(port)
            )
            file.truncate(0)
            file.write(json.dumps(ports, indent=1))
        return ports[name]


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return False
    return True


async def answers(port: int, host: str = "127.0.0.1") -> bool:
    """True when something accepts connections on the port."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
