"""One thing broken per case, and the whole message that a person must get."""

import pytest

from unit.check.cohort_on_disk import SHEETS, set_cell

TIMEPOINTS = (
    "mgus, smm, diagnosis, post_induction, pre_transplant, post_transplant, consolidation, maintenance, mrd, remission, "
    "follow_up, relapse, refractory, healthy"
)
NAME = "a name of letters, digits, '_', '.' and '-', starting with a letter or digit"
DATE = "write the number of days since the patient's day 0, never a date (dates identify people)"
DAYS = "an integer from -40000 to 40000 (days from the patient's day 0)"
FRACTION = "(fraction of nucleated cells)"

# sheet, line, column, what is written there -> the message after "<sheet> line <line>, column <column>: "
CELLS = {
    "timepoint misspelt": ("samples.tsv", 4, "timepoint", "relpase", f"found 'relpase', expected one of {TIMEPOINTS}. Hint: did you mean 'relapse'?"),
    "timepoint in capitals": ("samples.tsv", 4, "timepoint", "Relapse", f"found 'Relapse', expected one of {TIMEPOINTS}. Hint: did you mean 'relapse'?"),
    "timepoint by another name": ("samples.tsv", 2, "timepoint", "baseline", f"found 'baseline', expected one of {TIMEPOINTS}. Hint: did you mean 'diagnosis'?"),
    "timepoint numbered wrongly": ("samples.tsv", 4, "timepoint", "Relapse 2", f"found 'Relapse 2', expected one of {TIMEPOINTS}. Hint: did you mean 'relapse_2'?"),
    "timepoint empty": ("samples.tsv", 4, "timepoint", "", "is empty; a value is required."),
    "day is a date": ("samples.tsv", 3, "day", "2021-03-04", f"found '2021-03-04', expected {DAYS}. Hint: {DATE}"),
    "day is a date, German": ("samples.tsv", 3, "day", "4.3.2021", f"found '4.3.2021', expected {DAYS}. Hint: {DATE}"),
    "day is an Excel date": ("samples.tsv", 3, "day", "44259", f"found '44259', expected {DAYS}. Hint: a number of this size looks like a date; {DATE}"),
    "day is half": ("samples.tsv", 3, "day", "200.5", f"found '200.5', expected {DAYS}. Hint: round to whole days"),
    "day is not finite": ("samples.tsv", 3, "day", "inf", f"found 'inf', expected {DAYS}. Hint: {DATE}"),
    "sample with a space": ("samples.tsv", 2, "sample", "P1 dx", f"found 'P1 dx', expected {NAME}. Hint: call it 'P1_dx'"),
    "sample with a slash": ("samples.tsv", 2, "sample", "../P1", f"found '../P1', expected {NAME}. Hint: call it 'P1'"),
    "sample with an accent": ("samples.tsv", 2, "sample", "Zoë", f"found 'Zoë', expected {NAME}. Hint: call it 'Zo'"),
    "sample with a space after it": ("samples.tsv", 2, "sample", "P1_dx ", "found 'P1_dx ', expected a name without spaces around it. Hint: remove the space after it"),
    "sample too long": ("samples.tsv", 2, "sample", "x" * 81, "found 81 characters, expected at most 80."),
    "sample twice": ("samples.tsv", 3, "sample", "P1_dx", "found 'P1_dx', already the sample of line 2. Hint: each capture has a name of its own"),
    "sample twice but for case": ("samples.tsv", 3, "sample", "p1_DX", "found 'p1_DX', which differs from 'P1_dx' (line 2) in upper and lower case only. Hint: file systems may not tell them apart; rename one"),
    "sample like another patient": ("samples.tsv", 2, "sample", "P2", "found 'P2', the name of another patient (line 5). Hint: call it 'P1_P2'"),
    "sample of a reserved name": ("samples.tsv", 2, "sample", "all", "found 'all', a reserved name. Hint: call it 'all_1'"),
    "patient of a reserved name": ("samples.tsv", 6, "patient", "Index", "found 'Index', a reserved name. Hint: call it 'Index_1'"),
    "patient but for case": ("samples.tsv", 3, "patient", "p1", "found 'p1', which differs from 'P1' (line 2) in upper and lower case only. Hint: did you mean 'P1'?"),
    "format misspelt": ("samples.tsv", 2, "format", "mtx", "found 'mtx', expected one of auto, 10x_h5, 10x_mtx, h5ad, loom, zarr, starsolo, cellranger_multi. Hint: did you mean '10x_mtx'?"),
    "sort by another name": ("samples.tsv", 2, "sort", "cd138pos", "found 'cd138pos', expected one of none, CD138+, CD138-. Hint: did you mean 'CD138+'?"),
    "compartment in words": ("samples.tsv", 2, "compartment", "bone marrow", "found 'bone marrow', expected one of BM, PB. Hint: did you mean 'BM'?"),
    "healthy beside other timepoints": ("samples.tsv", 4, "timepoint", "healthy", "found 'healthy' for patient P1, who also has diagnosis, mrd. Hint: a healthy donor is a patient of whom every sample is healthy"),
    "diagnosis after relapse": ("samples.tsv", 2, "day", "500", "found '500' for diagnosis, but mrd is on day 200 (line 3, patient P1). Hint: check both days; they count from the patient's day 0"),
    "one timepoint, two visits": ("samples.tsv", 4, "timepoint", "mrd", "found 'mrd' on day 400, but line 3 has it on day 200 (patient P1). Hint: call the later one 'mrd_2'"),
    "second relapse before the first": ("samples.tsv", 3, "timepoint", "relapse_2", "found '200', but relapse is on day 400 (line 4, patient P1). Hint: number timepoints in day order", "day"),
    "path twice": ("samples.tsv", 3, "path", "data/P1_dx", "found 'data/P1_dx', already the path of line 2. Hint: each capture has files of its own"),
    "labels are a folder": ("samples.tsv", 5, "cell_types", "data/P2_dx", "found 'data/P2_dx', a folder, expected a file. Hint: name the file inside it"),
    "path misspelt": ("samples.tsv", 3, "path", "data/P1_mdr.h5", "found 'data/P1_mdr.h5', no such file or folder. Hint: did you mean 'data/P1_mrd.h5'?"),
    "assay misspelt": ("mrd.tsv", 2, "assay", "clonoSEQ", "found 'clonoSEQ', expected one of NGS, NGF, flow, ASO-qPCR, MS. Hint: did you mean 'NGS'?"),
    "result shortened": ("mrd.tsv", 2, "result", "neg", "found 'neg', expected one of negative, positive, indeterminate. Hint: did you mean 'negative'?"),
    "lod as exponent": ("mrd.tsv", 2, "lod", "-5", f"found '-5', expected a number above 0 and below 1 {FRACTION}. Hint: a limit is a fraction of cells: 1e-5 stands for one in 100,000"),
    "lod as whole number": ("mrd.tsv", 2, "lod", "5", f"found '5', expected a number above 0 and below 1 {FRACTION}. Hint: a limit is a fraction of cells: 1e-5 stands for one in 100,000"),
    "lod as power": ("mrd.tsv", 2, "lod", "10^-6", f"found '10^-6', expected a number above 0 and below 1 {FRACTION}. Hint: write 1e-6"),
    "lod with a sign": ("mrd.tsv", 2, "lod", "<1e-6", f"found '<1e-6', expected a number above 0 and below 1 {FRACTION}. Hint: write the number without the sign"),
    "lod in percent": ("mrd.tsv", 2, "lod", "0.001%", f"found '0.001%', expected a number above 0 and below 1 {FRACTION}. Hint: write 1e-05"),
    "loq below lod": ("mrd.tsv", 2, "loq", "1e-7", "found '1e-07', expected at least the lod (2e-06). Hint: were they swapped?"),
    "cells with commas": ("mrd.tsv", 2, "cells_analysed", "10,000,000", "found '10,000,000', expected an integer from 1 to 1000000000 (cells). Hint: write 10000000"),
    "more events than cells": ("mrd.tsv", 2, "events", "10000001", "found '10000001', expected at most cells_analysed (10000000)."),
    "events without cells": ("mrd.tsv", 2, "cells_analysed", "", "is empty, but events is given. Hint: a count needs its denominator"),
    "negative at its own limit": ("mrd.tsv", 2, "events", "300", "found 'negative', but the residual level 3e-05 is not below the loq 5e-06. Hint: expected positive, or another level", "result"),
    "positive without events": ("mrd.tsv", 3, "events", "0", "found 'positive', but events is 0. Hint: expected negative, or the count found", "result"),
    "first pull in words": ("mrd.tsv", 2, "first_pull", "first", "found 'first', expected true or false."),
    "patient without samples": ("mrd.tsv", 2, "patient", "P11", "found 'P11', a patient without samples in samples.tsv. Hint: did you mean 'P1'?"),
    "healthy donor with MRD": ("mrd.tsv", 2, "patient", "H1", "found 'H1', a healthy donor. Hint: patients only"),
    "Deauville of an MRI": ("imaging.tsv", 3, "deauville", "4", "found '4' for MRI, expected it empty. Hint: only a PET has a Deauville score"),
    "Deauville 5, negative": ("imaging.tsv", 2, "deauville", "5", "found 'negative', but Deauville 5 is uptake above liver. Hint: expected positive, or another score", "result"),
    "Deauville 6": ("imaging.tsv", 2, "deauville", "6", "found '6', expected an integer from 1 to 5 (Deauville score)."),
    "response in lower case": ("response.tsv", 3, "response", "vgpr", "found 'vgpr', expected one of sCR, CR, VGPR, PR, MR, SD, PD. Hint: did you mean 'VGPR'?"),
    "M-protein without unit": ("response.tsv", 2, "m_protein_unit", "", "is empty, but m_protein is given. Hint: write g/L or g/dL"),
    "M-protein in the wrong unit": ("response.tsv", 2, "m_protein_unit", "g/dL", "found '38.5' g/dL, expected at most 15 g/dL. Hint: is the unit g/L?", "m_protein"),
    "M-protein unit misspelt": ("response.tsv", 2, "m_protein_unit", "g/l", "found 'g/l', expected one of g/L, g/dL. Hint: did you mean 'g/L'?"),
    "decimal comma": ("response.tsv", 2, "m_protein", "38,5", "found '38,5', expected a number from 0 to 150 (see m_protein_unit). Hint: write a decimal point: 38.5"),
    "number with its unit": ("response.tsv", 2, "albumin", "36 g/L", "found '36 g/L', expected a number from 10 to 70 (g/L). Hint: write the number alone; the unit is g/L"),
    "plasma cells without method": ("response.tsv", 2, "bm_pc_method", "", "is empty, but bm_pc_percent is given. Hint: write aspirate, biopsy or flow"),
    "albumin in g/dL": ("response.tsv", 2, "albumin", "3.6", "found '3.6', expected a number from 10 to 70 (g/L). Hint: this looks like g/dL; write 36 (g/L)"),
    "creatinine in umol/L": ("response.tsv", 2, "creatinine", "80", "found '80', expected a number from 0.1 to 30 (mg/dL). Hint: this looks like µmol/L; write 0.9 (mg/dL)"),
    "response row without content": ("response.tsv", 4, "response", "", "is empty, and so is every value. Hint: give a response or a measurement"),
    "stop before start": ("therapy.tsv", 2, "stop", "3", "found '3', expected a day not before the start (7). Hint: were they swapped?"),
    "drug instead of class": ("therapy.tsv", 2, "classes", "PI;lenalidomide", "found 'lenalidomide', expected one of PI, IMiD, CELMoD, CD38, SLAMF7, BCMA-CART, BCMA-BsAb, BCMA-ADC, GPRC5D-CART, GPRC5D-BsAb, FCRH5-BsAb, BCL2, XPO1, HDAC, alkylator, anthracycline, steroid, ASCT, alloSCT, radiotherapy, other. Hint: did you mean 'IMiD'?"),
    "lines in the wrong order": ("therapy.tsv", 3, "start", "2", "found '2' for line of therapy 2, but line 1 began on day 7 (line 2 of the sheet, patient P1). Hint: check the numbers of the lines"),
    "therapy after death": ("therapy.tsv", 3, "start", "905", "found '905', after the death of patient P1 on day 900 (outcome.tsv)."),
    "fraction in percent": ("cytogenetics.tsv", 2, "fraction", "62", "found '62', expected a number from 0 to 1 (fraction of plasma cells). Hint: write 0.62 for 62 percent"),
    "event in the short form": ("cytogenetics.tsv", 2, "event", "1q+", "found '1q+', expected one of hyperdiploidy, gain(1q), amp(1q), del(1p), del(1p32), del(13q), del(14q), del(16q), del(17p), t(4;14), t(6;14), t(11;14), t(14;16), t(14;20), rearr(MYC), mut(TP53), WGD, tri(15). Hint: did you mean 'gain(1q)'?"),
    "method misspelt": ("cytogenetics.tsv", 2, "method", "fish", "found 'fish', expected one of FISH, karyotype, array, NGS, WES, WGS, GEP, OGM, other. Hint: did you mean 'FISH'?"),
    "old QLQ-C30": ("pro.tsv", 2, "version", "2.0", "found '2.0', expected 3.0 for QLQ-C30. Hint: earlier versions have yes/no items and cannot be scored this way"),
    "instrument by its short name": ("pro.tsv", 2, "instrument", "C30", "found 'C30', expected one of QLQ-C30, QLQ-MY20, EQ-5D-5L. Hint: did you mean 'QLQ-C30'?"),
    "item out of range": ("pro.tsv", 2, "q2", "5", "found '5', expected an integer from 1 to 4 (answer) (patient P1, day 0, item q2)."),
    "item 29 out of range": ("pro.tsv", 2, "q29", "0", "found '0', expected an integer from 1 to 7 (answer) (patient P1, day 0, item q29)."),
    "level out of range": ("pro.tsv", 4, "eq_mobility", "6", "found '6', expected an integer from 1 to 5 (level) (patient P2, day 0, item eq_mobility)."),
    "scale out of range": ("pro.tsv", 4, "eq_vas", "101", "found '101', expected an integer from 0 to 100 (points) (patient P2, day 0, item eq_vas)."),
    "answer of another questionnaire": ("pro.tsv", 2, "q31", "2", "found an answer of QLQ-MY20 in a row of QLQ-C30. Hint: give QLQ-MY20 a row of its own"),
    "contact after death": ("outcome.tsv", 2, "last_contact_day", "950", "found '900', expected a day not before the last contact (950). Hint: the dead are not contacted; check both days", "death_day"),
    "progression after death": ("outcome.tsv", 2, "pfs_day", "901", "found '901', expected a day not after death (900)."),
    "event without day": ("outcome.tsv", 3, "pfs_day", "", "is empty, but pfs_event is given."),
    "cause without death": ("outcome.tsv", 3, "death_cause", "other", "is empty, but death_cause is given.", "death_day"),
    "last contact before a sample": ("outcome.tsv", 3, "last_contact_day", "-3", "found '-3', before the sample of day 0. Hint: a sample is a contact"),
    "outcome twice": ("outcome.tsv", 3, "patient", "P1", "found 'P1', already in line 2. Hint: one row per patient"),
}  # fmt: skip


