"""Mixture cure model with covariates of the cured fraction, by lifelines, and what makes its fraction doubtful.

Times are in months from the landmark; ``event`` is True for progression or death, False for censoring.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from autograd import numpy as traced
from autograd.scipy.special import expit as traced_expit
from lifelines import WeibullFitter
from lifelines.exceptions import ConvergenceError
from lifelines.fitters import ParametricRegressionFitter
from scipy.special import expit

#: Error probability of the follow-up test, and share of uncured still to progress at the end, above which it warns. [J]
ALPHA, TAIL = 0.05, 0.05


class _WeibullCure(ParametricRegressionFitter):
    """The likelihood of :class:`MixtureCure`, in the form in which lifelines takes one (it differentiates it)."""

    _fitted_parameter_names = ["pi_", "scale_", "shape_"]  # noqa: RUF012

    def _cumulative_hazard(self, params, T, Xs):  # type: ignore[no-untyped-def]
        pi = traced_expit(traced.dot(Xs["pi_"], params["pi_"]))
        scale = traced.exp(traced.dot(Xs["scale_"], params["scale_"]))
        shape = traced.exp(traced.dot(Xs["shape_"], params["shape_"]))
        return -traced.log(pi + (1.0 - pi) * traced.exp(-((T / scale) ** shape)))


@dataclass(frozen=True)
class MixtureCure:
    """S(t|x) = pi(x) + (1 - pi(x)) exp(-(t/scale)^shape), logit pi = coefficients . (1, x).

    ``aic`` beside ``aic_without_cure`` of the plain Weibull; ``warnings``: why the cure fraction
    may not be identified. "Cured" here is a mathematical long-term survivor (Othus 2012 Clin Cancer Res 18:3731).
    A fit that did not converge has NaN and says so.
    """

    coefficients: np.ndarray
    scale: float
    shape: float
    aic: float
    aic_without_cure: float
    warnings: tuple[str, ...]

    def fraction(self, x: np.ndarray) -> np.ndarray:
        """pi of each row of ``x`` (n x covariates)."""
        return expit(np.column_stack([np.ones(len(x)), x]) @ self.coefficients)


def fit_mixture_cure(time: np.ndarray, event: np.ndarray, x: np.ndarray | None = None) -> MixtureCure:
    """Maximum likelihood; ``x``: n x covariates (None: none). Times of 0 count as a thousandth of a month."""
    time, event = np.maximum(np.asarray(time, float), 1e-3), np.asarray(event, bool)
    lost = np.full(1 + (0 if x is None else np.asarray(x).shape[1]), np.nan)
    if not event.any():
        said = "no event: nothing tells a cured patient from one who has not progressed yet"
        return MixtureCure(lost, np.nan, np.nan, np.nan, np.nan, (said,))
    covariates = np.empty((len(time), 0)) if x is None else np.asarray(x, float)
    names = [f"x{i}" for i in range(covariates.shape[1])]
    table = pd.DataFrame(covariates, columns=names).assign(time=time, event=event.astype(int))
    with warnings.catch_warnings():
        # lifelines warns of curvature at a fraction near nothing; that is told by the checks below
        warnings.simplefilter("ignore")
        plain = np.nan
        try:
            plain = float(WeibullFitter().fit(time, event).AIC_)
            model = _WeibullCure().fit(
                table, "time", "event", regressors={"pi_": " + ".join(["1", *names]), "scale_": "1", "shape_": "1"}
            )
        except (ConvergenceError, np.linalg.LinAlgError) as error:
            said = f"did not converge: {str(error).splitlines()[0]}"
            return MixtureCure(lost, np.nan, np.nan, np.nan, plain, (said,))
    found = model.params_
    scale, shape = (float(np.exp(found.loc[name].iloc[0])) for name in ("scale_", "shape_"))
    coefficients = found.loc["pi_"].reindex(["Intercept", *names]).to_numpy(float)
    left = float(np.exp(-((time.max() / scale) ** shape)))
    aic = float(model.AIC_)
    return MixtureCure(coefficients, scale, shape, aic, plain, _doubts(time, event, left, aic, plain))


def follow_up_test(time: np.ndarray, event: np.ndarray) -> float:
    """Maller and Zhou's alpha: small when follow-up reaches well beyond the last event (1992 Biometrika 79:731)."""
    if not event.any():
        return 1.0
    last_event, last = float(time[event].max()), float(time.max())
    recent = int((event & (time > 2 * last_event - last) & (time <= last_event)).sum())
    return float((1.0 - recent / len(time)) ** len(time))


def _doubts(time: np.ndarray, event: np.ndarray, left: float, aic: float, without: float) -> tuple[str, ...]:
    doubts = []
    alpha = follow_up_test(time, event)
    if alpha > ALPHA:
        doubts.append(f"follow-up too short: {time.max():.0f} months, test of sufficient follow-up {alpha:.2f}")
    if left > TAIL:
        doubts.append(f"follow-up too short: {left:.0%} of the uncured would still progress after it")
    if aic >= without:
        doubts.append("a model without cure fits as well (AIC)")
    return tuple(doubts)
