"""Residual disease and imaging: limits, runs, conflicts, age (science 5.1, 5.2, 5.4)."""

import numpy as np
import pytest

from marrowclone.cure.imaging import read_imaging
from marrowclone.cure.mrd import (
    achieved_limit,
    current_test,
    draw_levels,
    drawn_course,
    is_resurgence,
    is_stale,
    observed_course,
    read_tests,
    still_negative,
)
from unit.cure.cure_cases import clinical, defaults, imaging, mrd, negative

SETTINGS = defaults("score_landmarks", n_draws=4000)


def read(*rows):
    return read_tests(clinical("mrd", *rows), settings=SETTINGS)


def status(*rows):
    course = observed_course(read(*rows))
    return {-1: "unknown", 0: "negative", 1: "indeterminate", 2: "positive"}[int(course.status[0])], course.span[0]


def test_negative_at_1e4_is_never_negative():
    assert status(negative(0, lod=1e-4)) == ("unknown", 0)
    assert read(negative(0, lod=1e-4))["status"].tolist() == ["insensitive"]
    assert read(negative(0, lod=1e-5))["status"].tolist() == ["negative"]  # at the threshold is enough


def test_negative_of_unknown_sensitivity_is_never_negative():
    assert read(mrd(0, "negative"))["status"].tolist() == ["insensitive"]


def test_a_claimed_limit_is_no_better_than_the_cells_allow():
    # zero of 100,000 bounds at 3.0e-5 (science 5.4), whatever the lod column says
    assert achieved_limit("NGS", 1e5, 1e-6, settings=SETTINGS) == pytest.approx(3.0e-5, rel=0.01)
    assert achieved_limit("NGS", 1e7, 1e-6, settings=SETTINGS) == 1e-6
    # 20 events of 10 million (science 5.2)
    assert achieved_limit("NGF", 1e7, np.nan, settings=SETTINGS) == pytest.approx(2e-6)
    assert np.isnan(achieved_limit("NGS", np.nan, np.nan, settings=SETTINGS))


def test_300_000_cells_reach_1e5():
    assert read(mrd(0, "negative", cells_analysed=300_000))["status"].tolist() == ["negative"]
    assert read(mrd(0, "negative", cells_analysed=200_000))["status"].tolist() == ["insensitive"]


def test_run_of_negatives_is_broken_by_a_positive_only():
    assert status(negative(0), negative(400)) == ("negative", 400)
    assert status(negative(0), mrd(200, "positive"), negative(400)) == ("negative", 0)
    # an insensitive negative says nothing: it neither breaks nor extends
    assert status(negative(0), negative(200, lod=1e-3), negative(400)) == ("negative", 400)
    assert status(negative(0), negative(400), negative(500, lod=1e-3)) == ("negative", 400)
    # what the laboratory calls indeterminate is the state now, and no negative
    assert status(negative(0), mrd(400, "indeterminate"))[0] == "indeterminate"


def test_conflicting_assays_of_one_visit_count_as_the_worst():
    rows = [negative(100, assay="NGF"), mrd(110, "positive", events=120, cells_analysed=3e6)]
    assert status(*rows) == ("positive", 0)
    assert status(*rows[::-1]) == ("positive", 0)  # in whatever order the file has them
    tests = read(*rows)
    assert tests.loc[current_test(tests), "assay"] == "NGS"
    assert status(negative(100), mrd(100, "indeterminate", assay="flow"))[0] == "indeterminate"


def counted(day, events, cells=3e6, **more):
    return mrd(day, "positive", events=events, cells_analysed=cells, loq=2.4 / cells, **more)


