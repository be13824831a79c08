"""Numbers and codes as a reader says them.

The law that stands here: zero cells of n is printed as an upper bound, and "negative" is
said of an MRD assay's row only.
"""

from __future__ import annotations

import math
import re
from typing import Any

from scipy.special import betaincinv

#: Plain words of the tiers (science 8.2).
TIERS: dict[str, str] = {
    "T0": "active or progressing disease",
    "T1": "controlled, disease still visible",
    "T2": "deep response seen once",
    "T3": "sustained deep response",
    "T4": "functional-cure candidate",
    "T5": "compatible with statistical cure",
}

#: Plain words of the tier's suffixes (science 8.2).
SUFFIXES: dict[str, str] = {
    "Q+": "quality of life without a clinically important problem",
    "Q0": "quality of life with some problems",
    "Q-": "quality of life with several clinically important problems",
    "Q?": "quality of life not known",
    "C+": "no clone seen expanding, reactivating or dormant and resistant",
    "C-": "at least one clone expanding, reactivating, or dormant and resistant",
    "C?": "clones, or whether one expands, not assessable",
}

#: The reference ladder in words, with what it lets one believe (science 1.6).
RUNGS: dict[str, tuple[str, str]] = {
    "R1": ("normal plasma cells of the same patient", "highest"),
    "R2": ("plasma cells of healthy donors in the same study", "high"),
    "R3": ("plasma cells of healthy donors from another study", "moderate"),
    "R4": (
        "the patient's own plasma cells, measured against each other",
        "relative only: differences between clones, no absolute gains and losses",
    ),
    "R5": (
        "immune cells that are not plasma cells",
        "low: events on 3q, 8q, 6p, 12p, 18p and 11p are not reportable",
    ),
    "none": ("no reference could be formed", "copy number is not assessable"),
}

#: Components of the cure-spectrum score (science 8.3).
COMPONENTS: dict[str, tuple[str, str]] = {
    "D": ("Residual disease", "how deep and how lasting the response is"),
    "C": ("Clonal control", "whether any clone grows or threatens to"),
    "F": ("Functional state", "time off treatment and without progression"),
    "Q": ("Quality of life", "what the patient reports"),
    "M": ("Microenvironment", "exploratory, weight 0"),
}

#: Names of EORTC and EQ scales; names only, the items' wording is licensed.
SCALES: dict[str, str] = {
    "QL2": "Global health", "PF2": "Physical function", "RF2": "Role function", "EF": "Emotional function",
    "CF": "Cognitive function", "SF": "Social function", "FA": "Fatigue", "NV": "Nausea, vomiting", "PA": "Pain",
    "DY": "Dyspnoea", "SL": "Insomnia", "AP": "Appetite loss", "CO": "Constipation", "DI": "Diarrhoea",
    "FI": "Financial difficulty", "SUM": "C30 summary", "DS": "Disease symptoms", "SE": "Side effects",
    "BI": "Body image", "FP": "Future perspective", "INDEX": "EQ-5D index", "VAS": "EQ-VAS",
}  # fmt: skip
#: Scales on which a high score is a bad sign (symptoms); on all others high is good.
SYMPTOM_SCALES = frozenset(["FA", "NV", "PA", "DY", "SL", "AP", "CO", "DI", "FI", "DS", "SE"])

#: Cell types in the groups that figures use; the tables keep the fine types.
TYPE_GROUPS: dict[str, str] = {
    "plasma": "plasma cells", "b_cell": "B lineage", "pre_b": "B lineage", "cd4_t": "T and NK cells",
    "cd8_t": "T and NK cells", "nk": "T and NK cells", "monocyte": "myeloid", "macrophage": "myeloid",
    "dendritic": "myeloid", "pdc": "myeloid", "neutrophil": "myeloid", "erythroid": "erythroid, megakaryocyte",
    "megakaryocyte": "erythroid, megakaryocyte", "hspc": "stem and progenitor", "stromal": "stromal",
    "innate_t": "T and NK cells", "eo_baso_mast": "myeloid", "osteoblast": "stromal", "endothelial": "stromal",
    "unresolved": "unresolved",
}  # fmt: skip
OTHER_TUMOUR, OTHER = "other tumour type", "other"

