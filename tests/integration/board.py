"""The board of a running weir, read from outside: Board(pid of the guard).gauges().

Where things lie says build/tests/board_layout, which `make integration` builds against shm/board.h.
"""
import errno
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

    def _slabs(self):
        """Of each worker that has written to it: the board has room for many, and memory for those that were there."""
        where = self.layout
        at, end = where["slabs"], where["slabs"] + where["workers"] * where["stride"]
        while at < end:
            try:
                at = os.lseek(self.fd, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:  # nothing is behind it
                    raise
                return
            slot = (at - where["slabs"]) // where["stride"]
            if slot < where["workers"]:
                yield os.pread(self.fd, where["stride"], where["slabs"] + slot * where["stride"])
            at = where["slabs"] + (slot + 1) * where["stride"]

    def gauges(self):
        """Summed over all workers."""
        slabs = list(self._slabs())
        return {name: sum(struct.unpack_from("=q", slab, offset)[0] for slab in slabs)
                for name, offset in self.layout["gauges"].items()}

    def published(self):
        """The number of the last generation."""
        return struct.unpack("=Q", os.pread(self.fd, 8, self.layout["tree"] + self.layout["published"]))[0]

    def acknowledged(self):
        """Of each worker: the generation it serves, and since when (time.monotonic_ns())."""
        where = self.layout
        return [tuple(struct.unpack_from("=Q", slab, where[key])[0] for key in ("generation", "acknowledged_ns"))
                for slab in self._slabs() if struct.unpack_from("=i", slab, where["pid"])[0]]

    def close(self):
        os.close(self.fd)
