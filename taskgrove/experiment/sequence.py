"""Which experiments of a sequence are left to be carried out on a system."""

from __future__ import annotations

from collections.abc import Sequence

from taskgrove.domain.errors import BadValueError, UserError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.view import SystemView
from taskgrove.experiment.build import check_spec, training_of
from taskgrove.experiment.measured import with_recorded
from taskgrove.experiment.segments import refuse_repeated
from taskgrove.experiment.spec import ExperimentSpec, digest


def check_sequence(specs: Sequence[ExperimentSpec]) -> None:
    """Refuse experiments that cannot be carried out in a row, before anything is written.

    Raises:
        UserError: There is none, names are repeated, roots differ, or `check_spec` refuses one.
    """
    if not specs:
        raise BadValueError("There is no experiment to carry out; give at least one.")
    refuse_repeated("experiments", (spec.name for spec in specs))
    for spec in specs:
        if spec.root != specs[0].root:
            raise BadValueError(
                f"Experiments in a row grow one system from one root, but {spec.name!r} has another root "
                f"than {specs[0].name!r}. Give both the same root, or run them on two stores."
            )
        try:
            check_spec(spec)
        except UserError as error:
            raise error if len(specs) == 1 else type(error)(f"{spec.name}: {error}") from error


def unfinished(specs: Sequence[ExperimentSpec], view: SystemView) -> tuple[ExperimentSpec, ...]:
    """What is left of a sequence: the experiment that was begun last, and those after it.

    Args:
        specs: All experiments in order.
        view: The system on which some may have been carried out.

    Raises:
        BadValueError: One was carried out with other settings, or asks for more than was done before
            a later one began.
    """
    begun = [i for i, spec in enumerate(specs) if spec.name in view.experiments]
    for i in begun:
        _check_settings(specs[i], view)
    if not begun:
        return tuple(specs)
    for spec in specs[: begun[-1]]:
        _check_done(spec, view, later=specs[begun[-1]].name)
    return tuple(specs[begun[-1] :])


def _check_settings(spec: ExperimentSpec, view: SystemView) -> None:
    spec = with_recorded(spec, view)
    start, train = view.experiments[spec.name], training_of(spec)
    if start.digest != digest(spec, train.precision, train.threads):
        raise BadValueError(
            f"Experiment {spec.name!r} was started in this store with other settings. Only its tasks and "
            "agent.iterations may change; give the changed experiment, or segment, another name. "
            f"It was started with: {start.spec}"
        )


def _check_done(spec: ExperimentSpec, view: SystemView, later: str) -> None:
    start, done = view.experiments.get(spec.name), view.progress.get(spec.name, {})
    names = [TaskName(task.name) for task in spec.tasks] or (start.tasks if start else ())
    if start is None or any(done.get(name, 0) < spec.agent.iterations for name in names):
        raise BadValueError(
            f"Segment {spec.name!r} asks for more than this system has done of it, but the later segment "
            f"{later!r} has begun, and segments are carried out in order. Take back the change, put it into "
            "a new segment at the end, or use an empty store."
        )
