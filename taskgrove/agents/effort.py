"""How the budget of a task iteration is shared out among children."""

from __future__ import annotations

from dataclasses import dataclass

from taskgrove.domain.errors import BadValueError


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Generations of children, each trained for a number of cycles.

    Attributes:
        generations: One after the other.
        children: Per generation; they may be trained at the same time.
        cycles: Train cycles per child.
    """

    generations: int
    children: int
    cycles: int

    @property
    def num_children(self) -> int:
        """Of the whole task iteration."""
        return self.generations * self.children


def evolving(
    budget: int | None, cycles: int, *, generations: int | None, children: int, usual: int
) -> Effort:
    """As many generations as the budget pays for.

    Args:
        budget: Train cycles of all children together; None for as many as the settings say.
        cycles: Per child.
        generations: What the settings ask for; None for whatever the budget allows.
        children: Per generation.
        usual: Generations when neither is given.

    Raises:
        BadValueError: The budget is not that of a whole number of generations, or of another number
            than the settings ask for.
    """
    per_generation = children * cycles
    if budget is None:
        return Effort(generations=generations or usual, children=children, cycles=cycles)
    paid, left = divmod(budget, per_generation)
    if left or not paid or generations not in (None, paid):
        wanted = f", the settings ask for {generations}" if generations is not None else ""
        raise BadValueError(
            f"A task iteration has a budget of {budget} train cycles and a generation takes {per_generation} "
            f"({children} children of {cycles} cycles){wanted}. Choose budget.cycles = iterations x "
            f"generations x {per_generation}, e.g. {max(paid, 1) * per_generation} per iteration."
        )
    return Effort(generations=paid, children=children, cycles=cycles)


def replicating(budget: int | None, cycles: int, *, replicas: int) -> Effort:
    """One generation of replicas that share the budget equally (001, §3.1, Eq. 4).

    Args:
        budget: Train cycles of all replicas together; None trains each like an ordinary child.
        cycles: Of an ordinary child.
        replicas: Their number.

    Raises:
        BadValueError: The budget is not a multiple of the number of replicas.
    """
    if budget is None:
        return Effort(generations=1, children=replicas, cycles=cycles)
    share, left = divmod(budget, replicas)
    if left or not share:
        raise BadValueError(
            f"A task iteration has a budget of {budget} train cycles, which {replicas} replicas cannot share "
            f"equally. Choose budget.cycles = iterations x a multiple of {replicas}."
        )
    return Effort(generations=1, children=replicas, cycles=share)
