"""Images without a container engine: buildah builds deploy/Dockerfile as anybody would, on a Debian base made here.

All of it lies in the cache (programs.CACHE / "node"); archive() gives the file that containerd imports. There is no registry:
the base is debootstrap's, by the name that the Dockerfile asks for.
"""
import json
import os
import pathlib
import shutil
import subprocess

from programs import CACHE

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = CACHE / "node"
BASE = "docker.io/library/debian:12-slim"
PAUSE = "registry.local/pause:1"
WEIR = "registry.local/weir:e2e"
BASE_LABEL = "weir.base=2"  # another number: it is made anew
AUTHORITIES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
LAYERS_MOST = 100  # of old builds; then all begins anew
# What holds the namespaces of a pod: waits for the signal to end.
PAUSE_SOURCE = """
#include <signal.h>
#include <unistd.h>
static void end(int number) { (void)number; _exit(0); }
int main(void) { signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }
"""


def buildah(*arguments):
    """chroot: a runtime would want cgroups and namespaces of its own for a few RUN lines."""
    HOME.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["buildah", "--root", HOME / "storage", "--runroot", HOME / "storage-run", "--storage-driver", "overlay",
                           *map(str, arguments)], capture_output=True, text=True, env={**os.environ, "BUILDAH_ISOLATION": "chroot"})
    if done.returncode != 0:
        raise SystemExit(f"buildah {arguments[0]} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout.strip()


def make(name, source, target, *settings):
    """An image of one layer."""
    container = buildah("from", "scratch")
    buildah("copy" if pathlib.Path(source).is_file() else "add", "-q", container, source, target)
    if settings:
        buildah("config", *settings, container)
    buildah("commit", "-q", "--rm", container, name)


def present(name, *filters):
    return bool(buildah("images", "-q", "--filter", f"reference={name}", *(word for each in filters for word in ("--filter", each))))


def build_base():
    """It believes whom this machine believes: what is fetched may come through a proxy with an authority of its own."""
    if present(BASE, f"label={BASE_LABEL}"):
        return
    folder = HOME / "rootfs"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["debootstrap", "--variant=minbase", "bookworm", folder], check=True, stdout=subprocess.DEVNULL)
    if AUTHORITIES.exists():
        target = folder / "usr/local/share/ca-certificates/machine.crt"  # taken up when ca-certificates is installed
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(AUTHORITIES, target)
    make(BASE, folder, "/", "--cmd", "/bin/bash", "--label", BASE_LABEL)
    shutil.rmtree(folder)


def build_pause():
    if present(PAUSE):
        return
    source = HOME / "pause.c"
    source.write_text(PAUSE_SOURCE)
    subprocess.run(["gcc", "-O2", "-static", "-o", HOME / "pause", source], check=True)
    make(PAUSE, HOME / "pause", "/pause", "--entrypoint", '["/pause"]')


def build():
    """What a node needs: nothing is done again that is there. Returns the names of the images."""
    if len(buildah("images", "-aq").splitlines()) > LAYERS_MOST:
        buildah("rmi", "--all", "--force")
    build_base()
    build_pause()
    buildah("bud", "-q", "--layers", "--pull-never", "-t", WEIR, "-f", ROOT / "deploy/Dockerfile", ROOT)
    return PAUSE, WEIR


def archive(name):
    """The image as a file for containerd; written anew when the image is another one."""
    identity = json.loads(buildah("inspect", "--type", "image", name))["FromImageID"]
    path = HOME / f"{name.replace('/', '_').replace(':', '_')}.tar"
    mark = path.with_suffix(".id")
    if not path.exists() or not mark.exists() or mark.read_text() != identity:
        mark.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        buildah("push", "-q", "--disable-compression", name, f"oci-archive:{path}:{name}")
        mark.write_text(identity)
    return path


if __name__ == "__main__":
    for each in build():
        print(archive(each))
