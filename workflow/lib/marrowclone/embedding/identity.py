"""Is each sample of a patient the patient's? Sex, germline genes, likeness of expression, the tumour's receptor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..keys import TABLES
from .profiles import OTHERS, PLASMA, SampleProfile, genes_of, jackknife_error, likeness

MATCH, MISMATCH, DIFFERS, UNKNOWN = "match", "mismatch", "differs", "not assessable"
FEMALE, MALE, MIXED = "female", "male", "mixed"
#: Share of the other sex's molecules up to which a sample has one sex [J].
MINOR_SHARE = 0.1
SEX, GERMLINE, LIKENESS, RECEPTOR, OVERALL = "sex", "germline_genes", "likeness", "receptor", "overall"


def check_identity(
    profiles: Sequence[SampleProfile],
    visits: pd.DataFrame,
    receptors: pd.DataFrame,
    genes: pd.DataFrame,
    *,
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """Compare every sample with its patient's others and with everybody else's.

    Parameters
    ----------
    profiles
        one per sample, of all patients.
    visits
        index sample: patient, timepoint, day, batch.
    receptors
        ``keys.TABLES["embedding.clonality"]`` of all patients.
    genes
        ``resources/identity_genes.tsv``: symbol, kind (``x``, ``y``, ``germline``).

    Returns
    -------
    DataFrame of ``keys.TABLES["embedding.identity"]`` and ``patient``: per sample a row for each check and one
    ``overall``. ``mismatch`` of a pair of samples stands at both, where nothing tells which one is wrong.
    """
    profiles = sorted(profiles, key=lambda p: p.sample)
    visits = visits.loc[[p.sample for p in profiles]]
    scores, parts = likeness(profiles, {str(s): str(p) for s, p in visits["patient"].items()}, settings)
    checks = [
        *_sex(profiles, visits, genes, scores, settings),
        *_germline(profiles, visits, genes, settings),
        *_likeness(profiles, visits, scores, parts, settings),
        *_receptor(visits, receptors, settings),
    ]
    table = pd.DataFrame(checks, columns=["sample", "check", "value", "other_sample", "call", "evidence"])
    table = pd.concat([table, _overall(table, visits)], ignore_index=True)
    for column in ("patient", "timepoint", "day"):
        table[column] = table["sample"].map(visits[column])
    rank = {c: i for i, c in enumerate((OVERALL, SEX, GERMLINE, LIKENESS, RECEPTOR))}
    table["rank"] = table["check"].map(rank)
    table = table.sort_values(["patient", "day", "sample", "rank"], kind="stable").reset_index(drop=True)
    return table[[*TABLES["embedding.identity"], "patient"]]


def sex_of(profile: SampleProfile, genes: pd.DataFrame, *, min_umis: int) -> tuple[str, str]:
    """female, male, mixed or empty, and on what that stands.

    Cells that are no tumour's first: myeloma often loses Y or the inactive X. A sex is called from what is seen, never
    from what is missing.
    """
    for group, name in ((OTHERS, "non-plasma"), (PLASMA, "plasma")):
        x, y = profile.umis(group, genes_of(genes, "x")), profile.umis(group, genes_of(genes, "y"))
        words = f"XIST {x:.0f}, chromosome Y {y:.0f} UMIs in {profile.n_cells[group]} {name} cells"
        if x + y >= min_umis:
            share = y / (x + y)
            sex = MALE if share >= 1 - MINOR_SHARE else FEMALE if share <= MINOR_SHARE else MIXED
            return sex, words
    return "", words


def _sex(
    profiles: Sequence[SampleProfile], visits: pd.DataFrame, genes: pd.DataFrame, scores: np.ndarray,
    settings: Mapping[str, Any],
) -> list[dict[str, Any]]:  # fmt: skip
    found = {p.sample: sex_of(p, genes, min_umis=settings["min_sex_umis"]) for p in profiles}
    names = list(found)
    rows = []
    for i, sample in enumerate(names):
        sex, words = found[sample]
        own = [s for s in _others_of(sample, visits) if found[s][0] in (FEMALE, MALE)]
        other, call = "", UNKNOWN
        if sex == MIXED:
            call = DIFFERS
            words += ": two people's cells (pooled, contaminated, or after an allogeneic transplant)"
        elif sex and own:
            unlike = [s for s in own if found[s][0] != sex]
            alike = len(own) - len(unlike) + 1
            # the larger part is taken for the patient's; where both are as large nobody can tell
            call = MISMATCH if unlike and alike <= len(unlike) else MATCH
            if call == MISMATCH:
                words += f"; {', '.join(unlike)}: {found[unlike[0]][0]}"
                own_patient = str(visits.at[sample, "patient"])
                alien = [str(visits.at[s, "patient"]) != own_patient and found[s][0] == sex for s in names]
                known = np.flatnonzero(np.array(alien) & np.isfinite(scores[i]))
                other = names[max(known, key=lambda j: scores[i, j])] if len(known) else ""
            elif unlike:
                words += f"; {', '.join(unlike)} has the other sex"
        elif sex:
            words += "; no other sample of the patient has a sex to compare"
        rows.append(_result(sample, SEX, sex, call, words, other))
    return rows


def _germline(
    profiles: Sequence[SampleProfile], visits: pd.DataFrame, genes: pd.DataFrame, settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Genes that some people lack: present, absent or unknown per sample, against the cohort's own expressors."""
    states: dict[str, dict[str, str]] = {p.sample: {} for p in profiles}
    for gene in genes_of(genes, "germline"):
        found: dict[str, str] = {}
        levels = np.array([p.cpm(OTHERS, gene) if p.n_cells[OTHERS] >= settings["min_cells"] else np.nan
                           for p in profiles])  # fmt: skip
        if not np.isfinite(levels).any():
            continue
        usual = float(np.nanquantile(levels, 0.9))
        for p, level in zip(profiles, levels, strict=True):
            # batches shift a gene by a factor of two or three, not of twenty: what lies between is not called
            if np.isnan(level) or usual * p.depth(OTHERS) / 1e6 < settings["min_germline_umis"]:
                continue
            if level >= settings["min_share_present"] * usual:
                found[p.sample] = "present"
            elif level <= settings["max_share_absent"] * usual:
                found[p.sample] = "absent"
        # a gene that everybody has tells nobody from another
        if len(set(found.values())) > 1:
            for sample, state in found.items():
                states[sample][gene] = state
    rows = []
    for sample, mine in states.items():
        unlike: dict[str, list[str]] = {}
        compared = 0
        for other in _others_of(sample, visits):
            both = mine.keys() & states[other].keys()
            compared += len(both)
            different = sorted(g for g in both if mine[g] != states[other][g])
            if different:
                unlike[other] = different
        most = max((len(v) for v in unlike.values()), default=0)
        call = UNKNOWN if not compared else MATCH if not most else MISMATCH if most >= 2 else DIFFERS
        words = "; ".join(f"{', '.join(v)} other than in {s}" for s, v in unlike.items())
        value = ", ".join(f"{g} {s}" for g, s in sorted(mine.items()))
        rows.append(
            _result(sample, GERMLINE, value, call, words or f"{compared} comparisons of genes that some people lack")
        )
    return rows


