from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from seams import binary, regression

from mlprod.project.project import Seam
from mlprod.training.dataset import Dataset, load_rows
from mlprod.training.own_split import describe_split, split_rows, split_warnings
from mlprod.training.split import LeakageError, SplitError, split

FLATS = load_rows(regression)[1]
IDS = [str(id) for id in FLATS.units]
PARCELS = load_rows(binary)[1]


def flats(own: Any) -> Seam:
    return replace(regression, own_split=own)


def test_lists_of_ids_give_the_test_rows_and_a_fifth_of_the_others_gives_the_threshold() -> None:
    parts = split_rows(flats({"train": IDS[:800], "test": IDS[800:]}), FLATS)
    assert set(FLATS.units[parts.test]) == set(IDS[800:])
    assert {*FLATS.units[parts.train], *FLATS.units[parts.validation]} == set(IDS[:800])
    assert 0.15 < len(parts.validation) / 800 < 0.25


def test_integers_of_a_frame_name_the_same_ids_as_text() -> None:
    numbers = np.array(IDS, dtype=np.int64)
    own = {"train": numbers[:800], "test": numbers[800:]}
    texts = {"train": IDS[:800], "test": IDS[800:]}
    assert describe_split(flats(own), FLATS, split_rows(flats(own), FLATS)) == describe_split(
        flats(texts), FLATS, split_rows(flats(texts), FLATS)
    )


def test_function_and_a_validation_part_are_taken_as_they_are() -> None:
    names = ["train", "validation", "test"]
    parts = split_rows(flats(lambda id: names[int(id) % 3]), FLATS)
    assert {int(id) % 3 for id in FLATS.units[parts.validation]} == {1}
    assert len(parts.train) == pytest.approx(len(FLATS) / 3, abs=1)


def test_without_split_it_is_the_librarys_and_has_neither_warning_nor_description() -> None:
    parts = split_rows(binary, PARCELS)
    assert np.array_equal(parts.test, split(PARCELS, "binary", binary.terms).test)
    assert list(split_warnings(binary, PARCELS, parts)) == []
    assert describe_split(binary, PARCELS, parts) == ""


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"train": IDS[:800], "test": [*IDS[800:], "x1", "x2"]}, "2 ids that no labeled row.*'x1'"),
        ({"train": IDS[:801], "test": IDS[800:]}, f"key '{IDS[800]}' in train and in test"),
        ({"train": IDS[:990], "test": IDS[990:]}, "leaves 10 of 1,000 labeled rows to test"),
        ({"train": IDS[:700], "test": IDS[800:]}, "no part for 100 labeled rows of load"),
        ({"learn": IDS[:800], "test": IDS[800:]}, 'has the keys .*works: SPLIT = {"train": train'),
        (lambda id: "Test", "gives 'Test' for key '.*'; works: 'train', 'validation', 'test'"),
        (["train", "test"], 'is a list; works: SPLIT = {"train": train_ids'),
    ],
)
def test_split_that_does_not_fit_the_rows_is_refused_with_an_example(
    own: Any, message: str
) -> None:
    with pytest.raises(SplitError, match=message):
        split_rows(flats(own), FLATS)


def test_group_in_two_parts_is_refused_with_the_function_that_keeps_it_whole() -> None:
    with pytest.raises(LeakageError, match=r"units are in train and in .*GroupShuffleSplit"):
        split_rows(replace(binary, own_split=_random), PARCELS)


def test_split_that_overlaps_in_time_is_used_with_a_warning() -> None:
    seam = replace(binary, own_split=_random, terms=replace(binary.terms, unit=None))
    rows: Dataset = load_rows(seam)[1]
    warnings = list(split_warnings(seam, rows, split_rows(seam, rows)))
    assert any("overlap in time" in warning for warning in warnings)


def _random(id: str) -> str:
    return "test" if int(id[1:]) % 4 == 0 else "train"
