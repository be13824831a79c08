"""What is added to Snakemake's executor for SLURM: patience with a full queue, an even pace of asking, and no need of
accounting programs.

SLURM refuses a submission at once when a limit on the number of jobs in the queue is reached. The executor takes that
for a failed job, which is tried twice more within a second (``retries``) and then ends the run. Here such jobs wait and
are sent again.

Each time that nothing has ended the executor asks for the state of jobs ten seconds later than before, up to three
minutes: each step of a run may lose as long. Here it never waits longer than ``seconds-between-status-checks``.

It guesses and checks accounts with ``sacct``, ``sacctmgr`` and ``sshare``, and fails where they are not installed. Here
the job is then sent with the account that was given, or with none.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from .refused import HINT, refusal

#: Seconds between two tries while the queue is full; a job of this run that ends makes room: then it is tried sooner.
PAUSE, PAUSE_AFTER_END = 60.0, 2.0
#: Seconds between two messages that jobs wait.
QUIET = 600.0


class Patience:
    """Put before Snakemake's executor (a mixin; the methods without underscore are those of the plugin interface).

    While jobs wait only the first of them is tried, so that a thousand waiting jobs are one ``sbatch`` a minute.
    """

    pause = PAUSE
    pause_after_end = PAUSE_AFTER_END

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._door = threading.Lock()
        self._queue: deque[Any] = deque()
        self._in_slurm: set[str] = set()
        self._timer: threading.Timer | None = None
        self._due = float("inf")
        self._trying = self._ended_meanwhile = self._over = self._has_said_accounts = False
        self._said = float("-inf")
        super().__init__(*arguments, **named)

    def get_account_arg(self, job: Any) -> Iterator[str]:
        """The account as an argument of ``sbatch``, also where SLURM's accounting programs are not installed."""
        try:
            yield from super().get_account_arg(job)  # type: ignore[misc]
        except FileNotFoundError as error:
            given = [name for name in re.split(r"[,\s]+", str(job.resources.get("slurm_account") or "")) if name]
            with self._door:
                if not self._has_said_accounts:
                    self._has_said_accounts = True
                    what = "the account is not checked" if given else "no account is guessed, SLURM takes its default"
                    self.logger.warning(  # type: ignore[attr-defined]
                        f"marrowclone: {error.filename} is not installed here: {what}. Nothing is to be done unless "
                        "SLURM refuses the jobs; then name yours: slurm_account in profiles/slurm/config.yaml."
                    )
            if not given:
                self._fallback_account_arg = ""  # not guessed anew for each job
            yield from [f" -A {shlex.quote(name)}" for name in given] or [""]

    async def sleep(self) -> None:
        """Until the next question for the state of jobs."""
        longest = self.workflow.remote_execution_settings.seconds_between_status_checks  # type: ignore[attr-defined]
        await asyncio.sleep(min(self.next_seconds_between_status_checks, longest))  # type: ignore[attr-defined]

    def run_job(self, job: Any) -> None:
        """Send a job; it goes behind those that wait."""
        with self._door:
            if self._over:
                return
            if self._queue:
                self._queue.append(job)
                return
        self._send(job)

    def report_job_submission(self, job_info: Any, *arguments: Any, **named: Any) -> None:
        """SLURM took the job: the next one is tried at once."""
        with self._door:
            self._in_slurm.add(str(job_info.external_jobid))
            self._leave(job_info.job, 0.0)
        super().report_job_submission(job_info, *arguments, **named)  # type: ignore[misc]

    def report_job_success(self, job_info: Any, *arguments: Any, **named: Any) -> None:
        """A job ended: there is room in the queue."""
        self._ended(job_info)
        super().report_job_success(job_info, *arguments, **named)  # type: ignore[misc]

    def report_job_error(self, job_info: Any, msg: str | None = None, *arguments: Any, **named: Any) -> None:
        """A job failed, or was not taken: for want of room it waits, and for anything else it has failed."""
        if job_info.external_jobid is not None:
            self._ended(job_info)
        else:
            words = _first_words(msg or "")
            said = refusal(words)
            with self._door:
                if said.is_full and not self._over:
                    self._wait(job_info.job, said.words)
                    return
                self._leave(job_info.job, 0.0)
            # of a group of rules Snakemake prints no message at all, so it is said here
            why = f"SLURM refused the job: {said.words}. Hint: {HINT}" if said.words else words
            name = getattr(job_info.job, "name", job_info.job)
            self.logger.error(f"marrowclone: {name} was not sent. {why}")  # type: ignore[attr-defined]
        super().report_job_error(job_info, msg, *arguments, **named)  # type: ignore[misc]

    def cancel_jobs(self, active_jobs: Any) -> None:
        """Snakemake was interrupted: what waits is not sent any more."""
        self._close()
        super().cancel_jobs(active_jobs)  # type: ignore[misc]

    def shutdown(self) -> None:
        """The run is at its end."""
        self._close()
        super().shutdown()  # type: ignore[misc]

    def _wait(self, job: Any, words: str) -> None:
        """Put a refused job into the queue, the first time at its end; with the door locked."""
        if job not in self._queue:
            self._queue.append(job)
        if self._queue[0] is job:
            self._trying = False
        if not self._trying:
            self._try_in(self.pause_after_end if self._ended_meanwhile else self.pause)
            self._ended_meanwhile = False
        now = time.monotonic()
        if now - self._said >= QUIET:
            self._said = now
            inside = len(self._in_slurm)
            self.logger.warning(  # type: ignore[attr-defined]
                f"marrowclone: SLURM takes no more jobs at present: {words}. {inside} of this run's jobs are in its "
                "queue; the others wait here and are sent when there is room. Nothing has failed, nothing is to be "
                "done. Hint: a lower `jobs` in profiles/slurm/config.yaml leaves room for other work of yours."
            )

    def _leave(self, job: Any, seconds: float) -> None:
        """A job that was tried does not wait any more; the next one is tried; with the door locked."""
        if self._queue and self._queue[0] is job:
            self._queue.popleft()
            self._trying = False
            if self._queue:
                self._try_in(seconds)

    def _ended(self, job_info: Any) -> None:
        with self._door:
            self._in_slurm.discard(str(job_info.external_jobid))
            self._ended_meanwhile = self._trying  # the try on its way may have come before this end
            if self._queue and not self._trying:
                self._try_in(self.pause_after_end)

    def _try_in(self, seconds: float) -> None:
        """Try then, or earlier where that was due; with the door locked."""
        due = time.monotonic() + seconds
        if self._over or due >= self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = threading.Timer(seconds, self._try)
        self._timer.daemon = True
        self._timer.start()

    def _try(self) -> None:
        """Send the first of those that wait."""
        with self._door:
            self._due = float("inf")
            if self._over or self._trying or not self._queue:
                return
            self._trying = True
            job = self._queue[0]
        self._send(job)

    def _send(self, job: Any) -> None:
        """Send a job; what the executor does not catch would end its thread without a word, and the run would hang.

        Known: it stumbles over a group of rules while it tells of another mistake, such as an unknown account.
        """
        try:
            super().run_job(job)  # type: ignore[misc]
        except Exception as error:
            self.report_job_error(SubmittedJobInfo(job), f"{error.__context__ or error}\n")

    def _close(self) -> None:
        with self._door:
            self._over = True
            self._queue.clear()
            if self._timer is not None:
                self._timer.cancel()


def _first_words(message: str) -> str:
    """What went wrong, without the long command that it went wrong with."""
    return message.split("sbatch call:")[0].strip()
