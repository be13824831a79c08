"""Figures: labelled axes, no text over other text, colours by name, same bytes every time."""

from __future__ import annotations

import itertools

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

import results_factory as factory
from marrowclone.report import gather
from marrowclone.report.cohort_page import embedding_section
from marrowclone.report.figures import (
    burden,
    clones,
    composition,
    copy_number,
    dropped,
    fish,
    knee,
    qc_violin,
    quality,
    score,
    style,
    surroundings,
    timeline,
    tree,
)
from marrowclone.report.sections import group_shares, sample_title
from marrowclone.report.surroundings import columns_of


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> dict[str, gather.Patient]:
    results = factory.make_results(tmp_path_factory.mktemp("results"))
    found = {
        name: gather.read_patient(
            name,
            samples=results.records(name),
            qc=results.qc(name),
            paths=results.paths(name),
            clinical=results.clinical,
        )
        for name in ("P1", "P2", "H1")
    }
    return {**found, "stress": factory.stress_patient()}


def figures_of(patient: gather.Patient) -> dict[str, Figure]:
    """Every figure that the patient's tables allow."""
    clinical = {n: patient.clinical_rows(n) for n in ("therapy", "response", "imaging", "mrd")}
    totals = list(patient.cells["sample"].value_counts().reindex(patient.samples["sample"], fill_value=0))
    names = [sample_title(row) for _, row in patient.samples.iterrows()]
    found = {
        "timeline": timeline.timeline(patient.samples, clinical),
        "composition": composition.composition(group_shares(patient.cells, patient.samples), names, totals),
    }
    if len(patient.microenvironment):
        found["surroundings"] = surroundings.shares(*columns_of(patient))
    if len(patient.arms):
        found["arms"] = copy_number.arm_states(patient.arms)
        found["profiles"] = copy_number.ratio_profiles(patient.profiles)
    if len(patient.fractions):
        found["fractions"] = clones.fractions(patient.fractions, patient.samples)
        found["tree"] = tree.tree(patient.tree, patient.profiles)
        course = fish.course_of(patient.fractions, patient.burden)
        if course is not None:
            found["fish"] = fish.fish(course, patient.tree, patient.samples, clinical)
        found["burden"] = burden.burden(patient.burden, patient.fractions, patient.samples)
    if len(patient.landmarks):
        found["score"] = score.trajectory(patient.landmarks)
    if len(patient.qol):
        found["quality"] = quality.scales(patient.qol)
    return found


def texts(figure: Figure) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Every visible text with its box in pixels."""
    with matplotlib.rc_context(style.RC):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        boxes, unseen = [], outside_the_view(figure)
        for text in figure.findobj(Text):
            if text.get_visible() and text.get_text().strip() and text not in unseen:
                box = text.get_window_extent(canvas.get_renderer())
                boxes.append((text.get_text(), (box.x0, box.y0, box.x1, box.y1)))
    return boxes


def outside_the_view(figure: Figure) -> set[Text]:
    """Labels of ticks beyond the limits of their axis: they exist and are never drawn."""
    unseen: set[Text] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    unseen |= {tick.label1, tick.label2}
    return unseen


def overlapping(boxes: list[tuple[str, tuple[float, float, float, float]]]) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes share more than a pixel."""
    return [
        (a, b)
        for (a, p), (b, q) in itertools.combinations(boxes, 2)
        if min(p[2], q[2]) - max(p[0], q[0]) > 1 and min(p[3], q[3]) - max(p[1], q[1]) > 1
    ]


def sample_figures() -> dict[str, Figure]:
    """Figures of a sample's page with long names, many types and lines that lie close."""
    rng = np.random.default_rng(2)
    values = {"a": rng.lognormal(7, 1, 50), "b": rng.beta(1, 5, 50) * 100, "c": rng.beta(1, 20, 50)}
    names = ["plasma cell", "a user's own very long name of a plasma cell's kind", *(f"type {i}" for i in range(14))]
    rows = [
        qc_violin.Row(n, 123_456, "#882255", values, {"b": 15.0, "a": 90_000.0}, strong=i == 0)
        for i, n in enumerate(names)
    ]
    measures = [
        qc_violin.Measure("a", "non-Ig UMIs", "UMIs (log)", log=True, least=1),
        *(qc_violin.Measure("b", title, "% of UMIs") for title in ("mitochondrial", "immunoglobulin", "haemoglobin")),
        qc_violin.Measure("c", "doublet score", "no unit"),
        qc_violin.Measure("b", "ambient RNA", "% of UMIs"),
        qc_violin.Measure("a", "non-Ig genes", "genes (log)", log=True, least=1),
    ]
    reasons = ["kept", "few non-Ig UMIs", "few non-Ig UMIs + few non-Ig genes", "marker conflict", dropped.OTHERS]
    counts = pd.DataFrame(rng.integers(0, 9000, (6, 5)), columns=reasons)
    counts.index = pd.Index(["plasma-like", "lymphoid", "myeloid", "a long guess of a type", "stromal", "no guess"])
    raw = np.array([[1, 600], [90_000, 480]])
    return {
        "violins": qc_violin.violins(rows, rows[:3], measures, floors={"a": 500, "c": 0.2}, fewest=10),
        "no cell kept": qc_violin.violins([], rows[:3], measures, floors={"a": 500}, fewest=10),
        "none dropped": qc_violin.violins(rows[:1], [], measures, floors={}, fewest=100),
        "knee": knee.knee(
            knee.ranked(np.arange(1, 600)), raw=raw, edges=np.array([1.0, 600]), share=np.array([0.5]),
            floors={"floor: 500 non-Ig UMIs": 500.0},
        ),
        "one barcode": knee.knee(
            np.array([[1.0, 0.0]]), raw=None, edges=np.array([1.0, 2.0]), share=np.array([1.0]), floors={}
        ),
        "fates": dropped.fates(counts),
        "doublets": dropped.doublet_scores(values["c"], values["c"] > 0.1, threshold=0.001),
        "no threshold": dropped.doublet_scores(np.zeros(3), np.zeros(3, dtype=bool), threshold=None),
    }  # fmt: skip


