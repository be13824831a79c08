"""Configuration, sheets and data checked in one go, every problem in one list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import config as configuration
from ..cohort import Cohort, samples_frame
from ..errors import InputProblems, Problem, UserError
from ..evolution.gene_sets import read_gmt
from ..keys import HEALTHY
from ..report.truth_inputs import truth_files
from ..resources import gene_table
from ..sheets import Sheet, clip, read_sheet
from .course import check_after_death, check_outcome, check_pro, check_therapy
from .disease import check_cytogenetics, check_imaging, check_mrd, check_response
from .matrices import check_matrices
from .programmes import check_programmes
from .reference import check_reference
from .rows import Entry, check_patients, check_repeats, check_rows
from .samples import BRACES, BRACES_HINT, check_samples, path_hint
from .schemas import CLINICAL, sheet_schema

_CHECKS = {
    "mrd": check_mrd,
    "imaging": check_imaging,
    "response": check_response,
    "therapy": check_therapy,
    "cytogenetics": check_cytogenetics,
    "pro": check_pro,
    "outcome": check_outcome,
}

#: What cannot be said without a table.
_WITHOUT = {
    "mrd": "no MRD status, no tier above T1, burden from single cells or laboratory values only",
    "imaging": "imaging counts as unknown",
    "response": "no IMWG response and no laboratory values",
    "therapy": "no therapy context of growth, no treatment-free time",
    "cytogenetics": "genomic risk from single cells only",
    "pro": "quality of life is missing",
    "outcome": "no outlook and no validation against outcome",
}


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Problems by file and line (a whole file's first), each once; files keep the order in which they came."""
    files = {name: number for number, name in enumerate(dict.fromkeys(p.file for p in problems))}
    return sorted(dict.fromkeys(problems), key=lambda p: (files[p.file], p.line or 0))


def _open(path: str, key: str, near: Sequence[Path], *, required: Sequence[str] = ()) -> Sheet:
    """Read a sheet that a key of the configuration names; ``required`` as in :func:`~marrowclone.sheets.read_sheet`."""
    try:
        exists = Path(path).exists()
    except (OSError, ValueError):
        exists = False
    if exists:
        return read_sheet(path, required=required)
    sheet = Sheet(Path(clip(path, 200)))
    hints = [path_hint(path, folder) for folder in (*near, Path())]
    hint = next((h for h in hints if "did you mean" in h or "symbolic link" in h), "")
    sheet.report(None, None, f"no such file (key {key} of the configuration)", hint)
    return sheet


def _check_clinical(
    config: Mapping[str, Any], samples: Sheet, entries: Sequence[Entry], notes: list[str], near: Sequence[Path]
) -> list[Problem]:
    """All clinical tables: each against its schema, its own rules, the sample sheet and the others."""
    sampled: dict[str, list[int]] = defaultdict(list)
    timepoints: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if "patient" in entry.values:
            timepoints[entry.values["patient"]].add(entry.get("timepoint", ""))
            if "day" in entry.values:
                sampled[entry.values["patient"]].append(entry.values["day"])
    donors = {p for p, points in timepoints.items() if all(t.startswith(HEALTHY) for t in points)}
    sheets: dict[str, tuple[Sheet, list[Entry]]] = {}
    named = config.get("clinical")
    for name in CLINICAL:
        path = named.get(name) if isinstance(named, Mapping) else None
        if not isinstance(path, str) or not path:
            if path is None:
                notes.append(f"no table {name}: {_WITHOUT[name]}.")
            continue
        sheet = _open(path, f"clinical.{name}", near)
        rows = check_rows(sheet, sheet_schema(name))
        check_repeats(sheet)
        repeated = {p.line for p in sheet.problems if p.message.startswith("the row is the same")}
        rows = [r for r in rows if r.line not in repeated]
        if timepoints:  # without a readable sample sheet everybody would be unknown
            check_patients(sheet, rows, timepoints, samples.file)
        _CHECKS[name](sheet, rows, notes)
        for row in rows:
            if row.get("patient") in donors and name not in ("pro", "outcome"):
                sheet.report(row.line, "patient", f"found {row.get('patient')!r}, a healthy donor", "patients only")
        without = sorted(set(timepoints) - donors - {r.get("patient") for r in rows})
        if without and not sheet.problems:
            notes.append(f"{sheet.file}: no rows for {', '.join(without)}.")
        sheets[name] = (sheet, rows)
    check_after_death(sheets, sampled, notes)
    return [problem for sheet, _ in sheets.values() for problem in sheet.problems]