NOT_KNOWN = "–"
#: Digits that are a number, not a part of a sample's or patient's name; a hyphen after a space is a minus.
_COUNTED = re.compile(r"(?<![\w.,'\"])(?<![\w.]-)(?<!\b[Ss]ample )(?<!\b[Pp]atient )\d{4,}(?![\w'\"]|[.-]\w)")


def missing(value: Any) -> bool:
    """Whether a value of a table is missing."""
    return value is None or str(value) in ("", "<NA>", "nan", "NaT")


def count(n: float, noun: str, plural: str = "") -> str:
    """``1 clone``, ``2,100 cells``."""
    number = int(n)
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def number(value: Any, digits: int = 3) -> str:
    """A number with ``digits`` significant digits, or a dash."""
    if missing(value):
        return NOT_KNOWN
    if isinstance(value, str):
        return value
    value = float(value)
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}".replace("-", "−")
    if not 1e-3 <= abs(value) < 1e6:
        return power(value, digits)
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}".replace("-", "−")


def power(value: float, digits: int = 2) -> str:
    """``3.0 × 10⁻⁴``."""
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{raised}".replace("-", "−")


def share(value: Any) -> str:
    """A fraction in [0, 1] as a percentage; below 0.01% as a power of ten."""
    if missing(value):
        return NOT_KNOWN
    value = float(value)
    if value == 0:
        return "0%"
    if abs(value) < 1e-4:
        return power(value)
    percent = 100 * value
    if percent > 99 and percent < 100:
        return f"{math.floor(percent * 10) / 10:.1f}%"  # 99.96% is not "100%"
    return f"{percent:.0f}%" if percent >= 10 else f"{percent:.1f}%" if percent >= 1 else f"{percent:#.2g}%"


def probability(value: Any) -> str:
    """A probability that was counted from draws: ``98%``; never a bare 0% or 100%."""
    if missing(value):
        return NOT_KNOWN
    value = float(value)
    return "below 0.1%" if value < 1e-3 else "above 99.9%" if value > 1 - 1e-3 else share(value)


def told(text: Any) -> str:
    """A chapter's remark with its numbers as the page prints them: ``day 1,000``, ``1 × 10⁻⁶``.

    Digits of a name stay: in a word (``P10001``), behind or before its hyphen (``MM-10001``), after ``sample`` or
    ``patient``, and in quotation marks.
    """

    def written(found: re.Match[str]) -> str:
        raised = str(int(found[2])).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{found[1]} × 10{raised}"

    said = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)e([+-]\d+)\b", written, str(text))
    return _COUNTED.sub(lambda found: f"{int(found[0]):,}", said)


def decimal(value: Any, places: int = 2) -> str:
    """``−0.41``: a number with so many decimals; what rounds to nothing has no sign."""
    return f"{round(float(value), places) + 0.0:.{places}f}".replace("-", "−")


def signed(text: Any) -> str:
    """A chapter's remark with a minus before its negative numbers; hyphens within names stay."""
    return re.sub(r"(?<=\s)-(?=\d)", "−", str(text))


def between(lower: Any, upper: Any, *, as_share: bool = True) -> str:
    """``12% to 17%``; ``at most 17%`` when only one end is known; a dash when none is."""
    low, high = (share(lower), share(upper)) if as_share else (number(lower, 2), number(upper, 2))
    if missing(lower):
        return NOT_KNOWN if missing(upper) else f"at most {high}"
    return f"at least {low}" if missing(upper) else f"{low} to {high}"


def span(lower: Any, upper: Any) -> str:
    """An interval of scores in whole numbers: ``42 to 52``."""
    return NOT_KNOWN if missing(lower) or missing(upper) else f"{float(lower):.0f} to {float(upper):.0f}"


