"""A message names the file and the section in which a value stands, whatever profile or option it came from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.resources import Resources

from marrowclone.cluster.collect import request_of_group
from marrowclone.cluster.origin import Origins, read_origins
from marrowclone.cluster.requests import Request, check_requests, note_last_attempts
from marrowclone.cluster.site import Node, Partition
from marrowclone.errors import UserError

SITE = {
    "cpu": Partition("cpu", True, 60, (Node(8, 4000),)),
    "gpu": Partition("gpu", True, 60, (Node(8, 4000, {"a100": 1}),)),
}
SETTINGS = SimpleNamespace(overwrite_resources={"integrate_cells": {"mem_mb": 1, "slurm_partition": 1, "gpu": 0}})


def said(origins: Origins, *requests: Request) -> list[str]:
    """The lines of the refusal."""
    with pytest.raises(UserError) as raised:
        check_requests(requests, SITE, origins)
    return [line.strip() for line in str(raised.value).splitlines() if line.startswith("  ")]


@pytest.fixture
def profiles(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The profiles of the checkout in a folder of their own, as `slurm` in the root links to them."""
    (tmp_path / "Snakefile").touch()
    for name in ("default", "slurm"):
        target = tmp_path / "profiles" / name / "config.yaml"
        target.parent.mkdir(parents=True)
        target.write_text((root / "profiles" / name / "config.yaml").read_text())
    (tmp_path / "slurm").symlink_to("profiles/slurm")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rules_that_the_default_profile_names_and_others(profiles: Path) -> None:
    origins = read_origins(SETTINGS, ["--profile", "slurm"])
    lines = said(
        origins,
        Request("integrate_cells", "cpu", memory_mb=8000, minutes=90),
        Request("score_qol", "cpu", memory_mb=8000),
    )
    assert lines == [
        "profiles/slurm/config.yaml, runtime (default-resources): found '90', expected at most 60 minutes in cpu (rule integrate_cells)",
        "profiles/default/config.yaml, mem_mb (set-resources): found '8000', expected at most 4000 on a node of cpu (rule integrate_cells)",
        "profiles/slurm/config.yaml, mem_mb (default-resources): found '8000', expected at most 4000 on a node of cpu (rule score_qol)",
    ]


def test_a_rule_that_does_without_a_gpu_names_the_file_of_its_partition(profiles: Path) -> None:
    origins = read_origins(SETTINGS, ["--profile", "slurm"])
    lines = said(origins, Request("integrate_cells", "gpus", gpus=0), Request("score_qol", "cpus"))
    assert lines[0].startswith("profiles/default/config.yaml, slurm_partition (set-resources): found 'gpus'")
    assert lines[1].startswith("profiles/slurm/config.yaml, slurm_partition (default-resources): found 'cpus'")


def test_what_was_typed_comes_before_the_profiles(profiles: Path) -> None:
    arguments = ["--profile", "slurm", "--set-resources", "integrate_cells:mem_mb=8000", "-j", "3"]
    origins = read_origins(SETTINGS, arguments)
    assert origins.of(["integrate_cells"], "mem_mb") == "the command line, --set-resources, mem_mb"
    assert origins.place("default-resources") == "profiles/slurm/config.yaml"
    assert origins.place("jobs") == "the command line, --jobs"


def test_a_profile_of_the_users_own(profiles: Path) -> None:
    own = profiles / "mine" / "config.yaml"
    own.parent.mkdir()
    own.write_text("executor: slurm\ndefault-resources:\n  mem_mb: 8000\n")
    origins = read_origins(SETTINGS, ["--profile", "slurm", "--profile", str(own.parent)])
    assert origins.place("default-resources") == "mine/config.yaml"
    assert origins.place("jobs") == "profiles/slurm/config.yaml"
    assert origins.place("set-resources") == "profiles/default/config.yaml"
    # a section of the workflow's profile stands before that of any other
    own.write_text("executor: slurm\nset-resources:\n  integrate_cells:\n    mem_mb: 8000\n")
    assert read_origins(SETTINGS, ["--profile", "mine"]).place("set-resources") == "profiles/default/config.yaml"
    origins = read_origins(SETTINGS, ["--profile", "mine", "--workflow-profile", "none"])
    assert origins.place("set-resources") == "mine/config.yaml"


