"""Which genes speak for a programme: those of ``resources/programmes.tsv``, and the user's own sets in GMT files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from ..errors import UserError
from ..tables import shown

CYCLING, MACROPHAGE = "cycling", "macrophage"


def built_in(table: pd.DataFrame) -> dict[str, list[str]]:
    """{programme: symbols} of ``resources/programmes.tsv``."""
    return {str(name): rows["symbol"].tolist() for name, rows in table.groupby("programme", sort=False)}


def read_gmt(path: str | Path, known: Iterable[str]) -> dict[str, list[str]]:
    """Gene sets of a GMT file: name, description, symbols, separated by tabs; a set per line.

    Symbols that the gene table does not know are left out.

    Raises
    ------
    UserError
        when a line has no genes, none of its genes is known, or a name comes twice.
    """
    sets: dict[str, list[str]] = {}
    known = set(known)
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{shown(path)}: the gene sets cannot be read ({type(error).__name__}), expected a text file (GMT).",
            hint="a line per set: name, description, symbols, separated by tabs.",
        ) from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, *rest = (part.strip() for part in line.split("\t"))
        genes = list(dict.fromkeys(g for g in rest[1:] if g))
        here = f"{shown(path)}, line {number}"
        if not name or not genes:
            raise UserError(
                f"{here}: found {len(genes)} genes, expected a name, a description and symbols, separated by tabs.",
                hint="GMT files are tab-separated; spaces do not part the fields.",
            )
        if name in sets:
            raise UserError(f"{here}: the set {name!r} is there twice.", hint="give each set a name of its own.")
        sets[name] = [g for g in genes if g in known]
        if not sets[name]:
            raise UserError(
                f"{here}: found {genes[0]!r} and others, none of the {len(genes)} genes of {name!r} is known; "
                "expected human symbols.",
                hint="marrowclone counts GENCODE/HGNC symbols; Ensembl ids and mouse symbols are not understood here.",
            )
    return sets


def all_sets(table: pd.DataFrame, files: Iterable[str | Path], known: Iterable[str]) -> dict[str, list[str]]:
    """Built-in and user's sets.

    Raises
    ------
    UserError
        as :func:`read_gmt`; when a user's set has the name of another.
    """
    known = set(known)
    sets = built_in(table)
    for path in files:
        for name, genes in read_gmt(path, known).items():
            if name in sets:
                raise UserError(
                    f"{shown(path)}: a set named {name!r} is there already.", hint="give each set a name of its own."
                )
            sets[name] = genes
    return sets


def without_clonal_arms(
    genes: Iterable[str], arms: pd.DataFrame, place: Mapping[str, str], always: Iterable[str] = ()
) -> tuple[list[str], list[str]]:
    """Genes whose copies cannot set clones apart, and those that were left out (science 4.2).

    Parameters
    ----------
    arms
        ``copy_number/{patient}.arms.tsv``: an arm on which clones have different states is left out, the
        pooled rows (clone ``all``) aside.
    place
        arm of a gene, as ``chr1q``.
    always
        arms that are left out whatever the clones.
    """
    own = arms[(arms["clone"] != "all") & arms["state"].notna() & (arms["call"] != "indeterminate")]
    states = own.groupby(own["chromosome"] + own["arm"])["state"].nunique()
    out = {*states.index[states > 1], *always}
    kept = [g for g in genes if place.get(g, "") not in out]
    return kept, [g for g in genes if place.get(g, "") in out]
