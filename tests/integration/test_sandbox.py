"""The sandbox of the real workers: what the kernel says of them while they serve, and what they get when they try.

Not for sanitizer builds, which cannot live in a sandbox: `make asan` leaves this file out.
"""
import errno
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess

import pytest

from board import layout
from conftest import DEADLINE, READY, Program, curl, free_port, quick_get, wait_until
from inject import Injector
from ports import listen
from processes import children, descriptors, threads, title
from test_life_everywhere import folder, plain_user  # noqa: F401 (a fixture)
from test_life_upgrade import Installed
from test_processes import dynamic, serving  # noqa: F401 (a fixture)

SECRET = "bearer-of-the-api-server"


def status(path):
    return dict(line.split(":\t", 1) for line in pathlib.Path(path, "status").read_text().splitlines() if ":\t" in line)


def assert_confined(pid):
    """Every thread of it."""
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        says = status(thread)
        assert says["Seccomp"] == "2" and says["NoNewPrivs"] == "1", thread
        assert not any(int(says[key], 16) for key in ("CapEff", "CapPrm", "CapInh", "CapAmb")), thread


def test_workers_are_confined_and_serve(serving):
    router = serving(workers=2)
    router.wait_log(r"Sandbox: .*process=\"worker 0\"")
    assert curl(router.web).status == 200
    first, second = router.worker(0), router.worker(1)
    for pid in (first, second):
        assert_confined(pid)
    os.kill(first, signal.SIGKILL)
    for pid in (router.worker(0, other_than=[first]), second):
        wait_until("it is in the sandbox", lambda: status(f"/proc/{pid}")["Seccomp"] == "2")
        assert_confined(pid)
    assert curl(router.web).status == 200


def test_threads_of_a_worker_have_descriptors_of_their_own(serving):
    """What they share the kernel counts at each call, and makes larger while a connection waits."""
    router = serving(workers=1)
    worker = router.worker()
    sockets = {target for target in descriptors(worker).values() if target.startswith("socket:")}
    helpers = [thread for thread in threads(worker) if thread != worker]
    assert sockets and helpers
    for thread in helpers:
        own = {target for number, target in descriptors(worker, thread).items() if number > 2}
        assert len(own) <= 3 and not own & sockets, own


def test_master_and_workers_are_not_dumpable(whoami, programs, folder):
    """The files under /proc of such a process belong to root and not to its user."""
    file = dynamic(folder, whoami("one"))
    port = free_port()
    router = Program([*plain_user(), Installed(folder).path, f"--entryPoints.web.address=127.0.0.1:{port}",
                      f"--providers.file.filename={file}", "--workers=1", "--log.level=INFO"])
    programs.append(router)
    router.wait_log(READY)
    owners = {title(pid): os.stat(f"/proc/{pid}/status").st_uid for pid in children(router.pid)}
    user = os.stat(f"/proc/{router.pid}/status").st_uid
    assert owners == {"weir: master": 0, "weir: worker 0": 0} and user != 0
    assert curl(port).status == 200


