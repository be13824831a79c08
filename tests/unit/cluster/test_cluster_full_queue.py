"""A queue that takes no more jobs: what SLURM says, jobs that wait, limits known before the first job."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from marrowclone.cluster.executor import Patience
from marrowclone.cluster.limits import QOS, Limit, check_accounts, check_limits, read_limits
from marrowclone.cluster.refused import HINT, refusal
from marrowclone.errors import UserError

# as SLURM 22.05 says it (Debian 12), in the executor plugin's words around it
POLICY = "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
MESSAGE = (
    "SLURM sbatch failed. The error message was 'sbatch: error: {}\n{}'.\n    sbatch call:\n        sbatch --parsable"
)
FULL = MESSAGE.format("QOSMaxSubmitJobPerUserLimit", POLICY)


@pytest.mark.parametrize(
    ("said", "words", "is_full"),
    [
        (MESSAGE.format("AssocMaxSubmitJobLimit", POLICY), "your account's limit of jobs in the queue is reached (AssocMaxSubmitJobLimit)", True),
        (MESSAGE.format("AssocGrpSubmitJobsLimit", POLICY), "your group's limit of jobs in the queue is reached (AssocGrpSubmitJobsLimit)", True),
        (FULL, "the QOS's limit of your jobs in the queue is reached (QOSMaxSubmitJobPerUserLimit)", True),
        (MESSAGE.format("QOSGrpSubmitJobsLimit", POLICY), "the QOS's limit of jobs in the queue is reached (QOSGrpSubmitJobsLimit)", True),
        (MESSAGE.format("MaxSubmitJobsPerAccount", POLICY), "the QOS's limit of your account's jobs in the queue is reached (MaxSubmitJobsPerAccount)", True),
        (MESSAGE.format("NewSubmitJobThing", POLICY), "a limit of jobs in the queue is reached (NewSubmitJobThing)", True),
        (MESSAGE.format("Batch job submission failed: Unable to create job record, try again", ""), "the whole cluster's limit of jobs is reached (MaxJobCount)", True),
        (MESSAGE.format("Batch job submission failed: Resource temporarily unavailable", ""), "the whole cluster's limit of jobs is reached (MaxJobCount)", True),
        # waiting does not make a job smaller
        (MESSAGE.format("QOSMaxMemoryPerJob", POLICY), "QOSMaxMemoryPerJob", False),
        (f"SLURM sbatch failed. The error message was '{POLICY}'.", "a limit of your account or QOS", False),
        (MESSAGE.format("Batch job submission failed: Invalid account", ""), "", False),
        ("SLURM-job '7' failed, SLURM status is: 'FAILED'.", "", False),
    ],
)  # fmt: skip
def test_what_slurm_says_is_understood(said: str, words: str, is_full: bool) -> None:
    assert refusal(said) == (words, is_full)


class Cluster:
    """Stands in for Snakemake's executor: it takes so many jobs at the same time, and refuses the others."""

    def __init__(self, room: int) -> None:
        self.room, self.inside, self.calls = room, [], 0  # type: ignore[var-annotated]
        self.failed: list[tuple[str, str]] = []
        self.warnings: list[str] = []
        self.says = FULL
        self.errors: list[str] = []
        self.logger = SimpleNamespace(warning=self.warnings.append, error=self.errors.append)

    def run_job(self, job: str) -> None:
        self.calls += 1
        if len(self.inside) >= self.room:
            self.report_job_error(SimpleNamespace(job=job, external_jobid=None), self.says)
        else:
            self.report_job_submission(SimpleNamespace(job=job, external_jobid=f"id-{job}"))

    def report_job_submission(self, info: Any) -> None:
        self.inside.append(info.job)

    def report_job_success(self, info: Any) -> None:
        self.inside.remove(info.job)

    def report_job_error(self, info: Any, msg: str | None = None) -> None:
        self.failed.append((info.job, msg or ""))

    def cancel_jobs(self, active: list[Any]) -> None:
        self.inside.clear()

    def shutdown(self) -> None:
        pass


class Executor(Patience, Cluster):
    pause, pause_after_end = 30.0, 0.01  # a job that ends wakes the first that waits, long before the pause is over


def end(executor: Executor, job: str) -> None:
    executor.report_job_success(SimpleNamespace(job=job, external_jobid=f"id-{job}"))


def until(condition: Callable[[], bool]) -> None:
    stop = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < stop
        time.sleep(0.005)


