"""Labels of 4.5 and trajectory classes of 3.2, on drawn visits with known rates."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from marrowclone.evolution import labels as L
from marrowclone.evolution.dynamics import Visit
from marrowclone.evolution.rest import reference_share
from marrowclone.evolution.trajectory import trajectory
from marrowclone.keys import TABLES

N = 4000
#: D-VRd, then nothing: dynamics rows as label_clones reads them.
CONTEXT = ("off therapy", False)


def visit(day, clones, *, n=None, sd=0.1, bound=False, burden=True):
    """``clones``: {name: (burden, cells)}; log10 error ``sd`` of the day's burden."""
    rng = np.random.default_rng(abs(day) + 7)
    cells = {c: x for c, (_, x) in clones.items()}
    n = sum(cells.values()) if n is None else n
    total = sum(b for b, _ in clones.values())
    noise = 10 ** rng.normal(0, sd, N)
    gamma = {c: rng.gamma(x + 0.5, size=N) for c, x in cells.items()}
    whole = sum(gamma.values())
    fraction = {c: g / whole for c, g in gamma.items()}
    absolute = {c: total * noise * f if burden else np.full(N, np.nan) for c, f in fraction.items()}
    return Visit(day, fraction, absolute, cells, n, bound, (f"s{day}",))


def dynamics_rows(series, context=CONTEXT):
    rows = [{"to_day": v.day, "therapy_context": context[0], "therapy_change": context[1]} for v in series[1:]]
    return pd.DataFrame(rows, columns=["to_day", "therapy_context", "therapy_change"])


@pytest.fixture
def label(defaults, clinical):
    def go(series, response=(), context=CONTEXT, expected=None, state=None):
        expected = expected or {(c, v.day): float(x) for v in series for c, x in v.counts.items()}
        return L.label_clones(
            series, patient="P", dynamics=dynamics_rows(series, context), expected=expected,
            response=clinical("response", list(response)), settings=defaults["label_clones"], state=state,
        )  # fmt: skip

    return go


def at(frame, clone, day):
    return set(frame.loc[(frame["clone"] == clone) & (frame["day"] == day), "label"])


VGPR = [{"patient": "P", "day": 180, "response": "VGPR"}]


def test_expanding_and_contracting(label):
    frame = label([visit(0, {"c1": (0.1, 500), "c2": (1e-3, 20)}), visit(365, {"c1": (1e-3, 20), "c2": (0.1, 500)})])
    assert at(frame, "c1", 365) == {L.CONTRACTING} and at(frame, "c2", 365) == {L.EXPANDING}
    row = frame[(frame["clone"] == "c2") & (frame["day"] == 365)].iloc[0]
    assert row["probability"] == row["p_expanding"] > 0.99
    assert "growth-only" in row["evidence"] and "not assessed" in row["evidence"]  # evidence grade always printed
    assert list(frame.columns[:5]) == list(TABLES["evolution.labels"])


def test_share_rises_while_burden_falls(label):
    """Point 9 of science 0: from 2% to 40% of malignant cells while shrinking a hundredfold."""
    series = [visit(0, {"c1": (0.49, 490), "c2": (0.01, 10)}), visit(365, {"c1": (1.5e-4, 60), "c2": (1e-4, 40)})]
    assert L.EXPANDING not in at(label(series), "c2", 365)
    assert L.CONTRACTING in at(label(series), "c2", 365)


def test_slow_growth_is_neither(label):
    # doubling in 24 months is slower than yearly, and the error is as large as the change
    frame = label([visit(0, {"c1": (1e-3, 200)}), visit(365, {"c1": (1.4e-3, 200)})])
    assert at(frame, "c1", 365) == {L.UNDECIDED}


def test_lost_is_a_bound_and_never_extinct(label):
    frame = label([visit(0, {"c1": (0.1, 400), "c2": (0.1, 400)}), visit(365, {"c1": (1e-3, 300), "c2": (1e-9, 0)})])
    row = frame[(frame["clone"] == "c2") & (frame["label"] == L.LOST)].iloc[0]
    assert row["probability"] > 0.95
    assert (
        "at most" in row["evidence"] and "not zero" in row["evidence"] and "extinct" not in " ".join(frame["evidence"])
    )


