"""Labels that are computed from an example: the tasks of the visual task adaptation benchmark (VTAB).

The rules and thresholds are those of the benchmark, which the papers' tables cite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

Values = Mapping[str, NDArray[Any]]
"""By feature, one row per object: (N,) or (N, 3)."""

_CLEVR_SHAPES = ("cube", "sphere", "cylinder")
_KITTI_TYPES = ("Car", "Van", "Truck")
_CLEVR_DISTANCES = (0.0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0)
_KITTI_DISTANCES = (-100.0, 5.6, 8.4, 13.4, 23.4)
_KITTI_VEHICLE_DISTANCES = (-100.0, 8.0, 20.0, 999.0)
_NO_VEHICLE = 1000.0
_MOST_VEHICLES = 3
_FEWEST_OBJECTS = 3
UNKNOWN = -1


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFunction:
    """A label that is computed.

    Attributes:
        needs: Numbers per object by feature, 1 or 3.
        names: The first class names that a feature must have for the function to make sense.
        class_names: Of the labels.
        of: From the features of an example to its label; negative when the example has none.
    """

    needs: Mapping[str, int]
    names: Mapping[str, tuple[str, ...]]
    class_names: tuple[str, ...]
    of: Callable[[Values], int]


def _clevr_count_all(values: Values) -> int:
    # without objects: the test split, whose annotations are secret
    return len(values["objects/size"]) - _FEWEST_OBJECTS if len(values["objects/size"]) else UNKNOWN


def _clevr_count_cylinders(values: Values) -> int:
    shapes = values["objects/shape"]
    return int((shapes == _CLEVR_SHAPES.index("cylinder")).sum()) if len(shapes) else UNKNOWN


def _clevr_closest_object_distance(values: Values) -> int:
    depths = values["objects/pixel_coords"][:, 2]
    return _interval(depths.min(), _CLEVR_DISTANCES) if len(depths) else UNKNOWN


def _kitti_closest_object_distance(values: Values) -> int:
    return _interval(values["objects/location"][:, 2].min(initial=np.inf), _KITTI_DISTANCES)


def _kitti_count_vehicles(values: Values) -> int:
    return min(int(_is_vehicle(values).sum()), _MOST_VEHICLES)


def _kitti_closest_vehicle_distance(values: Values) -> int:
    depths = values["objects/location"][:, 2][_is_vehicle(values)]
    return _interval(depths.min(initial=_NO_VEHICLE), _KITTI_VEHICLE_DISTANCES)


def _is_vehicle(values: Values) -> NDArray[np.bool_]:
    return np.asarray(values["objects/type"] < len(_KITTI_TYPES))


def _interval(distance: float, bounds: Sequence[float]) -> int:
    """The last bound that is smaller."""
    return max((i for i, bound in enumerate(bounds) if bound < distance), default=0)


def _numbers(low: int, high: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(low, high + 1))


def _ranges(bounds: Sequence[float]) -> tuple[str, ...]:
    """Names of the intervals between inner bounds."""
    between = (f"{low:g} to {high:g}" for low, high in pairwise(bounds))
    return (f"up to {bounds[0]:g}", *between, f"above {bounds[-1]:g}")


LABEL_FUNCTIONS: Mapping[str, LabelFunction] = {
    "clevr_count_all": LabelFunction(
        needs={"objects/size": 1}, names={}, class_names=_numbers(3, 10), of=_clevr_count_all
    ),
    "clevr_count_cylinders": LabelFunction(
        needs={"objects/shape": 1},
        names={"objects/shape": _CLEVR_SHAPES},
        class_names=_numbers(0, 10),
        of=_clevr_count_cylinders,
    ),
    "clevr_closest_object_distance": LabelFunction(
        needs={"objects/pixel_coords": 3},
        names={},
        class_names=_ranges(_CLEVR_DISTANCES[1:-1]),
        of=_clevr_closest_object_distance,
    ),
    "kitti_closest_object_distance": LabelFunction(
        needs={"objects/location": 3},
        names={},
        class_names=_ranges(_KITTI_DISTANCES[1:]),
        of=_kitti_closest_object_distance,
    ),
    "kitti_count_vehicles": LabelFunction(
        needs={"objects/type": 1},
        names={"objects/type": _KITTI_TYPES},
        class_names=("0", "1", "2", "3 or more"),
        of=_kitti_count_vehicles,
    ),
    "kitti_closest_vehicle_distance": LabelFunction(
        needs={"objects/location": 3, "objects/type": 1},
        names={"objects/type": _KITTI_TYPES},
        class_names=(*_ranges(_KITTI_VEHICLE_DISTANCES[1:-1]), "no vehicle"),
        of=_kitti_closest_vehicle_distance,
    ),
}
"""By the name that `label=` gives."""
