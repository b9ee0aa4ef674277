"""From what a TOML file says to the experiment that it describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from taskgrove.domain.errors import BadValueError, UserError
from taskgrove.experiment.spec import ExperimentSpec, RootSpec
from taskgrove.experiment.suites.binding import bound_tasks
from taskgrove.experiment.suites.reading import suite_of
from taskgrove.experiment.tables import decode, located, read_table
from taskgrove.experiment.variables import filled

AGENT_KEYS = ("method", "iterations")
SEGMENTS, VARIANTS = "segments", "variants"
"""Lists in a file that make it more than one experiment."""
SEARCH = "search"
"""A table that makes it a search; see `experiment.search.spec`."""


def read_experiment(path: Path) -> ExperimentSpec:
    """The experiment that a TOML file describes.

    `${NAME}` in a task's source and in the root's weights stands for an environment variable.

    Raises:
        BadValueError: The file is missing, is not TOML, or a value is wrong; says where. Also for a
            file with segments or variants, which is more than one experiment.
        UnknownNameError: A key is unknown; lists the known ones.
    """
    table = read_table(path)
    with located(str(path)):
        refuse_variants(table)
        if table.pop(SEGMENTS, []):
            raise BadValueError(
                "The file has segments, so it is several experiments in a row. Read it with "
                "taskgrove.read_segments, or run it with `taskgrove run`."
            )
        return experiment_of(table)


def refuse_variants(table: Mapping[str, Any]) -> None:
    """Refuse a file that is a comparison."""
    if table.get(VARIANTS):
        raise BadValueError(
            "The file has variants, so it is a comparison of experiments. Carry it out with "
            "`taskgrove compare FILE --out FOLDER`."
        )


def experiment_of(table: Mapping[str, Any]) -> ExperimentSpec:
    """One experiment from a table without segments and variants."""
    if SEARCH in table:
        raise BadValueError(
            "The file has a table [search], so it is a search over grow sequences. Carry it out with "
            "`taskgrove search FILE --store GROVE --out FOLDER`."
        )
    try:
        return _expanded(decode(ExperimentSpec, _with_agent_options(table), ""))
    except UserError as error:
        raise type(error)(str(error).replace("agent.options", "agent")) from error


def _with_agent_options(table: Mapping[str, Any]) -> dict[str, Any]:
    """In the file, a method's own settings stand beside `method` and `iterations`, also those of groups."""
    groups = table.get("groups")
    if isinstance(groups, list):
        whole = [
            _group(group, f"groups[{i}]") if isinstance(group, dict) else group
            for i, group in enumerate(groups)
        ]
        table = {**table, "groups": whole}
    return _with_options(table)


def _group(group: Mapping[str, Any], place: str) -> dict[str, Any]:
    agent = group.get("agent")
    if isinstance(agent, dict) and "iterations" in agent:
        raise BadValueError(
            f"{place}.agent.iterations: all tasks of an experiment have the same number of iterations; set "
            "agent.iterations, or make several experiments of them."
        )
    return _with_options(group)


def _with_options(table: Mapping[str, Any]) -> dict[str, Any]:
    agent = table.get("agent")
    if not isinstance(agent, dict):
        return dict(table)
    own = {key: value for key, value in agent.items() if key in AGENT_KEYS}
    options = {key: value for key, value in agent.items() if key not in AGENT_KEYS}
    return {**table, "agent": {**own, "options": options}}


def _expanded(spec: ExperimentSpec) -> ExperimentSpec:
    """Spell out the suite, and environment variables where the experiment names files."""
    if spec.sources and spec.suite is None:
        raise BadValueError(
            "sources says where the data of a suite's tasks are, and the experiment names no suite. Set "
            "`suite`, or give each of `tasks` its own source."
        )
    suite = () if spec.suite is None else bound_tasks(suite_of(spec.suite), spec.sources)
    tasks = tuple(replace(task, source=filled(task.source)) for task in (*suite, *spec.tasks))
    groups = tuple(
        group if group.root is None else replace(group, root=_filled(group.root)) for group in spec.groups
    )
    return replace(spec, tasks=tasks, root=_filled(spec.root), groups=groups)


def _filled(root: RootSpec) -> RootSpec:
    return root if root.weights is None else replace(root, weights=filled(root.weights))