def test_a_clone_counted_below_the_threshold_is_a_trace():
    """Negative at 1e-5, as the cited trials count, and not without the clone."""
    tests = read(counted(0, 3000), counted(400, 12), counted(800, 12))
    assert tests["status"].tolist() == ["positive", "trace", "trace"]
    assert status(counted(0, 3000), counted(400, 12), counted(800, 12)) == ("negative", 400)
    assert status(counted(0, 30)) == ("positive", 0)  # 1e-5 itself is positive
    assert status(mrd(0, "positive", value=4e-6)) == ("positive", 0)  # of unknown sensitivity: at its word
    assert status(counted(0, 12, compartment="PB")) == ("positive", 0)  # in blood it is disease at any level
    assert status(mrd(0, "positive", lod=1e-6)) == ("positive", 0)  # without a number


def test_a_trace_after_a_test_without_it_is_a_resurgence():
    assert status(negative(0), counted(400, 12)) == ("positive", 0)
    assert status(negative(0), counted(400, 12), counted(800, 15)) == ("positive", 0)  # it stays one
    assert status(negative(0), counted(400, 12), negative(800)) == ("negative", 0)  # and has broken the run
    # what the earlier test could not have seen, or the later one cannot count, has not come back
    assert status(negative(0, lod=8e-6), counted(400, 12)) == ("negative", 400)
    assert status(negative(0), mrd(400, "positive", events=4, cells_analysed=3e6, loq=5e-6)) == ("negative", 400)
    # on one visit with an earlier negative the worse counts, though the other assay saw nothing
    assert status(negative(0), negative(400), counted(400, 12, assay="NGF")) == ("positive", 0)


def test_a_progression_parts_what_is_before_from_what_is_after():
    def course(*rows, progressions):
        tests = read_tests(clinical("mrd", *rows), settings=SETTINGS, progressions=progressions)
        found = observed_course(tests, epoch=len(progressions))
        return int(found.status[0]), found.span[0]

    assert course(negative(0), negative(400), progressions=()) == (0, 400)
    assert course(negative(0), negative(400), progressions=(300,)) == (0, 0)
    assert course(negative(0), counted(400, 12), progressions=(300,)) == (0, 0)  # a new response, not a resurgence
    assert course(negative(0), negative(400), negative(800), progressions=(900,)) == (-1, 0)  # not tested since
    assert course(mrd(0, "positive", value=1e-3), progressions=(300,)) == (2, 0)  # a positive stands
    assert course(negative(0), negative(400, lod=1e-4), progressions=(300,)) == (-1, 0)


def test_a_negative_from_before_a_progression_does_not_speak():
    def speaks(*rows):
        return current_test(read_tests(clinical("mrd", *rows), settings=SETTINGS, progressions=(300,)), epoch=1)

    assert speaks(negative(0)) is None and speaks(mrd(0, "positive", value=1e-3), negative(100)) is None
    assert speaks(mrd(0, "positive", value=1e-3)) == 0
    assert speaks(negative(0), negative(400, lod=1e-4)) == 1 and speaks(negative(0), negative(400)) == 1


@pytest.mark.parametrize("number", [{"value": 1e-3}, {"events": 3000, "cells_analysed": 3e6}])
def test_a_negative_that_its_own_number_denies_is_indeterminate(number):
    assert status(negative(0, **number))[0] == "indeterminate"
    assert status(negative(0, value=4e-6))[0] == "negative"


def test_the_stricter_reading_of_flow_knows_no_trace():
    strict = SETTINGS | {"trace_assays": ["NGS"]}
    for assay, found in (("NGF", "positive"), ("NGS", "trace")):
        rows = clinical("mrd", counted(0, 12, assay=assay, lod=1e-6))
        assert read_tests(rows, settings=SETTINGS)["status"].tolist() == ["trace"]
        assert read_tests(rows, settings=strict)["status"].tolist() == [found]


def test_of_agreeing_negatives_the_deepest_speaks():
    tests = read(negative(0, lod=1e-5, assay="NGF"), negative(0, lod=1e-6))
    assert tests.loc[current_test(tests), "limit"] == 1e-6


