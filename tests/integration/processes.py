"""Other processes as /proc shows them. Any of them may end while it is looked at: that is an answer, not an error."""
import contextlib
import os
import pathlib
import resource
import signal

from waiting import wait_until

LISTS_CHILDREN = os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")


def _stat(pid):
    """The fields of /proc/PID/stat from the state on; none when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def state(pid):
    """Its letter; empty when it is gone."""
    return "".join(_stat(pid)[:1])


def processor_seconds(pid):
    """What it has used so far."""
    return sum(int(ticks) for ticks in _stat(pid)[11:13]) / os.sysconf("SC_CLK_TCK")


def alive(pid):
    """Also when its first thread has ended and others, which have its sockets too, have not."""
    if state(pid) not in ("", "Z", "X"):
        return True
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    return False


def gone(pid):
    wait_until(f"process {pid} is gone", lambda: not alive(pid))


def freeze(pid):
    """SIGSTOP, and it stands (or has ended) when this returns."""
    os.kill(pid, signal.SIGSTOP)
    wait_until("it is stopped", lambda: state(pid) in ("T", "t") or not alive(pid))


def title(pid):
    """Of a process; empty when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode(errors="replace")
    except OSError:
        return ""


def children(parent):
    """The kernel lists them where it is built to (CONFIG_PROC_CHILDREN); else everybody is asked for his parent."""
    if not LISTS_CHILDREN:
        return sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _stat(entry)[1:2] == [str(parent)])
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{parent}/task"):
            with contextlib.suppress(OSError):
                found += map(int, pathlib.Path(f"/proc/{parent}/task/{thread}/children").read_text().split())
    return sorted(found)


def _memory_kib(pids, fields):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.split(":")[0] in fields:
                    total += int(line.split()[1])
    return total


def pss_kib(pids):
    """What the machine spends on them: what is shared counts by its share."""
    return _memory_kib(pids, ("Pss",))


def own_kib(pids):
    """What they have written, and their shared pages. Unlike pss_kib() it does not grow when another weir on the machine,
    with which they share the program's text, ends."""
    return _memory_kib(pids, ("Pss_Anon", "Pss_Shmem"))


def descriptors(pid, thread=None):
    """What each of its descriptors leads to, by number; those of the first thread unless another one is meant."""
    found, folder = {}, f"/proc/{pid}/task/{thread or pid}/fd"
    for entry in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found[int(entry)] = os.readlink(f"{folder}/{entry}")
    return found


def threads(pid):
    return [int(entry) for entry in os.listdir(f"/proc/{pid}/task")]


class Tree:
    """Of whatever has the guard's .pid: the processes below it."""

    def children(self, name):
        """Pids of the processes of this tree whose title begins with `weir: name` now."""
        return [pid for pid in children(self.pid) if title(pid).startswith(f"weir: {name}")]

    # A process has its title some time after it was started: who needs one waits for it.
    def worker(self, slot=0, other_than=()):
        """The pid of the worker of that slot, once there is exactly one (besides those given, which are of the past)."""
        return self._only(f"worker {slot}", other_than)

    def master(self, other_than=()):
        return self._only("master", other_than)

    def workers(self, count, other_than=()):
        """Pids of the workers, once there are that many (besides those given)."""
        def all_of_them():
            found = [pid for pid in self.children("worker") if pid not in other_than]
            return found if len(found) == count else None
        return wait_until(f"{count} workers besides {list(other_than)}", all_of_them)

    def _only(self, name, other_than):
        def only():
            found = [pid for pid in self.children(name) if pid not in other_than and title(pid) == f"weir: {name}"]
            return found[0] if len(found) == 1 else None
        return wait_until(f"a {name} besides {list(other_than)}", only)


def limit_data(pid, size=None):
    """None: as much as there may be."""
    _, most = resource.prlimit(pid, resource.RLIMIT_DATA)
    resource.prlimit(pid, resource.RLIMIT_DATA, (most if size is None else size, most))
