"""Knowledge flow as a matrix: what the parameters of each model were trained on (muNet, Fig. 6 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from matplotlib.figure import Figure

from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.knowledge import HEADINGS, flow_matrix, flow_rows, knowledge_flow
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import AbstractStill
from taskgrove.reports.drawing.circle import order_around
from taskgrove.reports.drawing.colors import ROOT_COLOR, task_colors
from taskgrove.reports.drawing.matrix_picture import Matrix, draw_matrix


def draw_knowledge_matrix(view: SystemView) -> Figure:
    """Percent of each model's training that each task gave; tasks that exchange much stand together."""
    names, parts = flow_matrix(knowledge_flow(view))
    order = order_around(parts)
    percents = 100 * parts[np.ix_(order, order)]
    tasks = tuple(names[index] for index in order)
    colors = task_colors(view.tasks)
    swatches = tuple(colors.get(task, ROOT_COLOR) for task in tasks)
    return draw_matrix(
        Matrix(
            values=np.where(percents > 0, percents, np.nan),
            rows=tasks,
            columns=tasks,
            row_colors=swatches,
            column_colors=swatches,
            least=0.0,
            label="% of training cycles",
            down="model of",
            across="trained on",
            nothing="No task has a model yet.",
            digits=1,
        )
    )


@final
class KnowledgeMatrixChart(AbstractStill):
    """Knowledge flow as numbers (001, Figures 6 and 7)."""

    name: ClassVar[str] = "knowledge_matrix"
    title: ClassVar[str] = "Knowledge flow in numbers"
    summary: ClassVar[str] = "percent of the training that each task gave to each model (001, Fig. 6, 7)"
    caption: ClassVar[str] = (
        "Each row is the model of a task: how many percent of the training cycles of its parameters were "
        "performed on the task of each column. On the diagonal is what it was trained on its own task; empty "
        "cells are none. Tasks that exchange much stand side by side. What a root was pretrained on does not "
        "count."
    )

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_knowledge_matrix(runs[0].view)

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        return TidyTable(headings=HEADINGS, rows=tuple(flow_rows(knowledge_flow(runs[0].view))))