def test_the_bound_of_a_lost_clone_is_that_of_the_fractions_table(label):
    # shown is the exact bound, which is about 1.6 times that of the Jeffreys draws (5.4)
    first, last = visit(0, {"c1": (0.1, 400), "c2": (0.1, 400)}), visit(365, {"c1": (1e-3, 300), "c2": (1e-9, 0)})
    frame = label([first, replace(last, burden_upper={"c1": 1.3e-3, "c2": 9.9e-6})])
    assert "burden at most 9.9e-06 (95%)" in frame.loc[frame["label"] == L.LOST, "evidence"].iloc[0]


def test_zero_of_few_cells_is_no_loss(label):
    # 0 of 4 malignant cells, same total burden: the clone may well be there still
    frame = label([visit(0, {"c1": (0.1, 300), "c2": (0.1, 300)}), visit(365, {"c1": (0.2, 4), "c2": (0, 0)})])
    assert L.LOST not in at(frame, "c2", 365)
    said = frame[(frame["clone"] == "c2") & (frame["day"] == 365) & (frame["label"] == L.NOT_ASSESSABLE)]
    assert said["evidence"].str.contains("0 of 4 malignant cells").any()


def test_too_few_cells_are_not_assessable(label):
    frame = label([visit(0, {"c1": (0.1, 300), "c2": (1e-4, 1)}), visit(365, {"c1": (0.1, 300), "c2": (5e-4, 2)})])
    assert at(frame, "c2", 365) == {L.NOT_ASSESSABLE}
    # nor may a probability that rests on one or two cells be read by the score
    assert frame.loc[frame["clone"] == "c2", "p_expanding"].isna().all()


def test_what_is_left_of_many_cells_contracts(label):
    # 500 cells, then one of 200 in a marrow of a hundredth: as sure as with none left
    for left in (0, 1, 2, 3):
        last = visit(180, {"c1": (1e-3, 200), "c2": (left * 5e-6, left)})
        frame = label([visit(0, {"c1": (0.1, 500), "c2": (0.1, 500)}), last])
        assert L.CONTRACTING in at(frame, "c2", 180)
        assert L.NOT_ASSESSABLE not in at(frame, "c2", 180)
    # two cells of ten, of a tumour as large as before, say little: no label
    few = visit(180, {"c1": (0.3, 8), "c2": (0.08, 2)})
    assert at(label([visit(0, {"c1": (0.1, 500), "c2": (0.1, 500)}), few]), "c2", 180) == {L.NOT_ASSESSABLE}
    # and of one cell nothing else is said, whatever its probability
    risen = visit(180, {"c1": (0.9, 2000), "c2": (5e-4, 1)})
    assert at(label([visit(0, {"c1": (1e-5, 500), "c2": (1e-7, 5)}), risen]), "c2", 180) == {L.NOT_ASSESSABLE}


def test_new_needs_a_deep_zero(label):
    deep = [visit(0, {"c1": (0.1, 2000), "c2": (0, 0)}), visit(365, {"c1": (0.1, 200), "c2": (0.1, 200)})]
    shallow = [visit(0, {"c1": (0.1, 5), "c2": (0, 0)}), visit(365, {"c1": (0.1, 200), "c2": (0.1, 200)})]
    assert L.NEW in at(label(deep), "c2", 365)
    assert L.NEW not in at(label(shallow), "c2", 365)


def test_re_emergent(label):
    series = [
        visit(0, {"c1": (0.1, 500), "c2": (0.1, 500)}),
        visit(365, {"c1": (1e-5, 50), "c2": (0, 0)}),
        visit(900, {"c1": (0.1, 100), "c2": (0.1, 300)}),
    ]
    assert L.RE_EMERGENT in at(label(series), "c2", 900) and L.EXPANDING in at(label(series), "c2", 900)
    assert L.RE_EMERGENT not in at(label(series), "c1", 900)


SEEN, GONE = visit(0, {"c1": (0.1, 500), "c2": (0.1, 500)}), visit(365, {"c1": (1e-4, 50), "c2": (0, 0)})


def test_a_day_of_one_cell_does_not_end_an_absence(label):
    trace = visit(600, {"c1": (1e-4, 40), "c2": (2.5e-6, 1)})
    back = visit(900, {"c1": (0.1, 100), "c2": (0.1, 300)})
    assert L.RE_EMERGENT in at(label([SEEN, GONE, trace, back]), "c2", 900)
    # said once: on the day after that it is no longer back, but there
    assert L.RE_EMERGENT not in at(label([SEEN, GONE, trace, back, replace(back, day=1200)]), "c2", 1200)


