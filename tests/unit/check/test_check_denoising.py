"""Ambient RNA is taken out where the sheet names raw droplets."""

from unit.check.cohort_on_disk import counts, write_mtx


def switch_on(cohort) -> None:
    text = (cohort / "config.yaml").read_text()
    (cohort / "config.yaml").write_text("cells:\n  denoise_counts:\n    method: scar\n" + text)


def with_raw(cohort, samples: set[str]) -> None:
    """Give these samples droplets of their own."""
    head, *rows = (cohort / "samples.tsv").read_text().rstrip("\n").split("\n")
    lines = [f"{head}\traw_path"]
    for row in rows:
        name = row.split("\t")[0]
        lines.append(f"{row}\tdata/{name}_raw" if name in samples else f"{row}\t")
        if name in samples:
            write_mtx(cohort / f"data/{name}_raw", counts())
    (cohort / "samples.tsv").write_text("\n".join(lines) + "\n")


def test_without_any_raw_droplets_it_is_refused(cohort, problems):
    switch_on(cohort)
    assert problems() == [
        "config.yaml line 3: key cells.denoise_counts.method: found 'scar', but no sample of samples.tsv has a "
        "raw_path: what floats in the droplets is read from those that hold no cell. Hint: name the unfiltered counts "
        "in the column raw_path, or set none"
    ]


def test_samples_without_raw_droplets_are_named_and_left(cohort, check):
    with_raw(cohort, {"P1_rel", "P2_dx"})
    config, found = check(read_matrices=False)
    assert found.denoised(config["cells"]["denoise_counts"]) == []  # off by default
    assert not any("ambient RNA" in note for note in found.notes)
    switch_on(cohort)
    config, found = check(read_matrices=False)
    assert found.denoised(config["cells"]["denoise_counts"]) == ["P1_rel", "P2_dx"]
    (note,) = [n for n in found.notes if "ambient RNA" in n]
    assert "P1_dx, P1_mrd, H1_bm (no raw_path)" in note
