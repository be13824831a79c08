"""The benchmark of punctures: its cells are the simulator's, and its figures are those of the rows they count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import punctures
from marrowclone.simulate.punctures import patch


def test_the_same_patients_in_marrows_with_and_without_patches() -> None:
    smooth, patchy = (punctures.patients(7, 4, sd) for sd in (0.0, 0.3))
    pd.testing.assert_frame_equal(smooth.truth()["fractions"], patchy.truth()["fractions"])
    name = next(n for n, p in patchy.spec["patients"].items() if any(s["sort"] == "none" for s in p["samples"]))
    one, two = (punctures.known(c, name, c.clinical()) for c in (smooth, patchy))
    assert one.samples == two.samples and not one.tables["kept"].empty
    spec = patchy.spec["patients"][name]
    sample = next(i for i, s in enumerate(spec["samples"]) if s["sort"] == "none")
    where, day = list(two.samples)[sample], spec["samples"][sample]["day"]
    n = (two.tables["kept"]["sample"] == where).sum()
    malignant = (two.tables["clone_cells"]["sample"] == where).sum()
    factor = patch(spec, patchy.courses[name], day, name=name, seed=7)
    held = patchy.courses[name].total()[day] * factor
    assert abs(malignant - n * held) < 4 * np.sqrt(n * held)  # binomial: within 4 SD
    assert factor != 1


def test_figures_are_those_of_their_rows() -> None:
    burden = pd.DataFrame({
        "sample": list("abc"), "truth": 0.1, "estimate": [0.1, 1.0, 0.01], "lower": [0.05, 0.5, 0.005],
        "upper": [0.2, 1.0, 0.2], "source": ["NGS", "NGF", "scRNA unsorted"], "patient": "P", "patchiness": 0.3,
    })  # fmt: skip
    growth = pd.DataFrame({
        "clone": ["A", "B"], "estimated": ["A", "B"], "from_day": 0, "to_day": 100, "truth": [0.1, -0.1],
        "estimate": [0.2, 0.1], "lower": [0.0, 0.0], "upper": [0.4, 0.4], "bound": "", "patient": "P",
        "patchiness": 0.3,
    })  # fmt: skip
    labels = pd.DataFrame({
        "clone": ["A", "B"], "day": 100, "label": "expanding", "real": [True, True], "called": [True, False],
        "patient": "P", "patchiness": 0.3,
    })  # fmt: skip
    lost = pd.DataFrame({"clone": ["A", "B"], "day": 100, "ratio": [0.05, 0.5], "patient": "P", "patchiness": 0.3})
    found = punctures.figures({"burden": burden, "growth": growth, "labels": labels, "lost": lost})
    value = found.set_index("what")["value"]
    assert value["burden, all: true value in the interval"] == pytest.approx(2 / 3)
    assert value["burden, NGS, NGF: true value in the interval"] == 0.5
    assert value["burden, capture: median log10 error"] == pytest.approx(1.0)
    assert value["growth, known at both ends: true value in the interval"] == 0.5 and value["growth: right sign"] == 0.5
    assert (value["label expanding: precision"], value["label expanding: recall"]) == (1.0, 0.5)
    assert value["label lost (below limit): truly a tenth or less of when last seen"] == 0.5


def test_it_runs_from_end_to_end(tmp_path, capsys) -> None:
    options = ["--seeds", "7", "--patients", "2", "--draws", "100", "--patchiness", "0.3", "--out", str(tmp_path)]
    assert punctures.main(options) == 0
    table = pd.read_csv(tmp_path / "punctures.tsv", sep="\t")
    assert set(table["patchiness"]) == {0.3} and "burden, all: true value in the interval" in set(table["what"])
    rows = pd.read_csv(tmp_path / "punctures_burden.tsv", sep="\t")
    assert len(rows) and rows["truth"].between(0, 1).all()
    assert "2 patients in" in capsys.readouterr().out
