"""Has what an agent wants to know measured, and records what it will decide by."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import final

from taskgrove.coordinator.driver import Done, Job
from taskgrove.coordinator.recorded import Recorded
from taskgrove.coordinator.writer import Writer
from taskgrove.domain.ids import AgentName
from taskgrove.domain.jobs import Found, ProbeJob, ProbeResult, Study, ValidateResult
from taskgrove.domain.records import FinishProbe

Studying = Generator[tuple[Job, ...], Done | None, list[Found]]
"""Part of a course: has studies made and returns them in the order in which they were asked for."""


@final
class Studies:
    """Of the iterations of an experiment.

    Comparisons of models are recorded as soon as they have ended, since agents choose by them;
    validations are not: what they tell is recorded with the models that are published.

    Args:
        writer: Commits what happens.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def make(self, studies: Sequence[Study], agent: AgentName, begun: int, recorded: Recorded) -> Studying:
        """Have those studies made that the log does not have.

        Args:
            studies: For one task's iteration.
            agent: Who asks.
            begun: Number of the commit that began the iteration.
            recorded: What the log has.
        """
        found = {n: known for n, study in enumerate(studies) if (known := _from_log(study, recorded))}
        wanted: tuple[Job, ...] = tuple(s for number, s in enumerate(studies) if number not in found)
        while len(found) < len(studies):
            done = yield wanted
            wanted = ()
            assert done is not None
            assert isinstance(done.result, ProbeResult | ValidateResult)
            number = next(n for n, study in enumerate(studies) if study is done.job)
            found[number] = Found(study=studies[number], result=done.result)
            self._record(found[number], agent, begun, done)
        return [found[number] for number in range(len(studies))]

    def _record(self, found: Found, agent: AgentName, begun: int, done: Done) -> None:
        probe, result = found.study, found.result
        if not isinstance(probe, ProbeJob) or not isinstance(result, ProbeResult):
            return
        store = self._writer.store
        view = store.view(probe.at) if probe.at >= 0 else store.state.view
        other = view.models[probe.models[1]].task
        assert other is not None
        operation = FinishProbe(
            experiment=self._writer.experiment,
            agent=agent,
            task=probe.task,
            iteration=store.state.open[probe.task].iteration,
            models=probe.models,
            other=other,
            measure=probe.measure,
            split=probe.split,
            num_samples=result.num_samples,
            conflicts=result.conflicts,
        )
        position = ("probe", probe.task, *probe.models, probe.measure, begun)
        self._writer.commit(operation, *position, meters=done.meters)


def _from_log(study: Study, recorded: Recorded) -> Found | None:
    """A comparison that was made before an interruption."""
    if not isinstance(study, ProbeJob):
        return None
    probe = recorded.probes.get((study.models, study.measure))
    if probe is None:
        return None
    return Found(study=study, result=ProbeResult(conflicts=probe.conflicts, num_samples=probe.num_samples))
