"""What is registered, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from taskgrove.agents.methods import AGENTS
from taskgrove.backbones.families import FAMILIES
from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.domain.errors import UnknownNameError
from taskgrove.experiment.roots import ROOTS
from taskgrove.experiment.scores import FORMS
from taskgrove.experiment.spaces import SPACES
from taskgrove.experiment.suites.looking import summaries
from taskgrove.mutations.kinds import MUTATIONS
from taskgrove.reports.charts import in_order
from taskgrove.store.backends import BACKENDS
from taskgrove.tasks.sources import SOURCES

CATALOGUE: Mapping[str, Callable[[], dict[str, str]]] = {
    "agents": lambda: {name: agent.summary for name, agent in AGENTS.items()},
    "mutations": lambda: {name: mutation.summary for name, mutation in MUTATIONS.items()},
    "families": lambda: {
        member: f"{name}: {_describe(member)}"
        for name, family in FAMILIES.items()
        for member in family.members
    },
    "roots": lambda: dict(ROOTS),
    "sources": lambda: {name: source.summary for name, source in SOURCES.items()},
    "spaces": lambda: {name: space.summary for name, space in SPACES.items()},
    "scores": lambda: {name: form.summary for name, form in FORMS.items()},
    "suites": summaries,
    "charts": lambda: {chart.name: chart.summary for chart in in_order()},
    "backends": lambda: {name: backend.summary for name, backend in BACKENDS.items()},
    "executors": lambda: {name: executor.summary for name, executor in EXECUTORS.items()},
}


def registered(what: str) -> dict[str, str]:
    """Everything registered of one kind, with a line each.

    Args:
        what: `agents`, `mutations`, `families`, `roots`, `sources`, `spaces`, `scores`, `suites`,
            `charts`, `backends` or `executors`.

    Raises:
        UnknownNameError: There is no such kind.
    """
    if what not in CATALOGUE:
        raise UnknownNameError.of("catalogue", what, CATALOGUE)
    return CATALOGUE[what]()


def _describe(member: str) -> str:
    from_family = next(f for _, f in FAMILIES.items() if member in f.members)
    layout = from_family.layout(member)
    hparams = from_family.space(member).defaults()
    slots = [layout.slot(name, hparams, 2) for name in layout.root_slots()]
    params, flops = sum(s.num_params for s in slots), sum(s.flops for s in slots)
    resolution = hparams["data.resolution"]
    return f"{params / 1e6:.2f} M parameters, {flops / 1e6:.1f} MFLOPs at {resolution} px"
