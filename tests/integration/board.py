"""The board of a running weir, read from outside: Board(pid of the guard).gauges().

Where things lie says build/tests/board_layout, which `make integration` builds against shm/board.h.
"""
import functools
import json
import os
import pathlib
import struct
import subprocess

from processes import descriptors

BUILD = pathlib.Path(os.environ.get("WEIR", pathlib.Path(__file__).resolve().parents[2] / "build/weir")).parent


@functools.lru_cache(maxsize=None)
def layout():
    program = BUILD / "tests/board_layout"
    if not program.exists():
        raise AssertionError(f"{program} is not there: `make integration` builds it")
    return json.loads(subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout)


class Board:
    def __init__(self, pid):
        self.layout = layout()
        self.fd = next(os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
                       for number, target in descriptors(pid).items() if target.startswith("/memfd:weir-board"))

    def gauges(self):
        """Summed over all workers."""
        where = self.layout
        slabs = os.pread(self.fd, where["workers"] * where["stride"], where["slabs"])
        return {name: sum(struct.unpack_from("=q", slabs, slot * where["stride"] + offset)[0]
                          for slot in range(where["workers"]))
                for name, offset in where["gauges"].items()}

    def published(self):
        """The number of the last generation."""
        return struct.unpack("=Q", os.pread(self.fd, 8, self.layout["tree"] + self.layout["published"]))[0]

    def acknowledged(self):
        """Of each worker: the generation it serves, and since when (time.monotonic_ns())."""
        where, found = self.layout, []
        slabs = os.pread(self.fd, where["workers"] * where["stride"], where["slabs"])
        for slot in range(where["workers"]):
            at = slot * where["stride"]
            if struct.unpack_from("=i", slabs, at + where["pid"])[0]:
                found.append(tuple(struct.unpack_from("=Q", slabs, at + where[key])[0] for key in ("generation", "acknowledged_ns")))
        return found

    def close(self):
        os.close(self.fd)