def _check_named_files(config: Mapping[str, Any], places: configuration.Places) -> list[Problem]:
    """Paths of the configuration that no sheet's reader opens, and paths that Snakemake would misread."""
    problems = []

    def report(keys: configuration.KeyPath, message: str, hint: str) -> None:
        file, line = places.get(keys, ("config", None))
        problems.append(Problem(file, line, None, f"key {'.'.join(keys)}: {message}", hint))

    def named(keys: configuration.KeyPath) -> dict[configuration.KeyPath, str]:
        value: Any = config
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        found = {keys: value} if not isinstance(value, Mapping) else {(*keys, str(k)): v for k, v in value.items()}
        return {k: v for k, v in found.items() if isinstance(v, str) and v}

    value_sets = named(("cure", "score_qol", "value_sets"))
    truth = named(("truth",))
    model = named(("embedding", "type_cells", "celltypist_model"))
    profile = named(("copy_number", "infer_signal", "reference_profile"))
    gene_sets = named(("evolution", "assess_states", "gene_sets"))
    files = {**value_sets, **model, **profile, **gene_sets}
    for keys, path in {**named(("samples",)), **named(("clinical",)), **truth, **files}.items():
        if set(path) & set(BRACES):
            report(keys, f"found {clip(path)!r}, expected a path without {{ and }}", BRACES_HINT)
    for keys, path in files.items():
        if not Path(clip(path, 4000)).is_file():
            report(keys, f"found {clip(path)!r}, no such file", path_hint(path, Path()))
        elif keys in gene_sets:
            try:
                read_gmt(path, gene_table()["symbol"])
            except UserError as error:
                report(keys, error.message, error.hint)
    for keys, path in truth.items():
        if not Path(clip(path, 4000)).is_dir():
            report(keys, f"found {clip(path)!r}, no such folder", path_hint(path, Path()))
            continue
        missing = [Path(file).name for file in truth_files(path) if not Path(file).is_file()]
        if missing:
            hint = "name a folder that the simulator wrote, or null for a real cohort"
            report(keys, f"the folder {clip(path)!r} has no {', '.join(missing)}", hint)
    return problems


def _text(config: Mapping[str, Any], *keys: str) -> str:
    """A setting that is a text, empty where the configuration is not sound."""
    value: Any = config
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def _check_denoising(
    config: Mapping[str, Any], sheet: Sheet, entries: Sequence[Entry], notes: list[str], places: configuration.Places
) -> list[Problem]:
    """Ambient RNA is taken out where the sheet names raw droplets: of no sample is a mistake, of some is said."""
    keys = ("cells", "denoise_counts", "method")
    if _text(config, *keys) != "scar" or not entries:
        return []
    without = [str(e.get("sample", "")) for e in entries if not e.get("raw_path")]
    if len(without) == len(entries):
        file, line = places.get(keys, ("config", None))
        message = (
            f"key {'.'.join(keys)}: found 'scar', but no sample of {sheet.file} has a raw_path: what floats in the "
            "droplets is read from those that hold no cell"
        )
        return [Problem(file, line, None, message, "name the unfiltered counts in the column raw_path, or set none")]
    if without:
        notes.append(
            f"ambient RNA is not taken out of {', '.join(without)} (no raw_path): their counts are used as read, "
            "beside denoised ones of the other samples."
        )
    return []


def check_cohort(
    config: Mapping[str, Any],
    *,
    read_matrices: bool,
    places: configuration.Places | None = None,
    near: Sequence[Path] = (),
) -> tuple[Cohort | None, list[Problem]]:
    """Check sheets and data; see :func:`marrowclone.cohort.load`.

    Parameters
    ----------
    places
        where the configuration's keys were set, for problems that only the sheets reveal.
    near
        folders in which a path may have been meant (those of the configuration files).

    Returns
    -------
    cohort
        None when there is a problem.
    problems
        by file and line.
    """
    schema = sheet_schema("samples")
    notes: list[str] = []
    path = config.get("samples")
    if not isinstance(path, str) or not path:
        return None, []  # the configuration's own problem
    sheet = _open(path, "samples", near, required=schema["required"])
    entries = check_samples(sheet, schema)
    named = config.get("tumour_cell_types")
    types = [t for t in named if isinstance(t, str)] if isinstance(named, list) else []
    wrong_types = check_matrices(
        sheet, entries, types, notes, read=read_matrices, genome=_text(config, "cells", "load_counts", "genome")
    )
    file, line = (places or {}).get(("tumour_cell_types",), ("config", None))
    problems = [Problem(file, line, None, f"key tumour_cell_types: {m}", h) for m, h in wrong_types] if entries else []
    problems += _check_denoising(config, sheet, entries, notes, places or {})
    problems += check_reference(config, entries, notes, places or {}, read=read_matrices)
    clinical = _check_clinical(config, sheet, entries, notes, near)
    problems += _check_named_files(config, places or {}) + check_programmes(config, places or {})
    problems += sheet.problems + clinical
    if problems:
        return None, in_order(problems)
    defaults = {c: s["default"] for c, s in schema["properties"].items() if "default" in s}
    tables = config.get("clinical") or {}
    return Cohort(
        samples=samples_frame([e.values for e in entries], defaults),
        clinical={name: tables.get(name) for name in CLINICAL},
        notes=notes,
    ), []


def check_everything(
    user_config: Mapping[str, Any], *, files: Sequence[str] = (), read_matrices: bool = True
) -> tuple[dict[str, Any], Cohort]:
    """Check the configuration and, as far as it names them, the sheets and the data.

    Returns
    -------
    (config, cohort)
        the configuration with its defaults, and the checked cohort.

    Raises
    ------
    InputProblems
        with every problem of every file, by file and line.
    """
    config, problems, places = configuration.check(user_config, files=files)
    near = [Path(f).parent for f in files]
    cohort, more = check_cohort(config, read_matrices=read_matrices, places=places, near=near)
    problems = in_order([*problems, *more])
    if problems or cohort is None:
        raise InputProblems(problems)
    return config, cohort
