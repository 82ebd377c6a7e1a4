"""Pages of certificates: one that changes is one page, the others stay what and where they are; none is in a core dump."""
import contextlib
import pathlib
import re
import ssl
import threading

from conftest import wait_until
from test_ocsp import authority, stand  # noqa: F401
from tlskit import Maker, context, hello

GROUPS = 32
CERTIFICATES = 1000


def pages(pid, kind="certificates"):
    """The inodes of the pages of a kind that a worker has mapped."""
    return set(re.findall(rf" (\d+) +/memfd:weir-{kind} ", pathlib.Path(f"/proc/{pid}/maps").read_text()))


def dumped(pid):
    """The kinds of its pages that a core dump would hold."""
    parts = re.split(r"^(?=\w+-\w+ )", pathlib.Path(f"/proc/{pid}/smaps").read_text(), flags=re.MULTILINE)
    named = ((re.search(r"/memfd:weir-(\w+)", part), re.search(r"^VmFlags:.*", part, re.MULTILINE)) for part in parts)
    return {kind[1] for kind, flags in named if kind and " dd" not in flags[0]}


class Many:
    """The same certificate under other names of equal length: nobody verifies whom it says who signed it."""
    def __init__(self, folder):
        self.folder, make = folder / "certificates", Maker(folder)
        self.folder.mkdir()
        self.pair, self.next = (make.own(name, ["DNS:n00000.test"], common="n00000.test") for name in ("first", "next"))
        for i in range(CERTIFICATES):
            self.write(i, self.pair)

    def der(self, i, pair):
        return pair.der.replace(b"n00000.test", b"n%05d.test" % i)

    def write(self, i, pair):
        for name, text in (("key", pair.key_pem), ("crt", ssl.DER_cert_to_PEM_cert(self.der(i, pair)))):
            part = self.folder / f"part.{name}"
            part.write_text(text)
            part.rename(self.folder / f"{i}.{name}")

    def configure(self, path, numbers):
        """As a whole: a part of it would be a configuration as well, with some of the certificates."""
        part = path.with_suffix(".part")
        part.write_text(
            "http: {routers: {r: {rule: 'PathPrefix(`/`)', service: ping@internal, tls: {}}}}\ntls:\n  certificates:\n" +
            "".join(f"    - {{certFile: {self.folder}/{i}.crt, keyFile: {self.folder}/{i}.key}}\n" for i in numbers))
        part.rename(path)


class Load:
    """Handshakes with one name after another, until it is over; .failures says which did not get its certificate."""
    def __init__(self, port, many, leave_out):
        self.port, self.many, self.leave_out, self.failures, self.count = port, many, leave_out, [], 0
        self.ended, self.made = threading.Event(), context()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended.is_set():
            i = self.count * 7 % CERTIFICATES
            self.count += 1
            if i in self.leave_out:
                continue
            try:
                with contextlib.closing(hello(self.port, f"n{i:05}.test", self.made).sock) as sock:
                    if sock.getpeercert(binary_form=True) != self.many.der(i, self.many.pair):
                        self.failures.append(i)
            except OSError as error:
                self.failures.append(repr(error))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def test_a_certificate_that_changes_is_one_page(weir, tmp_path):
    many, file, made = Many(tmp_path), tmp_path / "dynamic.yml", context()
    many.configure(file, range(CERTIFICATES - 1))
    router = weir(f"--providers.file.filename={file}", workers=2)
    workers, port = router.workers(2), router.ports["web"]

    def shown(i):
        with contextlib.closing(hello(port, f"n{i:05}.test", made).sock) as sock:
            return sock.getpeercert(binary_form=True)

    def settled(wanted):
        """The pages of both workers, once the old ones are given back."""
        wait_until("one generation is mapped", lambda: all(len(pages(pid)) == GROUPS and wanted(pages(pid)) for pid in workers))
        first, second = (pages(pid) for pid in workers)
        assert first == second
        return first

    assert shown(17) == many.der(17, many.pair)
    before, secrets = settled(lambda _: True), pages(workers[0], "secrets")
    with Load(port, many, {17, CERTIFICATES - 1}) as load:
        wait_until("there is load", lambda: load.count > 20)
        many.write(17, many.next)
        renewed = settled(lambda now: now != before)
        assert shown(17) == many.der(17, many.next)
        many.configure(file, range(CERTIFICATES))
        added = settled(lambda now: now != renewed)
        assert shown(CERTIFICATES - 1) == many.der(CERTIFICATES - 1, many.pair)
    assert (len(before & renewed), len(renewed & added)) == (GROUPS - 1, GROUPS - 1)
    assert pages(workers[0], "secrets") == secrets
    assert load.failures == []
    assert not {"certificates", "secrets", "middlewares"} & dumped(workers[0]) and "routes" in dumped(workers[0])


def test_an_ocsp_answer_is_one_page(stand, authority):  # noqa: F811
    """Found without looking at the rest of the configuration."""
    asked, answer = threading.Event(), authority.answer
    authority.answer = lambda request: answer(request) if asked.wait(20) else None
    router = stand.start(authority.served("a", 16), authority.certificate("b", "keyUsage=digitalSignature", 17),
                         flags=("--ocsp", "--log.level=DEBUG"))
    worker = router.workers(1)[0]
    before = pages(worker)
    assert len(before) == GROUPS
    asked.set()
    stand.stapled("a.test")
    router.wait_log("Only OCSP answers or keys of session tickets changed: their pages alone are made anew")
    router.wait_log("Configuration changed: OCSP answers or keys of session tickets")
    wait_until("one generation is mapped", lambda: len(pages(worker)) == GROUPS)
    assert len(before & pages(worker)) == GROUPS - 1
