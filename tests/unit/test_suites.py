"""The suites as they are shipped: their numbers, their order, and all that is known without their data."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import chain, combinations

import pytest

from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.ids import NAME_PATTERN
from taskgrove.experiment.catalogue import registered
from taskgrove.experiment.suites.binding import bound_tasks
from taskgrove.experiment.suites.data_sets import data_sets
from taskgrove.experiment.suites.reading import SUITES, suite_of
from taskgrove.experiment.suites.suite import SuiteTask
from taskgrove.experiment.variables import filled
from taskgrove.tasks.checks import check_num_classes
from taskgrove.tasks.expressions import Slice, parse
from taskgrove.tasks.load import load_task
from taskgrove.tasks.roles import ROLES
from taskgrove.tasks.sources.tfds.labels import LABEL_FUNCTIONS

NUM_TASKS = {
    "char8": 8,
    "char8_published_splits": 8,
    "glyphs": 30,
    "glyphs8": 8,
    "mccb": 8,
    "task-set-a": 69,
    "task-set-b": 55,
    "vdd": 10,
    "vision5": 5,
    "vit-benchmark": 3,
    "vtab-1k": 25,
    "vtab-full": 23,
}
PAPERS = ("task-set-a", "task-set-b")
HERE = ("char8", "glyphs", "vision5")
HAS_DATA = pytest.mark.skipif("TASKGROVE_DATA" not in os.environ, reason="TASKGROVE_DATA names no folder")


def by_name(suite: str) -> dict[str, SuiteTask]:
    return {task.name: task for task in suite_of(suite).tasks}


def test_the_suites_have_as_many_tasks_as_published() -> None:
    assert {name: len(suite_of(name).tasks) for name in SUITES} == NUM_TASKS
    assert NUM_TASKS["task-set-a"] + NUM_TASKS["task-set-b"] == 124


@pytest.mark.parametrize(("name", "count"), NUM_TASKS.items())
def test_the_list_of_suites_tells_the_numbers(name: str, count: int) -> None:
    assert registered("suites")[name].startswith(f"{count} tasks: ")


def test_the_names_of_the_124_tasks_are_valid_and_unique() -> None:
    names = [task.name for suite in PAPERS for task in suite_of(suite).tasks]
    assert len(set(names)) == 124
    assert all(NAME_PATTERN.fullmatch(name) for name in names)


def test_task_set_a_is_composed_of_its_parts_in_the_papers_order() -> None:
    parts = ("vit-benchmark", "vtab-full", "vdd", "mccb", "vtab-1k")
    assert suite_of("task-set-a").parts == parts
    assert suite_of("task-set-a").tasks == tuple(chain.from_iterable(suite_of(part).tasks for part in parts))


@pytest.mark.parametrize("suite", NUM_TASKS)
def test_every_split_is_said_in_the_grammar_unless_the_source_has_its_own(suite: str) -> None:
    for task in suite_of(suite).tasks:
        assert suite == "glyphs8" or set(task.splits()) == set(ROLES)
        assert all(parse(text) for text in task.splits().values())


def ranges_of(task: SuiteTask, expression: str) -> list[tuple[str, range]]:
    """The images that slices name, by split; of 1,000 where their number is not known."""
    sizes = data_sets()[task.data_set].sizes() if task.data_set else {}
    found = []
    for part in parse(expression):
        rows = range(sizes.get(part.split) or 1000)
        for bracket in part.brackets:
            assert isinstance(bracket, Slice)
            rows = rows[bracket.within(len(rows))]
        found.append((part.split, rows))
    return found


@pytest.mark.parametrize("suite", sorted(set(NUM_TASKS) - {"char8", "vision5", "glyphs8"}))
def test_no_image_is_in_two_roles(suite: str) -> None:
    for task in suite_of(suite).tasks:
        ranges = [each for text in task.splits().values() for each in ranges_of(task, text)]
        for (one, rows), (other, others) in combinations(ranges, 2):
            assert one != other or max(rows[0], others[0]) > min(rows[-1], others[-1]), task.name


def test_the_splits_of_vtab_1k_follow_from_those_of_vtab_full() -> None:
    few = by_name("vtab-1k")
    for name, task in by_name("vtab-full").items():
        one = few.pop(f"{name}_1k")
        assert (one.data_set, one.label, one.classes, one.test) == (
            task.data_set,
            task.label,
            task.classes,
            task.test,
        )
        assert one.train == "train[:800]"
        assert one.val is not None
        [part] = parse(one.val)
        assert isinstance(part.brackets[0], Slice)
        start, stop = (int(bound or 0) for bound in (part.brackets[0].start, part.brackets[0].stop))
        assert stop - start == 200
        assert task.val is not None
        [whole] = parse(task.val)
        first = whole.brackets[0].start if whole.brackets and isinstance(whole.brackets[0], Slice) else None
        assert (part.split, start) == (whole.split, int(first or 0))
    assert set(few) == {"cifar100_1k", "cifar10_1k"}


@pytest.mark.parametrize(
    ("suite", "name", "expected"),
    [
        ("mccb", "cmaterdb_bangla", ("cmaterdb/bangla", "label", 10, "train[20%:]", "train[:20%]", "test")),
        ("mccb", "omniglot", ("omniglot", "label", 1623, "train", "small1", "small2")),
        (
            "vdd",
            "vdd_vgg-flowers",
            (
                "visual_domain_decathlon/vgg-flowers",
                "label",
                102,
                "train",
                "validation[:50%]",
                "validation[50%:]",
            ),
        ),
        ("vit-benchmark", "imagenet2012", ("imagenet2012", "label", 1000, "train", "v2.test", "validation")),
        (
            "vtab-full",
            "kitti_closest_vehicle_distance",
            ("kitti", "kitti_closest_vehicle_distance", 4, "train", "validation", "test"),
        ),
        (
            "vtab-1k",
            "dsprites_label_orientation_1k",
            ("dsprites", "label_orientation", 40, "train[:800]", "train[589824:590024]", "train[663552:]"),
        ),
        (
            "task-set-b",
            "stanford_online_products",
            ("stanford_online_products", "super_class_id", 12, "train", "test[:10000]", "test[10000:]"),
        ),
        (
            "task-set-b",
            "cycle_gan_maps",
            (
                "cycle_gan/maps",
                "label",
                2,
                "trainA[10%:]+trainB[10%:]",
                "trainA[:10%]+trainB[:10%]",
                "testA+testB",
            ),
        ),
        ("task-set-b", "food101", ("food101", "label", 101, "train[5%:]", "validation", "train[:5%]")),
        (
            "task-set-b",
            "imagenet_r",
            ("imagenet_r", "label", 1000, "test[10%:]", "test[5%:10%]", "test[:5%]"),
        ),
    ],
)
def test_some_tasks_are_as_the_papers_print_them(suite: str, name: str, expected: tuple[object, ...]) -> None:
    task = by_name(suite)[name]
    assert (task.data_set, task.label, task.classes, task.train, task.val, task.test) == expected


def test_computed_labels_have_as_many_classes_as_the_catalogue_says() -> None:
    computed = {
        label: n
        for found in data_sets().values()
        for label, n in found.classes.items()
        if label in LABEL_FUNCTIONS
    }
    assert computed == {name: len(function.class_names) for name, function in LABEL_FUNCTIONS.items()}


def test_only_published_splits_share_images() -> None:
    shared = {task.name for name in SUITES for task in suite_of(name).tasks if task.allow_overlap}
    assert shared == {"omniglot", "omniglot_published_split"}
    assert not by_name("char8")["omniglot"].allow_overlap


def test_an_unknown_suite_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"'vtab-ful'.*Did you mean 'vtab-full'"):
        suite_of("vtab-ful")


def test_importing_the_package_reads_no_suite() -> None:
    code = "import taskgrove, sys; assert not [name for name in sys.modules if 'suites' in name]"
    subprocess.run([sys.executable, "-c", code], check=True)


@HAS_DATA
@pytest.mark.parametrize("name", HERE)
def test_the_data_on_this_machine_are_what_the_suites_say(name: str) -> None:
    for task in bound_tasks(suite_of(name)):
        source = filled(task.source)
        data = load_task(source, task.splits(), allow_overlap=task.allow_overlap)
        check_num_classes(data.class_names, task.classes, source)
        assert min(len(split) for split in (data.train, data.val, data.test)) > 0
