"""Where a root's weights come from: nothing, a shipped root by name, a file, or the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from taskgrove.domain.errors import MissingExtraError, UnknownNameError, WeightsError
from taskgrove.experiment.spec import RootSpec

RANDOM = "random"
SHIPPED: Mapping[str, str] = {
    "glyphs": "2,430 characters of 39 scripts in 61 tasks, drawn from free fonts; a vit-ti3",
}
"""Roots that the package holds, each as `<name>.safetensors` with its provenance `<name>.json`."""
ROOTS: Mapping[str, str] = {RANDOM: "random initialisation, of any backbone", **SHIPPED}
HOME = Path(str(files("taskgrove.backbones.roots")))
_HUB = "hub:"
_HUB_FILE = "model.safetensors"
_FORMS = (*ROOTS, "hub:<owner>/<repo>[/<file>]", "<path of a weights file>")


def weights_file(spec: RootSpec) -> Path | None:
    """The file that a root's weights are read from; None for random initialisation.

    Raises:
        WeightsError: A shipped root does not fit the backbone or is not installed, or the hub has no
            such file.
        UnknownNameError: The text is neither a file nor the name of a root.
        MissingExtraError: `hub:` needs the extra `hub`.
    """
    text = spec.weights
    if text is None or text == RANDOM:
        return None
    if text in SHIPPED:
        return _shipped(text, spec.member)
    if text.startswith(_HUB):
        return _from_hub(text)
    path = Path(text).expanduser()
    if path.suffix or len(path.parts) > 1 or path.exists():
        return path
    raise UnknownNameError.of("root", text, _FORMS)


def _shipped(name: str, member: str) -> Path:
    path, provenance = HOME / f"{name}.safetensors", HOME / f"{name}.json"
    if not path.is_file() or not provenance.is_file():
        raise WeightsError(
            f"The root {name!r} is not in this copy of Taskgrove ({path} or its .json is missing). Install a "
            f"release, or train it with recipes/pretrain_{name}.toml."
        )
    made_for = json.loads(provenance.read_text(encoding="utf-8"))["member"]
    if member != made_for:
        raise WeightsError(
            f"The root {name!r} is a {made_for} and cannot start a {member}. Use root {made_for}, or "
            "train one for your backbone with `taskgrove pretrain`."
        )
    return path


def _from_hub(text: str) -> Path:
    owner, _, rest = text.removeprefix(_HUB).partition("/")
    repo, _, file = rest.partition("/")
    if not owner or not repo:
        raise WeightsError(f"{text!r} names no repository; write {_HUB}<owner>/<repo>[/<file>].")
    return _download(f"{owner}/{repo}", file or _HUB_FILE)


def _download(repo: str, file: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise MissingExtraError(
            f"The weights {_HUB}{repo} need huggingface_hub, which is not installed; "
            "run: pip install 'taskgrove[hub]', or download the file and name its path."
        ) from error
    try:
        return Path(hf_hub_download(repo, file))
    except (OSError, ValueError) as error:  # what the library raises for a bad name, too
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        raise WeightsError(
            f"{file} of {repo} cannot be fetched from the Hugging Face hub ({reason}). "
            "Check the name and the network; offline, only what the hub's cache holds can be used."
        ) from error
