"""``python -m marrowclone.cure.validate``: is the score what it says, on cohorts whose truth is known, or on yours?

Without ``--landmarks`` a cohort with known tiers, burdens and cure status is simulated. With it (and ``--outcome``)
the results of a run are held against the user's own outcome table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..check.schemas import config_schema, fill_defaults
from ..clinical import read_clinical
from ..errors import UserError, shown
from ..keys import DAYS_PER_MONTH, RESEARCH_USE_ONLY
from ..score.tiers import tier_metrics, tier_table
from ..tables import read_result, write_table
from .combine import power_mean, weights
from .evaluation import RESULT, at_landmark, concordance_row, enough, evaluate, with_response
from .landmarks import score_landmark
from .mrd import draw_levels, read_tests
from .simulated import CURED, Simulated, simulate_cohort
from .stream import stream


def default_settings() -> dict[str, Any]:
    """The chapter's settings as the schemas give them."""
    return fill_defaults({}, config_schema())["cure"]


def score_cohort(
    cohort: Sequence[Simulated], *, settings: Mapping[str, Any], seed: int, months: Sequence[int] = ()
) -> pd.DataFrame:
    """Landmarks on the days of tests and at ``months``, up to the outcome; with the column ``response``."""
    extra = {round(m * DAYS_PER_MONTH) for m in months}
    rows = [
        score_landmark(case.patient, int(day), settings=settings, seed=seed)
        for case in cohort
        for day in sorted(set(case.truth["day"]) | {d for d in extra if d <= case.pfs_day})
    ]
    return with_response(pd.DataFrame(rows), pd.concat([case.patient.clinical["response"] for case in cohort]))


def without_quality(landmarks: pd.DataFrame, *, settings: Mapping[str, Any]) -> pd.DataFrame:
    """The same landmarks scored from the medians of D, C and F only: what quality of life adds or takes."""
    values, base = landmarks[["D", "C", "F"]].to_numpy(float).T, weights(settings)[:3]
    known = np.isfinite(values)
    weight = np.where(known, base[:, None], 1e-12)
    score = power_mean(np.where(known, values, 1.0), weight, exponent=settings["exponent"], floor=settings["floor"])
    return landmarks.assign(css=np.where(known[0] & known[2], score, np.nan))


def truth_rows(cohort: Sequence[Simulated], landmarks: pd.DataFrame, *, settings: Mapping[str, Any], seed: int) -> list:
    """Tier agreement, false T4/T5, coverage of burdens: rows of :data:`RESULT`."""
    truth = pd.concat([case.truth for case in cohort], ignore_index=True)
    found = tier_metrics(tier_table(landmarks, truth))
    hits, n = covered(cohort, settings=settings, seed=seed)
    return [
        ("tier as in truth", np.nan, found["exact"], found["exact_lower"], found["exact_upper"], found["exact_n"],
         "wanted: 0.9 or more"),
        ("tier at most one off", np.nan, found["within_one"], found["within_one_lower"], found["within_one_upper"],
         found["within_one_n"], ""),
        ("T4 or T5 before a relapse within 5 years", np.nan, found["false_cure"], found["false_cure_lower"],
         found["false_cure_upper"], found["false_cure_n"], "wanted: 0.02 or less"),
        ("burden within its 90% interval", np.nan, hits / max(n, 1), np.nan, np.nan, n, "wanted: 0.85 to 0.95"),
        ("truly cured", np.nan, float(np.mean([c.group == CURED for c in cohort])), np.nan, np.nan, len(cohort), ""),
    ]  # fmt: skip


def covered(cohort: Sequence[Simulated], *, settings: Mapping[str, Any], seed: int) -> tuple[int, int]:
    """How many tests that saw the tumour have the true burden of their day within 90% of the draws, of how many."""
    hits = n = 0
    for case in cohort:
        name = case.patient.patient
        assays = case.patient.clinical["mrd"]
        assert assays is not None  # simulated patients have them
        tests = read_tests(assays, settings=settings)
        levels = draw_levels(tests, settings=settings, rng=stream(seed, name, 0, "mrd"))
        positive = tests["status"].isin(["positive", "trace"]).to_numpy()
        true = case.burden[tests["day"].to_numpy(int)]
        low, high = np.quantile(levels, [0.05, 0.95], axis=1) if len(levels) else (np.empty(0), np.empty(0))
        hits += int(((low <= true) & (true <= high))[positive].sum())
        n += int(positive.sum())
    return hits, n