def test_in_another_folder_the_profile_is_that_of_the_checkout(
    profiles: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (profiles / "profiles/slurm").rename(profiles / "mine")
    monkeypatch.chdir(tmp_path_factory.mktemp("demo"))  # as --directory has it by then
    origins = read_origins(SETTINGS, ["--profile", "mine", "--directory", "demo"], root=profiles)
    assert origins.place("default-resources") == "mine/config.yaml"


def test_without_a_command_line_the_usual_places_are_named() -> None:
    origins = read_origins(SETTINGS, ["--profile", "no such"])
    assert origins.of(["integrate_cells"], "mem_mb") == "profiles/default/config.yaml, mem_mb (set-resources)"
    assert origins.of(["a"], "threads") == "profiles/default/config.yaml, threads (set-threads)"


def test_what_a_last_attempt_would_ask_for_is_noted() -> None:
    assert note_last_attempts([Request("score_qol", "cpu", memory_mb=4000, minutes=60)], SITE) == ""
    assert note_last_attempts([Request("score_qol", "cpu", minutes=90)], {}) == ""
    note = note_last_attempts([Request("score_qol", "cpu", minutes=90)], SITE)
    assert "the last attempt of these would ask for more than this cluster has" in note
    line = "  profiles/slurm/config.yaml, runtime (default-resources): found '90', expected at most 60 minutes in cpu (rule score_qol)"
    assert line in note.splitlines()


def job(rule: str, **resources: object) -> SimpleNamespace:
    named = {"slurm_partition": "cpu", "_cores": 1, "_nodes": 1, **resources}
    return SimpleNamespace(rule=SimpleNamespace(name=rule), resources=named, pipe_group=None)


def group(*levels: list[SimpleNamespace]) -> SimpleNamespace:
    return SimpleNamespace(groupid="sample", toposorted=levels, global_resources=Resources())


def test_steps_of_a_group_add_their_times_and_jobs_beside_each_other_their_memory() -> None:
    one = group([job("load_counts", mem_mb=3000, runtime=20)], [job("qc_cells", mem_mb=2500, runtime=30)])
    assert request_of_group(one) == Request("sample", "cpu", 1, 3000, 50, steps=(("load_counts", 20), ("qc_cells", 30)))
    two = group(*([*level, *level] for level in one.toposorted))
    assert request_of_group(two) == Request("sample", "cpu", 2, 6000, 50, steps=(("load_counts", 20), ("qc_cells", 30)))


def test_a_group_over_the_limit_is_refused_though_none_of_its_steps_is(profiles: Path) -> None:
    settings = SimpleNamespace(overwrite_resources={"load_counts": {"runtime": 1, "mem_mb": 1}})
    origins = read_origins(settings, ["--profile", "slurm"])
    level = [job("load_counts", mem_mb=3000, runtime=40)], [job("qc_cells", mem_mb=2500, runtime=30)]
    lone = [
        Request("load_counts", "cpu", memory_mb=3000, minutes=40),
        Request("qc_cells", "cpu", memory_mb=2500, minutes=30),
    ]
    assert said(origins, *lone, request_of_group(group(*level))) == [
        "profiles/slurm/config.yaml, runtime (default-resources) and profiles/default/config.yaml, runtime (set-resources): "
        "found '70', expected at most 60 minutes in cpu; the steps of group sample follow each other in one job "
        "(load_counts 40, qc_cells 30; fewer in one job: profiles/slurm/config.yaml, groups) (rule load_counts, qc_cells)"
    ]
    beside = group(*([*jobs, *jobs] for jobs in level[:1]))
    assert said(origins, lone[0], request_of_group(beside)) == [
        "profiles/default/config.yaml, mem_mb (set-resources): found '6000', expected at most 4000 on a node of cpu; jobs of "
        "group sample run side by side in one job (fewer in one job: profiles/slurm/config.yaml, group-components) (rule load_counts)"
    ]


def test_a_group_is_not_told_what_one_of_its_steps_is_told(profiles: Path) -> None:
    steps = [job("load_counts", mem_mb=3000, runtime=90)], [job("qc_cells", mem_mb=2500, runtime=30)]
    lone = Request("load_counts", "cpu", memory_mb=3000, minutes=90)
    lines = said(Origins(), lone, request_of_group(group(*steps)))
    assert len(lines) == 1 and "found '90'" in lines[0]