def test_a_worker_that_tries_is_refused(serving):
    router = serving(workers=1)
    worker, master = router.worker(), router.master()
    tries = [
        ("openat", -100, b"/etc/passwd", os.O_RDONLY),
        ("openat", -100, b"/proc/%d/mem" % master, os.O_RDWR),
        ("openat", -100, b"/var/run/secrets/kubernetes.io/serviceaccount/token", os.O_RDONLY),
        ("open_by_handle_at", 1, b"", 0),
        ("execve", b"/bin/true", 0, 0),
        ("clone", signal.SIGCHLD, 0, 0, 0, 0),
        ("ptrace", 0x4206, master, 0, 0),
        ("process_vm_readv", master, 0, 0, 0, 0, 0),
        ("kill", master, 0),
        ("socket", socket.AF_UNIX, socket.SOCK_STREAM, 0),
        ("socket", socket.AF_NETLINK, socket.SOCK_RAW, 0),
        ("socket", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
        ("socket", socket.AF_INET, socket.SOCK_DGRAM, 136),  # UDP-Lite
        ("listen", 0, 1),
        ("memfd_create", b"x", 0),
        ("bpf", 0, 0, 0),
        ("prctl", 4, 1, 0, 0, 0),
    ]
    with Injector(worker) as inside:
        assert inside.call("getpid") == worker
        got = [(call, inside.call(*call)) for call in tries]
        upstream = inside.call("socket", socket.AF_INET, socket.SOCK_STREAM, 0)
        assert upstream > 0 and inside.call("close", upstream) == 0
    assert [entry for entry in got if entry[1] != -errno.EPERM] == []
    assert curl(router.web).status == 200
    assert router.worker() == worker


def mapping(pid, name):
    found = re.findall(rf"^(\w+)-(\w+) \S+ \S+ \S+ \S+ +/memfd:weir-{name}\b", pathlib.Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)
    return [(int(start, 16), int(end, 16)) for start, end in found]


def sockaddr(port, address="127.0.0.1"):
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(address) + bytes(8)


def place_of(pid, address):
    """Where it stands in the table of targets."""
    [(start, _)] = mapping(pid, "targets")
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for at in range(start + 32, start + 4096, 32):
            memory.seek(at)
            if memory.read(16) == address:
                return at
    raise AssertionError("it stands nowhere")


def test_a_worker_connects_to_servers_of_the_configuration_only(weir, whoami, tmp_path):
    backend = whoami("one")
    router = weir(f"--providers.file.filename={dynamic(tmp_path, backend)}")
    router.web = router.ports["web"]
    wait_until("it is served", lambda: quick_get(router.web).status == 200)
    [worker] = router.children("worker")
    server = sockaddr(backend.port)
    place = place_of(worker, server)
    (page, _), *_ = mapping(worker, "services")
    with listen() as api_server, Injector(worker) as inside:
        elsewhere = sockaddr(api_server.getsockname()[1])
        fd = inside.call("socket", socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, 0)
        refused = [
            ("connect", fd, elsewhere, 16),
            ("connect", fd, server, 16),
            ("connect", fd, page, 16),
            ("connect", fd, place + 4, 16),
            ("sendto", fd, b"x", 1, socket.MSG_FASTOPEN, elsewhere, 16),
            ("sendto", fd, b"x", 1, socket.MSG_FASTOPEN, place, 16),
            ("mmap", place & ~4095, 4096, 3, 0x32, -1, 0),
            ("mprotect", place & ~4095, 4096, 3),
            ("munmap", place & ~4095, 4096),
        ]
        got = [(call, inside.call(*call)) for call in refused]
        assert inside.call("connect", fd, place, 16) in (0, -errno.EINPROGRESS)
        assert inside.call("close", fd) == 0
        api_server.setblocking(False)
        with pytest.raises(BlockingIOError):
            api_server.accept()
    assert [entry for entry in got if entry[1] != -errno.EPERM] == []
    assert curl(router.web).status == 200


def test_a_worker_cannot_write_what_others_say_of_themselves(serving):
    router = serving(workers=2)
    first, _ = router.children("worker")
    where = layout()
    start = min(start for start, _ in mapping(first, "board"))
    with Injector(first) as inside:
        slabs = [start + where["slabs"] + slot * where["stride"] for slot in range(3)]
        got = [inside.call("clock_gettime", 1, slab + where["stride"] - 64) for slab in slabs]
        tries = [("mprotect", slab, where["stride"], 3) for slab in slabs]
        refused = [inside.call(*call) for call in tries]
    assert sorted(got) == [-errno.EFAULT, -errno.EFAULT, 0]
    assert refused == [-errno.EPERM] * 3
    assert curl(router.web).status == 200


def own_memory(pid):
    """What it wrote itself, and the pages of the configuration that it was given."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end in re.findall(r"^(\w+)-(\w+) (?:rw-p |r--p .*/memfd:)", maps.read(), re.MULTILINE):
            memory.seek(int(start, 16))
            yield memory.read(int(end, 16) - int(start, 16))


def test_no_worker_has_the_token(serving):
    router = serving(workers=1, env={
        "TRAEFIK_PROVIDERS_KUBERNETESCRD_TOKEN": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET})

    def has_it(pid):
        return any(SECRET.encode() in piece for piece in own_memory(pid))
    assert curl(router.web).status == 200
    assert has_it(router.master()) and not has_it(router.worker())


# ---- ports below 1024 ----
def network():
    """A network of its own, where no port is taken and the kernel's limits are the usual ones."""
    return ["unshare", "--net"] + (["--map-root-user"] if os.geteuid() else [])


def without_capabilities():
    return plain_user() or ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]


def with_the_capability(_):
    one = "--bounding-set=-all,+net_bind_service --inh-caps=-all,+net_bind_service --ambient-caps=+net_bind_service".split()
    return ["setpriv", *[word for word in plain_user()[1:] if "caps" not in word and "bounding" not in word], *one]


def with_the_file(binary):
    """As in a container that drops all but this one: the user has none, the file permits it, and the master makes use of it."""
    os.setxattr(binary, "security.capability", struct.pack("<IIIII", 0x02000000, 1 << 10, 0, 0, 0))  # cap_net_bind_service=p
    return [word if "bounding" not in word else "--bounding-set=-all,+net_bind_service" for word in without_capabilities()]


def with_the_sysctl(_):
    return ["sh", "-c", 'echo 80 > /proc/sys/net/ipv4/ip_unprivileged_port_start && exec "$@"', "sh", *without_capabilities()]


@pytest.mark.parametrize("how", [lambda _: [], with_the_capability, with_the_sysctl]
                         + ([with_the_file] if os.geteuid() == 0 else []))  # only root can give a file what it may
def test_a_low_port_opens(how, whoami, programs, folder):
    binary = Installed(folder).path
    router = Program([*network(), *how(binary), binary, "--entryPoints.web.address=:80", "--workers=1", "--log.level=INFO",
                      f"--providers.file.filename={dynamic(folder, whoami('one'))}"])
    programs.append(router)
    router.wait_log(READY)
    [worker] = [pid for pid in children(router.pid) if title(pid) == "weir: worker 0"]
    assert_confined(worker)


def test_a_low_port_without_the_right_to_it(folder):
    done = subprocess.run([*network(), *without_capabilities(), Installed(folder).path, "--entryPoints.web.address=:80", "--workers=1"],
                          capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 1
    [line] = (done.stdout + done.stderr).strip().splitlines()
    for words in ('entry point "web"', ":80", "root", "CAP_NET_BIND_SERVICE", "sysctl net.ipv4.ip_unprivileged_port_start=80"):
        assert words in line, line
