"""The project's image: built from the locks without any registry, and a cohort that goes through it as it does outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from hpc.cluster import Cluster
from hpc.runs import as_a_user, snakemake
from marrowclone.containers import read_labels
from marrowclone.environment import lock_digest
from workflow_runs import ROOT, command, digests, run

pytestmark = [pytest.mark.slow, pytest.mark.container]

#: What says with what a run was made: it names the image.
RECORDS = {"run.json", "ro-crate-metadata.json"}
#: A page's word for the release of Python.
PYTHON = re.compile(r">python</(td><td|dt><dd)>3\.11\.\d+<")


def working_folder(folder: Path, cohort: Path, image: Path) -> Path:
    """A folder with a cohort in it; the data lie elsewhere, behind a link."""
    shutil.copytree(cohort / "config", folder / "config")
    (folder / "data").symlink_to(cohort / "data")
    text = (ROOT / "config/demo/config.yaml").read_text().replace("truth: truth\n", f"image: {image}\n")
    # the model is trained for a moment only: whether two runs are equal does not hang on how good it is
    text = text.replace("n_genes: 1000", "n_genes: 200").replace("optimiser_steps: 600", "optimiser_steps: 20")
    (folder / "config/config.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def plain(far: Path, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = working_folder(tmp_path_factory.mktemp("plain"), far, image)
    done = run(directory=folder)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return folder


@pytest.fixture(scope="module")
def inside(far: Path, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = working_folder(tmp_path_factory.mktemp("inside"), far, image)
    done = run("--sdm", "apptainer", directory=folder)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return folder


def test_the_image_is_labelled(image: Path) -> None:
    labels = read_labels(image)
    assert labels["marrowclone.torch"] == "cpu"
    assert labels["marrowclone.locks"] == lock_digest("base", "torch-cpu")


def test_the_image_holds_what_the_locks_say_and_nothing_of_marrowclone(image: Path) -> None:
    """The science comes from the checkout; versions are those of the locks."""
    code = (
        "import importlib.metadata as m, importlib.util as u, json, sys; "
        "print(json.dumps([{d.name.lower().replace('_', '-').replace('.', '-'): d.version for d in m.distributions()}, "
        "u.find_spec('marrowclone') is None]))"
    )
    out = subprocess.run(
        ["apptainer", "exec", "--cleanenv", "--no-home", "--pwd", "/", str(image), "python", "-c", code],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    installed, absent = json.loads(out)
    assert absent
    pinned = {}
    for name in ("base", "torch-cpu"):
        for line in (ROOT / f"envs/locks/{name}.txt").read_text().splitlines():
            if "==" in line and not line.startswith((" ", "#")):
                package, version = line.split()[0].split("==")
                pinned[package.replace(".", "-")] = version
    assert {p: installed.get(p) for p in pinned} == pinned
    assert set(installed) - set(pinned) <= {"pip"}


def test_results_in_the_image_equal_those_outside(plain: Path, inside: Path) -> None:
    """Byte for byte. The image's Python may be another release of 3.11: that number alone differs, on two pages."""
    expected, found = digests(plain / "results"), digests(inside / "results")
    assert set(found) == set(expected) and len(set(expected) - RECORDS) > 40
    differ = {p for p in expected if found[p] != expected[p]} - RECORDS
    assert all(p.endswith(".html") for p in differ), differ
    for page in differ:
        before, after = (PYTHON.sub("", (folder / "results" / page).read_text()) for folder in (plain, inside))
        assert before == after, page
    assert {p.name for p in inside.iterdir()} == {p.name for p in plain.iterdir()}, "nothing else is left behind"


