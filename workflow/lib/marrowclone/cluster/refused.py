"""What ``sbatch`` says when it refuses a job, and what follows from it."""

from __future__ import annotations

import re
from typing import NamedTuple

#: A limit on how many jobs may be in the queue: SLURM's name of it -> in words. Any other ``...SubmitJob...`` is one.
FULL = {
    "AssocMaxSubmitJobLimit": "your account's limit of jobs in the queue is reached",
    "AssocGrpSubmitJobsLimit": "your group's limit of jobs in the queue is reached",
    "QOSMaxSubmitJobPerUserLimit": "the QOS's limit of your jobs in the queue is reached",
    "QOSGrpSubmitJobsLimit": "the QOS's limit of jobs in the queue is reached",
    "MaxSubmitJobsPerAccount": "the QOS's limit of your account's jobs in the queue is reached",
}
#: What to do about a refusal that does not pass by itself.
HINT = (
    "ask for less of it (mem_mb, runtime, gpu: profiles/default/config.yaml), or name another qos, slurm_account or "
    "partition (first block of profiles/slurm/config.yaml); `sacctmgr show qos format=name%30,maxtres%60,maxwall%20` "
    "and `sacctmgr show assoc user=$USER format=account%30,partition%20,qos%60,maxtres%60` list the limits."
)
_SUBMIT = re.compile(r"\b\w*SubmitJobs?\w*\b")
#: The controller's own limit (MaxJobCount); sbatch tries for two minutes by itself before it says so.
_BUSY = re.compile(
    r"Unable to create job record, try again|Slurm job queue full|"
    r"Resource temporarily unavailable|Slurm temporarily unable to accept job",
    re.IGNORECASE,
)
_POLICY = re.compile(r"violates accounting/QOS policy", re.IGNORECASE)
_LINE = re.compile(r"sbatch: error: (.+)")


class Refusal(NamedTuple):
    """Why a job was not taken, in words (empty: no refusal that is known here), and whether that passes by itself."""

    words: str = ""
    is_full: bool = False


def refusal(message: str) -> Refusal:
    """From the message of a failed submission."""
    named = _SUBMIT.search(message)
    if named:
        words = FULL.get(named.group(), "a limit of jobs in the queue is reached")
        return Refusal(f"{words} ({named.group()})", True)
    if _BUSY.search(message):
        return Refusal("the whole cluster's limit of jobs is reached (MaxJobCount)", True)
    if _POLICY.search(message):
        lines = [line.strip().strip("'.") for line in _LINE.findall(message)]
        return Refusal(next((line for line in lines if not _POLICY.search(line)), "a limit of your account or QOS"))
    return Refusal()
