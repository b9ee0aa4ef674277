"""The benchmark of the index runs on a small log, and the index is the smaller one."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import index


def test_the_index_is_compared_with_the_obvious_tables(tmp_path: Path) -> None:
    index.main(["--models", "300", "--out", str(tmp_path / "found")])
    tables = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["tables"]
    ours, theirs = tables["Writing"]
    assert ours["models"] == theirs["models"] >= 300
    assert ours["bytes per model"] < theirs["bytes per model"]
    assert all(row["rows"] > 0 for row in tables["Questions to the index"])
