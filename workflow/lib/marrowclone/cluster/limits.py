"""What SLURM's accounting lets a user do, asked before the first job is sent: accounts, and jobs in the queue."""

from __future__ import annotations

import getpass
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ..errors import UserError, did_you_mean, found, one_of
from .site import output_of

CONFIGURATION = ("scontrol", "show", "config")
_SACCTMGR = ("sacctmgr", "--noheader", "--parsable2", "show")
QOS = (*_SACCTMGR, "qos", "format=name,maxsubmitjobsperuser,maxsubmitjobsperaccount,grpsubmitjobs")


class Limit(NamedTuple):
    """So many jobs at most in the queue, and what says so (SLURM's name of the limit and whose it is)."""

    jobs: int
    name: str


def accounts_command(user: str) -> tuple[str, ...]:
    """What is asked for the accounts of a user."""
    return (*_SACCTMGR, "assoc", "where", f"user={user}", "format=account")


def association_command(user: str, cluster: str) -> tuple[str, ...]:
    """What is asked for the limits of a user's accounts; limits that come from above are in the answer."""
    fields = "format=account,defaultqos,maxsubmitjobs,grpsubmitjobs"
    return (*_SACCTMGR, "assoc", "where", f"user={user}", f"cluster={cluster}", fields)


def default_account_command(user: str) -> tuple[str, ...]:
    """What is asked for the account of jobs that name none."""
    return (*_SACCTMGR, "user", user, "format=defaultaccount")


def check_accounts(
    asked: Mapping[str, str], run: Callable[[Iterable[str]], str] | None = None, *, user: str | None = None
) -> None:
    """Refuse accounts that the user does not have; the executor would refuse them job by job.

    Parameters
    ----------
    asked
        accounts of the jobs (``""`` is the user's default; several parted by commas) -> where each is set.
    run
        gives what a command prints; for tests.

    Raises
    ------
    UserError
        naming the first of them. Nothing is said where SLURM knows no accounts.
    """
    try:
        known = sorted(
            {line.strip() for line in (run or output_of)(accounts_command(user or getpass.getuser())).split()}
        )
    except (OSError, subprocess.SubprocessError):
        return
    for where, account in ((asked[names], name) for names in sorted(asked) for name in re.split(r"[,\s]+", names)):
        if account and known and account.lower() not in {name.lower() for name in known}:
            near = did_you_mean(account, known)
            raise UserError(
                f"{where}: {found(account, one_of(known))}{'; ' + near if near else ''}; no job was sent.",
                hint="sacctmgr show assoc user=$USER format=account%30 lists your accounts.",
            )


def read_limits(
    asked: Iterable[tuple[str, str]], run: Callable[[Iterable[str]], str] | None = None, *, user: str | None = None
) -> list[Limit]:
    """Limits on the number of jobs in the queue, the tightest first; empty where there are none or SLURM does not say.

    Parameters
    ----------
    asked
        account and QOS of the jobs; ``""`` is the user's default.
    run
        gives what a command prints; for tests.
    """
    run = run or output_of
    user = user or getpass.getuser()
    try:
        configuration = dict(re.findall(r"^(\w+)\s*=\s*(.*?)\s*$", run(CONFIGURATION), flags=re.MULTILINE))
        if not {"limits", "safe"} & set(configuration.get("AccountingStorageEnforce", "").lower().split(",")):
            return []  # nothing is enforced; MaxJobCount is the whole cluster's and cannot be foretold
        associations = [
            line.split("|") for line in run(association_command(user, configuration["ClusterName"])).splitlines()
        ]
        qualities = {line.split("|")[0]: line.split("|")[1:] for line in run(QOS).splitlines()}
        default_account = run(default_account_command(user)).strip()
    except (OSError, KeyError, subprocess.SubprocessError):
        return []
    limits: set[Limit] = set()
    for account, qos in set(asked):
        account = (account or default_account).lower()
        for cells in associations:
            if len(cells) != 4 or cells[0].lower() != account:
                continue
            limits |= _limits((("MaxSubmitJobs", cells[2]), ("GrpSubmitJobs", cells[3])), f"account {cells[0]}")
            name = qos or cells[1] or "normal"
            names = ("MaxSubmitJobsPerUser", "MaxSubmitJobsPerAccount", "GrpSubmitJobs")
            limits |= _limits(zip(names, qualities.get(name, ()), strict=False), f"QOS {name}")
    return sorted(limits)


def check_limits(
    limits: Iterable[Limit], *, at_once: int, needed: int, place: str = "profiles/slurm/config.yaml"
) -> str:
    """A note when more jobs would be sent at the same time than SLURM takes; empty otherwise.

    Parameters
    ----------
    at_once
        ``jobs`` of the profile.
    needed
        jobs of the whole run.
    place
        where ``jobs`` is set.

    Raises
    ------
    UserError
        when SLURM takes no job at all.
    """
    tightest = min(limits, default=None)
    if tightest is None or min(at_once, needed) <= tightest.jobs:
        return ""
    if tightest.jobs == 0:
        raise UserError(
            f"SLURM takes no jobs of yours at present ({tightest.name} is 0); no job was sent.",
            hint="name another slurm_account or qos (first block of profiles/slurm/config.yaml), or ask your site.",
        )
    return (
        f"{place}, jobs: {at_once}, but SLURM takes {tightest.jobs} of yours at the same time "
        f"({tightest.name}). Further ones wait here until there is room; a lower `jobs` leaves room for other work."
    )


def _limits(pairs: Iterable[tuple[str, str]], whose: str) -> set[Limit]:
    """Those that are set (an empty cell or -1 is no limit)."""
    return {Limit(int(value), f"{name} of {whose}") for name, value in pairs if value.isdigit()}
