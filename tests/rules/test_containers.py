"""What --sdm apptainer needs: the image named, whether it is refused, and what jobs in it see."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from marrowclone import containers
from marrowclone.environment import flavour_digests
from marrowclone.errors import UserError
from workflow_runs import ROOT, run


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An apptainer that shows the given labels; the image itself is an empty file."""

    def make(labels: dict[str, str] | None) -> Path:
        programs = tmp_path / "bin"
        programs.mkdir(exist_ok=True)
        shown = json.dumps({"data": {"attributes": {"labels": labels}}, "type": "container"})
        answer = "echo 'FATAL: image format not recognized' >&2; exit 255" if labels is None else f"echo '{shown}'"
        (programs / "apptainer").write_text(
            f"#!/bin/sh\n[ $1 = --version ] && echo apptainer version 1.4.5 && exit\n{answer}\n"
        )
        (programs / "apptainer").chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        image = tmp_path / "marrowclone.sif"
        image.touch()
        return image

    return make


def said(image: Path | str, device: str = "auto") -> str:
    with pytest.raises(UserError) as caught:
        containers.check_location(str(image), device=device)
    return str(caught.value)


def test_the_right_image_is_taken(labelled) -> None:
    for torch, digest in flavour_digests().items():
        image = labelled({"marrowclone.torch": torch, "marrowclone.locks": digest})
        containers.check_location(str(image), device="auto")
    containers.check_location(str(image), device="cuda")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"marrowclone.torch": "cpu", "marrowclone.locks": "0" * 16}, ["found " + "0" * 16, "`make image TORCH=cpu`"]),
        ({"org.label-schema.version": "1"}, ["does not say from which locks", "`make image`"]),
        (None, ["cannot be read: FATAL: image format not recognized", "copied whole?"]),
    ],
)
def test_another_image_is_refused_with_a_command_that_helps(labelled, labels, words) -> None:
    text = said(labelled(labels))
    assert all(word in text for word in ["marrowclone.sif", "Hint: ", *words]), text


def test_a_missing_image_is_refused(tmp_path: Path) -> None:
    assert "no such file" in said(tmp_path / "m.sif") and "`make image` builds it" in said(tmp_path / "m.sif")
    (tmp_path / "marrowclone.sif").touch()
    assert "did you mean 'marrowclone.sif'?" in said(tmp_path / "marowclone.sif")
    assert "a space in it" in said(tmp_path / "my image.sif")


def test_a_cpu_image_is_refused_where_cuda_is_asked_for(labelled) -> None:
    image = labelled({"marrowclone.torch": "cpu", "marrowclone.locks": flavour_digests()["cpu"]})
    assert "torch for the CPU only" in said(image, "cuda") and "make image TORCH=cuda" in said(image, "cuda")


def test_no_apptainer_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "m.sif").touch()
    assert "module load apptainer" in said(tmp_path / "m.sif")


def test_the_image_is_named_by_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert containers.image_location(None) == str(ROOT / "images/marrowclone.sif"), "where make image puts it"
    assert containers.image_location("m.sif") == str(tmp_path / "m.sif")
    assert containers.image_location("oras://site/m:1") == "oras://site/m:1"
    containers.check_location("oras://site/m:1", device="auto")  # not here yet: the jobs look


def test_jobs_see_every_folder_that_the_input_lies_in(tmp_path: Path) -> None:
    """Behind links, too: a folder that is not shown in the container looks empty to the job."""
    for name in ("work", "runs/a", "store/deep", "refs"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "store/deep/x.h5").touch()
    (tmp_path / "refs/set.gmt").touch()
    (tmp_path / "runs/a/matrix.mtx.gz").symlink_to(tmp_path / "store/deep/x.h5")
    (tmp_path / "work/inner.h5").symlink_to(tmp_path / "refs/set.gmt")
    found = containers.folders_of(
        [str(tmp_path / "runs/a"), str(tmp_path / "work/inner.h5"), str(tmp_path / "absent"), "", "\0"],
        seen=tmp_path / "work",
    )
    assert found == [str(tmp_path / name) for name in ("refs", "runs/a", "store/deep")]
    # the outermost folder is enough
    assert containers.folders_of([str(tmp_path / "refs/set.gmt")], [tmp_path], seen=tmp_path / "work") == [
        str(tmp_path)
    ]
    with pytest.raises(UserError, match="comma or colon"):
        (tmp_path / "a,b").mkdir()
        containers.folders_of([str(tmp_path / "a,b")], seen=tmp_path / "work")