def summary(table: pd.DataFrame, source: str) -> str:
    """The results as a page in the order of TRIPOD: source, participants, outcome, predictors, performance, limits."""
    lines = [
        "# Validation of the cure-spectrum score", "", RESEARCH_USE_ONLY, "",
        f"* **Source of data.** {source}",
        "* **Outcome.** Progression or death from any cause, from the landmark; competing deaths are not told apart.",
        "* **Predictors.** The score as it stands: no constant was fitted to this cohort. Benchmarks: IMWG response, a "
        "single MRD result, sustained MRD-negativity alone.",
        "* **Model.** Cox on the score, five-fold, P(free of progression at +24 months). Mixture cure beside Weibull.",
        "* **Missing data.** Complete cases; a withheld score leaves the patient out.",
        "* **Not done.** Subgroups (age, sex, ancestry), recalibration, an external cohort.", "",
        "| measure | landmark (month) | value | 90% | n | |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    numbers = table[["landmark_month", "value", "lower", "upper"]].to_numpy(float)
    for (month, value, lower, upper), measure, n, note in zip(
        numbers, table["measure"], table["n"], table["note"], strict=True
    ):
        ends = "" if np.isnan(lower) else f"{lower:.3f} to {upper:.3f}"
        shown_value, shown_month = (
            "" if np.isnan(x) else f"{x:{form}}" for x, form in ((value, ".3f"), (month, ".0f"))
        )
        lines.append(f"| {measure} | {shown_month} | {shown_value} | {ends} | {n} | {note} |")
    return "\n".join(lines) + "\n"


def validate_simulated(n: int, *, seed: int, n_draws: int) -> pd.DataFrame:
    """Simulate, score, compare; columns :data:`~.evaluation.RESULT`."""
    chapter = default_settings()
    settings, how = chapter["score_landmarks"] | {"n_draws": n_draws}, chapter["fit_outlook"]
    cohort = simulate_cohort(n, seed=seed, settings_qol=chapter["score_qol"])
    landmarks = score_cohort(cohort, settings=settings, seed=seed, months=how["landmark_months"])
    outcome = pd.DataFrame(
        {"patient": [c.patient.patient for c in cohort], "pfs_day": [c.pfs_day for c in cohort],
         "pfs_event": [c.event for c in cohort]}
    )  # fmt: skip
    known = pd.DataFrame(truth_rows(cohort, landmarks, settings=settings, seed=seed), columns=list(RESULT))
    whole, _ = evaluate(landmarks, outcome, how=how, seed=seed)
    bare = []
    for month in how["landmark_months"]:
        pair = [
            at_landmark(scored, outcome, month, window_days=how["window_days"])
            for scored in (landmarks, without_quality(landmarks, settings=settings))
        ]
        if enough(pair[1], how):
            rng = np.random.default_rng([seed, month, 1])
            row = concordance_row(pair[1], month, "css", rng, n=how["bootstraps"])
            # without a form near the landmark nothing was removed, and equality says nothing
            empty = pair[0]["css"].equals(pair[1]["css"])
            said = "empty control: no form near the landmark" if empty else "control"
            bare.append(row | {"measure": "C of css, quality of life removed", "note": said})
    return pd.concat([known, whole, pd.DataFrame(bare, columns=list(RESULT))], ignore_index=True)


#: Columns of a user's landmarks that are compared with the outcome.
NEEDED = ("patient", "day", "css", "mrd_status", "months_negative")


def validate_own(landmarks: Path, outcome: Path, response: Path | None, *, seed: int) -> tuple[pd.DataFrame, str]:
    """A run's landmarks against the user's outcome table: columns :data:`~.evaluation.RESULT`, and the source in words.

    Raises
    ------
    UserError
        for a file that is not there, is no table of landmarks, or has no patient in common with the outcome.
    """
    for path in (landmarks, outcome, *([response] if response else [])):
        if path.is_dir():
            raise UserError(f"{shown(path)}: found a folder, expected a table.", hint="name the file in it.")
    scored = read_result(landmarks)
    if lacking := [c for c in NEEDED if c not in scored]:
        raise UserError(
            f"{shown(landmarks)} line 1: found no column {', '.join(lacking)}, expected a table of landmarks.",
            hint="give results/cure/landmarks.tsv of a run.",
        )
    found = read_clinical(outcome, "outcome")
    if twice := sorted(found.loc[found["patient"].duplicated(), "patient"].unique()):
        raise UserError(
            f"{shown(outcome)}: found more than one row of patient {twice[0]}, expected one row per patient.",
            hint="keep the row that is right.",
        )
    joint = set(scored["patient"]) & set(found["patient"])
    if not joint:
        raise UserError(
            f"{shown(outcome)}: found no patient of {shown(landmarks)}, expected the same names in both.",
            hint="the column patient has to be spelled the same way in both tables.",
        )
    scored = with_response(scored, read_clinical(response, "response") if response else None)
    table, _ = evaluate(scored, found, how=default_settings()["fit_outlook"], seed=seed)
    n, m = scored["patient"].nunique(), len(joint)
    return table, f"{shown(landmarks)}, {shown(outcome)}: {n} patients scored, {m} of them with an outcome row."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m marrowclone.cure.validate", description=__doc__)
    parser.add_argument("--patients", type=int, default=300, help="patients to simulate")
    parser.add_argument("--draws", type=int, default=400, help="draws per landmark of the simulated cohort")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--landmarks", type=Path, help="results/cure/landmarks.tsv of a run")
    parser.add_argument("--outcome", type=Path, help="the outcome table of the same patients")
    parser.add_argument("--response", type=Path, help="their response table, for the benchmark of IMWG response")
    parser.add_argument("--out", type=Path, default=Path("validation"), help="folder of validation.tsv and .md")
    options = parser.parse_args(arguments)
    try:
        if bool(options.landmarks) != bool(options.outcome):
            raise UserError("--landmarks and --outcome belong together.", hint="give both, or neither to simulate.")
        for name, least in (("patients", 1), ("draws", 20), ("seed", 0)):
            if (value := getattr(options, name)) < least:
                raise UserError(f"--{name}: found {value}, expected a whole number from {least} on.")
        if options.landmarks:
            table, source = validate_own(options.landmarks, options.outcome, options.response, seed=options.seed)
        else:
            table = validate_simulated(options.patients, seed=options.seed, n_draws=options.draws)
            source = (
                f"Simulated: {options.patients} patients, seed {options.seed}, courses without cells (component C is "
                "missing). What holds here need not hold in patients."
            )
    except UserError as error:
        print(f"marrowclone.cure.validate: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    write_table(options.out / "validation.tsv", table, columns=RESULT)
    (options.out / "validation.md").write_text(summary(table, source), encoding="utf-8")
    print(summary(table, source))
    return 0


if __name__ == "__main__":
    sys.exit(main())
