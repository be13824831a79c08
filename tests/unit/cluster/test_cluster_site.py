"""What a cluster says of itself is read right, and what it cannot give is said before any job is sent."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from marrowclone.cluster.collect import request_of
from marrowclone.cluster.requests import Problem, Request, check_requests, problems
from marrowclone.cluster.site import parse_gpus, parse_minutes, parse_site, read_site
from marrowclone.errors import UserError

PARTITIONS = """\
PartitionName=cpu AllowGroups=ALL Default=YES MaxTime=1-00:00:00 Nodes=cpu[01-02] State=UP TotalCPUs=16
PartitionName=gpu AllowGroups=ALL Default=NO MaxTime=04:00:00 Nodes=gpu01 State=UP TotalCPUs=8
PartitionName=old AllowGroups=ALL Default=NO MaxTime=UNLIMITED Nodes=old01 State=DOWN TotalCPUs=8
"""
NODES = """\
cpu|(null)|8|64000|(null)
cpu|(null)|16|128000+|bigmem
gpu|gpu:h200:2(S:0-1)|8|64000|h200,nvlink
old|(null)|8|64000|(null)
"""
SITE = parse_site(PARTITIONS, NODES)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1-00:00:00", 1440),
        ("2-12", 3600),
        ("04:00:00", 240),
        ("30:00", 30),
        ("90", 90),
        ("UNLIMITED", None),
        ("1-01:30", 1530),
    ],
)
def test_time_limits(text: str, minutes: int | None) -> None:
    assert parse_minutes(text) == minutes


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("(null)", {}),
        ("gpu:2", {"": 2}),
        ("gpu", {"": 1}),
        ("gpu:a100:4(S:0-1),shard:a100:8", {"a100": 4}),
        ("gpu:a100:2,gpu:h200:1", {"a100": 2, "h200": 1}),
    ],
)
def test_gpus_of_a_node(gres: str, gpus: dict[str, int]) -> None:
    assert parse_gpus(gres) == gpus


def test_partitions_know_their_nodes_and_limits() -> None:
    assert sorted(SITE) == ["cpu", "gpu", "old"]
    assert SITE["cpu"].max_minutes == 1440 and SITE["old"].max_minutes is None
    assert [n.memory_mb for n in SITE["cpu"].nodes] == [64000, 128000]
    assert SITE["gpu"].nodes[0].gpus == {"h200": 2} and SITE["gpu"].nodes[0].features == {"h200", "nvlink"}
    assert not SITE["old"].is_up


def test_a_cluster_that_does_not_answer_is_no_problem() -> None:
    def silent(_: object) -> str:
        raise subprocess.TimeoutExpired("sinfo", 20)

    assert read_site(silent) == {}
    check_requests([Request("integrate_cells", "nowhere")], {})


GOOD = Request("integrate_cells", "gpu", 2, 8000, 240, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"partition": "gpus"}, "slurm_partition: found 'gpus', expected one of cpu, gpu, old; did you mean 'gpu'?"),
        ({"partition": "cpu"}, "slurm_partition: no node of partition 'cpu' has a GPU"),
        ({"partition": "old", "gpus": 0}, "slurm_partition: partition 'old' takes no jobs"),
        ({"gpu_kind": "h100"}, "gpu_model: found 'h100', expected one of h200; did you mean 'h200'?"),
        ({"gpu_kind": "h100", "by_gres": True}, "gres: found 'h100', expected one of h200; did you mean 'h200'?"),
        ({"gpus": 3}, "gpu: found '3', expected at most 2 on a node of gpu"),
        ({"gpus": 3, "by_gres": True}, "gres: found '3', expected at most 2 on a node of gpu"),
        ({"constraint": "v100"}, "constraint: found 'v100', expected one of h200, nvlink"),
        ({"minutes": 480}, "runtime: found '480', expected at most 240 minutes in gpu"),
        ({"memory_mb": 70000}, "mem_mb: found '70000', expected at most 64000 on a node of gpu"),
        ({"cpus": 9}, "threads: found '9', expected at most 8 on a node of gpu"),
    ],
)  # fmt: skip
def test_each_request_that_cannot_be_met_is_named(change: dict[str, object], words: str) -> None:
    request = Request(**{**GOOD.__dict__, **change})
    assert [words in f"{key}: {text}" for key, text in problems(request, SITE)] == [True]


def test_what_can_be_met_is_not_refused() -> None:
    assert problems(GOOD, SITE) == []
    assert problems(Request("qc_cells", "cpu", 16, 128000, 1440, constraint="bigmem"), SITE) == []
    assert problems(Request("qc_cells"), SITE) == []  # no partition named: SLURM takes its default
    assert problems(Request("integrate_cells", "gpu", gpus=2, gpu_kind="h200", constraint="h200&nvlink"), SITE) == []


def test_of_several_partitions_one_has_to_be_able_to_run_it() -> None:
    large = Request("qc_cells", "gpu,cpu", memory_mb=128000)
    assert problems(large, SITE) == [] and [p.key for p in problems(Request("a", "gpu", memory_mb=128000), SITE)] == [
        "mem_mb"
    ]
    assert [p.key for p in problems(Request("a", "cpu,gpu", minutes=1441), SITE)] == ["runtime"]
    assert problems(Request("a", "cpu,gpus"), SITE)[0].words.startswith("found 'gpus'")


def test_of_many_jobs_of_a_rule_the_largest_is_told() -> None:
    with pytest.raises(UserError) as raised:
        check_requests([Request("qc_cells", "cpu", memory_mb=200000 + i, minutes=2000 - i) for i in range(100)], SITE)
    text = str(raised.value)
    assert "2 requests" in text and "found '200099'" in text and "found '2000'" in text


def test_all_problems_come_in_one_message_with_their_rules() -> None:
    requests = [Request("load_counts", "cpus"), Request("qc_cells", "cpus"), Request("integrate_cells", "gpu", gpus=9)]
    with pytest.raises(UserError) as raised:
        check_requests(requests, SITE)
    text = str(raised.value)
    assert "2 requests that this cluster cannot meet; no job was sent" in text
    assert "(rule load_counts, qc_cells)" in text and "(rule integrate_cells)" in text and "Hint: sinfo" in text


def test_requests_from_snakemake_resources() -> None:
    resources = {"slurm_partition": "gpu", "gpu": 1, "gpu_model": "h200", "mem_mb": 8000, "runtime": 240}
    assert request_of("a", resources, 2) == Request("a", "gpu", 2, 8000, 240, 1, "h200")
    assert request_of("a", {"slurm_partition": "gpu", "gres": "gpu:a100:2"}, 1) == Request(
        "a", "gpu", 1, 0, 0, 2, "a100", by_gres=True
    )
    assert request_of("a", {"gres": "gpu:2"}, 1).gpus == 2
    assert request_of("a", {"mem_mb": "<TBD>"}, 1).memory_mb == 0  # not known before its input is there


def test_a_cluster_without_gpus_is_told_how_to_do_without(root: Path) -> None:
    """As docs/hpc.md has it: the profile, edited so, asks for no GPU."""
    site = {"cpu": SITE["cpu"]}
    words = "found 'gpu', expected one of cpu; did you mean 'cpu'?; without GPUs one of these and gpu: 0"
    assert problems(GOOD, site) == [Problem("slurm_partition", words)]
    text = (root / "profiles/default/config.yaml").read_text()
    edited = text.replace("slurm_partition: gpu ", "slurm_partition: cpu ").replace(" gpu: 1 ", " gpu: 0 ")
    rules = yaml.safe_load(edited)["set-resources"]
    for rule in ("integrate_cells", "denoise_counts"):
        assert problems(request_of(rule, {**rules[rule], "mem_mb": 8000, "runtime": 240}, 2), site) == []
