"""V(D)J contigs beside the counts, and tumours that change their light or lose their heavy chain."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from marrowclone.simulate import simulate
from marrowclone.simulate.folder import write_cohort
from marrowclone.simulate.rearrangements import COLUMNS, DETECTED
from marrowclone.simulate.transcriptome import at
from unit.simulate.simulate_cases import one_patient

SAMPLE = {"timepoint": "diagnosis", "day": 0, "cells": 400, "plasma_fraction": 0.6, "vdj": True}
CLONES = {
    "A": {"events": ["-13q"], "fraction": 0.4},
    "B": {"parent": "A", "events": ["+1q"], "fraction": 0.2, "light_chain": "lambda"},
    "C": {"parent": "B", "events": ["+9"], "fraction": 0.2},
    "D": {"parent": "A", "events": ["-6q"], "fraction": 0.2, "heavy": False},
}


@pytest.fixture(scope="module")
def cohort():
    spec = one_patient(clones=CLONES, samples=[SAMPLE, {**SAMPLE, "timepoint": "relapse", "day": 30}])
    spec["patients"]["P"]["samples"][0]["capture"] = {"normal_plasma": 0.15, "dying": 0, "doublet_rate": 0}
    return simulate(spec)


@pytest.fixture(scope="module")
def captures(cohort):
    return dict(cohort.captures())


@pytest.fixture(scope="module")
def first(cohort, captures):
    """Contigs of the first capture with the truth of their barcodes."""
    capture = captures["P_diagnosis"]
    table = cohort.contigs("P_diagnosis", capture)
    return table.merge(capture.cells, on="barcode", validate="many_to_one")


def test_the_table_has_cell_rangers_columns_and_junctions_that_translate(cohort, captures):
    table = cohort.contigs("P_diagnosis", captures["P_diagnosis"])
    assert tuple(table.columns) == COLUMNS
    assert table["contig_id"].is_unique and table["contig_id"].str.startswith(table["barcode"].iloc[0]).iloc[0]
    productive = table[table["productive"] == "true"]
    assert (productive["cdr3_nt"].str.len() == 3 * productive["cdr3"].str.len()).all()
    assert productive["cdr3"].str.fullmatch("C.*[FW]").all()  # IMGT: conserved ends of the junction
    assert (table.loc[table["productive"] == "false", "cdr3_nt"] == "").all()
    assert (table.loc[table["chain"] == "IGH", "d_gene"] != "").all() and (table["umis"] > 0).all()


def test_a_clones_cells_share_their_cdr3_and_normal_cells_share_none(first):
    own = first[(first["productive"] == "true") & (first["umis"] > 5)]  # ambient contigs have one or two UMIs
    tumour = own[own["malignant"]]
    assert (tumour.groupby(["clone", "chain"])["cdr3_nt"].nunique() == 1).all()
    normal = own[~own["malignant"] & (own["cell_type"] == "plasma")]
    assert len(normal) > 30 and normal["cdr3_nt"].is_unique
    assert not set(normal["cdr3_nt"]) & set(tumour["cdr3_nt"])
    ids = tumour.groupby(["clone", "chain"])["raw_consensus_id"].nunique()
    assert ids.max() <= 3  # a clone with both chains, one with one of them seen


def test_genes_of_the_contigs_are_those_of_the_counts(captures, first):
    """The V gene of a cell's contig is the V gene that the expression side drew for it."""
    capture = captures["P_diagnosis"]
    row = {b: i for i, b in enumerate(capture.cells["barcode"])}
    light = first[(first["chain"] != "IGH") & (first["cell_type"] == "plasma") & (first["umis"] > 5)]
    counts = capture.counts[[row[b] for b in light["barcode"]]].tocsr()
    pairs = np.array([counts[i, at([g])[0]] for i, g in enumerate(light["v_gene"])])
    assert (pairs > 0).mean() > 0.97  # 12% of some 2,500 Ig UMIs
    chains = light["chain"].map({"IGK": "kappa", "IGL": "lambda"})
    assert (chains == light["light_chain"]).all()


def test_most_plasma_cells_have_both_chains_and_other_cells_only_what_floats_about(cohort, captures, first):
    cells = captures["P_diagnosis"].cells
    seen = first.groupby(["barcode", "chain"]).size().unstack(fill_value=0)
    plasma = cells.loc[(cells["cell_type"] == "plasma") & (cells["clone"] != "D"), "barcode"]
    heavy = seen.reindex(plasma, fill_value=0)["IGH"] > 0
    assert heavy.mean() == pytest.approx(DETECTED["plasma"]["heavy"][0], abs=0.1)  # 3 SE of 150 cells
    others = cells.loc[cells["cell_type"].isin(["cd4_t", "cd8_t", "nk", "monocyte"]), "barcode"]
    ambient = first[first["barcode"].isin(others)]
    assert set(ambient["cdr3_nt"]) <= set(first.loc[first["malignant"], "cdr3_nt"])  # the tumour's
    assert len(ambient) < 0.1 * len(others) and (ambient["umis"] <= 2).all()