def test_every_job_ran_in_the_image(inside: Path, plain: Path, image: Path) -> None:
    digest = lock_digest("base", "torch-cpu")
    where = pd.read_csv(inside / "logs/where.tsv", sep="\t")
    jobs = {(path.parent.name, path.stem) for path in (inside / "benchmarks").glob("*/*.tsv")}
    assert set(zip(where["rule"], where["job"], strict=True)) == jobs
    assert set(where["image"]) == {image.name} and set(where["locks"]) == {digest} and where["host"].notna().all()
    outside = pd.read_csv(plain / "logs/where.tsv", sep="\t")
    assert len(outside) == len(where) and outside["image"].isna().all()

    record = json.loads((inside / "results/run.json").read_text())
    assert record["where"]["image"] == {"name": image.name, "torch": "cpu", "locks": digest}
    before = json.loads((plain / "results/run.json").read_text())
    assert before["where"]["image"] is None
    for one in (record, before):
        one["versions"].pop("python")
        one["results"] = {path: digest for path, digest in one["results"].items() if not path.endswith(".html")}
    assert {k for k in record if record[k] != before[k]} == {"where"}, "versions, commit and digests are the same"
    crate = json.loads((inside / "results/ro-crate-metadata.json").read_text())["@graph"]
    assert next(e for e in crate if e["@id"] == "#image")["softwareVersion"] == f"locks {digest}, torch cpu"


def test_a_gpu_job_that_sees_no_gpu_fails_with_one_message(inside: Path) -> None:
    """As on a node whose GPU apptainer does not show: the job says so instead of crawling on the CPU."""
    latent = inside / "results/embedding/latent.parquet"
    before = latent.read_bytes()
    latent.unlink()
    done = subprocess.run(
        command(str(latent.relative_to(inside)), "--sdm", "apptainer", directory=inside),
        capture_output=True, text=True, check=False, env={**os.environ, "CUDA_VISIBLE_DEVICES": "0"},
    )  # fmt: skip
    said = done.stdout + done.stderr
    latent.write_bytes(before)
    assert done.returncode != 0
    assert "the job was given a GPU" in said and "torch sees none. Hint: in a container" in said, said[-3000:]
    assert "Traceback" not in said


def test_a_job_of_a_cluster_runs_in_the_image(slurm: Cluster, far: Path, image: Path, tmp_path: Path) -> None:
    """`snakemake --profile slurm --sdm apptainer`: the three steps of a sample, as one job of a node."""
    checkout = as_a_user(tmp_path / "marrowclone", far)
    with (checkout / "config/config.yaml").open("a") as config:
        config.write(f"image: {image}\n")
    done = snakemake(checkout, "results/cells/T1_diagnosis.qc.json", "--sdm", "apptainer")
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    for rule in ("load_counts", "profile_ambient", "qc_cells"):
        log = (checkout / f"logs/{rule}/T1_diagnosis.log").read_text()
        assert f"in image {image.name} (torch cpu, locks {lock_digest('base', 'torch-cpu')})" in log


def test_an_archive_of_other_locks_is_an_image_that_is_refused(
    archive: Path, other_image: Path, far: Path, tmp_path: Path
) -> None:
    """Containerfile, OCI archive and its labels; and a stale image: refused before any job, in one message."""
    labels = read_labels(other_image)
    digest = lock_digest("base", "torch-cpu", folder=archive.parent / "locks")
    assert (labels["marrowclone.torch"], labels["marrowclone.locks"]) == ("cpu", digest)
    code = "import docrep, six, sys, yaml; print(sys.prefix, open('/etc/marrowclone/image').read())"
    out = subprocess.run(
        ["apptainer", "exec", "--cleanenv", str(other_image), "python", "-c", code],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert out.split() == ["/opt/marrowclone", "torch=cpu", f"locks={digest}"]

    folder = working_folder(tmp_path, far, other_image)
    done = run("--sdm", "apptainer", directory=folder)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said
    assert said.count("was built from other locks than those of this checkout") == 1, said[-3000:]
    assert digest in said and lock_digest("base", "torch-cpu") in said and "Hint: `make image TORCH=cpu`" in said
    assert not (folder / "results").exists()


def test_a_wheelhouse_of_other_locks_is_refused(tmp_path: Path) -> None:
    """Carried to a site without internet, and then the checkout moved on."""
    (tmp_path / "marrowclone-cpu.digest").write_text("0" * 16)
    done = subprocess.run(
        [str(ROOT / "containers/build.sh"), str(tmp_path / "m.sif")],
        capture_output=True, text=True, check=False, env={**os.environ, "WHEELHOUSE": str(tmp_path), "TORCH": "cpu"},
    )  # fmt: skip
    assert done.returncode == 1 and "was made from other locks" in done.stderr
    assert "Hint: make wheelhouse TORCH=cpu" in done.stderr and not (tmp_path / "m.sif").exists()
