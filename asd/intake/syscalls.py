"""A list of what a process may still ask of the Linux kernel (seccomp); all else answers "not permitted".

For x86-64. Elsewhere nothing is installed, and the limits of `asd.intake.sandbox` are all there is.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import struct
import sys
from collections.abc import Iterable, Sequence

# numbers of the system calls, from arch/x86/entry/syscalls/syscall_64.tbl
_COMPUTE = {
    "read": 0,
    "write": 1,
    "close": 3,
    "fstat": 5,
    "poll": 7,
    "lseek": 8,
    "munmap": 11,
    "brk": 12,
    "rt_sigaction": 13,
    "rt_sigprocmask": 14,
    "rt_sigreturn": 15,
    "pread64": 17,
    "readv": 19,
    "writev": 20,
    "sched_yield": 24,
    "mremap": 25,
    "madvise": 28,
    "nanosleep": 35,
    "getitimer": 36,
    "setitimer": 38,
    "getpid": 39,
    "exit": 60,
    "ftruncate": 77,
    "getcwd": 79,  # Pillow asks for it before it saves to memory
    "gettimeofday": 96,
    "getrusage": 98,
    "sysinfo": 99,
    "sigaltstack": 131,
    "gettid": 186,
    "futex": 202,
    "sched_getaffinity": 204,
    "restart_syscall": 219,
    "clock_gettime": 228,
    "clock_nanosleep": 230,
    "exit_group": 231,
    "set_robust_list": 273,
    "getrandom": 318,
    "rseq": 334,
}
_READ_FILES = {"stat": 4, "lstat": 6, "getdents64": 217, "newfstatat": 262, "statx": 332}
_OPENAT, _MMAP, _MPROTECT, _FCNTL, _TGKILL = 257, 9, 10, 72, 234
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_PROT_EXEC = 4
_OF_HANDLES = (
    *(fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_SETFL),
    *(fcntl.F_SETLK, fcntl.F_SETLKW, getattr(fcntl, "F_DUPFD_CLOEXEC", 1030)),
)
"""What `fcntl` may be asked for: its others have the kernel send signals to any process of ours."""

_ARCHITECTURE = 0xC000003E  # AUDIT_ARCH_X86_64
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _NOT_PERMITTED = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM
_NUMBER, _ARCH, _ARGUMENT = 0, 4, 16  # places in struct seccomp_data
_SECCOMP, _SET_FILTER, _ALL_THREADS = 317, 1, 1

_Step = tuple[int, int, int, int]


def allow_only_computing(*, reading_files: bool) -> bool:
    """Forbid all but computing and talking over what is open; whether that worked.

    No file is opened but, if `reading_files`, to read it; nothing is started, no socket made, no other
    process is sent a signal, and no memory may be run as code that was not code before.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    numbers = [*_COMPUTE.values(), *(_READ_FILES.values() if reading_files else ())]
    program = _program(numbers, reading_files=reading_files)
    steps = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in program))
    whole = struct.pack("HxxxxxxP", len(program), ctypes.addressof(steps))
    library = ctypes.CDLL(None, use_errno=True)
    return bool(library.syscall(_SECCOMP, _SET_FILTER, _ALL_THREADS, ctypes.c_char_p(whole)) == 0)


def _program(numbers: Iterable[int], *, reading_files: bool) -> list[_Step]:
    """The filter in classic BPF: each step is (code, jump if true, jump if false, value)."""
    steps: list[_Step] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, _ARCHITECTURE),
        (_RETURN, 0, 0, _NOT_PERMITTED),
        (_LOAD, 0, 0, _NUMBER),
    ]
    for number in numbers:
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    steps += _unless(_MMAP, 2, _PROT_EXEC) + _unless(_MPROTECT, 2, _PROT_EXEC)
    steps += _only(_FCNTL, 1, _OF_HANDLES) + _only(_TGKILL, 0, [os.getpid()])  # abort() sends to itself
    if reading_files:
        steps += _unless(_OPENAT, 2, _WRITING)
    return [*steps, (_RETURN, 0, 0, _NOT_PERMITTED)]


def _unless(number: int, argument: int, bits: int) -> list[_Step]:
    """Allow a call unless one of some bits of an argument is set."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _ARGUMENT + 8 * argument),
        (_ANY_BIT, 1, 0, bits),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _NOT_PERMITTED),
    ]


def _only(number: int, argument: int, values: Sequence[int]) -> list[_Step]:
    """Allow a call if an argument is one of some values; the kernel takes its lower 32 bits, too."""
    tests: list[_Step] = []
    for value in values:
        tests += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [
        (_EQUAL, 0, len(tests) + 2, number),
        (_LOAD, 0, 0, _ARGUMENT + 8 * argument),
        *tests,
        (_RETURN, 0, 0, _NOT_PERMITTED),
    ]
