"""`snakemake --profile slurm` on a real cluster: each rule a job, with what the profile asks for; and what goes wrong."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from hpc.cluster import Cluster
from hpc.runs import as_a_user, command, environment, on_this_machine, snakemake
from workflow_runs import ROOT, digests

pytestmark = [pytest.mark.slow, pytest.mark.hpc]

LATENT = "results/embedding/latent.parquet"
#: Results of three short rules, two of which can run side by side.
SHORT = (
    "results/embedding/T1.clonality.tsv.gz",
    "results/embedding/T1.drivers.tsv",
    "results/embedding/microenvironment.tsv",
)
#: Folders that a run makes.
MADE = ("results", "logs", "benchmarks", ".snakemake")
QOL = "results/cure/qol.tsv"
QC = "results/cells/T1_diagnosis.qc.json"


@pytest.fixture(scope="module")
def sent(slurm: Cluster, small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, str]]]:
    """A checkout in which the literal command went to its end, and the jobs that the controller saw."""
    checkout = as_a_user(tmp_path_factory.mktemp("sent") / "marrowclone", small)
    before = {job["JobId"] for job in slurm.jobs()}
    done = snakemake(checkout)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    (checkout / "said.txt").write_text(done.stderr)
    return checkout, [job for job in slurm.jobs() if job["JobId"] not in before]


@pytest.fixture
def fresh(sent: tuple[Path, list[dict[str, str]]]) -> Iterator[Path]:
    """That checkout, in which a test may edit profiles and configuration and remove results; all of it is taken back.

    Not a copy: paths of the checkout are inputs, so elsewhere everything would run again.
    """
    checkout, _ = sent
    files = [
        checkout / "profiles/slurm/config.yaml",
        checkout / "profiles/default/config.yaml",
        checkout / "config/config.yaml",
    ]
    before = {path: path.read_text() for path in files}
    kept = checkout.with_name("kept")
    for name in MADE:
        shutil.copytree(checkout / name, kept / name)  # times and all
    yield checkout
    for path, text in before.items():
        path.write_text(text)
    for name in MADE:
        shutil.rmtree(checkout / name, ignore_errors=True)
        (kept / name).rename(checkout / name)


@pytest.fixture
def unrun(small: Path, tmp_path: Path) -> Path:
    """A checkout in which nothing ran yet."""
    return as_a_user(tmp_path / "marrowclone", small)


def of_rule(jobs: list[dict[str, str]], name: str) -> list[dict[str, str]]:
    return [job for job in jobs if re.match(rf"(rule|group)_{name}", job.get("Comment", ""))]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path} has no {old!r}"
    path.write_text(text.replace(old, new))


def configured(checkout: Path) -> dict[str, tuple[int, int, int, str]]:
    """Rule -> MB, minutes, GPUs and partition of a first attempt on small inputs, as the two profiles write them."""
    everyday = yaml.safe_load((checkout / "profiles/slurm/config.yaml").read_text())["default-resources"]
    rules = yaml.safe_load((checkout / "profiles/default/config.yaml").read_text())["set-resources"]
    found = {}
    for path in (checkout / "benchmarks").iterdir():
        own = rules.get(path.name, {})
        text = str(own.get("mem_mb", everyday["mem_mb"]))
        memory = int(re.sub(r"attempt \* (max\()?(\d+).*", r"\2", text))
        minutes = int(str(own.get("runtime", everyday["runtime"])).removeprefix("attempt * "))
        found[path.name] = (memory, minutes, own.get("gpu", 0), own.get("slurm_partition", everyday["slurm_partition"]))
    return found


def test_every_rule_ran_as_a_job_of_the_cluster(sent: tuple[Path, list[dict[str, str]]]) -> None:
    checkout, jobs = sent
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    ran = {path.parent.name for path in checkout.glob("benchmarks/*/*.tsv")}
    grouped = {"load_counts", "profile_ambient", "qc_cells", "call_arms", "profile_clones", "build_tree",
               "estimate_fractions", "estimate_dynamics", "assess_resistance", "label_clones",
               "assess_states"}  # fmt: skip
    assert grouped < ran
    for rule in ran - grouped:
        assert of_rule(jobs, rule), f"{rule} was no job"
    # the three steps of a sample are one job; so are the short steps of a patient, but for what hangs on none of the others
    assert len(of_rule(jobs, "sample")) == 2
    assert 1 <= len(of_rule(jobs, "course")) <= 2


def test_jobs_ask_for_what_the_profiles_say(sent: tuple[Path, list[dict[str, str]]]) -> None:
    _, jobs = sent
    gpu = [job for job in jobs if job["Partition"] == "gpu"]
    assert gpu == of_rule(jobs, "integrate_cells") and len(gpu) == 1
    assert gpu[0]["TresPerJob"] == "gres:gpu:1"
    assert (gpu[0]["MinMemoryNode"], gpu[0]["TimeLimit"], gpu[0]["NodeList"]) == ("8000M", "04:00:00", "gpu01")
    types = of_rule(jobs, "type_cells")[0]
    assert (types["Partition"], types["MinMemoryNode"], types["TimeLimit"]) == ("cpu", "6000M", "01:00:00")
    # the sample's three steps follow each other: their times add up, the greediest sets the memory
    sample = of_rule(jobs, "sample")[0]
    assert (sample["MinMemoryNode"], sample["TimeLimit"]) == ("3000M", "01:20:00")


def test_the_run_ends_with_what_was_asked_and_used(sent: tuple[Path, list[dict[str, str]]]) -> None:
    checkout, _ = sent
    lines = (checkout / "logs/usage.tsv").read_text().splitlines()
    assert lines[0].split("\t")[:2] == ["rule", "job"]
    rows = {line.split("\t")[0]: line.split("\t") for line in lines[1:]}
    assert float(rows["integrate_cells"][5]) == 8000 and 0 < float(rows["integrate_cells"][4]) < 8000
    assert "asked and used, job by job: logs/usage.tsv" in (checkout / "said.txt").read_text()


def test_the_accounting_has_each_job_as_it_was_asked_for(
    accounting: Cluster, sent: tuple[Path, list[dict[str, str]]]
) -> None:
    checkout, jobs = sent
    fields = ("state", "partition", "reqmem", "timelimitraw", "reqtres", "elapsedraw", "allocnodes")
    accounted = accounting.accounted([job["JobId"] for job in jobs], *fields)
    assert set(accounted) == {job["JobId"] for job in jobs}
    assert {job["state"] for job in accounted.values()} == {"COMPLETED"}
    usage = pd.read_csv(checkout / "logs/usage.tsv", sep="\t", dtype={"slurm_job": str})
    of_job = usage.groupby("slurm_job")["rule"].agg(lambda rules: sorted(set(rules)))
    alone = {rules[0]: number for number, rules in of_job.items() if len(rules) == 1}
    wanted = configured(checkout)
    assert len(alone) >= 15 and set(usage["rule"]) == set(wanted)
    for rule, number in alone.items():
        memory, minutes, gpus, partition = wanted[rule]
        job = accounted[number]
        assert (job["partition"], job["reqmem"], job["timelimitraw"]) == (partition, f"{memory}M", str(minutes)), rule
        assert ("gres/gpu=1" in job["reqtres"]) == (gpus == 1), rule
    assert [r for r in alone if wanted[r][2]] == ["integrate_cells"]
    gpu = {number for number, job in accounted.items() if job["partition"] != "cpu"}
    assert gpu == {alone["integrate_cells"]}
    samples = [number for number, rules in of_job.items() if rules == ["load_counts", "profile_ambient", "qc_cells"]]
    assert len(samples) == 2
    for number in samples:
        job = accounted[number]
        assert (job["partition"], job["reqmem"], job["timelimitraw"]) == ("cpu", "3000M", "80")


def test_asked_and_used_are_filled_from_the_accounting(
    accounting: Cluster, sent: tuple[Path, list[dict[str, str]]]
) -> None:
    checkout, jobs = sent
    usage = pd.read_csv(checkout / "logs/usage.tsv", sep="\t", dtype={"slurm_job": str})
    accounted = accounting.accounted([job["JobId"] for job in jobs], "elapsedraw", "reqmem")
    assert set(usage["slurm_job"]) == set(accounted), "each job of the cluster is in the table, and no other"
    assert set(usage["slurm_state"]) == {"COMPLETED"}
    for row in usage.itertuples():
        job = accounted[row.slurm_job]
        assert row.slurm_minutes == pytest.approx(int(job["elapsedraw"]) / 60, abs=0.006)
        # the job around the step is there before and after it (benchmarks have hundredths of seconds, SLURM whole ones)
        assert row.minutes <= row.slurm_minutes + 2 / 60
        # measured apart, once a second: of the step's processes here, of all processes of the job there
        assert 100 < row.slurm_memory_mb < int(job["reqmem"].removesuffix("M"))
        assert row.slurm_memory_mb > 0.8 * row.memory_mb or row.minutes < 0.1


def test_results_equal_those_of_a_run_on_this_machine(
    sent: tuple[Path, list[dict[str, str]]], small: Path, tmp_path: Path
) -> None:
    """Every file, byte for byte, without exception: no result holds time, host, path, scheduler or number of cores.

    Times and memory lie in ``benchmarks/`` and ``logs/``, which are no results.
    """
    here = as_a_user(tmp_path / "marrowclone", small)
    done = on_this_machine(here)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    expected, found = digests(here / "results"), digests(sent[0] / "results")
    assert set(found) == set(expected) and len(expected) > 50
    assert {path for path in expected if found[path] != expected[path]} == set()


def test_a_job_over_its_memory_is_tried_again_with_more(slurm: Cluster, fresh: Path) -> None:
    edit(
        fresh / "profiles/default/config.yaml",
        'mem_mb: "attempt * max(8000, 12 * input.size_mb)"',
        'mem_mb: "attempt ** 3 * 400"',
    )
    (fresh / LATENT).unlink()
    before = {job["JobId"] for job in slurm.jobs()}
    done = snakemake(fresh, LATENT)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    jobs = of_rule([j for j in slurm.jobs() if j["JobId"] not in before], "integrate_cells")
    assert jobs[0]["JobState"] != "COMPLETED" and jobs[-1]["JobState"] == "COMPLETED"
    log = (slurm.folder / "log" / "slurmd.gpu01.log").read_text()
    assert f"Job {jobs[0]['JobId']} exceeded memory limit" in log
    memory = [int(job["MinMemoryNode"].removesuffix("M")) for job in jobs]
    assert memory == [400, 3200, 10800][: len(jobs)]


def test_a_rule_without_an_entry_of_its_own_asks_for_more_when_it_is_tried_again(slurm: Cluster, unrun: Path) -> None:
    """`score_qol` stands in no profile: the default resources grow with each attempt."""
    edit(unrun / "profiles/slurm/config.yaml", 'mem_mb: "attempt * 2000"', 'mem_mb: "attempt ** 3 * 150"')
    edit(unrun / "profiles/slurm/config.yaml", 'runtime: "attempt * 30"', 'runtime: "attempt * 490"')
    before = {job["JobId"] for job in slurm.jobs()}
    done = snakemake(unrun, QOL)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    jobs = of_rule([j for j in slurm.jobs() if j["JobId"] not in before], "score_qol")
    assert jobs[0]["JobState"] != "COMPLETED" and jobs[-1]["JobState"] == "COMPLETED"
    asked = [(job["MinMemoryNode"], job["TimeLimit"]) for job in jobs]
    assert asked == [("150M", "08:10:00"), ("1200M", "16:20:00")]
    # a third attempt would be above the partition's day; said before the first
    words = "profiles/slurm/config.yaml, runtime (default-resources): found '1470', expected at most 1440 minutes in cpu (rule score_qol)"
    assert words in done.stderr and "the last attempt of these would ask for more" in done.stderr


def started(slurm: Cluster, checkout: Path, target: str, rule: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """The command in the background, and the job of a rule that it has running."""
    before = {job["JobId"] for job in slurm.jobs()}
    process = subprocess.Popen(
        command(target), cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment()
    )

    def running() -> list[dict[str, str]]:
        return of_rule([j for j in slurm.jobs("RUNNING") if j["JobId"] not in before], rule)

    until(lambda: bool(running()) or process.poll() is not None, 120)
    assert process.poll() is None, process.communicate()[0][-3000:]
    return process, running()[0]


def until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.2)


def test_a_node_that_dies_and_a_job_that_is_cancelled(slurm: Cluster, fresh: Path) -> None:
    """The job is sent again, past the dead node; the run ends well without a word from the user."""
    for path in (fresh / "results/cells").glob("T1_diagnosis.*"):
        path.unlink()
    process, job = started(slurm, fresh, QC, "sample")
    slurm.kill_node(job["NodeList"])
    process_said = process.communicate(timeout=300)[0]
    try:
        assert process.returncode == 0, process_said[-4000:]
        assert (fresh / QC).is_file()
    finally:
        slurm.start_node(job["NodeList"])
        until(lambda: job["NodeList"] in slurm.idle(), 60)

    (fresh / QC).unlink()
    process, job = started(slurm, fresh, QC, "sample")
    subprocess.run(["scancel", job["JobId"]], check=True)
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0 and (fresh / QC).is_file(), said[-4000:]


def test_snakemake_killed_then_the_same_command_again(slurm: Cluster, fresh: Path) -> None:
    """Neither --unlock nor --rerun-incomplete by hand; the result is what it was."""
    expected = (fresh / QC).read_bytes()
    for path in (fresh / "results/cells").glob("T1_diagnosis.*"):
        path.unlink()
    process, job = started(slurm, fresh, QC, "sample")
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(["scancel", job["JobId"]], check=True)
    until(lambda: not slurm.jobs("RUNNING,COMPLETING"), 60)
    done = snakemake(fresh, QC)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert (fresh / QC).read_bytes() == expected


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("profiles/slurm/config.yaml", "slurm_partition: cpu ", "slurm_partition: cpus ",
         "profiles/slurm/config.yaml, slurm_partition (default-resources): found 'cpus', expected one of cpu, gpu; did you mean 'cpu'?"),
        ("profiles/default/config.yaml", "slurm_partition: gpu ", "slurm_partition: cpu ",
         "profiles/default/config.yaml, slurm_partition (set-resources): no node of partition 'cpu' has a GPU"),
        ("profiles/default/config.yaml", "# gpu_model: a100 ", "gpu_model: a100 ",
         "profiles/default/config.yaml, gpu_model (set-resources): found 'a100', expected one of h200"),
        ("profiles/default/config.yaml", "gpu: 1 ", "gpu: 0\n      slurm_partition: gpus ",
         "profiles/default/config.yaml, slurm_partition (set-resources): found 'gpus', expected one of cpu, gpu"),
        ("profiles/default/config.yaml", 'runtime: "attempt * 20"', 'runtime: "attempt * 1400"',
         "profiles/default/config.yaml, runtime (set-resources): found '1460', expected at most 1440 minutes in cpu; the "
         "steps of group sample follow each other in one job (load_counts 1400, profile_ambient 30, qc_cells 30;"),
    ],
)  # fmt: skip
def test_what_the_cluster_does_not_have_is_said_before_any_job(
    slurm: Cluster, unrun: Path, file: str, old: str, new: str, words: str
) -> None:
    edit(unrun / file, old, new)
    before = len(slurm.jobs())
    done = snakemake(unrun)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and words in said and "no job was sent" in said, said[-3000:]
    assert "Traceback" not in said
    assert len(slurm.jobs()) == before


def test_an_account_that_is_not_the_users_is_said_before_any_job(accounting: Cluster, unrun: Path) -> None:
    edit(unrun / "profiles/slurm/config.yaml", "# slurm_account: my_account", "slurm_account: labs")
    before = len(accounting.jobs())
    done = snakemake(unrun)
    said = done.stdout + done.stderr
    words = "profiles/slurm/config.yaml, slurm_account (default-resources): found 'labs', expected one of lab, root; did you mean 'lab'?; no job was sent"
    assert done.returncode != 0 and words in said and "Traceback" not in said, said[-3000:]
    assert len(accounting.jobs()) == before


def test_a_gpu_job_that_sees_no_gpu_fails_loudly(slurm: Cluster, fresh: Path) -> None:
    """The pretend GPU has no driver: with ``device: auto`` the job says so instead of crawling on the CPU."""
    edit(fresh / "config/config.yaml", "device: cpu", "device: auto")
    edit(fresh / "profiles/slurm/config.yaml", "retries: 2", "retries: 0")
    (fresh / LATENT).unlink()
    done = snakemake(fresh, LATENT)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "the job was given a GPU" in said and "torch sees none" in said and "set device: cpu" in said, said[-3000:]


def test_jobs_wait_where_slurm_takes_no_more(accounting: Cluster, fresh: Path) -> None:
    """One job in the queue and no more, as a site's limit may have it: three jobs run one after the other, none fails."""
    targets = SHORT
    for target in targets:
        (fresh / target).unlink()
    before = {job["JobId"] for job in accounting.jobs()}
    accounting.manage("modify", "user", "root", "set", "MaxSubmitJobs=1")
    try:
        done = snakemake(fresh, *targets)
    finally:
        accounting.manage("modify", "user", "root", "set", "MaxSubmitJobs=-1")
    said = done.stdout + done.stderr
    assert done.returncode == 0 and all((fresh / target).is_file() for target in targets), said[-4000:]
    assert "jobs: 4, but SLURM takes 1 of yours at the same time (MaxSubmitJobs of account root)" in said, said[-4000:]
    assert said.count("SLURM takes no more jobs at present") == 1 and "AssocMaxSubmitJobLimit" in said, said[-4000:]
    assert "sbatch failed" not in said and "Trying to restart" not in said
    jobs = sorted((job for job in accounting.jobs() if job["JobId"] not in before), key=lambda job: job["SubmitTime"])
    assert len(jobs) == len(targets) and {job["JobState"] for job in jobs} == {"COMPLETED"}
    for earlier, later in itertools.pairwise(jobs):
        assert earlier["EndTime"] <= later["SubmitTime"]