def test_blood_and_mass_spectrometry_never_make_a_marrow_negative():
    assert read(negative(0, compartment="PB")).empty
    assert read(negative(0, assay="MS", compartment="PB")).empty
    assert status(negative(0), mrd(100, "positive", compartment="PB"))[0] == "positive"  # disease in blood is disease


def test_resurgence_needs_a_countable_positive_after_a_negative():
    assert is_resurgence(read(negative(0), mrd(200, "positive", value=3e-5, loq=5e-6)))
    assert not is_resurgence(read(negative(0), mrd(200, "positive", value=3e-6, loq=5e-6)))
    assert not is_resurgence(read(mrd(0, "positive", value=1e-3), mrd(200, "positive", value=3e-5)))
    assert not is_resurgence(read(negative(0), mrd(200, "positive", value=3e-5), negative(400)))


def test_draws_of_a_negative_are_those_of_zero_of_n():
    tests = read(negative(0, lod=1e-6))
    levels = draw_levels(tests, settings=SETTINGS, rng=np.random.default_rng(0))[0]
    # Jeffreys 95% of zero of N is 1.92/N (science 5.4); 4,000 draws know a 95% quantile to some 6%
    assert np.quantile(levels, 0.95) == pytest.approx(1.92e-6 / 3, rel=0.08)
    counted = draw_levels(
        read(mrd(0, "positive", events=300, cells_analysed=1e6)), settings=SETTINGS, rng=np.random.default_rng(0)
    )
    assert np.median(counted) == pytest.approx(3e-4, rel=0.05)
    assert np.std(np.log10(counted)) == pytest.approx(np.hypot(0.15, 0.3), rel=0.1)  # science 4.4


def test_positive_without_a_number_is_between_its_limit_and_one_percent():
    levels = draw_levels(read(mrd(0, "positive", lod=1e-5)), settings=SETTINGS, rng=np.random.default_rng(0))
    assert levels.min() >= 1e-5 and levels.max() <= 1e-2 and np.median(np.log10(levels)) == pytest.approx(-3.5, abs=0.1)


def test_drawn_course_doubts_what_lies_at_the_limit():
    rows = [negative(0, lod=1e-5)]
    tests = read(*rows)
    levels = draw_levels(tests, settings=SETTINGS, rng=np.random.default_rng(0))
    drawn = drawn_course(tests, levels, settings=SETTINGS)
    # P(Beta(.5, 3e5) > 1e-5) = P(chi2_1 > 6) = 0.0143
    assert (drawn.status == 2).mean() == pytest.approx(0.0143, abs=0.006)
    deep = read(negative(0, lod=1e-6))
    levels = draw_levels(deep, settings=SETTINGS, rng=np.random.default_rng(0))
    assert (drawn_course(deep, levels, settings=SETTINGS).status == 0).all()


def test_staleness_and_ageing():
    assert [is_stale(d, settings=SETTINGS) for d in (0, 365, 366, np.nan)] == [False, False, True, False]
    assert still_negative(np.array(365.25), hazard_per_month=0.0073) == pytest.approx(np.exp(-0.0876))


def test_no_assay_is_unknown():
    assert status() == ("unknown", 0) and current_test(read()) is None


def see(*rows, day=400):
    return read_imaging(clinical("imaging", *rows), day, settings=SETTINGS)


def test_imaging_states():
    assert see().state == "unknown"
    assert see(imaging(35)).recent and see(imaging(35)).state == "negative"
    assert not see(imaging(34)).recent  # 366 days
    assert see(imaging(30, deauville=4)).state == "positive"  # above liver, whatever the word
    assert see(imaging(30, "positive"), imaging(40)).state == "positive"  # one visit: the worse
    assert see(imaging(30, "positive"), imaging(200)).state == "negative"
    # an X-ray does not clear what a PET showed
    assert see(imaging(30, "positive"), imaging(200, modality="XR")).state == "positive"