def test_the_environment_of_jobs_is_set_once(labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's process reads the workflow again and must not pile up what is there; the user's own binds stay."""
    labelled({})
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "data").mkdir()
    environ = {"APPTAINER_BIND": "/own:/there:ro"}
    values = [{"samples": "config/samples.tsv", "clinical": {"mrd": None}}, {"path": [str(tmp_path / "data"), 3]}]
    containers.export(environ, values=values, device="cpu")
    first = dict(environ)
    assert first["APPTAINER_BIND"].split(",") == ["/own:/there:ro", *sorted([str(ROOT), str(tmp_path / "data")])]
    assert "APPTAINER_NV" not in first, "no GPU is shown to jobs with device: cpu"
    home = tmp_path / "work/.snakemake/marrowclone.home"
    assert first["APPTAINERENV_XDG_CACHE_HOME"] == str(home / "cache")
    assert set(first) == {"APPTAINER_BIND", "MARROWCLONE_COMMIT", "APPTAINERENV_XDG_CACHE_HOME",
                          "APPTAINERENV_XDG_CONFIG_HOME"}  # fmt: skip
    containers.export(environ, values=values, device="cpu")
    assert environ == first


def test_is_asked() -> None:
    for names, expected in (((), False), (("CONDA",), False), (("CONDA", "APPTAINER"), True)):
        methods = [SimpleNamespace(name=name) for name in names]
        workflow = SimpleNamespace(deployment_settings=SimpleNamespace(deployment_method=methods))
        assert containers.is_asked(workflow) is expected


@pytest.mark.parametrize(
    ("settings", "out", "words"),
    [
        ({"TORCH": "gpu"}, "m.sif", "TORCH is 'gpu', expected cpu or cuda. Hint: make image TORCH=cuda"),
        ({}, "m.img", "expected a name that ends in .sif or .tar. Hint: make image OUT=images/marrowclone.sif"),
        ({}, "m.sif", "a .sif needs apptainer, which is not on the PATH. Hint: make image OUT=images/marrowclone.tar"),
        ({}, "m.tar", "an OCI archive needs buildah, podman or docker, and none is on the PATH. Hint: "),
        ({"TOOL": "true", "BASE": "absent.tar"}, "m.tar", "BASE: no such file: absent.tar. Hint: "),
        ({"TOOL": "true", "BASE": "empty.tar"}, "m.tar", "holds neither an image nor a root file system. Hint: "),
        ({"TOOL": "true", "WHEELHOUSE": "."}, "m.tar", "was made from other locks: found none for cpu, expected "),
    ],
)
def test_the_build_says_what_it_lacks(tmp_path: Path, settings: dict[str, str], out: str, words: str) -> None:
    """Before it downloads anything. Only what a bare machine has is on the PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    bare = (
        "bash",
        "cat",
        "chmod",
        "cp",
        "cut",
        "dirname",
        "grep",
        "mktemp",
        "realpath",
        "rm",
        "sha256sum",
        "tar",
        "true",
    )
    for name in (*bare, "mkdir"):
        (programs / name).symlink_to(shutil.which(name))
    subprocess.run(["tar", "-cf", "empty.tar", "-T", "/dev/null"], cwd=tmp_path, check=True)
    done = subprocess.run(
        [str(programs / "bash"), str(ROOT / "containers/build.sh"), out],
        cwd=tmp_path, env={"PATH": str(programs), "TMPDIR": str(tmp_path)} | settings, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and words in done.stderr, done.stderr
    assert not list(tmp_path.glob("marrowclone-image*")) and not (tmp_path / out).exists()


@pytest.mark.slow
def test_snakemake_refuses_a_stale_image_before_any_job(cohort: Path, labelled) -> None:
    """The literal command, with an image of other locks; without --sdm apptainer the image is no matter."""
    image = labelled({"marrowclone.torch": "cpu", "marrowclone.locks": "0" * 16})
    arguments = ("--configfile", str(ROOT / "config/demo/config.yaml"), "--config", f"image={image}")
    done = run("--sdm", "apptainer", *arguments, directory=cohort)
    text = done.stdout + done.stderr
    assert done.returncode != 0 and "was built from other locks than those of this checkout" in text, text[-2000:]
    assert "Hint: `make image TORCH=cpu`" in text and "Traceback" not in text
    assert not (cohort / "results").exists() and not list(cohort.glob("logs/*"))
    assert run("-n", *arguments, directory=cohort).returncode == 0
