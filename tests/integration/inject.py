"""System calls made by another, running process: what it gets when it tries something, from its own mouth.

`with Injector(pid) as inside: inside.call("openat", -100, b"/etc/passwd", 0)` gives what the call gave (a negative errno when
it failed). The process is stopped meanwhile and goes on afterwards as if nothing had been. Bytes go as a pointer to a copy on
its stack.
"""
import ctypes
import os
import platform
import re
import struct

SEIZE, INTERRUPT, DETACH, SINGLESTEP, GETREGSET, SETREGSET = 0x4206, 0x4207, 17, 9, 0x4204, 0x4205
NT_PRSTATUS, WALL = 1, 0x40000000
STACK_ROOM = 4096  # beyond what the process may be using below its stack pointer

# Registers by their place in what NT_PRSTATUS gives; numbers of system calls.
MACHINES = {
    "x86_64": {
        "registers": 27, "number": 10, "result": 10, "arguments": [14, 13, 12, 7, 9, 8], "pc": 16, "sp": 19, "instruction": b"\x0f\x05",
        "restart": 15,  # orig_rax: -1, or the kernel takes the stop for a call to be made again
        "calls": {"openat": 257, "execve": 59, "socket": 41, "connect": 42, "ptrace": 101, "process_vm_readv": 310, "kill": 62, "clone": 56,
                  "memfd_create": 319, "listen": 50, "getpid": 39, "close": 3, "bpf": 321, "prctl": 157, "open_by_handle_at": 304, "mmap": 9, "munmap": 11, "mprotect": 10, "sendto": 44, "clock_gettime": 228},
    },
    "aarch64": {
        "registers": 34, "number": 8, "result": 0, "arguments": [0, 1, 2, 3, 4, 5], "pc": 32, "sp": 31, "instruction": b"\x01\x00\x00\xd4",
        "restart": None,
        "calls": {"openat": 56, "execve": 221, "socket": 198, "connect": 203, "ptrace": 117, "process_vm_readv": 270, "kill": 129, "clone": 220,
                  "memfd_create": 279, "listen": 201, "getpid": 172, "close": 57, "bpf": 280, "prctl": 167, "open_by_handle_at": 265, "mmap": 222, "munmap": 215, "mprotect": 226, "sendto": 206, "clock_gettime": 113},
    },
}
MACHINE = MACHINES[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Injector:
    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        self._ptrace(SEIZE)
        self._ptrace(INTERRUPT)
        os.waitpid(self.pid, WALL)
        self.kept = self._registers()
        self.memory = open(f"/proc/{self.pid}/mem", "r+b", buffering=0)
        self.door = self._find_instruction()
        return self

    def __exit__(self, *_):
        self.memory.close()
        self._registers(self.kept)
        self._ptrace(DETACH)

    def _ptrace(self, request, address=None, data=None):
        if libc.ptrace(request, self.pid, address, data) == -1:
            raise OSError(ctypes.get_errno(), f"ptrace request {request:#x} of {self.pid}")

    def _registers(self, values=None):
        form = f"{MACHINE['registers']}Q"
        space = ctypes.create_string_buffer(struct.pack(form, *(values or [0] * MACHINE["registers"])), struct.calcsize(form))
        piece = Piece(ctypes.addressof(space), len(space))
        self._ptrace(SETREGSET if values else GETREGSET, NT_PRSTATUS, ctypes.addressof(piece))
        return list(struct.unpack(form, space.raw))

    def _find_instruction(self):
        with open(f"/proc/{self.pid}/maps") as maps:
            for start, end in re.findall(r"^(\w+)-(\w+) r-xp .*/libc\.so", maps.read(), re.MULTILINE):
                self.memory.seek(int(start, 16))
                return int(start, 16) + self.memory.read(int(end, 16) - int(start, 16)).index(MACHINE["instruction"])
        raise AssertionError("no libc")

    def call(self, name, *arguments):
        values, free = list(self.kept), (self.kept[MACHINE["sp"]] - STACK_ROOM) & ~15
        for place, argument in zip(MACHINE["arguments"], arguments):
            if isinstance(argument, bytes):
                free -= (len(argument) + 1 + 15) & ~15
                self.memory.seek(free)
                self.memory.write(argument + b"\0")
                argument = free
            values[place] = argument & 0xffffffffffffffff
        values[MACHINE["number"]] = MACHINE["calls"][name]
        values[MACHINE["pc"]] = self.door
        if MACHINE["restart"] is not None:
            values[MACHINE["restart"]] = 0xffffffffffffffff
        self._registers(values)
        self._ptrace(SINGLESTEP)
        os.waitpid(self.pid, WALL)
        result = self._registers()[MACHINE["result"]]
        return result - (1 << 64) if result >> 63 else result