def test_a_shallow_zero_after_a_deep_one_changes_nothing(label):
    # none of 3 malignant cells in a marrow of 5%: the clone may be there by the percent
    shallow = visit(600, {"c1": (0.05, 3), "c2": (0, 0)})
    back = visit(900, {"c1": (0.1, 100), "c2": (0.1, 300)})
    assert L.RE_EMERGENT in at(label([SEEN, GONE, shallow, back]), "c2", 900)
    assert L.RE_EMERGENT not in at(label([SEEN, shallow, back]), "c2", 900)


def test_cells_that_misassignment_explains_were_not_seen(label):
    series = [
        visit(0, {"c1": (0.1, 2000), "c2": (5e-4, 10)}),
        visit(365, {"c1": (0.01, 900), "c2": (0, 0)}),
        visit(900, {"c1": (0.1, 100), "c2": (0.1, 300)}),
    ]
    counts = {(c, v.day): float(x) for v in series for c, x in v.counts.items()}
    assert L.RE_EMERGENT in at(label(series, expected=counts), "c2", 900)
    assert L.RE_EMERGENT not in at(label(series, expected=counts | {("c2", 0): 0.6}), "c2", 900)


PERSISTENT = [
    visit(0, {"c1": (0.3, 600), "c2": (2e-3, 20)}),
    visit(365, {"c1": (1e-4, 10), "c2": (2e-3, 200)}, sd=0.01),
    visit(1095, {"c1": (1e-4, 10), "c2": (2e-3, 200)}, sd=0.01),
]


def test_persistent_and_dormant_compatible(label):
    frame = label(PERSISTENT, VGPR)
    assert at(frame, "c2", 1095) == {L.PERSISTENT, L.DORMANT}
    assert not any("supported" in text for text in frame["label"])  # growth alone never reaches it


def state_rows(cycling, percentile):
    """State of c2 on day 1095 beside a diagnosis with 2% cycling: ``cycling`` of 1,000 cells, its best percentile."""
    base = {"lower": 0.0, "upper": (cycling + 3) / 1000, "n_cells": 1000, "n_used": 1000, "percentile": np.nan}
    return pd.DataFrame(
        [
            base | {"clone": "all", "day": 0, "measure": "cycling", "value": 0.02, "lower": 0.013, "n_positive": 20},
            base | {"clone": "c2", "day": 1095, "measure": "cycling", "value": cycling / 1000, "n_positive": cycling},
            base
            | {"clone": "c2", "day": 1095, "measure": "persistence adhesion", "percentile": percentile, "value": 1.0},
        ]
    )


def test_rest_is_not_half_of_what_may_not_cycle_itself(label):
    """A clone labelled expanding of which one cell in 922 looks cycling is no lively one to compare with."""
    state = state_rows(0, 97)
    quiet = {"clone": "c1", "day": 1095, "measure": "cycling", "value": 0.001, "lower": 0.0, "upper": 0.005,
             "n_cells": 922, "n_used": 922, "n_positive": 1, "percentile": np.nan}  # fmt: skip
    settings = {"rest_cells": 100}
    assert reference_share(state, 1095, [("c1", 1095)], settings=settings)[0] == 0.02
    both = pd.concat([state, pd.DataFrame([quiet])])
    assert reference_share(both, 1095, [("c1", 1095)], settings=settings)[0] == 0.02
    lively = pd.concat([state, pd.DataFrame([quiet | {"value": 0.006, "lower": 0.003}])])
    assert reference_share(lively, 1095, [("c1", 1095)], settings=settings)[0] == 0.006
    assert reference_share(state[state["day"] > 0], 1095, [], settings=settings) is None


def test_dormant_supported_needs_growth_and_state(label):
    frame = label(PERSISTENT, VGPR, state=state_rows(0, 97))
    assert at(frame, "c2", 1095) == {L.PERSISTENT, L.DORMANT, L.SUPPORTED}
    row = frame[frame["label"] == L.SUPPORTED].iloc[0]
    assert row["evidence"].startswith(L.BOTH) and "cycling 0 of 1000" in row["evidence"]
    assert row["probability"] == row["p_dormant_supported"] >= 0.8
    for state in (state_rows(20, 97), state_rows(0, 50)):
        frame = label(PERSISTENT, VGPR, state=state)
        assert at(frame, "c2", 1095) == {L.PERSISTENT, L.DORMANT} and (frame["p_dormant_supported"].dropna() == 0).all()
    fast = [visit(0, {"c2": (1e-5, 50)}), visit(365, {"c2": (3e-4, 50)}), visit(1095, {"c2": (9e-3, 50)})]
    assert L.SUPPORTED not in at(label(fast, VGPR, state=state_rows(0, 97)), "c2", 1095)  # state is never enough