@pytest.mark.parametrize("what", list(sample_figures()))
def test_texts_of_a_samples_figures_keep_apart(what: str) -> None:
    figure = sample_figures()[what]
    boxes = texts(figure)
    assert overlapping(boxes) == []
    width, height = figure.get_size_inches() * figure.dpi
    assert [t for t, (x0, y0, x1, y1) in boxes if x0 < -1 or y0 < -1 or x1 > width + 1 or y1 > height + 1] == []


@pytest.mark.parametrize("name", ["P1", "P2", "H1", "stress"])
def test_no_text_lies_over_other_text_or_outside(patients: dict[str, gather.Patient], name: str) -> None:
    """Ten clones, ten close timepoints and long names must stay readable too."""
    for what, figure in figures_of(patients[name]).items():
        boxes = texts(figure)
        assert overlapping(boxes) == [], f"{what} of {name}"
        width, height = figure.get_size_inches() * figure.dpi
        outside = [t for t, b in boxes if b[0] < -1 or b[1] < -1 or b[2] > width + 1 or b[3] > height + 1]
        assert outside == [], f"{what} of {name}"


def test_the_overlap_check_can_fail() -> None:
    figure = style.new_figure(1)
    figure.text(0.5, 0.5, "one")
    figure.text(0.505, 0.5, "two")
    assert overlapping(texts(figure)) == [("one", "two")]


def test_axes_say_what_they_show(patients: dict[str, gather.Patient]) -> None:
    """Every axis with numbers has a label with its unit, on the figure or shared along its edge."""
    said = {what: " ".join(t for t, _ in texts(f)) for what, f in figures_of(patients["P1"]).items()}
    for what in ("timeline", "fractions", "burden", "score"):
        assert "days (day 0 is the patient's own day 0)" in said[what]
    assert "share of malignant cells" in said["fractions"]
    assert "nucleated marrow cell" in said["burden"]
    assert "cure-spectrum score" in said["score"] and "0 to 100" in said["score"]
    assert "share of kept cells" in said["composition"]
    assert "copies per cell" in said["arms"] and "log2 ratio" in said["profiles"]
    assert "score" in said["quality"] and "days" in said["quality"]


def test_a_clone_keeps_its_colour() -> None:
    """By name alone: a clone that is missing in one figure must not shift the others' colours."""
    assert style.clone_colour("c3") == style.CLONE_COLOURS[2]
    assert len({style.clone_colour(f"c{i}") for i in range(1, 11)}) == 10
    assert style.clone_order(["c10", "c2", "c1", "trunk"]) == ["c1", "c2", "c10", "trunk"]


def test_zero_of_n_is_drawn_as_a_bound(patients: dict[str, gather.Patient]) -> None:
    """c3 has 0 of 185 cells at relapse: an open triangle at the upper end, no point at zero."""
    table = patients["P1"].fractions
    figure = clones.fractions(table, patients["P1"].samples)
    zero = table[(table["n_clone"] == 0) & (table["n_malignant"] > 0)]
    triangles = [line for line in figure.findobj(matplotlib.lines.Line2D) if line.get_marker() == "v"]
    assert [float(t.get_ydata()[0]) for t in triangles] == pytest.approx(list(zero["upper"]))
    dots = [line for line in figure.findobj(matplotlib.lines.Line2D) if line.get_marker() == "o"]
    assert all(float(d.get_ydata()[0]) > 0 for d in dots)
    assert any("≤" in t for t, _ in texts(figure)), "the printed value is a bound as well"


def test_a_tree_with_a_loop_loses_no_branch() -> None:
    """A broken table is shown, not hidden and not followed for ever."""
    table = pd.DataFrame({"branch": ["a", "b", "c"], "parent": ["b", "a", ""], "events": "", "support": 1.0})
    assert {r.name for r in tree.branches(table)} == {"a", "b", "c"}


