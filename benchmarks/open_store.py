"""A fresh process that opens a store, does one thing with it, and says what that took.

    python -m benchmarks.open_store FOLDER open

prints JSON: seconds, and MiB that were resident before and at most. It imports little, so that what it
measures is the store.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter

from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.store import Store

NEVER = 10**9
STATUS = Path("/proc/self/status")


def opened(folder: Path) -> None:
    """The newest state, ready to read."""
    Store.open(LocalBackend(folder), writable=False)


def opened_for_writing(folder: Path) -> None:
    """The newest state, the storage probed."""
    Store.open(LocalBackend(folder))


def old_view(folder: Path) -> None:
    """The system in the middle of its history."""
    store = Store.open(LocalBackend(folder), writable=False)
    store.view(store.state.view.number // 2)


def whole_history(folder: Path) -> None:
    """Every commit, one after the other."""
    for _ in Store.open(LocalBackend(folder), writable=False).history():
        pass


def replayed(folder: Path) -> None:
    """The newest state, as if there were no segments and no checkpoints."""
    Store.open(LocalBackend(folder), writable=False, thousand=NEVER)


WORKS: Mapping[str, Callable[[Path], None]] = {
    "open": opened,
    "open for writing": opened_for_writing,
    "open and view an old commit": old_view,
    "open and read the whole history": whole_history,
    "open without checkpoints and segments": replayed,
}


def resident_mb(what: str) -> float:
    """`VmRSS`, what is resident now, or `VmHWM`, the most that was; 0 where the system does not tell."""
    text = STATUS.read_text(encoding="utf-8") if STATUS.exists() else ""
    found = re.search(rf"{what}:\s+([0-9]+) kB", text)
    return int(found[1]) / 1024 if found else 0.0


def forget_peak() -> None:
    """Let the most that was resident begin at what is resident now; Linux only."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5", encoding="utf-8")


def main() -> None:
    """Do what the command line says."""
    folder, work = Path(sys.argv[1]), WORKS[sys.argv[2]]
    forget_peak()
    before_mb, start = resident_mb("VmRSS"), perf_counter()
    work(folder)
    seconds = perf_counter() - start
    print(json.dumps({"seconds": seconds, "before_mb": before_mb, "most_mb": resident_mb("VmHWM")}))


if __name__ == "__main__":
    main()