def test_persistence_needs_deep_response_and_low_burden(label):
    assert L.PERSISTENT not in at(label(PERSISTENT), "c2", 1095)  # response unknown
    high = [visit(d, {"c1": (0.05, 600), "c2": (0.05, 600)}, sd=0.01) for d in (0, 365, 1095)]
    assert L.PERSISTENT not in at(label(high, VGPR), "c2", 1095)


def test_first_low_sighting_is_not_persistence(label):
    # large at diagnosis, low in remission: low for the first time, so nothing has persisted at a low level yet (4.5)
    first = [visit(0, {"c1": (0.2, 300), "c2": (0.2, 300)}), visit(365, {"c1": (1e-4, 30), "c2": (1e-4, 30)})]
    response = [{"patient": "P", "day": 180, "response": "VGPR"}]
    assert L.PERSISTENT not in at(label(first, response), "c2", 365)
    later = [*first, visit(730, {"c1": (1e-4, 30), "c2": (1e-4, 30)})]
    assert L.PERSISTENT in at(label(later, response), "c2", 730)


def test_persistence_needs_cells_beyond_misassignment(label):
    counts = {(c, v.day): float(x) for v in PERSISTENT for c, x in v.counts.items()}
    counts[("c2", 1095)] = 0.7
    assert L.PERSISTENT not in at(label(PERSISTENT, VGPR, expected=counts), "c2", 1095)


def test_no_dormancy_across_a_treatment_change(label):
    frame = label(PERSISTENT, VGPR, context=("mixed", True))
    assert L.DORMANT not in at(frame, "c2", 1095) and L.PERSISTENT in at(frame, "c2", 1095)
    assert frame.loc[frame["day"] == 1095, "evidence"].str.contains("treatment change").all()


@pytest.mark.parametrize(
    ("context", "change"), [(("off therapy", False), False), (("mixed", True), True), (("unknown", False), None)]
)
def test_each_row_says_whether_treatment_changed(label, context, change):
    # whoever reads "not expanding" must know whether growth is an average over a change (4.4)
    values = label(PERSISTENT, VGPR, context=context).query("day == 1095")["treatment_change"]
    assert values.isna().all() if change is None else (values == change).all()


def test_no_dormancy_from_a_burden_that_is_a_bound(label):
    # below the limit at the start: growth may have been anything above
    first, *others, last = PERSISTENT
    series = [first, *[replace(v, burden_bound=True) for v in others], last]
    frame = label(series, VGPR)
    assert L.DORMANT not in at(frame, "c2", 1095)
    assert L.DORMANT in at(label(PERSISTENT, VGPR), "c2", 1095)  # without the bound it would be


#: Four years of yearly visits to a clone that rests, each with the error of an assay and of the marrow (0.34 log10).
RESTING = [visit(d, {"c2": (2e-3, 100)}, sd=0.34) for d in (365, 730, 1095, 1460, 1825)]


def test_rest_shows_over_the_whole_stretch(label):
    # ln2/24 a month is 0.35 (ln) a year, an interval's error 1.1: a year alone never tells rest from growth
    one = label(RESTING[-2:], VGPR).query("day == 1825")["p_dormant_compatible"].fillna(0)
    frame = label(RESTING, VGPR)
    assert (one < 0.5).all() and L.DORMANT in at(frame, "c2", 1825)
    assert L.DORMANT not in at(frame, "c2", 730)


def test_rest_is_barred_by_growth_of_late_and_by_high_days_between(label):
    risen = [*RESTING[:-1], visit(1825, {"c2": (9e-3, 100)}, sd=0.1)]
    assert L.EXPANDING in at(label(risen, VGPR), "c2", 1825) and L.DORMANT not in at(label(risen, VGPR), "c2", 1825)
    high = [*RESTING[:2], visit(1095, {"c2": (0.1, 100)}, sd=0.1), *RESTING[3:]]
    assert L.DORMANT not in at(label(high, VGPR), "c2", 1825)


def test_rest_is_judged_under_one_treatment(label, defaults, clinical):
    rows = dynamics_rows(RESTING)
    rows["therapy_classes"] = ["IMiD", "IMiD", "", ""]  # stopped on the day of the third visit
    expected = {(c, v.day): float(x) for v in RESTING for c, x in v.counts.items()}

    def p_rest(table):
        frame = L.label_clones(
            RESTING, patient="P", dynamics=table, expected=expected, response=clinical("response", VGPR),
            settings=defaults["label_clones"],
        )  # fmt: skip
        return frame.loc[frame["day"] == 1825, "p_dormant_compatible"].iloc[0]

    # two years instead of four: what is known of the rest is about half as sure
    assert p_rest(rows) < 0.75 * p_rest(rows.assign(therapy_classes="IMiD"))


