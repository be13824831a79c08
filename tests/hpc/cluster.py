"""A throw-away SLURM cluster on loopback: virtual nodes of this one machine, ``cpu01``, ``cpu02`` and ``gpu01``.

    python tests/hpc/cluster.py up /tmp/marrowclone-slurm [--accounting]
    python tests/hpc/cluster.py down /tmp/marrowclone-slurm

Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge (with accounting also slurmdbd,
mariadb-server-core and mariadb-client-core); ``tests/install.sh`` installs them. The configuration is linked to
``/etc/slurm``, the path that SLURM is built with: the executor plugin's job step drops ``SLURM_CONF`` from the
environment of its inner ``srun``.
The GPUs are character devices without a driver behind them: enough for the scheduler, not for torch.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

#: Programs that a cluster needs; without accounting and with it.
PROGRAMS = ("slurmctld", "slurmd", "munged", "sinfo", "sbatch", "scontrol")
ACCOUNTING_PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db", "my_print_defaults", "sacctmgr", "sacct")
#: SLURM looks for its configuration here whatever the environment says.
ETC = Path("/etc/slurm")
NODES = ("cpu01", "cpu02", "gpu01")
_SBIN = ("/usr/sbin", "/sbin")


@dataclass(frozen=True)
class Cluster:
    """A cluster whose files lie under ``folder``.

    Attributes
    ----------
    accounting
        with slurmdbd, so that ``sacct`` answers.
    port
        first of six ports.
    memory_mb
        memory that each node claims to have.
    """

    folder: Path
    accounting: bool = False
    port: int = 16810
    memory_mb: int = 64000

    def up(self) -> None:
        """Start it and wait until its nodes are idle.

        Raises
        ------
        RuntimeError
            when it does not come up; the message holds the end of the controller's log.
        """
        for name in ("ctld", "log", "run", "munge", *(f"spool/{n}" for n in NODES)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self._devices()
        self._munge()
        if self.accounting:
            self._database()
        self._write_configuration()
        if self.accounting:
            _run(["slurmdbd"], SLURM_CONF=str(self.folder / "slurm.conf"), MYSQL_UNIX_PORT=str(self._socket))
            _until(lambda: _answers(["sacctmgr", "-n", "list", "cluster"]), 20, "slurmdbd does not answer")
            for words in (["cluster", "ci"], ["account", "lab"], ["user", "root", "Account=lab"]):
                subprocess.run(["sacctmgr", "-i", "add", *words], capture_output=True, check=False)
        self._start()

    def restart(self, *, accounting: bool) -> None:
        """Start controller and nodes anew, with the accounting or without; jobs are forgotten."""
        for name in (*(f"slurmd.{node}" for node in NODES), "slurmctld"):
            self.kill(self._pid(name), signal.SIGTERM)
        replace(self, accounting=accounting)._write_configuration()
        self._start("-c")

    def manage(self, *words: str) -> None:
        """Change the accounting (``sacctmgr``), such as a limit; the controller hears of it at once."""
        _run(["sacctmgr", "--immediate", *words])

    def accounted(self, jobs: Iterable[str], *fields: str) -> dict[str, dict[str, str]]:
        """What ``sacct`` has of these jobs: number -> field -> value."""
        out = subprocess.run(
            ["sacct", "-nPX", f"--jobs={','.join(jobs)}", f"--format={','.join(('jobidraw', *fields))}"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        rows = [line.split("|") for line in out.splitlines()]
        return {number: dict(zip(fields, cells, strict=True)) for number, *cells in rows}

    def _start(self, *options: str) -> None:
        """Controller and nodes; see :meth:`up`."""
        _run(["slurmctld", *options])
        for node in NODES:
            self.start_node(node)
        try:
            _until(lambda: self.idle() == set(NODES), 30, "the nodes do not become idle")
        except RuntimeError as error:
            log = self.folder / "log" / "slurmctld.log"
            text = log.read_text(errors="replace")[-3000:] if log.exists() else ""
            raise RuntimeError(f"{error}\n{text}") from None

    def down(self) -> None:
        """Stop every daemon and every job, and take the links out of ``/etc/slurm``."""
        if _program("scancel"):
            subprocess.run(["scancel", "--full", "--user=root"], capture_output=True, check=False, timeout=30)
            _quietly(lambda: _until(lambda: not self.jobs("RUNNING,COMPLETING"), 10, ""))
        for node in NODES:
            self.kill(self._pid(f"slurmd.{node}"), signal.SIGTERM)
        for name in ("slurmctld", "slurmdbd", "mariadbd"):
            self.kill(self._pid(name), signal.SIGTERM)
        self.kill(self._read_pid(self.folder / "munge" / "pid"), signal.SIGTERM)
        for name in ("slurm.conf", "gres.conf"):
            link = ETC / name
            if link.is_symlink() and link.resolve().parent == self.folder.resolve():
                link.unlink()

    def start_node(self, node: str) -> None:
        """Start one node's daemon."""
        _run(["slurmd", "-N", node])

    def kill_node(self, node: str) -> None:
        """The node dies in mid-job: its daemon and its job steps are killed, nothing is reported."""
        for job in self.jobs("RUNNING"):
            if job.get("NodeList") == node:
                out = subprocess.run(
                    ["pgrep", "-f", rf"slurmstepd: \[{job['JobId']}\."], capture_output=True, text=True
                )
                for pid in out.stdout.split():
                    self.kill(int(pid), signal.SIGKILL)
        self.kill(self._pid(f"slurmd.{node}"), signal.SIGKILL)

    def idle(self) -> set[str]:
        """Nodes that are idle."""
        out = subprocess.run(["sinfo", "-h", "-N", "-o", "%N %T"], capture_output=True, text=True).stdout
        return {line.split()[0] for line in out.splitlines() if line.split()[1:] == ["idle"]}

    def jobs(self, states: str = "all") -> list[dict[str, str]]:
        """Jobs that the controller remembers: the fields of ``scontrol show job``, newest last."""
        out = subprocess.run(["scontrol", "show", "job", "-o", "-d"], capture_output=True, text=True).stdout
        wanted = set(states.split(","))
        found = []
        for line in out.splitlines():
            fields = dict(word.split("=", 1) for word in line.split(" ") if "=" in word)
            if fields.get("JobId") and (states == "all" or fields.get("JobState") in wanted):
                found.append(fields)
        return found

    @staticmethod
    def kill(pid: int | None, number: int, *, wait: float = 10.0) -> None:
        """Send a signal to a process, if it lives, and wait until it is gone."""
        if pid is None:
            return
        try:
            os.kill(pid, number)
            _quietly(lambda: _until(lambda: not _lives(pid), wait, ""))
        except ProcessLookupError:
            pass

    @property
    def _socket(self) -> Path:
        return self.folder / "run" / "mysql.sock"

    def _pid(self, name: str) -> int | None:
        return self._read_pid(self.folder / "run" / f"{name}.pid")

    @staticmethod
    def _read_pid(file: Path) -> int | None:
        """The process that a pid file names, or None."""
        try:
            return int(file.read_text().strip())
        except (OSError, ValueError):
            return None

    def _devices(self) -> None:
        """Two GPUs that exist as files only: slurmd wants character devices."""
        for i in range(2):
            path = self.folder / f"gpu{i}"
            if path.exists():
                continue
            try:
                os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(240, i))
            except PermissionError:
                path.symlink_to("/dev/null")

    def _munge(self) -> None:
        """Authentication with a key of its own, on the default socket (clients look only there)."""
        key = self.folder / "munge" / "key"
        if not key.exists():
            key.write_bytes(os.urandom(1024))
            key.chmod(0o400)
        Path("/run/munge").mkdir(exist_ok=True)
        Path("/run/munge").chmod(0o755)
        folder = self.folder / "munge"
        _run([
            "munged", "--force", "--num-threads=2", f"--key-file={key}", "--socket=/run/munge/munge.socket.2",
            f"--pid-file={folder / 'pid'}", f"--log-file={folder / 'log'}", f"--seed-file={folder / 'seed'}",
        ])  # fmt: skip

    def _database(self) -> None:
        """A database for slurmdbd, reachable by its socket only."""
        data = self.folder / "db"
        if not (data / "mysql").is_dir():
            data.mkdir(exist_ok=True)
            _run([
                "mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--user=root",
                f"--datadir={data}", "--skip-test-db",
            ])  # fmt: skip
        command = [
            "mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={self._socket}",
            "--skip-networking", f"--pid-file={self.folder / 'run' / 'mariadbd.pid'}",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=128M", "--innodb-lock-wait-timeout=900",
        ]  # fmt: skip
        with open(self.folder / "log" / "mariadb.log", "ab") as log:
            subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=_environment())
        _until(lambda: _accepts(self._socket), 20, "the database does not answer")
        (self.folder / "slurmdbd.conf").write_text(
            f"AuthType=auth/munge\nDbdHost=localhost\nDbdPort={self.port + 4}\nSlurmUser=root\n"
            f"LogFile={self.folder}/log/slurmdbd.log\nPidFile={self.folder}/run/slurmdbd.pid\n"
            "StorageType=accounting_storage/mysql\nStorageHost=localhost\nStorageUser=root\nStorageLoc=slurm_acct\n"
        )
        (self.folder / "slurmdbd.conf").chmod(0o600)

    def _write_configuration(self) -> None:
        """slurm.conf and gres.conf, linked to where SLURM looks for them."""
        host = socket.gethostname().split(".")[0]
        accounting = "AccountingStorageType=accounting_storage/none"
        if self.accounting:
            accounting = (
                "AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=localhost\n"
                f"AccountingStoragePort={self.port + 4}\nAccountingStorageTRES=gres/gpu\n"
                "AccountingStoreFlags=job_comment\nAccountingStorageEnforce=limits"
            )
        node = f"NodeHostname={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory={self.memory_mb}"
        (self.folder / "slurm.conf").write_text(
            f"""ClusterName=ci
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={self.port}
SlurmdPort={self.port + 1}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation={self.folder}/ctld
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={self.folder}/run/slurmctld.pid
SlurmdPidFile={self.folder}/run/slurmd.%n.pid
SlurmctldLogFile={self.folder}/log/slurmctld.log
SlurmdLogFile={self.folder}/log/slurmd.%n.log
# without cgroups: processes are followed by their parents, memory is polled
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=100000,batch_sched_delay=0
GresTypes=gpu
# what the nodes claim to have, whatever the machine has
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=2
MinJobAge=3600
SlurmdTimeout=5
InactiveLimit=0
JobRequeue=0
DisableRootJobs=NO
{accounting}
NodeName=cpu01 Port={self.port + 2} {node}
NodeName=cpu02 Port={self.port + 3} {node}
NodeName=gpu01 Port={self.port + 5} {node} Gres=gpu:h200:2 Feature=h200
PartitionName=cpu Nodes=cpu01,cpu02 Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=gpu Nodes=gpu01 MaxTime=1-00:00:00 State=UP
"""
        )
        (self.folder / "gres.conf").write_text(f"NodeName=gpu01 Name=gpu Type=h200 File={self.folder}/gpu[0-1]\n")
        ETC.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            link = ETC / name
            if link.exists() and not link.is_symlink():
                raise RuntimeError(f"{link} exists: this machine has a cluster of its own, which is left alone")
            link.unlink(missing_ok=True)
            link.symlink_to(self.folder / name)


