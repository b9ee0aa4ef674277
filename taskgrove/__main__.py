"""The program as a module, for `python -m taskgrove` and torchrun."""

from __future__ import annotations

from taskgrove.cli.main import main

if __name__ == "__main__":
    main()
