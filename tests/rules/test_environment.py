"""The locked environment: one digest for locks, conda files and images; the image that a job runs in."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from marrowclone.environment import FLAVOURS, Image, check_image, flavour_digests, image_around, lock_digest
from marrowclone.errors import UserError
from marrowclone.where import read_where, where_line


@pytest.fixture
def locks(root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(root / "envs/locks", tmp_path / "locks"))


def test_the_digest_is_what_a_shell_computes(root: Path) -> None:
    """The scripts that build images have no marrowclone: sha256sum must give the same."""
    folder = root / "envs/locks"
    for flavour, names in FLAVOURS.items():
        text = subprocess.run(
            f"cat {' '.join(str(folder / f'{n}.txt') for n in names)} | sha256sum | cut -c1-16",
            shell=True, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        assert flavour_digests()[flavour] == text
    content = (folder / "base.txt").read_bytes() + (folder / "torch-cpu.txt").read_bytes()
    assert lock_digest("base", "torch-cpu") == hashlib.sha256(content).hexdigest()[:16]


def test_an_image_of_these_locks_is_taken_and_another_refused(locks: Path) -> None:
    for flavour, digest in flavour_digests(locks).items():
        check_image(Image("m.sif", flavour, digest), folder=locks)
    image = Image("m.sif", "cpu", flavour_digests(locks)["cpu"])
    base = locks / "base.txt"
    base.write_text(base.read_text().replace("numpy==", "numpy==9."))
    with pytest.raises(UserError) as caught:
        check_image(image, folder=locks)
    said = str(caught.value)
    assert image.locks in said and flavour_digests(locks)["cpu"] in said
    assert said.endswith("`make image TORCH=cpu` builds it anew, or check out the commit that it was built from.")


def test_the_digest_of_the_other_build_of_torch_does_not_do(locks: Path) -> None:
    """A label that says cpu over the CUDA locks is a mistake of whoever built it."""
    with pytest.raises(UserError, match="other locks"):
        check_image(Image("m.sif", "cpu", flavour_digests(locks)["cuda"]), folder=locks)


@pytest.mark.parametrize(
    "image", [Image("m.sif", "", ""), Image("m.sif", "cpu", "unknown"), Image("", "tpu", "0" * 16)]
)
def test_an_image_that_does_not_say_is_refused(image: Image) -> None:
    with pytest.raises(UserError, match="does not say from which locks"):
        check_image(image)


def test_a_job_knows_the_image_around_it(tmp_path: Path) -> None:
    file = tmp_path / "image"
    assert image_around(file, {}) is None
    file.write_text("torch=cpu\nlocks=0123456789abcdef\n")
    expected = Image("m.sif", "cpu", "0123456789abcdef")
    assert image_around(file, {"APPTAINER_CONTAINER": "/images/m.sif"}) == expected
    assert image_around(file, {"SINGULARITY_CONTAINER": "/images/m.sif"}) == expected
    assert image_around(file, {}) == expected._replace(name=""), "podman and docker do not tell"


def test_where_jobs_ran_is_read_from_their_logs(tmp_path: Path) -> None:
    """The last attempt counts; a log without the line, or of no rule, gives no row."""
    inside = where_line(Image("my image.sif", "cuda", "0123456789abcdef"))
    (tmp_path / "load_counts").mkdir()
    (tmp_path / "load_counts/s1.log").write_text(f"[load_counts] ran on other\n[load_counts] {inside}\nmore\n")
    (tmp_path / "load_counts/s2.log").write_text("nothing\n")
    (tmp_path / "integrate_cells.log").write_text(f"[integrate_cells] {where_line(None)}\n")
    (tmp_path / "no_rule.log").write_text("[x] ran on other\n")
    table = read_where(tmp_path)
    assert list(table["rule"]) == ["load_counts", "integrate_cells"]
    assert list(table.iloc[0])[1:] == ["s1", table["host"][0], "my image.sif", "cuda", "0123456789abcdef"]
    assert list(table.iloc[1])[1:] == ["all", table["host"][0], "", "", ""]
    assert table["host"][0] and table["host"][0] != "other"
