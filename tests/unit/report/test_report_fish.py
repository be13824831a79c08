"""The fish plot's geometry: lineages lie within one another, shares and burden are where they were measured."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marrowclone.report.figures import fish


def fractions_table(days, shares, *, malignant=100):
    """``shares``: {clone: per day}; a day with no malignant cell has None in every clone."""
    rows = [
        {
            "clone": c, "sample": f"s{d}", "timepoint": "t", "day": d, "n_malignant": 0 if v[i] is None else malignant,
            "n_clone": 0 if v[i] is None else round(v[i] * malignant), "fraction": np.nan if v[i] is None else v[i],
        }
        for c, v in shares.items()
        for i, d in enumerate(days)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def burden_table(rows):
    """``rows``: (day, burden or None, upper)."""
    return pd.DataFrame(
        [{"day": d, "used": True, "burden": np.nan if b is None else b, "burden_upper": u} for d, b, u in rows]
    )


@given(
    st.lists(st.floats(0, 1), min_size=12, max_size=12).filter(lambda v: all(sum(v[i::3]) > 0.01 for i in range(3))),
    st.lists(st.sampled_from(["", "c1", "c2", "c3", "c4"]), min_size=4, max_size=4),
)
def test_every_share_is_drawn_once_and_lineages_nest(values, above):
    share = {f"c{k + 1}": np.array(values[3 * k : 3 * k + 3]) for k in range(4)}
    total = sum(share.values())
    share = {c: v / total for c, v in share.items()}
    parents = {f"c{k + 1}": above[k] for k in range(4)}  # some hang in a loop: they lie beside the others
    found = fish.bands(share, parents)
    assert set(found) == set(share)
    size = {c: high - low for c, (low, high) in found.items()}
    for name, (low, high) in found.items():
        assert (low >= -1e-9).all() and (high <= 1 + 1e-9).all() and (size[name] >= share[name] - 1e-9).all()
    # what a lineage holds beyond its own clone is its children's lineages, inside it
    inside = {
        name: [c for c, p in parents.items() if p == name and c != name and not looped(c, parents)] for name in share
    }
    for name, children in inside.items():
        rest = sum((size[c] for c in children), np.zeros(3))
        assert size[name] == pytest.approx(share[name] + rest, abs=1e-9)
        for c in children:
            assert (found[c][0] >= found[name][0] - 1e-9).all() and (found[c][1] <= found[name][1] + 1e-9).all()


def looped(name, parents):
    seen = set()
    while name in parents and name not in seen:
        seen.add(name)
        name = parents[name]
    return name in seen


def test_an_ancestor_without_cells_holds_its_descendants():
    share = {"c1": np.array([0.5, 0.0]), "c2": np.array([0.5, 1.0])}
    found = fish.bands(share, {"trunk": "normal", "c1": "trunk", "c2": "trunk"})
    assert found["trunk"][1] - found["trunk"][0] == pytest.approx([1, 1])
    assert found["c2"][1] - found["c2"][0] == pytest.approx([0.5, 1.0])


def test_course_leaves_out_days_without_malignant_cells():
    table = fractions_table([0, 90, 400], {"c1": [0.8, None, 0.1], "c2": [0.2, None, 0.9]})
    course = fish.course_of(table, burden_table([(0, 0.3, 0.4), (90, None, 1e-5), (400, 0.1, 0.2)]))
    assert course.days.tolist() == [0, 400] and course.share["c2"].tolist() == pytest.approx([0.2, 0.9])
    assert course.burden[90] == (1e-5, True)
    assert fish.course_of(table[table["day"] < 400], burden_table([])) is None  # one day is no course


def test_samples_of_a_day_are_one():
    table = fractions_table([0, 90], {"c1": [1.0, 0.5], "c2": [0.0, 0.5]})
    more = table.assign(sample=table["sample"] + "b", n_malignant=300, fraction=1 - table["fraction"])
    course = fish.course_of(pd.concat([table, more]), pd.DataFrame())
    assert course.share["c1"].tolist() == pytest.approx([0.25, 0.5])


def test_height_is_the_logarithm_of_burden():
    table = fractions_table([0, 90, 400], {"c1": [1.0, 1.0, 1.0]})
    course = fish.course_of(table, burden_table([(0, 1.0, 1.0), (90, 1e-4, 2e-4), (400, 1e-2, 2e-2)]))
    height, floor = fish.heights(course)
    assert floor == pytest.approx(1e-5) and height == pytest.approx([1.0, 0.2, 0.6])
    assert fish.heights(course, [1e-6])[1] == pytest.approx(1e-7)  # an assay's limit has its place, too
    none = fish.course_of(table, burden_table([(0, 1.0, 1.0)]))
    assert fish.heights(none)[1] is None and fish.heights(none)[0] == pytest.approx([1, 1, 1])