def test_jobs_that_a_full_queue_refuses_wait_and_all_are_run() -> None:
    executor = Executor(room=2)
    jobs = [f"job{i}" for i in range(100)]
    for job in jobs:
        executor.run_job(job)
    assert executor.inside == jobs[:2] and not executor.failed
    assert executor.calls == 3, "only the first of those that wait knocks"
    for n in range(100):
        end(executor, jobs[n])
        until(lambda n=n: executor.inside == jobs[n + 1 : n + 3])  # type: ignore[misc]
    assert not executor.failed
    assert len(executor.warnings) == 1 and "2 of this run's jobs are in its queue" in executor.warnings[0]
    assert "QOSMaxSubmitJobPerUserLimit" in executor.warnings[0] and "Hint: a lower `jobs`" in executor.warnings[0]


def test_no_job_is_sent_twice() -> None:
    """Submissions run in two threads: one is refused while the first of those that wait is on its way."""
    on_its_way, may_go_on = threading.Event(), threading.Event()

    executor = Executor(room=0)
    executor.pause = 0.01
    plain = Cluster.run_job

    def slow(self: Cluster, job: str) -> None:
        on_its_way.set()
        may_go_on.wait(5)
        plain(self, job)

    executor.run_job("a")
    Cluster.run_job = slow  # type: ignore[method-assign]
    try:
        assert on_its_way.wait(5)
        executor.report_job_error(SimpleNamespace(job="b", external_jobid=None), FULL)
        time.sleep(0.1)  # ten pauses
        executor.room = 2
        may_go_on.set()
        until(lambda: len(executor.inside) == 2)
    finally:
        Cluster.run_job = plain  # type: ignore[method-assign]
    assert executor.inside == ["a", "b"] and executor.calls == 3


def test_room_that_others_leave_is_found_after_the_pause() -> None:
    """None of this run's jobs is inside: nobody says that there is room."""
    executor = Executor(room=0)
    executor.pause = 0.02
    for job in "abc":
        executor.run_job(job)
    until(lambda: executor.calls >= 3)
    executor.room = 5
    until(lambda: sorted(executor.inside) == ["a", "b", "c"])
    assert not executor.failed


def test_what_does_not_pass_by_waiting_fails_with_a_hint_and_the_next_is_tried() -> None:
    executor = Executor(room=0)
    executor.pause = 0.02
    executor.run_job("a")
    executor.run_job("b")
    executor.says = MESSAGE.format("QOSMaxMemoryPerJob", POLICY)
    until(lambda: len(executor.failed) == 2)
    assert [job for job, _ in executor.failed] == ["a", "b"]
    assert executor.errors == [
        f"marrowclone: {job} was not sent. SLURM refused the job: QOSMaxMemoryPerJob. Hint: {HINT}" for job in "ab"
    ]


@pytest.mark.parametrize("stop", [lambda e: e.cancel_jobs([]), lambda e: e.shutdown()])
def test_after_the_end_nothing_is_sent(stop: Callable[[Executor], None]) -> None:
    """Ctrl-C cancels the jobs, so that there is room: what waits must not take it."""
    executor = Executor(room=1)
    executor.pause = 0.01
    for job in "abc":
        executor.run_job(job)
    stop(executor)
    calls = executor.calls
    executor.inside.clear()
    executor.run_job("d")
    time.sleep(0.1)
    assert (executor.calls, executor.inside) == (calls, [])


def test_what_stands_in_the_command_is_no_refusal() -> None:
    """The message of a failed submission holds the whole command, with the user's own paths."""
    executor = Executor(room=0)
    executor.says = MESSAGE.format("Batch job submission failed: Invalid qos", "") + " --output /home/ada/SubmitJobs/%j"
    executor.run_job("a")
    assert [job for job, _ in executor.failed] == ["a"] and not executor.warnings
    assert executor.errors[0].endswith("Invalid qos\n'.")


def test_a_job_that_ran_and_failed_is_no_refusal() -> None:
    executor = Executor(room=1)
    executor.run_job("a")
    executor.report_job_error(SimpleNamespace(job="a", external_jobid="id-a"), f"its log has: {FULL}")
    assert [job for job, _ in executor.failed] == ["a"]


def test_a_job_that_the_executor_stumbles_over_fails_instead_of_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin reports errors by the rule's name, which a group of rules does not have."""

    def stumble(self: Cluster, job: str) -> None:
        try:
            raise RuntimeError("the account nope is unknown")
        except RuntimeError:
            _ = job.rule  # type: ignore[attr-defined]

    monkeypatch.setattr(Cluster, "run_job", stumble)
    executor = Executor(room=1)
    executor.run_job("a")
    assert executor.failed == [("a", "the account nope is unknown\n")]
    assert executor.errors == ["marrowclone: a was not sent. the account nope is unknown"]