def test_the_tumour_has_the_same_cdr3_at_the_next_timepoint(cohort, captures, first):
    later = cohort.contigs("P_relapse", captures["P_relapse"]).merge(captures["P_relapse"].cells, on="barcode")
    for chain in ("IGH", "IGK", "IGL"):
        mine = [
            set(t.loc[t["malignant"] & (t["chain"] == chain) & (t["umis"] > 5) & (t["cdr3_nt"] != ""), "cdr3_nt"])
            for t in (first, later)
        ]
        assert mine[0] == mine[1] and len(mine[0]) == 1, chain


def test_a_light_chain_switch_passes_to_descendants_and_keeps_the_heavy_chain(captures, first):
    cells = captures["P_diagnosis"].cells
    chain = cells[cells["malignant"]].groupby("clone")["light_chain"].agg(set)
    assert chain.to_dict() == {"A": {"kappa"}, "B": {"lambda"}, "C": {"lambda"}, "D": {"kappa"}}
    own = first[first["malignant"] & (first["umis"] > 5)]
    heavy = own[own["chain"] == "IGH"].groupby("clone")["cdr3_nt"].agg(set)
    assert heavy["A"] == heavy["B"] == heavy["C"]  # one rearrangement of the founder; science 1.4: flag a switch


def test_light_chain_escape_has_no_productive_heavy_contig_and_no_heavy_chain_rna(cohort, captures, first):
    own = first[first["clone"] == "D"]
    assert (own.loc[own["chain"] == "IGH", "productive"] == "false").all() and (own["chain"] == "IGH").any()
    capture = captures["P_diagnosis"]
    heavy = np.asarray(capture.counts[:, at(["IGHG1", "IGHG2", "IGHG3", "IGHG4"])].sum(axis=1)).ravel()
    clone = capture.cells["clone"].to_numpy()
    assert np.median(heavy[clone == "D"]) < 0.2 * np.median(
        heavy[clone == "A"]
    )  # science 1.4: near zero; ambient stays
    clones = cohort.truth()["clones"].set_index("clone")
    assert clones["heavy"].to_dict() == {"A": True, "B": True, "C": True, "D": False}
    assert clones["light_chain"].to_dict() == {"A": "kappa", "B": "lambda", "C": "lambda", "D": "kappa"}


def test_the_clinic_sees_an_escape_in_the_free_light_chains_while_the_m_protein_stays_low():
    clones = {
        "A": {"events": ["-13q"], "fraction": 0.95, "growth": {"VRd": -1.5, "off": 0.0}},
        "B": {"parent": "A", "events": ["+1q"], "fraction": 0.05, "heavy": False, "growth": {"VRd": -0.1, "off": 0.5}},
    }
    therapies = [{"regimen": "VRd", "start": 5, "stop": 150, "classes": ["PI"]}]
    clinical = {"last_day": 500, "response_every": 50}
    table = simulate(one_patient(clones=clones, therapies=therapies, clinical=clinical)).clinical()["response"]
    last = table.iloc[-1]
    assert last["m_protein"] < 0.1 * table["m_protein"].iloc[0]
    assert last["kappa_flc"] > 300 and last["response"] == "PD"


def test_contigs_are_written_where_asked_for_and_stand_in_the_sheet(tmp_path):
    spec = one_patient(samples=[SAMPLE | {"cells": 60}, {"timepoint": "relapse", "day": 30, "cells": 30}])
    write_cohort(simulate(spec), tmp_path)
    sheet = pd.read_csv(tmp_path / "config" / "samples.tsv", sep="\t", keep_default_na=False)
    assert sheet["vdj"].tolist() == ["data/P_diagnosis.contigs.csv", ""]
    table = pd.read_csv(tmp_path / sheet["vdj"].iloc[0])
    barcodes = pd.read_csv(tmp_path / "data" / "P_diagnosis" / "barcodes.tsv.gz", header=None)[0]
    assert len(table) > 20 and set(table["barcode"]) <= set(barcodes)


def test_a_capture_without_any_rearranged_cell_has_an_empty_table():
    quiet = SAMPLE | {"cells": 20, "plasma_fraction": 0.0, "composition": {"b_cell": 0}, "capture": {"doublet_rate": 0}}
    cohort = simulate(one_patient(samples=[quiet]))
    name, capture = next(cohort.captures())
    table = cohort.contigs(name, capture)
    assert table.empty and tuple(table.columns) == COLUMNS
