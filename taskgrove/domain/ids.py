"""Names and identities, as distinct types so that they cannot be mixed up."""

from __future__ import annotations

import re
from typing import NewType

TaskName = NewType("TaskName", str)
AgentName = NewType("AgentName", str)
SlotName = NewType("SlotName", str)
BlobId = NewType("BlobId", str)
"""sha256 (hex) of the stored bytes."""
ComponentId = NewType("ComponentId", str)
"""The `BlobId` of a component's parameters."""
ModelId = NewType("ModelId", str)
"""sha256 (hex) of the model's canonical JSON."""
CommitId = NewType("CommitId", str)
"""What identifies a commit attempt: chosen by the writer, unique in the log."""

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,99}")
"""Task and experiment names: 1 to 100 letters, digits and `_.:+-`, not starting with a sign."""
