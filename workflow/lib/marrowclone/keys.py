"""Names that more than one chapter uses: files, columns, cell types, vocabularies.

The file contracts stand here once. A column that is added to a table may follow these;
none of these may be dropped or renamed, because others read the files.
"""

from __future__ import annotations

#: Chapters in story order, with their rules in the order in which data flows.
CHAPTERS: dict[str, tuple[str, ...]] = {
    "cells": ("load_counts", "profile_ambient", "qc_cells", "denoise_counts"),
    "embedding": (
        "integrate_cells",
        "type_cells",
        "measure_microenvironment",
        "call_clonality",
        "call_drivers",
        "check_identity",
    ),
    "copy_number": ("infer_signal", "call_malignant", "call_arms"),
    "clones": ("infer_clones", "profile_clones", "call_alleles", "express_clones"),
    "evolution": (
        "build_tree",
        "estimate_fractions",
        "estimate_dynamics",
        "assess_states",
        "label_clones",
        "assess_resistance",
    ),
    "cure": (
        "score_qol",
        "score_landmarks",
        "annotate_risk",
        "compare_landmarks",
        "compare_qol",
        "vary_judgement",
        "fit_outlook",
    ),
    "report": ("report_sample", "report_patient", "compare_truth", "report_cohort", "record_run"),
}

#: Result tables (path under results/, without the wildcard) and their contract columns.
TABLES: dict[str, tuple[str, ...]] = {
    "cells.qc": (
        "cell", "keep", "reason", "n_umi", "n_genes", "n_umi_non_ig", "n_genes_non_ig",
        "pct_mito", "pct_ig", "pct_hb", "doublet_score", "doublet",
    ),
    "cells.ambient": ("symbol", "share"),
    "embedding.cells": (
        "cell", "sample", "patient", "timepoint", "day", "cell_type", "confidence", "is_plasma",
        "is_tumour_type", "cluster", "umap_1", "umap_2",
    ),
    "embedding.microenvironment": (
        "sample", "patient", "timepoint", "day", "compartment", "sort", "measure", "value", "lower", "upper",
        "n", "note",
    ),
    "embedding.clonality": (
        "cell", "sample", "cell_type", "kappa", "lambda", "light_chain_score", "light_chain", "chain_source", "isotype",
        "isotype_gene", "v_light", "v_heavy", "clonotype", "clonotype_dominant", "clonotype_log_odds", "multiplet",
        "clonal", "clonal_reason", "clonotype_cdr3",
    ),
    "embedding.groups": (
        "patient", "kind", "group", "timepoint", "day", "n_cells", "n_called", "kappa", "lambda", "ambiguous_share",
        "chain", "share", "lower", "upper", "normal_kappa_share", "llr", "p", "p_integrated", "verdict", "isotype",
        "isotype_share", "isotype_monoclonal", "v_light", "v_light_share", "v_entropy", "v_restricted", "clonotype",
        "clonotype_share", "flags",
    ),
    "embedding.drivers": (
        "patient", "group", "gene", "n_cells", "level", "detected", "detected_needed", "detected_normal", "log_mean",
        "normal_mean", "normal_sd", "z", "spike", "raised", "reference", "tc_class", "tc_confidence", "tc_reason",
    ),
    "embedding.identity": (
        "sample", "timepoint", "day", "check", "value", "other_sample", "call", "evidence",
    ),
    "copy_number.reference": ("patient", "rung", "cell_types", "n_cells", "n_samples", "reason"),
    "copy_number.malignant": (
        "cell", "sample", "p_malignant", "call", "cnv_score", "light_chain", "reference_rung", "evidence",
    ),
    "copy_number.calls": (
        "patient", "rung", "n_cells", "n_malignant", "n_normal", "n_unassigned", "expected_false", "held_out",
        "held_out_called", "false_positive_rate", "lower", "upper", "source", "note",
    ),
    "copy_number.arms": (
        "clone", "chromosome", "arm", "state", "posterior", "log2_ratio", "call", "n_genes", "n_cells",
    ),
    "copy_number.panel": (
        "patient", "clone", "finding", "verdict", "posterior", "clones", "share", "reason",
    ),
    "clones.cells": ("cell", "sample", "clone", "posterior"),
    "clones.profiles": ("clone", "chromosome", "start", "end", "state", "posterior", "log2_ratio"),
    "clones.alleles": (
        "clone", "chromosome", "arm", "call", "posterior", "b_allele", "lower", "upper", "state", "n_snps", "n_reads",
        "n_cells",
    ),
    "clones.markers": (
        "clone", "symbol", "kind", "log2_fold", "lower", "upper", "fdr", "dosage_log2", "residual_log2", "residual_fdr",
        "call",
    ),
    "evolution.tree": ("branch", "parent", "events", "support"),
    "evolution.fractions": (
        "clone", "sample", "timepoint", "day", "n_malignant", "n_clone", "fraction", "lower", "upper",
        "burden", "burden_lower", "burden_upper", "burden_source",
    ),
    "evolution.burden": (
        "sample", "timepoint", "day", "source", "used", "burden", "burden_lower", "burden_upper",
        "limit_of_detection", "note",
    ),
    "evolution.dynamics": (
        "clone", "from_day", "to_day", "growth_per_month", "lower", "upper", "relative_fitness",
        "p_growing", "therapy_context",
    ),
    "evolution.latent": (
        "clone", "from_day", "to_day", "growth_per_month", "lower", "upper", "p_growing", "bound", "two_point",
        "two_point_lower", "two_point_upper", "n_readings",
    ),
    "evolution.course": ("day", "burden", "lower", "upper"),
    "evolution.state": (
        "clone", "day", "measure", "value", "lower", "upper", "percentile", "n_cells", "n_used",
    ),
    "evolution.labels": ("clone", "day", "label", "probability", "evidence"),
    "evolution.resistance": (
        "clone", "day", "drug_class", "marker", "evidence_type", "value", "lower", "upper", "call",
    ),
    "cure.landmarks": (
        "patient", "day", "tier", "tier_suffix", "p_t0", "p_t1", "p_t2", "p_t3", "p_t4", "p_t5",
        "css", "css_lower", "css_upper", "css_total_lower", "css_total_upper",
        "D", "C", "F", "Q", "M", "coverage", "reason",
    ),
    "cure.qol": ("patient", "day", "instrument", "scale", "score", "problem"),
    "cure.risk": ("patient", "day", "system", "result", "missing", "evidence", "note", "use"),
    "cure.changes": (
        "patient", "from_day", "to_day", "tier_from", "tier_to", "delta", "lower", "upper", "total_lower",
        "total_upper", "p_higher", "call", "components", "reason", "use",
    ),
    "cure.qol_change": (
        "patient", "from_day", "to_day", "reference", "instrument", "scale", "score_from", "score_to", "change",
        "verdict", "use",
    ),
    "cure.completion": (
        "patient", "day", "instrument", "form_day", "status", "scales_scored", "items_answered", "proxy", "use",
    ),
    "cure.sensitivity": (
        "patient", "day", "constant", "mark", "default", "value", "css", "css_lower", "css_upper", "change", "tier",
        "tier_changes", "tau", "flips", "use",
    ),
    "cure.outlook": ("measure", "landmark_month", "value", "lower", "upper", "n", "note", "use"),
    "cure.foretold": ("patient", "landmark_month", "day", "p_free", "use"),
    "report.truth": ("patient", "quantity", "timepoint", "clone", "truth", "estimate", "lower", "upper", "unit"),
}  # fmt: skip