def test_an_interrupted_run_sends_nothing_that_waited(accounting: Cluster, fresh: Path) -> None:
    """Ctrl-C cancels the one job that is inside, so that there is room: the one that waits must not take it."""
    for path in (fresh / "results/cells").iterdir():
        path.unlink()
    before = {job["JobId"] for job in accounting.jobs()}

    def sent() -> list[dict[str, str]]:
        return [job for job in accounting.jobs() if job["JobId"] not in before]

    accounting.manage("modify", "user", "root", "set", "MaxSubmitJobs=1")
    try:
        said_to = (fresh / "said.txt").open("w")
        process = subprocess.Popen(
            command(QC, QC.replace("diagnosis", "relapse")), cwd=fresh, stdout=said_to, stderr=subprocess.STDOUT, text=True,
            env=environment(), start_new_session=True,
            # a shell's background jobs ignore Ctrl-C, and so would what they start
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        # one is inside and the other was refused, however long the machine takes for that
        refused = "SLURM takes no more jobs at present"
        until(lambda: (bool(sent()) and refused in (fresh / "said.txt").read_text()) or process.poll() is not None, 120)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=120)
        said_to.close()
        said = (fresh / "said.txt").read_text()
        assert "SLURM takes no more jobs at present" in said and process.returncode != 0, said[-4000:]
        until(lambda: not accounting.jobs("RUNNING,COMPLETING,PENDING"), 30)
        time.sleep(5)
        assert [job["JobState"] for job in sent()] == ["CANCELLED"], said[-4000:]
    finally:
        accounting.manage("modify", "user", "root", "set", "MaxSubmitJobs=-1")