def test_accounting_programs_that_are_not_installed_are_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin's own method, on a machine without sacct, sacctmgr and sshare."""
    from snakemake_executor_plugin_slurm import Executor as Plugin

    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(Cluster, "get_account_arg", Plugin.get_account_arg, raising=False)
    monkeypatch.setattr(Cluster, "_fallback_account_arg", None, raising=False)
    for given, arguments, words in [
        ({}, [""], "sacct is not installed here: no account is guessed"),
        (
            {"slurm_account": "lab, other"},
            [" -A lab", " -A other"],
            "sacctmgr is not installed here: the account is not checked",
        ),
        ({"slurm_account": "my lab;x"}, [" -A my", " -A 'lab;x'"], "sacctmgr"),
    ]:
        executor = Executor(room=1)
        with pytest.raises(FileNotFoundError):
            next(super(Patience, executor).get_account_arg(SimpleNamespace(resources=Asked(given))))
        executor.warnings.clear()
        for _ in range(2):
            assert list(executor.get_account_arg(SimpleNamespace(resources=Asked(given)))) == arguments
        assert [words in w for w in executor.warnings if w.startswith("marrowclone:")] == [True]


class Asked(dict):  # type: ignore[type-arg]
    """Resources as Snakemake gives them: by key and by attribute."""

    __getattr__ = dict.__getitem__


def answers(*, enforce: str = "associations,limits", own: str = "lab||50|", normal: str = "normal|40||200") -> Callable:
    def run(command: Iterable[str]) -> str:
        command = tuple(command)
        if command[0] == "scontrol":
            return f"AccountingStorageEnforce = {enforce}\nClusterName             = ci\nMaxJobCount = 10000\n"
        if command == QOS:
            return f"{normal}\nlong|2||\n"
        if "assoc" in command:
            assert "user=ada" in command and "cluster=ci" in command
            return f"{own}\nother||7|\n"
        return "lab\n"

    return run


def test_the_tightest_limit_comes_first() -> None:
    assert read_limits({("", "")}, answers(), user="ada") == [
        Limit(40, "MaxSubmitJobsPerUser of QOS normal"),
        Limit(50, "MaxSubmitJobs of account lab"),
        Limit(200, "GrpSubmitJobs of QOS normal"),
    ]
    assert read_limits({("", "long")}, answers(), user="ada")[0] == Limit(2, "MaxSubmitJobsPerUser of QOS long")
    assert read_limits({("other", "")}, answers(), user="ada")[0] == Limit(7, "MaxSubmitJobs of account other")
    assert read_limits({("", "")}, answers(own="lab|long||"), user="ada") == [
        Limit(2, "MaxSubmitJobsPerUser of QOS long")
    ]


def test_limits_that_are_not_enforced_or_not_known_are_none() -> None:
    def silent(_: object) -> str:
        raise subprocess.TimeoutExpired("sacctmgr", 20)

    assert read_limits({("", "")}, silent, user="ada") == []
    assert read_limits({("", "")}, answers(enforce="none"), user="ada") == []
    assert read_limits({("", "")}, answers(enforce="associations"), user="ada") == []
    assert read_limits({("", "")}, answers(own="lab|||", normal="normal||-1|"), user="ada") == []


def test_an_account_that_is_not_the_users_is_refused() -> None:
    def run(command: Iterable[str]) -> str:
        assert "user=ada" in tuple(command)
        return "lab\nother\n"

    check_accounts(dict.fromkeys(("", "lab", "Other", "lab, other"), "x"), run, user="ada")
    check_accounts({"nope": "x"}, lambda _: "", user="ada")  # a cluster that knows no accounts
    with pytest.raises(UserError) as raised:
        check_accounts({"lab,labs": "my/config.yaml, slurm_account"}, run, user="ada")
    assert (
        "my/config.yaml, slurm_account: found 'labs', expected one of lab, other; did you mean 'lab'?; no job was sent"
        in str(raised.value)
    )


def test_a_limit_below_the_profile_is_noted() -> None:
    limits = [Limit(50, "MaxSubmitJobs of account lab"), Limit(40, "MaxSubmitJobsPerUser of QOS normal")]
    note = check_limits(limits, at_once=100, needed=1000)
    assert "jobs: 100, but SLURM takes 40 of yours" in note and "(MaxSubmitJobsPerUser of QOS normal)" in note
    assert check_limits(limits, at_once=40, needed=1000) == ""
    assert check_limits(limits, at_once=100, needed=40) == ""
    assert check_limits([], at_once=100, needed=1000) == ""


def test_an_account_that_may_send_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="no job was sent"):
        check_limits([Limit(0, "MaxSubmitJobs of account lab")], at_once=100, needed=1)