@pytest.mark.parametrize("case", CELLS)
def test_broken_cell(cohort, problems, case):
    sheet, line, column, value, message, *at = CELLS[case]
    set_cell(cohort / sheet, line, column, value)
    where = f"{sheet} line {line}, column {at[0] if at else column}: "
    # the whole message, word for word: it is all that a person has
    assert where + message in problems()


@pytest.mark.parametrize("case", CELLS)
def test_broken_cell_gives_no_flood(cohort, problems, case):
    sheet, line, column, value, *_ = CELLS[case]
    set_cell(cohort / sheet, line, column, value)
    # one slip may disturb what depends on it (a renamed patient), but not bury its own message
    assert 1 <= len(problems()) <= 5


# sheet, the text before, the text after -> the whole message
TEXTS = {
    "unknown column": ("samples.tsv", "\tbatch", "\tbacth", "samples.tsv line 1, column bacth: unknown column, expected one of sample, patient, timepoint, day, path, format, raw_path, compartment, sort, batch, chemistry, prep, vdj, alleles, mtdna, cell_types. Hint: did you mean 'batch'?"),
    "column in capitals": ("samples.tsv", "\tday", "\tDay", "samples.tsv line 1, column Day: unknown column, expected one of sample, patient, timepoint, day, path, format, raw_path, compartment, sort, batch, chemistry, prep, vdj, alleles, mtdna, cell_types. Hint: did you mean 'day'?"),
    "column of many": ("pro.tsv", "\tq29", "\tqq", "pro.tsv line 1, column qq: unknown column, expected one of patient, day, instrument, version, ..., eq_anxiety, eq_vas, value_set, proxy."),
    "date instead of day": ("mrd.tsv", "\tday", "\tdate", "mrd.tsv line 1, column date: unknown column, expected one of patient, day, assay, result, cells_analysed, events, lod, loq, value, compartment, first_pull. Hint: did you mean 'day'?"),
    "column twice": ("mrd.tsv", "\tloq", "\tlod", "mrd.tsv line 1, column lod: the column stands twice in the header. Hint: remove or rename one of them"),
    "column without a name": ("mrd.tsv", "\tvalue", "\t", "mrd.tsv line 1: column 9 has no name."),
    "row too short": ("samples.tsv", "\t0\tdata/P1_dx", "\tdata/P1_dx", "samples.tsv line 2: found 9, expected 10 cells as in the header. Hint: an empty cell still needs its separator; a separator inside a text needs quotes; only after path a row may end"),
    "row too short for its optional cells": ("samples.tsv", "\tBM\trun7", "\trun7", "samples.tsv line 5: found 9, expected 10 cells as in the header. Hint: an empty cell still needs its separator; a separator inside a text needs quotes; only after path a row may end"),
    "row without its path": ("samples.tsv", "\tdata/P2_dx\tauto\tnone\tBM\trun7\tdata/labels.tsv", "", "samples.tsv line 5: found 4, expected 10 cells as in the header. Hint: an empty cell still needs its separator; a separator inside a text needs quotes; only after path a row may end"),
    "row too long for the sample sheet": ("samples.tsv", "data/labels.tsv\n", "data/labels.tsv\tmore\n", "samples.tsv line 5: found 11, expected 10 cells as in the header. Hint: an empty cell still needs its separator; a separator inside a text needs quotes; only after path a row may end"),
    "clinical row too short": ("therapy.tsv", "D-VRd\t180\t1\tPI;IMiD;CD38;steroid", "D-VRd", "therapy.tsv line 2: found 3, expected 6 cells as in the header. Hint: an empty cell still needs its separator; a separator inside a text needs quotes"),
    "row too long": ("therapy.tsv", "D-VRd", "D-VRd\tdara", "therapy.tsv line 2: found 7, expected 6 cells as in the header. Hint: an empty cell still needs its separator; a separator inside a text needs quotes"),
    "quotes do not match": ("therapy.tsv", "D-VRd", '"D-VRd', "therapy.tsv line 2: quotes do not match (unexpected end of data). Hint: remove or double the quotation mark"),
    "row twice": ("imaging.tsv", "P2\t3\tMRI\tpositive\t", "P1\t200\tPET-CT\tnegative\t2", "imaging.tsv line 3: the row is the same as line 2. Hint: remove one of them"),
    "conflicting rows": ("imaging.tsv", "P2\t3\tMRI\tpositive\t", "P1\t200\tPET-CT\tpositive\t4", "imaging.tsv line 3, column result: found 'positive', but line 2 says 'negative' for patient P1, day 200, modality PET-CT. Hint: keep the row that is right"),
    "questionnaire twice": ("pro.tsv", "P1\t0\tQLQ-MY20\t1.0\t\t\t\t2", "P1\t0\tQLQ-C30\t3.0\t1\t\t\t", "pro.tsv line 3, column instrument: QLQ-C30 of patient P1 on day 0 stands in line 2 too. Hint: one row per questionnaire filled in"),
    "questionnaire without answers": ("pro.tsv", "P1\t0\tQLQ-MY20\t1.0\t\t\t\t2", "P1\t0\tQLQ-MY20\t1.0\t\t\t\t", "pro.tsv line 3: a row of QLQ-MY20 without any answer. Hint: answers stand in q31 to q50; leave the row out when there is none"),
    "captures not told apart": ("samples.tsv", "P1_mrd\tP1\tmrd\t200\tdata/P1_mrd.h5\tauto\tCD138+", "P1_mrd\tP1\tdiagnosis\t0\tdata/P1_mrd.h5\tauto\tnone", "samples.tsv line 3: patient P1, day 0: the same as line 2 in compartment, sort, batch, chemistry, prep. Hint: if these are two captures of one aspirate, give each its own batch"),
    "spaces instead of tabs": ("imaging.tsv", "patient\tday\tmodality\tresult\tdeauville", "patient day modality result deauville", "imaging.tsv line 1: no tab, comma or semicolon in the header. Hint: separate the columns by tabs (commas or semicolons are read too)"),
    "a cell of a million characters": ("therapy.tsv", "D-VRd", "x" * 1_000_000, "therapy.tsv line 2: a cell is longer than 131,072 characters. Hint: was another file meant?"),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_broken_text(cohort, problems, case):
    sheet, before, after, message = TEXTS[case]
    assert before in SHEETS[sheet]  # otherwise the case would test nothing
    (cohort / sheet).write_text(SHEETS[sheet].replace(before, after, 1))
    assert message in problems()


def test_missing_column_is_named_once(cohort, problems):
    (cohort / "imaging.tsv").write_text("patient\tday\tresult\nP1\t3\tpositive\n")
    assert problems() == ["imaging.tsv line 1, column modality: the column is missing; it is required."]


# bytes of a file that is no sheet -> the message
FILES = {
    "empty": (b"", "mrd.tsv: the file is empty. Hint: a table starts with a line of column names"),
    "blank": (b"\n\n  \n", "mrd.tsv: the file is empty. Hint: a table starts with a line of column names"),
    "UTF-16": ("patient\tday\n".encode("utf-16"), "mrd.tsv: is UTF-16 text, expected a tab-separated table. Hint: save it as UTF-8 text"),
    "UTF-16 without mark": ("patient\tday\n".encode("utf-16-le"), "mrd.tsv line 1: holds NUL bytes; this is not a text table. Hint: save it as UTF-8 text"),
    "Latin-1": (b"patient\tday\nM\xfcller\t3\n", "mrd.tsv line 2: byte 0xFC is not UTF-8 text. Hint: save it with the encoding UTF-8"),
    "NUL": (b"patient\tday\nP1\t\x003\n", "mrd.tsv line 2: holds NUL bytes; this is not a text table. Hint: save it as UTF-8 text"),
    "Excel": (b"PK\x03\x04" + bytes(200), "mrd.tsv: is an Excel workbook or a zip archive, expected a tab-separated table. Hint: save the sheet as tab-separated text (or CSV)"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(200), "mrd.tsv: is an HDF5 file, expected a tab-separated table. Hint: give a tab-separated text file here; count files belong in the column path"),
    "gzip cut off": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "mrd.tsv: is a damaged gzip file (Compressed file ended before the end-of-stream marker was reached). Hint: was it cut off?"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_not_a_sheet(cohort, problems, case):
    data, message = FILES[case]
    (cohort / "mrd.tsv").write_bytes(data)
    assert problems() == [message]


def test_sheet_is_a_folder(cohort, problems):
    (cohort / "samples.tsv").unlink()
    (cohort / "samples.tsv").mkdir()
    assert problems() == ["samples.tsv: is a folder, expected a table. Hint: name the file inside it"]


def test_sample_sheet_without_rows(cohort, problems):
    (cohort / "samples.tsv").write_text(SHEETS["samples.tsv"].split("\n")[0] + "\n")
    assert problems() == ["samples.tsv: the sheet has a header but no samples. Hint: add a row per capture"]


def test_sheet_not_there(cohort, problems):
    (cohort / "therapy.tsv").rename(cohort / "therapies.tsv")
    assert problems() == [
        "therapy.tsv: no such file (key clinical.therapy of the configuration). Hint: did you mean 'therapies.tsv'?"
    ]


def test_path_beside_the_sheet(cohort, problems):
    (cohort / "sheets").mkdir()
    (cohort / "data").rename(cohort / "sheets" / "data")
    (cohort / "samples.tsv").rename(cohort / "sheets" / "samples.tsv")
    (cohort / "config.yaml").write_text("samples: sheets/samples.tsv\n")
    first = problems()[0]
    # people write paths relative to the sheet; the message says what they are relative to, and what would do
    assert first == (
        "sheets/samples.tsv line 2, column path: found 'data/P1_dx', no such file or folder. Hint: paths are relative "
        f"to the working directory ({cohort}); did you mean 'sheets/data/P1_dx'?"
    )


def test_all_problems_of_all_files_at_once_in_order(cohort, problems):
    for sheet, line, column, value in (
        ("samples.tsv", 4, "timepoint", "relpase"),
        ("samples.tsv", 2, "day", "today"),
        ("mrd.tsv", 3, "result", "pos"),
        ("outcome.tsv", 2, "patient", "P9"),
    ):
        set_cell(cohort / sheet, line, column, value)
    (cohort / "config.yaml").write_text((cohort / "config.yaml").read_text().replace("seed: 7", "sede: 7"))
    places = [p.split(":")[0].split(",")[0] for p in problems()]
    assert places == [
        "config.yaml line 2",
        "samples.tsv line 2",
        "samples.tsv line 4",
        "mrd.tsv line 3",
        "outcome.tsv line 2",
    ]