def test_a_branch_without_events_says_why() -> None:
    table = pd.DataFrame(
        {"branch": ["c1"], "parent": ["normal"], "events": [""], "support": [None], "note": ["order not known"]}
    )
    assert any("order not known" in t for t, _ in texts(tree.tree(table)))


def test_each_clone_has_its_profile_in_the_row_of_its_branch(patients: dict[str, gather.Patient]) -> None:
    """The heatmap's order is the tree's: a patch of c3 stands at the height of c3's name, an ancestor has none."""
    patient = patients["P1"]
    figure = tree.tree(patient.tree, patient.profiles)
    heat = max(figure.axes, key=lambda a: len(a.patches))
    heights = {round(patch.get_y(), 6) for patch in heat.patches}
    names = {text.get_text(): text.get_position()[1] for text in figure.axes[0].texts}
    for clone in set(patient.profiles["clone"]) & set(patient.tree["branch"]):
        assert min(abs(names[clone] - h) for h in heights) < 0.1, clone
    assert min(abs(names["trunk"] - h) for h in heights) > 0.1


def test_a_conflict_in_time_is_drawn() -> None:
    table = pd.DataFrame(
        {"branch": ["c1", "c2"], "parent": ["normal", "c1"], "events": ["+1q", "-13q"], "support": 0.9,
         "conflict": ["", "c1"]}
    )  # fmt: skip
    assert any("seen before c1" in t for t, _ in texts(tree.tree(table)))


def test_small_burden_panels_have_more_than_one_tick(patients: dict[str, gather.Patient]) -> None:
    """A log axis with one number cannot be read."""
    table = patients["P1"].fractions
    high = table[table["day"] == 0].assign(burden_lower=0.05)
    figure = burden.burden(gather.empty("evolution.burden"), high, patients["P1"].samples)
    for axes in figure.axes[1:]:
        low, top = axes.get_ylim()
        assert sum(low <= t <= top for t in axes.get_yticks()) >= 2


def test_svg_is_the_same_twice_and_carries_no_time(patients: dict[str, gather.Patient]) -> None:
    """Law 6: same input, same bytes; ids are unique to the figure so that pages can hold several."""
    first, second = (style.to_svg(tree.tree(patients["P1"].tree), name="tree", title="a < b") for _ in range(2))
    assert first == second
    assert "dc:date" not in first and 'aria-label="a &lt; b"' in first
    assert all(part.startswith("tree-") for part in first.split(' id="')[1:])


def test_labels_find_rows_of_their_own() -> None:
    assert style.place_in_rows([1.0, 1.1, 3.0], [0.5, 0.5, 0.5]) == [0, 1, 0]


def test_long_names_wrap_and_lose_nothing() -> None:
    name = "P1_relapse_bone-marrow.aspirate" + "x" * 60
    wrapped = style.wrap(name, 1.5)
    assert wrapped.replace("\n", "") == name
    assert all(style.text_width(line) <= 1.5 for line in wrapped.splitlines())


def test_the_embedding_is_a_picture_inside_the_figure(patients: dict[str, gather.Patient]) -> None:
    """100,000 dots as vectors would make the page unreadable; axes and legend stay vectors."""
    section = embedding_section(patients["P1"].cells, dpi=80)
    assert len(section.pictures) == 2
    assert all("data:image/png;base64" in p.svg and "UMAP 1 (no unit)" in p.svg for p in section.pictures)


def test_five_copies_and_more_are_not_told_apart() -> None:
    """The figure once said 5+ where the table beside it said 5."""
    assert [copy_number.copies(n) for n in (0, 2, 5, 7)] == ["0", "2", "5+", "5+"]


def test_a_share_of_an_earlier_day_says_so() -> None:
    """The number at the right is not where the patient stands when later samples hold no malignant cell."""
    samples = pd.DataFrame({"sample": ["a", "b"], "timepoint": ["diagnosis", "mrd"], "day": [0, 400]})
    table = pd.DataFrame({
        "clone": ["c1", "c1"], "sample": ["a", "b"], "timepoint": ["diagnosis", "mrd"], "day": [0, 400],
        "n_malignant": [50, 0], "n_clone": [50, 0], "fraction": [1.0, None], "lower": [0.94, None],
        "upper": [1.0, None],
    })  # fmt: skip
    said = [t.get_text() for axes in clones.fractions(table, samples).axes for t in axes.texts]
    assert "100%\non day 0" in said


def test_the_genome_s_axis_names_the_last_chromosome_that_is_drawn() -> None:
    """Sex chromosomes are not called: an axis "1 to X" would promise them."""
    profiles = pd.DataFrame({
        "clone": ["c1", "c1"], "chromosome": ["chr1", "chr22"], "start": [1, 1], "end": [2_000, 1_000],
        "state": [2, 2], "posterior": [1.0, 1.0], "log2_ratio": [0.0, 0.1],
    })  # fmt: skip
    labels = [axes.get_xlabel() for axes in copy_number.ratio_profiles(profiles).axes]
    assert "position in the genome (chromosomes 1 to 22, hg38)" in labels
