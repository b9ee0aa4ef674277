"""A peer's side of the conversation: settings as an argument, then a line of JSON for each request."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

Respond = Callable[[dict[str, Any]], dict[str, Any]]


def serve(prepare: Callable[[dict[str, Any]], tuple[str, Respond]]) -> None:
    """Prepare, say what was prepared, then answer until there is no request left.

    Args:
        prepare: From the settings to what is measured, in words, and the function that answers.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries print as they like
    about, respond = prepare(json.loads(sys.argv[1]))
    print(json.dumps({"about": about}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(respond(json.loads(line))), file=answers, flush=True)
