"""Run the whole workflow on two public data sets that are not myeloma.

    python tests/workflow/real_data.py --data ../shared/data --out real-data

``tnbc1`` (an aneuploid breast tumour with its normal cells; its own labels say which cells
are the tumour's) and ``malt`` (a lymphoma, almost no plasma cells) as two patients with one
timepoint each and no clinical tables. Prints how well the copy-number score separates
tumour from normal cells of ``tnbc1``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow" / "lib"))


def prepare(data: Path, out: Path) -> Path:
    """Write the sheet and the configuration as a user would; returns the configuration's path."""
    out.mkdir(parents=True, exist_ok=True)
    columns = ["sample", "patient", "timepoint", "day", "path", "cell_types"]
    rows = [
        [
            "tnbc1_dx",
            "tnbc1",
            "diagnosis",
            "0",
            str((data / "tnbc1").resolve()),
            str((data / "tnbc1/labels.tsv").resolve()),
        ],
        ["malt_dx", "malt", "diagnosis", "0", str((data / "malt").resolve()), ""],
    ]
    (out / "samples.tsv").write_text("\n".join("\t".join(r) for r in [columns, *rows]) + "\n")
    config = out / "config.yaml"
    config.write_text("samples: samples.tsv\nseed: 1\ntumour_cell_types: [plasma, tumour]\n")
    return config


def separation(results: Path, data: Path) -> float:
    """AUC of the copy-number score of ``tnbc1``, tumour against normal, by its labels."""
    import pandas as pd
    from sklearn.metrics import roc_auc_score

    from marrowclone.tables import read_result

    scores = read_result(results / "copy_number/tnbc1.scores.tsv.gz")
    labels = pd.read_csv(data / "tnbc1/labels.tsv", sep="\t", index_col="barcode")["label"]
    label = scores["cell"].str.split(":", n=1).str[1].map(labels)
    return float(roc_auc_score(label == "tumour", scores["cnv_score"]))


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cores", default="2")
    options = parser.parse_args()
    config = prepare(options.data, options.out)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", options.cores,
               "--configfile", str(config.resolve()), "--directory", str(options.out)]  # fmt: skip
    done = subprocess.run(command, check=False)
    if done.returncode:
        return done.returncode
    print(
        f"tnbc1: AUC of the copy-number score, tumour against normal: {separation(options.out / 'results', options.data):.4f}"
    )
    print(f"report: {(options.out / 'results/report/index.html').resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