def test_fast_clone_is_never_dormant(label):
    fast = [visit(0, {"c2": (1e-5, 50)}), visit(365, {"c2": (3e-4, 50)}), visit(730, {"c2": (9e-3, 50)})]
    assert not (label(fast, VGPR)["label"] == L.DORMANT).any()


def test_reactivating(label):
    series = [*PERSISTENT, visit(1460, {"c1": (1e-4, 10), "c2": (0.05, 500)}, sd=0.01)]
    assert {L.REACTIVATING, L.EXPANDING} <= at(label(series, VGPR), "c2", 1460)


def test_later_visits_and_rows_change_nothing(label):
    late = visit(1460, {"c1": (1e-4, 10), "c2": (0.05, 500)})
    one = label(PERSISTENT, VGPR)
    two = label([*PERSISTENT, late], [*VGPR, {"patient": "P", "day": 1200, "response": "PD"}])
    two = two[two["day"] < 1460].sort_values(["clone", "day"], kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(one.sort_values(["clone", "day"], kind="stable", ignore_index=True), two)


def test_sorted_samples_have_no_growth_label(label):
    frame = label(
        [
            visit(0, {"c1": (0.1, 50), "c2": (0.1, 50)}, burden=False),
            visit(365, {"c1": (0.1, 5), "c2": (0.1, 95)}, burden=False),
        ]
    )
    assert at(frame, "c2", 365) == {L.NOT_ASSESSABLE}
    assert frame.loc[frame["day"] == 365, "evidence"].str.contains("no absolute burden").all()


def test_every_clone_and_day_has_a_row(label):
    frame = label(PERSISTENT, VGPR)
    assert set(zip(frame["clone"], frame["day"], strict=True)) == {(c, d) for c in ("c1", "c2") for d in (0, 365, 1095)}


def test_no_visit_no_label(label):
    frame = label([])
    assert frame.empty and list(frame.columns[:5]) == list(TABLES["evolution.labels"])


# --- trajectory -------------------------------------------------------------------------


@pytest.fixture
def course(defaults):
    def go(series, parents=(), rung="R1", limit=1e-6):
        burden = pd.DataFrame([{"sample": f"s{v.day}", "used": True, "limit_of_detection": limit} for v in series])
        return trajectory(
            series, tree=pd.DataFrame(list(parents), columns=["branch", "parent"]), patient="P", burden=burden,
            reference=pd.DataFrame({"rung": [rung]}), settings=defaults["label_clones"],
        )["label"].tolist()  # fmt: skip

    return go


A = visit(0, {"c1": (0.2, 800), "c2": (0.02, 80)})


@pytest.mark.parametrize(
    ("series", "parents", "expected"),
    [
        ([A, visit(365, {"c1": (0.2, 800), "c2": (0.02, 80)})], (), "stable"),
        ([A, visit(365, {"c1": (0.02, 80), "c2": (0.2, 800)})], (), "branching / selection"),
        ([A, visit(365, {"c1": (0.02, 80), "c2": (0.2, 800)})], [("c1", "root"), ("c2", "c1")], "linear"),
        ([A, visit(365, {"c1": (0.02, 8), "c2": (0.2, 8)})], (), "insufficient"),
        ([A, visit(365, {"c1": (1e-9, 0), "c2": (1e-9, 0)}, bound=True)], (), "elimination"),
    ],
)
def test_trajectory_classes(course, series, parents, expected):
    assert course(series, parents)[0] == expected


def test_weak_reference_has_no_class(course):
    assert course([A, A], rung="R5") == ["insufficient"]


def test_shallow_assay_is_no_elimination(course):
    gone = visit(365, {"c1": (1e-9, 0), "c2": (1e-9, 0)}, bound=True)
    assert course([A, gone], limit=0.05) == ["insufficient"]  # a limit of 5% cannot show a tenth of 22%


def test_three_days_give_first_to_last_too(course):
    assert (
        len(
            course(
                [A, visit(100, {"c1": (0.2, 800), "c2": (0.02, 80)}), visit(365, {"c1": (0.2, 800), "c2": (0.02, 80)})]
            )
        )
        == 3
    )
