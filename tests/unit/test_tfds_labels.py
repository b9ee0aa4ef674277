"""Labels computed from examples, against what the rules of VTAB give by hand."""

from __future__ import annotations

import numpy as np
import pytest

from taskgrove.tasks.sources.tfds.labels import LABEL_FUNCTIONS, Values

CAR, VAN, TRUCK, PEDESTRIAN, MISC = 0, 1, 2, 3, 7
SPHERE, CYLINDER = 1, 2


def clevr(*objects: tuple[int, float]) -> Values:
    """A scene of objects, each a shape and a depth."""
    return {
        "objects/size": np.zeros(len(objects), np.int64),
        "objects/shape": np.array([shape for shape, _ in objects], np.int64),
        "objects/pixel_coords": np.array([[7, 9, depth] for _, depth in objects], np.float32).reshape(-1, 3),
    }


def kitti(*objects: tuple[int, float]) -> Values:
    """A street of objects, each a type and how many metres it is ahead."""
    return {
        "objects/type": np.array([kind for kind, _ in objects], np.int64),
        "objects/location": np.array([[-1, 1, ahead] for _, ahead in objects], np.float32).reshape(-1, 3),
    }


SCENE = clevr((CYLINDER, 9.1), (SPHERE, 12.5), (CYLINDER, 11.0), (0, 8.7))
STREET = kitti((PEDESTRIAN, 5.0), (CAR, 21.5), (VAN, 19.0), (TRUCK, 40.0), (CAR, 30.0), (MISC, 9.0))


@pytest.mark.parametrize(
    ("name", "values", "label", "class_name"),
    [
        ("clevr_count_all", SCENE, 1, "4"),
        ("clevr_count_all", clevr(*[(0, 9.0)] * 10), 7, "10"),
        ("clevr_count_all", clevr(*[(0, 9.0)] * 3), 0, "3"),
        ("clevr_count_cylinders", SCENE, 2, "2"),
        ("clevr_count_cylinders", clevr((SPHERE, 9.0)), 0, "0"),
        ("clevr_closest_object_distance", SCENE, 2, "8.5 to 9"),
        ("clevr_closest_object_distance", clevr((0, 7.9), (0, 20.0)), 0, "up to 8"),
        ("clevr_closest_object_distance", clevr((0, 8.0)), 0, "up to 8"),
        ("clevr_closest_object_distance", clevr((0, 10.5)), 5, "above 10"),
        ("kitti_closest_object_distance", STREET, 0, "up to 5.6"),
        ("kitti_closest_object_distance", kitti((MISC, -2.0)), 0, "up to 5.6"),
        ("kitti_closest_object_distance", kitti((CAR, 8.4), (CAR, 50.0)), 1, "5.6 to 8.4"),
        ("kitti_closest_object_distance", kitti((CAR, 13.5)), 3, "13.4 to 23.4"),
        ("kitti_closest_object_distance", kitti((CAR, 80.0)), 4, "above 23.4"),
        ("kitti_closest_object_distance", kitti(), 4, "above 23.4"),
        ("kitti_count_vehicles", STREET, 3, "3 or more"),
        ("kitti_count_vehicles", kitti((CAR, 5.0), (PEDESTRIAN, 3.0)), 1, "1"),
        ("kitti_count_vehicles", kitti(), 0, "0"),
        ("kitti_closest_vehicle_distance", STREET, 1, "8 to 20"),
        ("kitti_closest_vehicle_distance", kitti((TRUCK, 7.0)), 0, "up to 8"),
        ("kitti_closest_vehicle_distance", kitti((VAN, 90.0), (MISC, 1.0)), 2, "above 20"),
        ("kitti_closest_vehicle_distance", kitti((PEDESTRIAN, 5.0)), 3, "no vehicle"),
    ],
)
def test_a_label_is_what_the_rule_gives_by_hand(
    name: str, values: Values, label: int, class_name: str
) -> None:
    function = LABEL_FUNCTIONS[name]
    assert function.of(values) == label
    assert function.class_names[label] == class_name


@pytest.mark.parametrize("name", sorted(name for name in LABEL_FUNCTIONS if name.startswith("clevr")))
def test_a_scene_without_annotations_has_no_label(name: str) -> None:
    assert LABEL_FUNCTIONS[name].of(clevr()) < 0


def test_the_numbers_of_classes_are_those_of_the_papers() -> None:
    assert {name: len(function.class_names) for name, function in LABEL_FUNCTIONS.items()} == {
        "clevr_count_all": 8,
        "clevr_count_cylinders": 11,
        "clevr_closest_object_distance": 6,
        "kitti_closest_object_distance": 5,
        "kitti_count_vehicles": 4,
        "kitti_closest_vehicle_distance": 4,
    }