def _likeness(
    profiles: Sequence[SampleProfile], visits: pd.DataFrame, scores: np.ndarray, parts: np.ndarray,
    settings: Mapping[str, Any],
) -> list[dict[str, Any]]:  # fmt: skip
    names = [p.sample for p in profiles]
    patients, batches = visits["patient"].to_numpy(), visits["batch"].to_numpy()
    rows = []
    for i, sample in enumerate(names):
        usable = np.isfinite(scores[i]) & (np.arange(len(names)) != i)
        own = np.flatnonzero(usable & (patients == patients[i]))
        # one batch makes samples alike, whoever's they are
        others = np.flatnonzero(usable & (patients != patients[i]) & (batches != batches[i]))
        if not len(own) or not len(others):
            why = (
                "too few cells of one type"
                if not len(own) and len(_others_of(sample, visits))
                else "nothing to compare with"
            )
            rows.append(_result(sample, LIKENESS, "", UNKNOWN, why))
            continue
        mine, best = own[scores[i, own].argmax()], others[scores[i, others].argmax()]
        difference = scores[i, best] - scores[i, mine]
        error = jackknife_error(parts[:, i, best] - parts[:, i, mine])
        # a batch that the sheet does not name makes a sample like several patients' samples; a swap like one patient's
        rest = others[patients[others] != patients[best]]
        lead = scores[i, best] - (scores[i, rest].max() if len(rest) else -np.inf)
        margin = settings["min_margin"]
        call = MATCH if difference < 0 and -difference > 2 * error else UNKNOWN
        words = (
            f"correlation {scores[i, mine]:.2f} with {names[mine]} of the same patient, {scores[i, best]:.2f} "
            f"with {names[best]} (difference {difference:.2f}, error {error:.2f})"
        )
        if difference > max(margin, settings["min_errors"] * error) and scores[i, best] > settings["min_likeness"]:
            call = MISMATCH if len(rest) and lead > margin else DIFFERS
            if not len(rest):
                words += "; two patients alone cannot tell a swap from a batch"
            elif call == DIFFERS:
                words += f"; nearly as like {names[rest[scores[i, rest].argmax()]]}: a batch may do this"
        other = names[best] if call in (MISMATCH, DIFFERS) else names[mine] if call == MATCH else ""
        rows.append(_result(sample, LIKENESS, f"{scores[i, mine]:.3f}", call, words, other))
    return rows


