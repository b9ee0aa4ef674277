"""Which file system a path lies on: whether a lock that is taken there holds for all who can see the path."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
LOCAL = frozenset(
    {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "overlay", "tmpfs", "xfs", "zfs"}
)
"""File systems of one machine; any other, and what is not known, may be seen by another machine, too."""
_OCTAL = re.compile(r"\\([0-7]{3})")


def is_local(path: Path) -> bool:
    """Whether only processes of this machine can see the path."""
    try:
        return kind_of(path.resolve(), MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")) in LOCAL
    except OSError:
        return False


def kind_of(path: Path, mounts: str) -> str | None:
    """The type of the file system on which an absolute path lies.

    Args:
        path: Without symbolic links; it need not exist.
        mounts: What Linux tells in `/proc/self/mountinfo`.
    """
    found, deepest = None, -1
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        point = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), mount.split()[4]))
        if path.is_relative_to(point) and len(point.parts) >= deepest:  # of equals the last one covers
            found, deepest = source.split()[0], len(point.parts)
    return found
