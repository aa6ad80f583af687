"""`longbow doctor`: what of this machine helps or hinders, each with what to do."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from longbow.command.output import Json, console, show_rows, size_of
from longbow.errors import LongbowError
from longbow.server import find_binary, program_environment

Verdict = Literal["good", "fair", "bad"]
_MARKS = {"good": "[green]good[/green]", "fair": "[yellow]fair[/yellow]", "bad": "[red]bad[/red]"}
_IO_URING_SETUP = 425  # the same number on every architecture


@dataclass(frozen=True)
class Finding:
    """One thing looked at: how it stands, and what to do where it could be better."""

    what: str
    verdict: Verdict
    found: str
    fix: str = ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def program() -> Finding:
    try:
        binary = find_binary()
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20, env={**os.environ, **program_environment(binary)})
    except (LongbowError, OSError, subprocess.SubprocessError) as error:
        return Finding("server program", "bad", str(error), "install the wheel that holds it, or set LONGBOW_BINARY")
    if done.returncode != 0:
        return Finding("server program", "bad", (done.stderr or done.stdout).strip()[:200], "install the wheel for this platform")
    return Finding("server program", "good", f"{done.stdout.strip()} at {binary}")


def processor() -> Finding:
    flags = set(next((line for line in _read("/proc/cpuinfo").splitlines() if line.startswith(("flags", "Features"))), "").split())
    known = [f for f in ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "asimd") if f in flags]
    cores = len(os.sched_getaffinity(0))
    found = f"{cores} cores; {', '.join(known) or 'no vector instructions known to Longbow'}"
    if "avx512f" in flags or "asimd" in flags:
        return Finding("processor", "good", found)
    if "avx2" in flags:
        return Finding("processor", "good", found + " (AVX-512 would be faster still)")
    return Finding("processor", "bad", found, "searches run some times slower than with AVX2: use a processor, or a virtual machine type, that shows it")


def io_uring() -> Finding:
    libc = ctypes.CDLL(None, use_errno=True)
    parameters = ctypes.create_string_buffer(120)
    ring = libc.syscall(_IO_URING_SETUP, 4, parameters)
    if ring >= 0:
        os.close(ring)
        return Finding("io_uring", "good", "available")
    reason = os.strerror(ctypes.get_errno())
    return Finding("io_uring", "fair", f"not available: {reason}", "writes go through threads instead; allow it with sysctl kernel.io_uring_disabled=0, and in a container's seccomp profile")


def huge_pages() -> Finding:
    text = _read("/sys/kernel/mm/transparent_hugepage/enabled")
    chosen = text[text.find("[") + 1 : text.find("]")] if "[" in text else "unknown"
    if chosen in ("always", "madvise"):
        return Finding("huge pages", "good", chosen)
    return Finding("huge pages", "fair", chosen, "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, for fewer misses in large indexes")


def memory() -> Finding:
    fields = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in _read("/proc/meminfo").splitlines() if ":" in line}
    total, free = fields.get("MemTotal", 0), fields.get("MemAvailable", 0)
    limit = _read("/sys/fs/cgroup/memory.max")
    found = f"{size_of(free)} of {size_of(total)} available" + (f", cgroup limit {size_of(int(limit))}" if limit.isdigit() else "")
    if free < 1 << 30:
        return Finding("memory", "fair", found, "less than 1 GiB is available; `longbow plan` says what a dataset needs")
    return Finding("memory", "good", found)


def limits() -> Iterator[Finding]:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    verdict: Verdict = "good" if files == resource.RLIM_INFINITY or files >= 4096 else "fair"
    yield Finding("open files", verdict, "unlimited" if files == resource.RLIM_INFINITY else str(files), "" if verdict == "good" else "ulimit -n 65536, or LimitNOFILE=65536 in the service unit")
    locked, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    enough = locked == resource.RLIM_INFINITY or locked >= 8 << 20
    yield Finding("locked memory", "good" if enough else "fair", "unlimited" if locked == resource.RLIM_INFINITY else size_of(locked), "" if enough else "ulimit -l 8192, for io_uring's buffers")


def ports(numbers: tuple[int, ...]) -> Iterator[Finding]:
    for number in numbers:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except OSError as error:
                yield Finding(f"port {number}", "fair", f"taken ({error.strerror})", "a server is running there, or choose another with longbowd's --listen-addr, --meta-addr, --metrics-addr")
                continue
        yield Finding(f"port {number}", "good", "free")


def clock() -> Finding:
    source = _read("/sys/devices/system/clocksource/clocksource0/current_clocksource") or "unknown"
    if source in ("hpet", "acpi_pm", "refined-jiffies"):
        return Finding("clock", "fair", source, "reading it is slow, and searches read it: prefer tsc or kvm-clock (clocksource= on the kernel's command line)")
    year = time.gmtime().tm_year
    if year < 2025:
        return Finding("clock", "bad", f"it says {year}", "set the time, for instance by NTP")
    return Finding("clock", "good", source)


def disk(directory: Path) -> Iterator[Finding]:
    place = next((p for p in (directory, *directory.absolute().parents) if p.exists()), Path("/"))
    free = shutil.disk_usage(place).free
    verdict: Verdict = "good" if free > 10 << 30 else "fair" if free > 1 << 30 else "bad"
    yield Finding("disk", verdict, f"{size_of(free)} free at {place}", "" if verdict == "good" else "make room, or keep the data elsewhere: longbow serve DIRECTORY")
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            times = []
            for _ in range(20):
                os.write(file.fileno(), b"x" * 4096)
                start = time.perf_counter()
                os.fsync(file.fileno())
                times.append(time.perf_counter() - start)
    except OSError as error:
        yield Finding("durable writes", "bad", f"{place}: {error.strerror}", "keep the data where you may write")
        return
    median = sorted(times)[len(times) // 2]
    if median > 0.02:
        yield Finding("durable writes", "fair", f"fsync takes {median * 1000:.1f} ms", 'use a faster disk, or durability="async" for data that may be lost')
    else:
        yield Finding("durable writes", "good", f"fsync takes {median * 1000:.2f} ms")


def findings(directory: Path) -> Iterator[Finding]:
    """Everything that is looked at."""
    single: tuple[Callable[[], Finding], ...] = (program, processor, io_uring, huge_pages, memory, clock)
    for look in single:
        yield look()
    yield from limits()
    yield from ports((3000, 3001, 9090))
    yield from disk(directory)


def doctor(
    directory: Annotated[Path, typer.Argument(metavar="[DIRECTORY]", help="Where the data is, or would be.")] = Path("data"),
    as_json: Json = False,
) -> None:
    """Looks at this machine, and says what to change. Exit status 1 when something is bad."""
    found = list(findings(directory))
    if as_json:
        show_rows([vars(f) for f in found], True)
    else:
        for f in found:
            console.print(f"{_MARKS[f.verdict]}  [bold]{f.what}[/bold]: ", end="")
            console.print(f.found, markup=False)
            if f.fix:
                console.print(f"      {f.fix}", markup=False)
    if any(f.verdict == "bad" for f in found):
        raise typer.Exit(1)
