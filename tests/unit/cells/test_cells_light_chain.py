import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats

from marrowclone.cells import light_chain as lc


def test_golden_vector_twenty_of_twenty_kappa():
    # science 1.4: 20/20 kappa under q = 0.6 has p = 3.7e-5; such a group is restricted
    assert stats.binom.sf(19, 20, 0.6) == pytest.approx(3.7e-5, rel=0.02)
    test = lc.group_test(20, 0)
    assert test.verdict == "restricted" and test.chain == "kappa"
    assert test.llr == pytest.approx(20 * np.log(0.98 / 0.6))


def test_nineteen_cells_are_too_few():
    assert lc.group_test(19, 0).verdict == "untested"


def test_lambda_is_stronger_evidence_than_kappa():
    # single cell: LR 1/q = 1.67 (kappa) or 2.5 (lambda), before 2% miscalls (science 1.4)
    assert lc.group_test(1, 0).llr == pytest.approx(np.log(0.98 * 1.667), abs=1e-3)
    assert lc.group_test(0, 1).llr == pytest.approx(np.log(0.98 * 2.5), abs=1e-3)


def test_polyclonal_background_of_a_kappa_patient_is_polyclonal():
    # 60% kappa is normal: 90 of 150 must not count as restriction
    assert lc.group_test(90, 60).verdict == "polyclonal"


@pytest.mark.parametrize("n_kappa, n_lambda", [(85, 15), (26, 4), (0, 0)])
def test_between_the_two_nothing_is_claimed(n_kappa, n_lambda):
    # 85%: too much for polyclonal, too little for restricted; 26/30: the lower bound is below 0.80
    assert lc.group_test(n_kappa, n_lambda).verdict in ("unclear", "untested")


def test_lambda_genes_are_summed_and_iglL5_is_not():
    symbols = pd.Index(["IGKC", "IGLC1", "IGLC2", "IGLC7", "IGLL5"])
    counts = lc.chain_counts(sp.csr_matrix([[5, 1, 2, 3, 100]]), symbols)
    assert counts.loc[0].tolist() == [5, 6]


def test_ambient_chain_is_taken_off():
    # soup of a kappa tumour in every droplet: a lambda cell must not become ambiguous
    chains = pd.DataFrame({"kappa": [40.0] * 20 + [45.0], "lambda": [0.0] * 20 + [60.0]})
    immune = np.array([True] * 20 + [False])
    ambient = lc.ambient_chains(chains, np.array(["S"] * 21, dtype=object), immune)
    assert lc.call_chains(chains, ambient * 0)[-1] == "ambiguous"
    assert lc.call_chains(chains, ambient)[-1] == "lambda"


def test_without_immune_cells_nothing_is_subtracted():
    chains = pd.DataFrame({"kappa": [40.0], "lambda": [0.0]})
    ambient = lc.ambient_chains(chains, np.array(["S"], dtype=object), np.array([False]))
    assert ambient.to_numpy().sum() == 0
