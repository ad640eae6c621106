"""A real Slurm of two small nodes on loopback, for tests; run as a script, it stays until Ctrl-C.

It needs root and, on Debian or Ubuntu, ``apt-get install --no-install-recommends slurm-wlm munge``; for
accounting also ``slurmdbd mariadb-server``. Each node pretends to have CPUs and GPUs. All daemons are
children of whoever starts them, and end with it; their files are in one directory.

What mattered: ``proctrack/linuxproc`` (control groups fail in a container), ``config_overrides`` (the
nodes have fewer CPUs than they say), GPUs that are character devices, ports of its own, no
``AccountingStorageTRES`` without accounting, munge's socket as the password of the accounting, and
``cred_expire``, for which a job that is put back into the queue waits.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["SlurmCluster", "why_not"]

CPUS, GPUS, MEMORY = 4, 2, 4000  # of each node; memory in MB
_NEEDED = ("slurmctld", "slurmd", "sbatch", "munged", "setpriv")
_ACCOUNTING = ("slurmdbd", "sacctmgr", "mariadbd", "mariadb-install-db")


def why_not() -> str:
    """Say why there can be no Slurm here; empty where there can."""
    missing = [name for name in _NEEDED if _which(name) is None]
    if missing:
        return f"no {missing[0]} here: apt-get install --no-install-recommends slurm-wlm munge"
    if os.geteuid() != 0:
        return "Slurm's daemons need root"
    return ""


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class SlurmCluster:
    """The cluster, from `start` to `stop`.

    Parameters
    ----------
    accounting
        Whether there is a ``slurmdbd``; None for one where it is installed.
    """

    def __init__(self, *, accounting: bool | None = None) -> None:
        if accounting is None:
            accounting = all(_which(name) for name in _ACCOUNTING)
        self.accounting = accounting
        self.path = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self._host = socket.gethostname().split(".")[0]
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._ports = _free_ports(5)
        self._is_up = False

    @property
    def environment(self) -> dict[str, str]:
        """The variables that Slurm's commands need."""
        return {"SLURM_CONF": str(self.path / "slurm.conf")}

    def start(self) -> SlurmCluster:
        """Start the daemons, and wait until the nodes can be used."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the jobs and the daemons, and remove their files."""
        self._end_jobs()
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in reversed(self._daemons):
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._kill_left()
        shutil.rmtree(self.path, ignore_errors=True)

    def _end_jobs(self) -> None:
        """Cancel what there is: jobs live on without their daemons."""
        if not self._is_up:
            return
        for options in ((), ("--signal=KILL",)):
            self.succeeds("scancel", "--quiet", *options, "--user=root")
            with contextlib.suppress(RuntimeError):
                _until(lambda: not self.command("squeue", "--noheader"), "the end of all jobs", 5.0)
                return

    def processes(self) -> list[int]:
        """Return the processes of Slurm and of jobs that live: they are told by their environment."""
        ours = f"SLURM_CONF={self.path / 'slurm.conf'}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if ours in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found

    def _kill_left(self) -> None:
        """Kill what has outlived its daemon, as the ``slurmstepd`` of a job does."""
        for process in self.processes():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{process}/comm").read_text().startswith("slurmstepd"):
                    os.kill(process, signal.SIGKILL)

    def _start(self) -> None:
        for name in ("state", "n1", "n2", "gpu"):
            (self.path / name).mkdir()
        self.path.chmod(0o755)
        for number in range(GPUS):
            os.mknod(self.path / "gpu" / f"gpu{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        (self.path / "munge.key").write_bytes(os.urandom(128))
        (self.path / "munge.key").chmod(0o600)
        munge = ("socket", "pid-file", "log-file", "seed-file", "key-file")
        names = ("munge.sock", "munge.pid", "munge.log", "munge.seed", "munge.key")
        options = [f"--{option}={self.path / name}" for option, name in zip(munge, names, strict=True)]
        self._run("munged", "--foreground", "--force", *options)
        _until((self.path / "munge.sock").exists, "munged")
        self._write_configuration()
        if self.accounting:
            self._start_accounting()
        self._run("slurmctld", "-D", "-f", str(self.path / "slurm.conf"))
        for node in ("n1", "n2"):
            self._run("slurmd", "-D", "-N", node, "-f", str(self.path / "slurm.conf"))
        _until(lambda: self.command("sinfo", "-h", "-p", "debug", "-o", "%T %D") == "idle 2", "two nodes")
        self._is_up = True

    def _run(self, name: str, *arguments: str) -> None:
        with (self.path / f"{name}.out").open("ab") as log:
            self._daemons.append(
                subprocess.Popen(
                    ["setpriv", "--pdeathsig", "TERM", str(_which(name)), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    cwd=self.path,
                    env={**os.environ, **self.environment},
                )
            )

    def command(self, *argv: str) -> str:
        """Run one of Slurm's commands, and return what it writes; nothing where it fails."""
        done = subprocess.run(
            argv, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    def succeeds(self, *argv: str) -> bool:
        """Run one of Slurm's commands; whether it succeeds."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(argv, env=environment, capture_output=True, timeout=60).returncode == 0

    def _start_accounting(self) -> None:
        data, sock = self.path / "mysql", self.path / "mysql.sock"
        make = ["--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"]
        subprocess.run(
            [str(_which("mariadb-install-db")), *make, "--auth-root-authentication-method=normal"],
            check=True,
            capture_output=True,
        )
        self._run(
            *("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={sock}"),
            *(
                "--bind-address=127.0.0.1",
                f"--port={self._ports[4]}",
                f"--pid-file={self.path / 'mysqld.pid'}",
            ),
            *("--innodb-buffer-pool-size=128M", "--innodb-log-file-size=32M"),
            "--innodb-lock-wait-timeout=900",
        )
        client = ["mariadb", "--no-defaults", "-uroot", "-S", str(sock), "-e"]
        _until(lambda: _succeeds([*client, "select 1"]), "mariadbd")
        hosts = ("localhost", "127.0.0.1")
        users = "".join(
            f"create user slurm@'{host}' identified by 'slurm'; "
            f"grant all on slurm_acct_db.* to slurm@'{host}';"
            for host in hosts
        )
        subprocess.run([*client, f"create database slurm_acct_db; {users}"], check=True, capture_output=True)
        self._run("slurmdbd", "-D")
        _until(lambda: self.succeeds("sacctmgr", "-n", "show", "cluster"), "slurmdbd")
        self.command("sacctmgr", "-i", "add", "cluster", "cooltest")

    def _write_configuration(self) -> None:
        path, host = self.path, self._host
        controller, node1, node2, database, sql = self._ports
        storage = "AccountingStorageType=accounting_storage/none"
        if self.accounting:
            storage = (
                "AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\n"
                f"AccountingStoragePort={database}\nAccountingStoragePass={path}/munge.sock\n"
                "AccountingStorageTRES=gres/gpu"
            )
        each = f"NodeHostname={host} NodeAddr=127.0.0.1 CPUs={CPUS} RealMemory={MEMORY} Gres=gpu:{GPUS}"
        (path / "slurm.conf").write_text(
            f"""\
ClusterName=cooltest
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={path}/munge.sock,cred_expire=5
CredType=cred/munge
SlurmctldPort={controller}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={path}/state
SlurmdSpoolDir={path}/%n
SlurmctldPidFile={path}/slurmctld.pid
SlurmdPidFile={path}/slurmd-%n.pid
SlurmctldLogFile={path}/slurmctld.log
SlurmdLogFile={path}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
{storage}
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
ReturnToService=2
KillWait=2
MailProg=/bin/true
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=n1 {each} Port={node1}
NodeName=n2 {each} Port={node2}
PartitionName=debug Nodes=n1,n2 Default=YES MaxTime=1-00:00:00 PriorityTier=1 GraceTime=10 State=UP
PartitionName=urgent Nodes=n1,n2 PriorityTier=2 PreemptMode=OFF State=UP
PartitionName=short Nodes=n1 MaxTime=5:00 State=UP
"""
        )
        (path / "gres.conf").write_text(f"NodeName=n1,n2 Name=gpu File={path}/gpu/gpu[0-{GPUS - 1}]\n")
        if self.accounting:
            (path / "slurmdbd.conf").write_text(
                f"""\
AuthType=auth/munge
AuthInfo=socket={path}/munge.sock
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={database}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={sql}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
LogFile={path}/slurmdbd.log
PidFile={path}/slurmdbd.pid
CommunicationParameters=NoInAddrAny
"""
            )
            (path / "slurmdbd.conf").chmod(0o600)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as sockets:
        taken = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def _succeeds(argv: list[str]) -> bool:
    return subprocess.run(argv, capture_output=True).returncode == 0


def _until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"in vain waited for {what}")
        time.sleep(0.05)


@contextlib.contextmanager
def _shown() -> Iterator[None]:
    began = time.monotonic()
    cluster = SlurmCluster().start()
    try:
        sys.stdout.write(
            f"up in {time.monotonic() - began:.1f} s; export SLURM_CONF={cluster.path}/slurm.conf\n"
        )
        sys.stdout.write(cluster.command("sinfo", "-o", "%P %n %T %c %m %G") + "\n")
        sys.stdout.flush()
        yield
    finally:
        cluster.stop()


if __name__ == "__main__":
    if reason := why_not():
        raise SystemExit(reason)
    with _shown(), contextlib.suppress(KeyboardInterrupt):
        time.sleep(1e9)
