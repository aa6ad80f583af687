"""What a server's directory lies on: a plain directory, a file system on a loop device, a disk with a volatile cache.

Everything made here has one exact name below the run's own directory and is taken down by that name.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

# _IOR('X', 125, __u32) of ext4 and XFS: stops the file system as if the machine had lost power.
SHUTDOWN = 0x8004587D
FLUSH_JOURNAL, DROP_JOURNAL = 1, 2


class Missing(Exception):
    """This machine cannot carry the layer; the text says what it lacks."""


def need_root(*programs: str) -> None:
    if os.geteuid() != 0:
        raise Missing("needs root")
    for program in programs:
        if shutil.which(program) is None:
            raise Missing(f"needs {program}")


def need_loop_device() -> None:
    found = subprocess.run(["losetup", "--find"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise Missing(f"needs a free loop device: {found.stderr.strip()}")


def run(*command: str | Path) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def file_systems() -> list[str]:
    return [kind for kind in ("ext4", "xfs") if shutil.which(f"mkfs.{kind}")]


def sweep(directory: Path, prefix: str) -> None:
    """Takes down what runs that were killed left: directories named by `prefix` and the id of a process that is gone."""
    for root in directory.glob(f"{prefix}*-*"):
        owner = root.name.removeprefix(prefix).split("-")[0]
        if not owner.isdigit() or Path(f"/proc/{owner}").exists() or (root / "kept").exists():
            continue
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in sorted((place for place in mounted if place.startswith(f"{root}/")), reverse=True):
            device = run("findmnt", "-n", "-o", "SOURCE", place)
            with suppress(RuntimeError):
                run("umount", place)
                if device.startswith("/dev/loop"):
                    run("losetup", "--detach", device)
        shutil.rmtree(root, ignore_errors=True)


class Directory:
    """A directory on whatever disk the run's own directory lies on."""

    def __init__(self, root: Path) -> None:
        self.path = root / "plain"
        self.path.mkdir(parents=True)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class LoopDevice:
    """A block device over a file."""

    def __init__(self, file: Path, direct: bool = False) -> None:
        flags = ["--direct-io=on"] if direct else []
        self.name = run("losetup", *flags, "--find", "--show", file)

    def close(self) -> None:
        with suppress(RuntimeError):
            run("losetup", "--detach", self.name)


class LoopFileSystem:
    """ext4 or XFS on a loop device over `image`, mounted at `path`."""

    def __init__(self, root: Path, kind: str, megabytes: int, image: Path | None = None, direct: bool = False) -> None:
        need_root("losetup", "mount", "umount", f"mkfs.{kind}")
        need_loop_device()
        self.root, self.kind, self.direct = root, kind, direct
        self.path = root / "mounted"
        self.path.mkdir(parents=True, exist_ok=True)
        self.image = image or root / "image"
        if image is None:
            with open(self.image, "wb") as file:
                file.truncate(megabytes << 20)
        self.device: LoopDevice | None = None
        self.attach()
        try:
            run(f"mkfs.{kind}", "-q", "-f" if kind == "xfs" else "-F", self._device())
            self.mount()
        except BaseException:
            self.close()
            raise

    def _device(self) -> str:
        if self.device is None:
            raise RuntimeError("the loop device is not attached")
        return self.device.name

    def attach(self) -> None:
        self.device = LoopDevice(self.image, self.direct)

    def detach(self) -> None:
        if self.device is not None:
            self.device.close()
            self.device = None

    def mount(self) -> None:
        run("mount", "-t", self.kind, self._device(), self.path)

    def unmount(self) -> None:
        for _ in range(100):  # what the killed server had open goes a moment after it
            try:
                return void(run("umount", self.path))
            except RuntimeError as error:
                if "not mounted" in str(error):
                    return
                last = error
                time.sleep(0.05)
        raise last

    def shut_down(self, how: int) -> None:
        """From here on the file system writes nothing any more."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, how.to_bytes(4, "little"))
        finally:
            os.close(fd)

    def power_cycle(self) -> None:
        """Forgets what only the kernel's memory held, and lets the journal repair the rest."""
        self.unmount()
        self.detach()
        self.attach()
        self.mount()

    def close(self) -> None:
        with suppress(RuntimeError, UnboundLocalError):
            self.unmount()
        self.detach()
        with suppress(FileNotFoundError):
            if self.image.parent == self.root:
                self.image.unlink()


class VolatileDisk:
    """The user-space disk of volatile_disk.cc, and ext4 or XFS on it."""

    def __init__(self, root: Path, program: Path, kind: str, megabytes: int, lies: bool = False) -> None:
        need_root("losetup", "mount", "umount", f"mkfs.{kind}")
        need_loop_device()
        if not os.path.exists("/dev/fuse"):
            raise Missing("needs /dev/fuse")
        if not program.exists():
            raise Missing(f"needs {program.name}: build it (apt package libfuse3-dev)")
        self.fuse = root / "disk"
        self.fuse.mkdir(parents=True)
        backing = root / "backing"
        with open(backing, "wb") as file:
            file.truncate(megabytes << 20)
        self.process = subprocess.Popen([program, self.fuse, backing], stdin=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + 10
        while not (self.fuse / "control").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise Missing(f"{program.name} cannot mount here")
            time.sleep(0.01)
        try:
            self.files = LoopFileSystem(root, kind, megabytes, image=self.fuse / "disk", direct=True)
        except BaseException:
            self._end()
            raise
        self.path = self.files.path
        if lies:
            self.command("ignore-flushes 1")

    def command(self, text: str) -> None:
        (self.fuse / "control").write_text(text + "\n")

    def cut(self, keep_percent: int, seed: int) -> None:
        """Power off: each sector that was not flushed survives with this probability, and nothing reaches the disk any more."""
        self.command(f"cut {keep_percent} {seed}")

    def power_cycle(self) -> None:
        self.files.unmount()
        self.files.detach()
        self.command("restore")
        self.files.attach()
        self.files.mount()

    def _end(self) -> None:
        with suppress(RuntimeError):
            run("umount", self.fuse)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def close(self) -> None:
        with suppress(OSError):
            self.command("restore")
        self.files.close()
        self._end()


class MemoryCgroup:
    """A cgroup (version 1) with a memory limit for one server."""

    BASE = Path("/sys/fs/cgroup/memory")

    def __init__(self, name: str, limit_bytes: int) -> None:
        need_root()
        if not (self.BASE / "memory.limit_in_bytes").exists():
            raise Missing("needs cgroup v1 memory")
        self.path = self.BASE / name
        try:
            self.path.mkdir()
        except OSError as error:
            raise Missing(f"cannot make a cgroup: {error.strerror}") from error
        (self.path / "memory.limit_in_bytes").write_text(str(limit_bytes))

    def add(self, pid: int) -> None:
        (self.path / "cgroup.procs").write_text(str(pid))

    def usage(self) -> int:
        return int((self.path / "memory.usage_in_bytes").read_text())

    def close(self) -> None:
        for _ in range(50):
            with suppress(OSError):
                return self.path.rmdir()
            time.sleep(0.1)


def void(_: object) -> None:
    return None
