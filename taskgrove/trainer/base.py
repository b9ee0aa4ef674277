"""What a trainer is: it runs jobs, writes what it trained, and answers with ids and numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.jobs import EvaluateJob, Outcome, ProbeResult, Study, TrainJob, ValidateResult
from taskgrove.domain.records import Evaluation, Model
from taskgrove.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One finished train cycle, for progress displays.

    Attributes:
        task, iteration, generation, child: Whose cycle it is; counted from 0.
        cycle: From 1.
        cycles: Of this child.
        accuracy: On validation images, after the cycle.
    """

    task: TaskName
    iteration: int
    generation: int
    child: int
    cycle: int
    cycles: int
    accuracy: float


def published(store: Store, identity: ModelId, at: int) -> Model:
    """A model that is live now or was at commit `at`.

    Raises:
        UnknownNameError: It is not and was not.
    """
    view = store.view()
    if identity not in view.models and 0 <= at < view.number:
        view = store.view(at)
    if identity not in view.models:
        raise UnknownNameError.of("live model", identity, view.models)
    return view.models[identity]


Watch = Callable[[Tick], None]
"""Called after every train cycle in the thread that trains."""


class AbstractTrainer(ABC):
    """Runs jobs; the same job gives the same bytes on the same kind of device.

    Not safe for use by several threads; executors make one per worker.
    """

    @abstractmethod
    def train(self, job: TrainJob) -> Outcome:
        """Train one child and write it to the store if it reaches the job's bar.

        A child that cannot be trained is a `JobFailed`, not an error.

        Raises:
            TaskDataError: The task's data is gone or has changed.
            StoreCorruptError: A component is damaged.
            EnvironmentFailure: The store cannot be written.
        """

    @abstractmethod
    def evaluate(self, job: EvaluateJob) -> Evaluation:
        """Accuracy of a published model on a split of its task, or on a part of the split."""

    @abstractmethod
    def study(self, study: Study) -> ProbeResult | ValidateResult:
        """Measure what an agent wants to know; nothing is trained or written.

        Raises:
            UnknownNameError: A model is not live; there is no such task, split or measure.
        """
