"""What the layouts of plain stacks of layers have in common; imports no torch, for agents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from taskgrove.domain.errors import BadValueError, WeightsError
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import SlotName

RESOLUTION = "data.resolution"


def resolution_of(hparams: Hparams, member: str, multiple: int = 1) -> int:
    """The edge of the prepared images in pixels.

    Args:
        hparams: With `data.resolution`.
        member: Whose layers see the images, for the message.
        multiple: The edge must be one of this.

    Raises:
        BadValueError: It is missing, or no edge that the member can see.
    """
    value = hparams.get(RESOLUTION)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0 or value % multiple:
        kind = f"multiple of {multiple}" if multiple > 1 else "whole number"
        raise BadValueError(
            f"{member} needs square images, so {RESOLUTION} must be a positive {kind}, got {value!r}."
        )
    return value


def check_stack(
    names: Sequence[SlotName], root: Sequence[SlotName], removable: Sequence[SlotName], member: str
) -> None:
    """Refuse what is neither a root's slots nor these without some removable ones, from the top; one stays.

    Args:
        names: Of a model, in order.
        root: Of a root, in order.
        removable: Some of the root's, in order.
        member: Whose model it should be, for the message.

    Raises:
        BadValueError: The slots are no model of the member.
    """
    kept = (set(removable[:count]) for count in range(1, len(removable) + 1))
    allowed = [[name for name in root if name not in removable or name in some] for some in kept]
    if list(names) not in allowed:
        raise BadValueError(
            f"{list(names)} is not a model of {member}: it is {', '.join(root)}, where "
            f"{' and '.join(reversed(removable[1:]))} may be left out, in this order."
        )


def no_weights(path: Path, member: str) -> WeightsError:
    """What to say of a file of weights for a family that nobody publishes any for."""
    return WeightsError(
        f"{path} cannot be read: there are no public weights for {member}. Start from random ones."
    )


def no_format(member: str) -> WeightsError:
    """What to say of pretraining a family that has no file format."""
    return WeightsError(
        f"{member} cannot be pretrained: its family has no file format. Use a vision transformer."
    )
