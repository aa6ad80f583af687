"""The crash layers: each opens a medium, lets clients write to a real server, breaks something, and looks.

A layer's `cycle` does that once and returns what it counted. A life is a server directory that many cycles are
inflicted upon; then a new one begins with other settings.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import longbow
import media
import pyarrow as pa
from workload import KINDS, Connection, Violation, Workload

Counts = Counter[str]


class Life:
    """A server on a directory, and the ledger of what its clients did. Confined."""

    def __init__(self, directory: Path, seed: int, **settings: str) -> None:
        self.rng = random.Random(seed)
        self.workload = Workload(seed)
        chosen = {
            "storage_log_segment_size": self.rng.choice(["64KiB", "256KiB", "1MiB", "8MiB"]),
            "applier_threads": self.rng.choice(["1", "2"]),
            "io_threads": self.rng.choice(["1", "4"]),
            "log_io": self.rng.choice(["auto", "threads"]),
            "log_compression": self.rng.choice(["auto", "lz4", "zstd"]),
            "max_memory": "1GiB",
            # Snapshots all the time, now and then, or never.
            "max_wal_size": self.rng.choice(["32KiB", "256KiB", "1GiB"]),
            "snapshot_interval": self.rng.choice(["50ms", "1s", "1h"]),
        }
        chosen |= settings
        self.snapshots = chosen["max_wal_size"] != "1GiB" or chosen["snapshot_interval"] != "1h"
        self.blocks = directory / "data" / "blocks"
        self.server = longbow.Server(directory / "data", **chosen)

    def start(self) -> None:
        # The wait is long: a machine that runs several of these is slow.
        self.server.start(timeout=60)

    def connect(self) -> Connection:
        return Connection(self.server.port, self.server.token)

    def check(self, settle: bool = True) -> None:
        connection = self.connect()
        try:
            self.workload.check(connection)
            if settle:
                self.workload.settle(connection)
        finally:
            connection.close()

    def write_for(self, seconds: float, then: Callable[[], None]) -> None:
        """Clients write; after `seconds`, `then` breaks something; they stop when the server is gone."""

        def wait_and_break() -> None:
            time.sleep(seconds)
            then()

        self.workload.run(self.server.port, self.server.token, wait_and_break)

    def kill(self) -> None:
        with suppress(longbow.UnavailableError):
            self.server.kill()

    def acked(self) -> Counts:
        operations, rows = self.workload.acked()
        return Counter(acked_batches=operations, acked_rows=rows)

    def close(self) -> None:
        self.server.close()


class Layer:
    """One way to break things. `root` is a directory of the run's own."""

    name = ""
    what = ""
    cycles_per_life = 20

    def __init__(self, root: Path, seed: int, options: dict[str, Any]) -> None:
        self.root, self.seed, self.options = root, seed, options
        self.rng = random.Random(seed)
        self.life: Life | None = None
        self.medium: Any = None
        self.before = Counter[str]()
        self.lives = 0

    # ---- what a layer decides ----

    def open_medium(self, root: Path) -> Any:
        return media.Directory(root)

    def settings(self) -> dict[str, str]:
        return {}

    def cycle(self, life: Life) -> Counts:
        raise NotImplementedError

    # ---- a life ----

    def begin(self) -> Life:
        root = self.root / f"{self.name}-{self.seed}-{self.lives}"
        self.lives += 1
        self.medium = self.open_medium(root)
        settings = {**self.settings(), **self.options.get("settings", {})}
        self.life = Life(self.medium.path, self.seed * 100 + self.lives, **settings)
        self.before = Counter()
        return self.life

    def step(self) -> Counts:
        """One cycle, in a new life when it is time."""
        life = self.life or self.begin()
        counts = self.cycle(life)
        acked = life.acked()
        counts += Counter({name: acked[name] - self.before[name] for name in acked})
        self.before = acked
        counts["retried"] = life.workload.retried
        life.workload.retried = 0
        if self.rng.random() < 1 / self.cycles_per_life:
            self.end()
        return counts

    def end(self, keep: bool = False) -> None:
        """Takes everything down; with `keep`, what the server left stays to be looked at."""
        if self.life is not None:
            log = self.life.server.log_path
            if keep:
                kept = self.root / "kept"
                kept.mkdir(exist_ok=True)
                with suppress(OSError):
                    shutil.copy(log, kept / f"{self.name}-{self.seed}.log")
                with suppress(OSError):
                    shutil.copytree(self.life.server.data_dir, kept / f"{self.name}-{self.seed}-data", dirs_exist_ok=True)
            self.life.close()
            self.life = None
        if self.medium is not None:
            self.medium.close()
            self.medium = None