def _receptor(visits: pd.DataFrame, receptors: pd.DataFrame, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The clone's light chain and V gene per sample; a change is possible in one patient, so it ``differs`` only."""
    clonal = receptors[receptors["clonal"].astype(bool)]
    found: dict[str, tuple[str, str]] = {}
    for sample, part in clonal.groupby("sample", sort=True):
        if len(part) < settings["min_cells"]:
            continue
        chain = part["light_chain"].value_counts().sort_index().idxmax()
        v = part.loc[(part["light_chain"] == chain) & (part["v_light"] != ""), "v_light"].value_counts().sort_index()
        # one V gene in most of the cells that show any; else the chain alone is known
        found[str(sample)] = (str(chain), str(v.idxmax()) if len(v) and v.max() > 0.5 * v.sum() else "")
    own_cdr3 = _dominant_cdr3(receptors, settings)
    rows = []
    for sample in visits.index:
        if shared := _shared_cdr3(str(sample), own_cdr3, visits):
            rows.append(_result(str(sample), RECEPTOR, own_cdr3[str(sample)], *shared))
            continue
        mine = found.get(sample)
        others = {s: found[s] for s in _others_of(sample, visits) if s in found}
        if not mine or not others:
            why = "no clonal plasma cells" if not mine else "no other sample of the patient has clonal plasma cells"
            rows.append(_result(sample, RECEPTOR, " ".join(mine or ()).strip(), UNKNOWN, why))
            continue
        like = [s for s, o in others.items() if _same(mine, o)]
        known_v = any(mine[1] and others[s][1] for s in like)
        call = (MATCH if known_v else UNKNOWN) if like else DIFFERS
        words = ("; ".join(f"{s}: {' '.join(o).strip()}" for s, o in others.items())
                 + ("" if like else "; another clone, a light-chain switch, or another person")
                 + ("" if known_v or not like else "; the light chain alone, which chance gives, too"))  # fmt: skip
        rows.append(_result(sample, RECEPTOR, " ".join(mine).strip(), call, words, like[0] if like else ""))
    return rows


def _dominant_cdr3(receptors: pd.DataFrame, settings: Mapping[str, Any]) -> dict[str, str]:
    """Sample -> CDR3 of its largest clonotype, where that has enough cells and at least half of those with one."""
    known = receptors[receptors["clonotype_cdr3"] != ""]
    out = {}
    for sample, part in known.groupby("sample", sort=True):
        counts = part["clonotype_cdr3"].value_counts().sort_index()
        if counts.max() >= max(settings["min_clonotype_cells"], 0.5 * counts.sum()):
            out[str(sample)] = str(counts.idxmax())
    return out


def _shared_cdr3(sample: str, cdr3: Mapping[str, str], visits: pd.DataFrame) -> tuple[str, str, str] | None:
    """Call, evidence and other sample where a CDR3 of nucleotides is shared: no two people's tumours have the same."""
    if sample not in cdr3:
        return None
    same = [s for s in cdr3 if s != sample and cdr3[s] == cdr3[sample]]
    own = [s for s in same if s in _others_of(sample, visits)]
    if own:
        return MATCH, f"the same CDR3 as {', '.join(own)}", own[0]
    # a light chain's CDR3 is short: two people may have the same
    if same and cdr3[sample].startswith("H:"):
        return MISMATCH, f"the CDR3 of {', '.join(same)}, samples of another patient", same[0]
    return None


def _same(a: tuple[str, str], b: tuple[str, str]) -> bool:
    return a[0] == b[0] and (not a[1] or not b[1] or a[1] == b[1])


def _overall(table: pd.DataFrame, visits: pd.DataFrame) -> pd.DataFrame:
    """One call per sample: any mismatch; else a match by likeness or receptor; else what is odd; else nothing."""
    rows = []
    for sample, part in table.groupby("sample", sort=True):
        calls = part.set_index("check")["call"]
        wrong = part[part["call"] == MISMATCH]
        odd = part[part["call"] == DIFFERS]
        good = part[(part["call"] == MATCH) & part["check"].isin([LIKENESS, RECEPTOR])]
        if len(wrong):
            named = wrong[wrong["other_sample"] != ""]
            # a shared CDR3 knows whose it is best, then the likeness, the sex least
            named = named.sort_values("check", key=lambda c: c.map({RECEPTOR: 0, LIKENESS: 1}).fillna(2), kind="stable")
            other = named["other_sample"].iloc[0] if len(named) else ""
            rows.append(_result(str(sample), OVERALL, "", MISMATCH, _joined(wrong), other))
        elif len(good) and LIKENESS not in set(odd["check"]):
            rows.append(_result(str(sample), OVERALL, "", MATCH, _joined(pd.concat([good, odd]))))
        elif len(odd):
            other = odd["other_sample"].iloc[0]
            rows.append(_result(str(sample), OVERALL, "", DIFFERS, _joined(odd), other))
        else:
            alone = not _others_of(str(sample), visits)
            why = "the patient has no other sample" if alone else "nothing that tells persons apart could be compared"
            if calls.get(SEX) == MATCH:
                why = "the sex agrees, as in half of all pairs of people"
            rows.append(_result(str(sample), OVERALL, "", UNKNOWN, why))
    return pd.DataFrame(rows)


def _joined(part: pd.DataFrame) -> str:
    return "; ".join(f"{r.check}: {r.evidence}" for r in part.itertuples())


def _others_of(sample: str, visits: pd.DataFrame) -> list[str]:
    """The patient's other samples."""
    same = visits.index[visits["patient"] == visits.at[sample, "patient"]]
    return [str(s) for s in same if s != sample]


def _result(sample: str, check: str, value: str, call: str, evidence: str, other: str = "") -> dict[str, Any]:
    return {"sample": sample, "check": check, "value": value, "other_sample": other, "call": call, "evidence": evidence}
