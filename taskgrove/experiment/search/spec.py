"""What is searched, as frozen data, read from the table `[search]` of an experiment (004, §3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskgrove.coordinator.limits import Limits
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.experiment.decode import SEARCH, SEGMENTS, experiment_of, refuse_variants
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec
from taskgrove.experiment.tables import decode, expect, located, read_table

METHOD = "bind_grow"
NSGA2, TPE, GP, RANDOM, GRID = SAMPLERS = ("nsga2", "tpe", "gp", "random", "grid")
SHARED, PER_TASK = DELTAS = ("shared", "per task")
RSA, RANK = BINDS = ("rsa", "rank")
FIXED, SEARCHED = ORDERS = ("fixed", "searched")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpec:
    """Which grow sequences are tried.

    Attributes:
        sampler: `nsga2`, as in the paper, `tpe`, `gp`, `random`, or `grid`: every δ in steps, one for all
            tasks.
        delta: `shared` by all tasks, or chosen `per task`.
        step: Between values of δ.
        bind: `rsa`, to the task with the least conflict, or `rank`: the index into each task's candidates by
            conflict is searched.
        order: Of tasks: `fixed`, or `searched`.
        max_params: Distinct parameters that a solution may have; 0 for any number.
        population: Trials of a generation (`nsga2`), or before anything is learned from them (`tpe`, `gp`);
            0 for as many as suit the number of trials.
        seed: Of the sampler.
    """

    sampler: str = NSGA2
    delta: str = SHARED
    step: float = 0.05
    bind: str = RSA
    order: str = FIXED
    max_params: int = 0
    population: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        choices = {"sampler": (self.sampler, SAMPLERS), "delta": (self.delta, DELTAS)}
        others = {"bind": (self.bind, BINDS), "order": (self.order, ORDERS)}
        for name, (value, known) in {**choices, **others}.items():
            if value not in known:
                raise UnknownNameError.of(f"search.{name}", value, known)
        if not 0.0 < self.step <= 1.0 or abs(1 / self.step - round(1 / self.step)) > 1e-9:
            raise BadValueError(
                f"search.step must divide the interval from 0 to 1 into equal parts, got {self.step}; choose "
                "0.05, 0.1, 0.25 or the like."
            )
        if self.max_params < 0:
            raise BadValueError(
                f"search.max_params must not be negative, got {self.max_params}; 0 is any number."
            )
        if self.population < 0 or self.population == 1:
            raise BadValueError(
                "search.population must be at least 2, or 0 for what suits the number of trials; got "
                f"{self.population}."
            )
        if self.sampler == GRID and (self.delta, self.bind, self.order) != (SHARED, RSA, FIXED):
            raise BadValueError(
                f'search.sampler = "{GRID}" tries values of one δ and nothing else; set search.delta = '
                f'"{SHARED}", search.bind = "{RSA}" and search.order = "{FIXED}", or choose another sampler.'
            )

    @property
    def num_steps(self) -> int:
        """Steps of δ from 0 to 1."""
        return round(1 / self.step)

    def settled_population(self, trials: int) -> int:
        """`population`, or what suits a search of so many trials."""
        return self.population or min(50, max(4, trials // 2))


def read_search(path: Path) -> tuple[ExperimentSpec, SearchSpec]:
    """The experiment and the search that a TOML file describes; `[search]` may be left out.

    Raises:
        BadValueError: The file is missing, is not TOML, a value is wrong, or it has segments or variants.
        UnknownNameError: A key is unknown; lists the known ones.
    """
    table = read_table(path)
    with located(str(path)):
        refuse_variants(table)
        if table.get(SEGMENTS):
            raise BadValueError(
                "The file has segments; a search tries variations of one experiment. Leave them out."
            )
        search = decode(SearchSpec, expect(table.pop(SEARCH, {}), dict, SEARCH), SEARCH)
        return experiment_of(table), search


def check_search(experiment: ExperimentSpec, search: SearchSpec) -> None:
    """Refuse an experiment that is no template of grow sequences.

    Raises:
        BadValueError: Another method or schedule, more than one iteration, the streaming setting, limits, or
            a setting that the search chooses itself.
    """
    if (
        experiment.schedule != "sequential"
        or experiment.agent.iterations != 1
        or experiment.limits != Limits()
    ):
        raise BadValueError(
            "A grow sequence visits each task once, one after the other, to its end: set schedule = "
            f'"sequential" (it is "{experiment.schedule}") and agent.iterations = 1 (it is '
            f"{experiment.agent.iterations}), and leave out limits."
        )
    for place, agent in _agents(experiment):
        _check_agent(place, agent, search)


def _agents(experiment: ExperimentSpec) -> list[tuple[str, AgentSpec]]:
    own = [(f"groups[{i}].agent", g.agent) for i, g in enumerate(experiment.groups) if g.agent is not None]
    return [("agent", experiment.agent), *own]


def _check_agent(place: str, agent: AgentSpec, search: SearchSpec) -> None:
    if agent.method != METHOD:
        raise BadValueError(
            f'{place}.method is "{agent.method}"; grow sequences are those of "{METHOD}", so choose that.'
        )
    options: Mapping[str, Any] = agent.options
    chosen = ("delta", "rank") if search.bind == RANK else ("delta",)
    for name in chosen:
        if name in options:
            raise BadValueError(f"{place}.{name} is what the search chooses; leave it out.")
    if options.get("grow") == "random":
        raise BadValueError(
            f'{place}.grow is "random", but a search chooses by conflicts: it needs "nucleus" or "thrifty".'
        )
    for name, wanted in (("setting", "incremental"), ("bind", "least")):
        if options.get(name, wanted) != wanted:
            raise BadValueError(
                f'{place}.{name} is "{options[name]}", but a search compares sequences by the validation '
                f'images of all tasks and chooses by conflicts: it needs "{wanted}".'
            )