class Simulated(Layer):
    name = "simulated"
    what = "the power goes at every I/O of a workload, and of its recovery, on a simulated disk, with fresh seeds"

    def step(self) -> Counts:
        counts = Counter[str]()
        moved = str(self.rng.randrange(1, 10**9))
        for program in self.options["crash_tests"]:
            if not program.exists():
                raise media.Missing(f"needs {program.name}: build it")
            done = subprocess.run(
                [program, "--gtest_filter=*Wherever*:*Interrupted*"], capture_output=True, text=True, check=False, start_new_session=True,
                env={**os.environ, "LONGBOW_CRASH_SEED": moved},
            )  # fmt: skip
            if done.returncode != 0:
                raise Violation(f"LONGBOW_CRASH_SEED={moved} {program}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
            for number, _ in re.findall(r"(\d+) (cuts|crash points)", done.stdout):
                counts["cuts"] += int(number)
            for number in re.findall(r"(\d+) acknowledged", done.stdout):
                counts["acked_batches"] += int(number)
        return counts


class Kill(Layer):
    name = "kill"
    what = "kill -9 at a random time, at the N-th system call, and while recovering"
    cycles_per_life = 25

    def cycle(self, life: Life) -> Counts:
        counts = Counter(cuts=1)
        if self.rng.random() < 0.4:
            counts["cuts"] += self._kill_while_recovering(life)
        life.start()
        life.check()
        if self.rng.random() < 0.25 and shutil.which("strace"):
            self._kill_at_system_call(life)
        else:
            life.write_for(self.rng.uniform(0.0, 0.25), life.kill)
        life.kill()
        return counts

    def _kill_while_recovering(self, life: Life) -> int:
        kills = self.rng.randint(1, 5)
        for _ in range(kills):
            life.server.launch()
            time.sleep(self.rng.uniform(0.0, 0.08))
            life.kill()
        return kills

    def _kill_at_system_call(self, life: Life) -> None:
        call = self.rng.choice(["fdatasync", "fsync", "pwritev", "pwrite64", "renameat,renameat2", "fallocate", "openat"])
        inject = f"inject={call}:signal=KILL:when={self.rng.randint(1, 25)}"
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-e", f"trace={call}", "-e", inject, "-o", "/dev/null", "-p", str(life.server.pid)],
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 1.5

            def wait() -> None:
                while life.server.running and time.monotonic() < deadline:
                    time.sleep(0.005)
                life.kill()

            time.sleep(0.05)
            life.workload.run(life.server.port, life.server.token, wait)
        finally:
            tracer.terminate()
            tracer.wait()


class FileSystemCut(Layer):
    name = "fs-cut"
    what = "the file system is shut down (ext4, XFS) and mounted again"

    def open_medium(self, root: Path) -> Any:
        return media.LoopFileSystem(root, self.rng.choice(media.file_systems()), 320)

    def cycle(self, life: Life) -> Counts:
        life.start()
        life.check()
        how = media.DROP_JOURNAL if self.rng.random() < 0.7 else media.FLUSH_JOURNAL
        life.write_for(self.rng.uniform(0.0, 0.3), lambda: self._cut(life, how))
        life.kill()
        self.medium.power_cycle()
        return Counter(cuts=1)

    def _cut(self, life: Life, how: int) -> None:
        # An fdatasync that is under way when the file system is shut down may return 0 for what is not on the
        # medium (measured with plain programs on ext4 and XFS), so what is heard from here on proves nothing.
        life.workload.power_went_at(time.monotonic())
        self.medium.shut_down(how)
        life.kill()


class DiskCut(Layer):
    name = "disk-cut"
    what = "a disk with a volatile cache loses power: sectors that were not flushed are lost or kept at random"

    def open_medium(self, root: Path) -> Any:
        kind = self.rng.choice(media.file_systems())
        return media.VolatileDisk(root, self.options["volatile_disk"], kind, 320, lies=self.options.get("lies", False))

    def cycle(self, life: Life) -> Counts:
        life.start()
        life.check()
        keep = self.rng.choice([0, 0, 20, 50, 80, 100])
        life.write_for(self.rng.uniform(0.0, 0.3), lambda: self._cut(life, keep))
        life.kill()
        self.medium.power_cycle()
        return Counter(cuts=1)

    def _cut(self, life: Life, keep: int) -> None:
        self.medium.cut(keep, self.rng.randrange(2**31))
        time.sleep(self.rng.uniform(0.0, 0.05))
        life.kill()


class DiskFull(Layer):
    name = "disk-full"
    what = "a small file system fills up under the writers, and space comes back"
    cycles_per_life = 8
    MEGABYTES = {"ext4": 48, "xfs": 320}  # XFS makes nothing smaller

    def open_medium(self, root: Path) -> Any:
        kind = self.rng.choice(media.file_systems())
        return media.LoopFileSystem(root, kind, self.MEGABYTES[kind])

    def settings(self) -> dict[str, str]:
        return {"storage_log_segment_size": self.rng.choice(["64KiB", "256KiB", "1MiB"])}

    def cycle(self, life: Life) -> Counts:
        if not life.server.running:
            life.start()
            life.check()
        ballast = self.medium.path / "ballast"
        free = os.statvfs(self.medium.path)
        left = self.rng.randrange(0, 40) << 16  # filling at every 64 KiB step
        # A life begins with space for the files that a start makes; what it may not have is space to grow.
        self._fill(ballast, max(0, free.f_bavail * free.f_frsize - (1 << 20) - left))
        refused = self._write_until_refused(life)
        self._look(life)
        ballast.unlink()
        self._expect_recovery(life)
        if self.rng.random() < 0.3:
            life.kill()
            life.start()
        life.check()
        return Counter(cuts=1, refused=refused)

    @staticmethod
    def _fill(path: Path, size: int) -> None:
        with open(path, "wb") as file:
            if size > 0:
                os.posix_fallocate(file.fileno(), 0, size)

    def _write_until_refused(self, life: Life) -> int:
        """Writes until the server says that the disk is full; how many operations it refused."""

        def refused() -> int:
            return sum(op.state == "refused" for w in life.workload.writers for op in w.history)

        before = refused()
        # Snapshots give the log's space back, and then what is left may do; one is taken of itself when enough rows were replaced.
        deadline = time.monotonic() + (5 if life.snapshots else 30)

        def wait() -> None:
            snapshots = life.snapshots
            while refused() < before + 3:
                if not life.server.running:
                    raise Violation(f"the server ended on a full disk:\n{life.server.log()[-2000:]}")
                snapshots = snapshots or any(life.blocks.glob("*.parquet"))
                if time.monotonic() > deadline and snapshots:
                    return
                if time.monotonic() > deadline:
                    raise Violation("the disk is full and nothing was refused for 30 s")
                time.sleep(0.01)

        life.workload.run(life.server.port, life.server.token, wait)
        return refused() - before

    @staticmethod
    def _look(life: Life) -> None:
        """Reads go on while the disk is full."""
        connection = life.connect()
        try:
            life.workload.check(connection)
        finally:
            connection.close()

    @staticmethod
    def _expect_recovery(life: Life) -> None:
        """Within 5 s of space coming back writes are taken again, without anybody's help."""
        connection = life.connect()
        try:
            writer = life.workload.writers[0]
            deadline = time.monotonic() + 5
            while True:
                op = writer.draw()
                writer.history.append(op)
                writer.send(connection, [op])
                if op.state == "acked":
                    return
                if time.monotonic() > deadline:
                    raise Violation("5 s after space came back writes are still refused")
                time.sleep(0.05)
        finally:
            connection.close()


class FailedFlush(Layer):
    name = "failed-flush"
    what = "writes or flushes of the disk fail with EIO, once: fsync says so once, and the next one says OK"
    cycles_per_life = 4

    def open_medium(self, root: Path) -> Any:
        return media.VolatileDisk(root, self.options["volatile_disk"], "ext4", 320)

    def cycle(self, life: Life) -> Counts:
        life.start()
        life.check()

        def break_and_wait() -> None:
            time.sleep(self.rng.uniform(0.0, 0.2))
            deadline = time.monotonic() + 60
            while self._status(life, "/ready") == 200:
                # Again: the failure may have met a write that the log does not depend on.
                self.medium.command(self.rng.choice(["fail-writes 1", "fail-writes 3", "fail-flushes 1"]))
                if time.monotonic() > deadline:
                    raise Violation("the disk fails and the server stays ready")
                time.sleep(0.05)

        life.workload.run(life.server.port, life.server.token, break_and_wait)
        self._expect_read_only(life)
        life.kill()
        self.medium.cut(self.rng.choice([0, 50, 100]), self.rng.randrange(2**31))
        self.medium.power_cycle()
        return Counter(cuts=1)

    @staticmethod
    def _status(life: Life, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{life.server.http_port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            raise Violation(f"the server is gone:\n{life.server.log()[-2000:]}") from None

    @staticmethod
    def _expect_read_only(life: Life) -> None:
        """Nothing is acknowledged after the failure, and the refusal says why; reads go on."""
        connection = life.connect()
        try:
            for writer in life.workload.writers:
                before = len([op for op in writer.history if op.state == "acked"])
                op = writer.draw()
                op.delete = False
                writer.history.append(op)
                try:
                    writer.send(connection, [op])
                except (pa.ArrowException, OSError) as error:
                    if "read-only" not in str(error):
                        raise Violation(f"a refusal that does not say why: {error}") from None
                if len([op for op in writer.history if op.state == "acked"]) != before:
                    raise Violation(f"{writer}: acknowledged after a failed flush")
            for kind in KINDS:
                connection.rows(kind.name)
        finally:
            connection.close()


class OutOfMemory(Layer):
    name = "oom-kill"
    what = "the kernel kills the server for memory, in a cgroup"
    cycles_per_life = 10
    LIMIT = 192 << 20
    HOG = (
        "import ctypes, sys, time\n"
        "open(sys.argv[1] + '/cgroup.procs', 'w').write(str(__import__('os').getpid()))\n"
        "held = []\n"
        "while True: held.append(bytearray(b'x') * (1 << 20)); time.sleep(0.0005)\n"
    )

    def open_medium(self, root: Path) -> Any:
        directory = media.Directory(root)
        try:
            self.group = media.MemoryCgroup(f"longbow-prove-{os.getpid()}-{self.lives}", self.LIMIT)
        except BaseException:
            directory.close()
            raise
        return directory

    def cycle(self, life: Life) -> Counts:
        self._start_inside(life)
        life.check()
        died = life.server._process
        hog = subprocess.Popen(
            [sys.executable, "-c", self.HOG, str(self.group.path)], stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:

            def wait() -> None:
                deadline = time.monotonic() + 30
                while life.server.running and hog.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.005)

            life.workload.run(life.server.port, life.server.token, wait)
        finally:
            hog.kill()
            hog.wait()
        killed = died is not None and died.poll() == -9
        life.kill()
        return Counter(cuts=int(killed), survived=int(not killed))

    def _start_inside(self, life: Life) -> None:
        """Recovery, too, has to fit into the limit."""
        life.server.launch()
        self.group.add(life.server.pid)
        Path(f"/proc/{life.server.pid}/oom_score_adj").write_text("1000")  # it is the one that has to go
        deadline = time.monotonic() + 60
        while not life.server._ready():
            if not life.server.running:
                raise Violation(f"the server does not start inside the limit:\n{life.server.log()[-2000:]}")
            if time.monotonic() > deadline:
                raise Violation("the server is not ready within 60 s inside the limit")
            time.sleep(0.01)

    def end(self, keep: bool = False) -> None:
        super().end(keep)
        if hasattr(self, "group"):
            self.group.close()


class BitFlips(Layer):
    name = "bit-flip"
    what = "one bit of a file of the data directory is turned while the server is down"
    cycles_per_life = 6

    def cycle(self, life: Life) -> Counts:
        life.start()
        life.check()
        life.write_for(self.rng.uniform(0.05, 0.3), life.kill)
        life.kill()
        data = life.server.data_dir
        sound = data.with_name("sound")
        shutil.copytree(data, sound)
        counts = Counter[str]()
        try:
            for _ in range(6):
                counts += self._flip(life, sound)
        finally:
            shutil.rmtree(data)
            sound.rename(data)
        return counts

    def _flip(self, life: Life, sound: Path) -> Counts:
        data = life.server.data_dir
        shutil.rmtree(data)
        shutil.copytree(sound, data)
        files = sorted(p for p in data.rglob("*") if p.is_file() and p.stat().st_size and p.name != "token")
        kinds: dict[str, list[Path]] = {}
        for path in files:
            kinds.setdefault(path.suffix or path.name, []).append(path)
        path = self.rng.choice(kinds[self.rng.choice(sorted(kinds))])
        content = bytearray(path.read_bytes())
        used = len(content.rstrip(b"\0")) or len(content)
        place = self.rng.randrange(used if self.rng.random() < 0.8 else len(content))
        content[place] ^= 1 << self.rng.randrange(8)
        path.write_bytes(content)
        where = f"bit flip at offset {place} of {path.relative_to(data)}"
        # What nothing proves durable may look like a torn tail: the last flush before the kill.
        before = [[(op, op.state) for op in w.history] for w in life.workload.writers]
        try:
            life.start()
        except longbow.UnavailableError as error:
            if str(path.relative_to(data)) not in str(error) and path.name not in str(error):
                raise Violation(f"{where}: the refusal does not name the file: {error}") from None
            return Counter(flips=1, refused=1)
        try:
            cut = "log tail cut" in life.server.log()[life.server._log_start :]
            connection = life.connect()
            try:
                life.workload.check(connection)
            except Violation as wrong:
                if not cut:
                    raise Violation(f"{where}: {wrong}") from None
                return Counter(flips=1, cut=1)
            finally:
                connection.close()
            return Counter(flips=1, harmless=1)
        finally:
            life.kill()
            for states in before:
                for op, state in states:
                    op.state = state


LAYERS: tuple[type[Layer], ...] = (Simulated, Kill, FileSystemCut, DiskCut, DiskFull, FailedFlush, OutOfMemory, BitFlips)
