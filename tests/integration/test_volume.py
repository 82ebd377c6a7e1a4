"""The static configuration in a volume as the kubelet writes one: links into ..data, which is swapped as a whole."""
import itertools
import os
import re
import shutil

import pytest

from conftest import curl, free_port, quick_get, wait_until
from test_reload import STATIC, configuration, with_file  # noqa: F401


class Volume:
    """The kubelet's steps: a new folder, a link to it renamed over ..data, the old folder removed."""

    def __init__(self, path):
        self.path, self._numbers = path, itertools.count()
        path.mkdir()

    def write(self, **files):
        old = self.path / os.readlink(self.path / "..data") if (self.path / "..data").is_symlink() else None
        new = self.path / f"..2026_01_01_00_00_00.{next(self._numbers)}"
        new.mkdir()
        for name, text in files.items():
            (new / f"{name}.yml").write_text(text)
        (self.path / "..data_tmp").symlink_to(new.name)
        os.replace(self.path / "..data_tmp", self.path / "..data")
        for name in files:
            if not (self.path / f"{name}.yml").is_symlink():
                (self.path / f"{name}.yml").symlink_to(f"..data/{name}.yml")
        if old:
            shutil.rmtree(old)


@pytest.fixture
def in_volume(weir, whoami, configuration, tmp_path):  # noqa: F811
    """write() makes the next version of the volume with the static file in it; nobody tells the router."""
    class Static:
        volume, web = Volume(tmp_path / "volume"), free_port()

        def write(self, extra="", raw=None, **others):
            text = STATIC.format(web=self.web, extra=extra, log="", file=configuration.path)
            self.volume.write(traefik=text if raw is None else raw, **others)

        def start(self):
            backend = whoami("one")
            configuration.routes([("one", "Host(`one`)", "one")], [("one", backend)])
            self.write()
            return weir(f"--configFile={self.volume.path / 'traefik.yml'}", web=False, workers=None)
    return Static()


READ = r"INF .*traefik\.yml has changed: reading the static configuration again"


def test_new_version_needs_no_signal(in_volume):
    router, other = in_volume.start(), free_port()
    for extra, line in ((f"  other:\n    address: \"127.0.0.1:{other}\"", r"Listening .*entryPointName=other"),
                        ("", r"Closing entry point other")):
        mark = router.mark()
        in_volume.write(extra=extra)
        at, _ = router.wait_log(READ, mark)
        router.wait_log(line, at)
    assert curl(in_volume.web, host="one").status == 200


def test_refused_version_keeps_the_old_and_the_next_is_read(in_volume):
    router = in_volume.start()
    mark = router.mark()
    in_volume.write(raw="entryPoints: [")
    mark, _ = router.wait_log(r" ERR The static configuration is refused, the old one stays: .*traefik\.yml", mark)
    assert curl(in_volume.web, host="one").status == 200
    in_volume.write(extra="    http:\n      maxHeaderBytes: 1000")
    router.wait_log(r"Configuration changed: options of the static configuration", mark)
    wait_until("it is in force", lambda: quick_get(in_volume.web, host="one", headers=["X-Long: " + "a" * 9000]).status == 431)


def test_version_with_the_same_file_is_passed_over(in_volume):
    router = in_volume.start()
    in_volume.write(other="a: 1\n")
    mark = router.mark()
    in_volume.write(extra="    http:\n      maxHeaderBytes: 1000", other="a: 2\n")
    router.wait_log(r"Configuration changed: options of the static configuration", mark)
    assert len(re.findall(READ, router.log())) == 1


def test_file_outside_a_volume_waits_for_the_signal(with_file):  # noqa: F811
    router = with_file.start()
    with_file.write(extra="    http:\n      maxHeaderBytes: 1000")
    mark = with_file.hangup()
    router.wait_log(r"Configuration changed: options of the static configuration", mark)
    assert not re.search(READ, router.log())
