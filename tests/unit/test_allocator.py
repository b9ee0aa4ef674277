"""Freed memory stays with a process, in large pages where the kernel offers them."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

OFFER = Path("/sys/kernel/mm/transparent_hugepage/enabled")
PROGRAM = """
import resource
from taskgrove.trainer.allocator import keep_freed_memory

assert keep_freed_memory()
faults = []
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    data = bytearray(24 << 20)
    del data
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
flags, inside = "", False
for line in open("/proc/self/smaps"):
    inside = line.rstrip().endswith("[heap]") or (inside and ":" in line.split()[0])
    if inside and line.startswith("VmFlags"):
        flags = line
print(faults[1:], "hg" in flags.split())
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is told, on Linux")


@cache
def told() -> str:
    """What a process finds of itself."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_freed_memory_is_used_again_without_a_page_fault() -> None:
    assert told().startswith("[0, 0]")


@pytest.mark.skipif(not OFFER.exists(), reason="this kernel has no large pages to offer")
def test_the_heap_asks_for_large_pages() -> None:
    assert told().endswith("True")