def test_a_job_larger_than_the_limits_of_its_qos_says_what_to_do(accounting: Cluster, fresh: Path) -> None:
    """Waiting would not help: the run ends, and its message names the limit and what to change."""
    accounting.manage("add", "qos", "narrow", "set", "Flags=DenyOnLimit", "MaxTRESPerJob=mem=100")
    accounting.manage("modify", "user", "root", "set", "qos+=narrow")
    edit(fresh / "profiles/slurm/config.yaml", "# qos: normal", "qos: narrow")
    edit(fresh / "profiles/slurm/config.yaml", "retries: 2", "retries: 0")
    target = fresh / "results/embedding/T1.drivers.tsv"
    target.unlink()
    done = snakemake(fresh, str(target.relative_to(fresh)))
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert said.count("SLURM refused the job: QOSMaxMemoryPerJob. Hint: ask for less of it (mem_mb,") == 1, said[-4000:]
    assert "Traceback" not in said


def test_a_machine_without_the_accountings_programs(slurm: Cluster, unrun: Path, tmp_path: Path) -> None:
    """No sacct, sacctmgr and sshare, and no account in the profile: the job is sent without, and nothing else is missing."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for path in Path("/usr/bin").iterdir():
        if path.name not in ("sacct", "sacctmgr", "sshare"):
            (programs / path.name).symlink_to(path)
    done = snakemake(unrun, QC, path=f"{programs}:/usr/sbin")
    said = done.stdout + done.stderr
    assert done.returncode == 0 and (unrun / QC).is_file(), said[-4000:]
    assert said.count("marrowclone: sacct is not installed here: no account is guessed") == 1, said[-4000:]
    usage = pd.read_csv(unrun / "logs/usage.tsv", sep="\t")
    assert set(usage["rule"]) == {"load_counts", "profile_ambient", "qc_cells"} and usage["slurm_state"].isna().all()


def test_the_demo_on_a_cluster(slurm: Cluster, small: Path, tmp_path: Path) -> None:
    """The command of docs/hpc.md on a cluster without GPUs; a smaller cohort in the demo's place, up to its latent space."""
    checkout = as_a_user(tmp_path / "marrowclone", small)
    shutil.copy2(ROOT / "Makefile", checkout)
    shutil.copytree(small, checkout / "demo")
    edit(checkout / "config/demo/config.yaml", "optimiser_steps: 600", "optimiser_steps: 20")
    edit(checkout / "profiles/default/config.yaml", "slurm_partition: gpu ", "slurm_partition: cpu ")
    edit(checkout / "profiles/default/config.yaml", "gpu: 1 ", "gpu: 0 ")
    venv = Path(sys.executable).parents[1]
    recipe = subprocess.run(
        ["make", "-n", "demo", "PROFILE=slurm", f"VENV={venv}"],
        cwd=checkout, capture_output=True, text=True, check=True, env=environment(),
    ).stdout  # fmt: skip
    (line,) = [line for line in recipe.splitlines() if line.startswith(f"{venv}/bin/snakemake")]
    before = {job["JobId"] for job in slurm.jobs()}
    program, *options = line.split()
    done = subprocess.run([program, LATENT, *options], cwd=checkout, capture_output=True, text=True, env=environment())
    assert done.returncode == 0 and (checkout / "demo" / LATENT).is_file(), (done.stdout + done.stderr)[-6000:]
    jobs = [job for job in slurm.jobs() if job["JobId"] not in before]
    assert len(of_rule(jobs, "sample")) == 2 and len(of_rule(jobs, "integrate_cells")) == 1
    assert {(job["Partition"], job.get("TresPerJob")) for job in jobs} == {("cpu", None)}
    assert not (checkout / "results").exists() and (checkout / "demo/logs/usage.tsv").is_file()


def test_a_cluster_without_accounting(slurm: Cluster, fresh: Path) -> None:
    """The last test: the cluster starts anew without. Nothing but SLURM's columns of the table is missing."""
    target = fresh / "results/embedding/T1.drivers.tsv"
    target.unlink()
    slurm.restart(accounting=False)
    try:
        done = snakemake(fresh, str(target.relative_to(fresh)))
        assert len(of_rule(slurm.jobs("COMPLETED"), "call_drivers")) == 1
    finally:
        slurm.restart(accounting=slurm.accounting)
    assert done.returncode == 0 and target.is_file(), (done.stdout + done.stderr)[-4000:]
    usage = pd.read_csv(fresh / "logs/usage.tsv", sep="\t", index_col="rule")
    assert usage["slurm_state"].isna().all() and usage["slurm_memory_mb"].isna().all()
    assert usage.loc["call_drivers", "memory_mb"] > 100
