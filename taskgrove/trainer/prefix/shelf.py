"""The activations of one prefix on disk: finds them, believes them after a test, adds what is computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from taskgrove.trainer.prefix.disk import Disk
from taskgrove.trainer.prefix.piece import Piece, encode


class Shelf:
    """The files of one prefix, as far as this process has mapped them.

    Args:
        disk: Where they are.
        key: Of the prefix.
        device: Where activations are computed and wanted.
    """

    def __init__(self, disk: Disk, key: str, device: torch.device) -> None:
        self._disk = disk
        self._key = key
        self._device = device
        self._pieces: dict[Path, Piece] = {}

    def rows(self, wanted: Tensor, compute: Callable[[Tensor], Tensor], sample: int) -> tuple[Tensor, int]:
        """The activations of some images; those that had to be computed are on disk afterwards.

        Args:
            wanted: (n,) int64 on the CPU, ascending, each once, n at least 1.
            compute: Gives those of any images, at least one.
            sample: So many of those that are found are computed again, the first time, and must be equal
                to the last bit: the code of a layer may have changed since, or the machine.

        Returns:
            (n, ...) on the device, and how many images were not computed.
        """
        self._scan()
        found, held = self._read(wanted)
        if held is None:
            return self._computed(wanted, compute), 0
        num_read = int(found.sum())
        if self._key not in self._disk.proven:
            self._disk.proven.add(self._key)
            again = compute(wanted[found][:sample])
            if not _same(again.detach().cpu(), held[found][:sample]):
                self._clear()
                return self._computed(wanted, compute), 0
            num_read -= len(again)
        values = held.to(self._device)
        if not bool(found.all()):
            values[(~found).to(self._device)] = self._computed(wanted[~found], compute)
        return values, num_read

    def _scan(self) -> None:
        """Map the files that others have added, let go of those that they have removed."""
        paths = self._disk.pieces(self._key)
        for path in self._pieces.keys() - paths:
            del self._pieces[path]
        for path in sorted(paths - self._pieces.keys()):
            try:
                self._pieces[path] = Piece(path)
            except FileNotFoundError:
                continue
            except (OSError, ValueError):
                self._disk.remove(path)

    def _read(self, wanted: Tensor) -> tuple[Tensor, Tensor | None]:
        """Which images are on disk (n,), and all values (n, ...), of which only those are meant; or None."""
        found, values = torch.zeros(len(wanted), dtype=torch.bool), None
        for piece in tuple(self._pieces.values()):
            places = piece.places(wanted).masked_fill(found, -1)
            at = torch.nonzero(places >= 0).flatten()
            if not len(at) or not self._is_sound(piece):
                continue
            rows = piece.rows(places[at])
            values = rows.new_empty((len(wanted), *rows.shape[1:])) if values is None else values
            values[at] = rows
            found[at] = True
            self._disk.use(piece.path)
        return found, values

    def _is_sound(self, piece: Piece) -> bool:
        """Whether a file may be read from; a damaged one is removed."""
        if piece.path not in self._disk.sound:
            if not piece.is_sound(self._key):
                self._remove(piece)
                return False
            self._disk.sound.add(piece.path)
        return True

    def _clear(self) -> None:
        for piece in tuple(self._pieces.values()):
            self._remove(piece)

    def _remove(self, piece: Piece) -> None:
        self._disk.remove(piece.path)
        del self._pieces[piece.path]

    def _computed(self, wanted: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        values = compute(wanted)
        self._scan()
        new = torch.ones(len(wanted), dtype=torch.bool)
        for piece in self._pieces.values():  # others may have computed the same meanwhile
            new &= piece.places(wanted) < 0
        size = max(1, self._disk.piece_bytes // max(1, values[0].nbytes))
        for index in torch.split(torch.nonzero(new).flatten(), size):
            if len(index):
                part = values[index.to(values.device)].detach().cpu()
                self._disk.keep(self._key, encode(self._key, wanted[index], part))
        return values


def _same(one: Tensor, other: Tensor) -> bool:
    """Equal to the last bit, also where something is not a number."""
    alike = one.dtype == other.dtype and one.shape == other.shape
    return alike and torch.equal(_bytes(one), _bytes(other))


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.contiguous().view(torch.uint8)