#: Columns that are names, read as text whatever they look like ("007" stays "007").
TEXT_COLUMNS: frozenset[str] = frozenset({
    "cell", "sample", "patient", "timepoint", "barcode", "clone", "branch", "parent", "events", "chromosome",
    "arm", "cell_type", "cell_types", "cluster", "reason", "call", "label", "evidence", "evidence_type",
    "light_chain", "rung", "reference_rung", "source", "burden_source", "note", "therapy_context",
    "drug_class", "marker", "notes", "tier", "tier_suffix", "instrument", "scale", "quantity", "unit", "symbol",
    "gene_id", "lineage", "conflict",
    "regimen", "isotype", "isotype_gene", "v_light", "v_heavy", "clonotype", "clonotype_cdr3",
    "chain_source", "clonal_reason", "kind", "group", "chain", "verdict", "flags", "gene", "tc_class",
    "tc_confidence", "tc_reason", "check", "other_sample", "assay", "result", "modality", "response", "event",
    "method", "compartment", "finding", "clones", "parts", "copies",
    "cell_state", "type_rule", "panel_type", "model_label", "sort", "measure",
    "system", "missing", "use",
    "tier_from", "tier_to", "components", "constant", "mark", "tier_changes", "status", "proxy",
})  # fmt: skip

#: Evidence for clones that only some users have, and the column of the sample sheet that names its files.
EXTRA_EVIDENCE: dict[str, str] = {"alleles": "alleles", "mtdna": "mtdna", "clonotypes": "vdj"}

#: Timepoints of a sample sheet; ``_2``, ``_3`` ... may follow (``relapse_2``).
TIMEPOINTS: tuple[str, ...] = (
    "mgus", "smm", "diagnosis", "post_induction", "pre_transplant", "post_transplant",
    "consolidation", "maintenance", "mrd", "remission", "follow_up", "relapse", "refractory", "healthy",
)  # fmt: skip
#: The timepoint of a healthy donor's sample; all samples of such a "patient" carry it.
HEALTHY = "healthy"

#: Cell types that the marker panel can call, plus what a user's labels may say besides.
CELL_TYPES: tuple[str, ...] = (
    "plasma", "b_cell", "pre_b", "cd4_t", "cd8_t", "nk", "monocyte", "macrophage", "dendritic", "pdc",
    "neutrophil", "eo_baso_mast", "erythroid", "megakaryocyte", "hspc", "stromal", "osteoblast", "endothelial",
    "innate_t",
)  # fmt: skip
UNRESOLVED = "unresolved"
PLASMA = "plasma"
#: Immune types that may serve as a copy-number reference of the lowest rung.
IMMUNE_TYPES: tuple[str, ...] = ("cd4_t", "cd8_t", "nk", "monocyte", "b_cell")

#: Malignant cells that a patient's cells may hold unseen where no tumour was found: the call looks for groups
#: of cells. Measured on simulated captures of 277 normal plasma cells (docs/copy_number.md): a tumour of 8
#: cells was found in 1 of 3, of 12 and of 20 in 2 of 3, of 30 in 3 of 3.
HIDDEN_TUMOUR_CELLS = 30

#: % of UMIs of T and NK cells that are immunoglobulin from which a capture's soup is warned of. [J]
MOST_AMBIENT_IG = 5

MALIGNANT, NORMAL, UNASSIGNED = "malignant", "normal", "unassigned"
#: Verdicts of the high-risk panel.
PRESENT, ABSENT, INDETERMINATE = "present", "absent", "indeterminate"

#: Days per month, for every rate "per month" (365.25 / 12).
DAYS_PER_MONTH = 30.4375

RESEARCH_USE_ONLY = (
    "Research use only. Not validated. "
    "Not for clinical decisions, treatment stopping, counselling or trial eligibility."
)


def cell_id(sample: str, barcode: str) -> str:
    """The id of a cell: ``{sample}:{barcode}``."""
    return f"{sample}:{barcode}"