def missing_programs(*, accounting: bool = False) -> list[str]:
    """Programs that are needed and not installed."""
    wanted = PROGRAMS + (ACCOUNTING_PROGRAMS if accounting else ())
    return [name for name in wanted if _program(name) is None]


def _program(name: str) -> str | None:
    return shutil.which(name, path=_environment()["PATH"])


def _environment(**more: str) -> dict[str, str]:
    """The environment of daemons; the system's programs are found as an ordinary user, too."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_SBIN])
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SLURM")}
    return {**kept, "PATH": path, **more}


def _run(command: list[str], **more: str) -> None:
    """Run a command to its end; what it said is in the error."""
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(**more), check=False)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}{done.stdout[-500:]}"
        )


def _answers(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, env=_environment(), timeout=10).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _accepts(path: Path) -> bool:
    """Whether a daemon listens on a local socket."""
    with socket.socket(socket.AF_UNIX) as line:
        return line.connect_ex(str(path)) == 0


def _until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Wait until the condition holds.

    Raises
    ------
    RuntimeError
        with the text ``otherwise`` when it does not within ``seconds``.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{otherwise} (waited {seconds:.0f} s)")
        time.sleep(0.1)


def _quietly(action: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):
        action()


def main(arguments: list[str] | None = None) -> int:
    """Start or stop a cluster by hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("up", "down"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--accounting", action="store_true")
    options = parser.parse_args(arguments)
    cluster = Cluster(options.folder, accounting=options.accounting)
    if options.action == "down":
        cluster.down()
        return 0
    lacking = missing_programs(accounting=options.accounting)
    if lacking:
        print(f"not installed: {', '.join(lacking)}. Hint: tests/install.sh, as root", file=sys.stderr)
        return 1
    cluster.up()
    print(subprocess.run(["sinfo", "-N", "-o", "%N %P %T %c %m %G"], capture_output=True, text=True).stdout, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
