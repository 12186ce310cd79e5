"""Python's collector of reference cycles walks through all objects again and again, and everything else of the process waits for it:
0.3 s for the modules of all services."""

import gc


def leave_what_stays() -> None:
    """Once the process has loaded what it works with: modules, routes and templates stay, and are not looked at any more. Requests and
    events leave few cycles, which are looked for more seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