def zero_bound(n: float, *, hidden: int = 0) -> float:
    """Exact one-sided 95% upper bound of a share when 0 of ``n`` were seen (science 5.4).

    ``hidden`` of the ``n`` may be what is looked for, unseen: the bound is then that of ``hidden`` of ``n``.
    """
    return 1.0 if n <= hidden else float(betaincinv(hidden + 1, n - hidden, 0.95))


def of_n(x: float, n: float, *, hidden: int = 0) -> str:
    """``41 of 300 (14%)``; zero of n carries its upper bound; nothing of nothing is said so."""
    if n <= 0:
        return "none examined"
    if x == 0:
        bound = zero_bound(n, hidden=hidden)
        return f"0 of {int(n):,} ({f'below {share(bound)}' if bound < 1 else 'too few to bound'})"
    return f"{int(x):,} of {int(n):,} ({share(x / n)})"


def called(malignant: float, normal: float, unassigned: float, *, hidden: int = 0) -> str:
    """The malignant share among cells that could be called; the unassigned bound nothing.

    A cell that is unassigned may be malignant: it is no part of any "0 of n".
    """
    if malignant + normal == 0:
        return "not assessable" + (f": {int(unassigned):,} unassigned" if unassigned else "")
    text = of_n(malignant, malignant + normal, hidden=hidden)
    return f"{text}; {int(unassigned):,} unassigned" if unassigned else text


def when(day: Any) -> str:
    """``day 420``."""
    return NOT_KNOWN if missing(day) else f"day {int(float(day)):,}".replace("-", "−")


def timepoint(name: str) -> str:
    """``post_induction`` as ``post-induction``; ``relapse_2`` as ``relapse 2``."""
    if name == "mrd":
        return "MRD visit"
    if name in {"mgus", "smm"}:
        return name.upper()
    return re.sub(r"-(\d+)$", r" \1", str(name).replace("_", "-")).replace("mrd ", "MRD visit ")


def cell_type(name: str) -> str:
    """``cd8_t`` as ``CD8 T``, ``b_cell`` as ``B cell``; a user's own label as it stands."""
    known = {
        "plasma": "plasma cell", "b_cell": "B cell", "pre_b": "pre-B", "cd4_t": "CD4 T", "cd8_t": "CD8 T", "nk": "NK",
        "pdc": "pDC", "hspc": "stem/progenitor", "innate_t": "innate-like T",
        "eo_baso_mast": "eosinophil/basophil/mast",
    }  # fmt: skip
    return known.get(name, str(name))


def type_group(name: str, *, is_tumour_type: bool = False) -> str:
    """The group that figures colour a cell type by."""
    return TYPE_GROUPS.get(name, OTHER_TUMOUR if is_tumour_type else OTHER)


def tier(code: str) -> str:
    """Plain words of a tier code such as ``T4a`` or ``T5+``; ``not assessable`` when there is none."""
    return TIERS.get(str(code)[:2], "not assessable")


def suffixes(text: str) -> list[tuple[str, str]]:
    """The parts of a tier suffix (``Q+-C?``) with their plain words."""
    return [(part, SUFFIXES[part]) for part in re.findall(r"[QC][+\-0?]", str(text)) if part in SUFFIXES]


def therapy_context(code: Any) -> str:
    """``mixed`` as ``partly on therapy``; other contexts as they stand."""
    return "partly on therapy" if str(code) == "mixed" else plain(code)


def plain(text: Any) -> str:
    """A code of ours without underscores; a dash when missing."""
    return NOT_KNOWN if missing(text) else str(text).replace("_", " ")


def stale_words(row: Any) -> str:
    """``stale: last known T5 (...)`` where the newest assay is too old to bear the tier that it gave; else empty."""
    label, best = str(row.get("tier_label", "")), str(row.get("last_known_tier", ""))
    return f"stale: last known {best}, {tier(best)}" if "stale" in label and best else ""
