"""Arm states of simulated patients against their truth: events, integers, calibration, at several dosage responses."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from marrowclone.copy_number import arms, panel
from marrowclone.score import arms as score

#: Dosage response, and the events of two clones (copies per arm); nobody tells the response.
PATIENTS = {
    "t414": (0.8, {"13q": 1, "1q": 3}, {"13q": 1, "1q": 4, "17p": 1, "8p": 1}),
    "hyperdiploid": (0.65, {f"{c}{a}": 3 for c in panel.ODD_CHROMOSOMES for a in "pq"}, None),
    "mixed": (0.95, {"9p": 3, "9q": 3, "15q": 3, "19p": 3, "19q": 3, "6q": 1}, {"14q": 1, "16q": 1, "1q": 4}),
    "weak": (0.6, {"1q": 3, "11q": 3, "13q": 1, "14q": 1, "22q": 1}, {"1q": 3, "11q": 3, "13q": 1, "6p": 3}),
}


@pytest.fixture(scope="module")
def answers(make_cells, genome):
    """Patient -> (arms said, true arms)."""
    name = (genome.table["chromosome"].str.removeprefix("chr") + genome.table["arm"]).to_numpy()
    expected = pd.DataFrame({"S": genome.plasma}, index=genome.table.index)
    found = {}
    for i, (patient, (response, *clones)) in enumerate(PATIENTS.items()):
        own = np.random.default_rng([11, i]).lognormal(0, 0.25, len(name))  # the tumour's own (science A.5)
        parts, truth = [], []
        for k, copies in enumerate(c for c in clones if c is not None):
            factor = np.ones(len(name))
            for arm, n in copies.items():
                factor[name == arm] = 1 + response * (n / 2 - 1)
                truth.append((f"c{k + 1}", "chr" + arm[:-1], arm[-1], n))
            parts.append(make_cells(120, sample="S", patient="P", cell_type="plasma", effect=own * factor, seed=k))
        said = arms.call_arms(
            sp.vstack([c for c, _ in parts], format="csr"), pd.Series(["S"] * 120 * len(parts)),
            pd.Series(np.repeat([f"c{k + 1}" for k in range(len(parts))], 120)), expected, genome.genes,
            rung="R2", settings={},
        )  # fmt: skip
        found[patient] = said, pd.DataFrame(truth, columns=["clone", "chromosome", "arm", "state"])
    return found


def events(answers):
    """All true and false events of clones; arms of too few genes on this thinned genome take no part."""
    tables = []
    for patient, (said, truth) in answers.items():
        names = sorted(set(truth["clone"]))
        readable = said[said["n_genes"] >= 30].drop_duplicates(["chromosome", "arm"])[["chromosome", "arm"]]
        table = score.event_table(
            said[said["clone"] != "all"], truth, matched={n: n for n in names}, shares=dict.fromkeys(names, 0.5)
        )
        tables.append(table.merge(readable, on=["chromosome", "arm"]).assign(patient=patient))
    return pd.concat(tables, ignore_index=True)


def test_events_and_integers(answers):
    table = events(answers)
    whole = score.scores_by(table).iloc[0]
    right = score.state_right(table)
    print(
        f"\nF1 {whole['f1']:.3f}, precision {whole['precision']:.3f}, integer right {right['value']:.3f} of {right['n']}"
    )
    assert whole["f1"] >= 0.90
    assert right["value"] >= 0.90


def test_hyperdiploid_clone_gains_eight_chromosomes_and_loses_none(answers):
    table = events({"hyperdiploid": answers["hyperdiploid"]})
    assert not (table["called"] & ~table["real"]).any()
    found = table[table["called"]].groupby("chromosome").size()
    assert set(found.index) == {f"chr{c}" for c in panel.ODD_CHROMOSOMES}


def test_response_is_found(answers):
    for patient, (said, _) in answers.items():
        response = PATIENTS[patient][0]
        assert said["dosage_response"].iloc[0] == pytest.approx(response, abs=0.12), patient


def test_posteriors_mean_what_they_say(answers):
    parts = []
    for said, truth in answers.values():
        own = said[(said["clone"] != "all") & (said["n_genes"] >= 30)]
        both = own.merge(truth, on=["clone", "chromosome", "arm"], how="left", suffixes=("", "_true"))
        parts.append(both.assign(right=both["state"] == both["state_true"].fillna(2)))
    table = pd.concat(parts)
    bins = table.groupby(np.minimum((table["posterior"] * 10).astype(int), 9))
    error = sum(len(g) * abs(g["posterior"].mean() - g["right"].mean()) for _, g in bins) / len(table)
    assert error <= 0.05
