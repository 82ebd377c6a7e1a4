"""compare_files.py - the same dynamic file, odd in how it is written (files.py), to Traefik and to weir, one after the other; prints
where they answer differently.

Traefik refuses a whole file for one slip; weir disables the object, says so, and serves the rest (docs/differences.md). Then what
is left is that weir says something: a line of its log names the file.

usage: compare_files.py --traefik PATH --weir PATH [--verbose]
"""
import asyncio
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

from cases import request
from compare import ask, difference, view
from paired import arguments, stop
from ports import free_port
from upstream import Upstream
from waiting import wait_until

ASKS = [("web", request("/", host="r.test")), ("web", request("/a/b", host="r.test")), ("web", request("/a", host="s.test")), ("two", request("/", host="r.test"))]
READY = request("/", host="ready.test")
REFUSED = r" ERR .*(providerName=file|Cannot start the provider|/dynamic)"
# (pattern over the title, reason)
ACCEPTED = [
    (r"prefix (1e3|1\.0)", "a number with a fraction is the text that was written"),
    (r"middlewares \{a: m\}", "a map is no list"),
    (r"middleware \{headers: .*\[a, b\]", "a list is no text"),
    (r"service .*servers: (\{url|\"http)", "the servers are a list"),
    (r"period 0$", "no period"),
]


def log_of(path):
    return re.sub("\x1b\\[[0-9;]*m", "", path.read_text(errors="replace"))


def written(directory, ending, text, upstream):
    """The option of the provider."""
    if ending:
        path = directory / f"dynamic.{ending}"
        path.write_bytes(upstream.named(text).encode())
        return f"--providers.file.filename={path}"
    for name, part in text.items():
        path = directory / "dynamic" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(upstream.named(part))
    return f"--providers.file.directory={directory / 'dynamic'}"


def answers(binary, directory, ending, text, upstream):
    """Whether it took the file as a whole, its answers, its log."""
    directory.mkdir(parents=True)
    ports = {"web": free_port(), "two": free_port()}
    log = directory / "log"
    command = [str(binary), written(directory, ending, text, upstream), "--global.checknewversion=false", *(f"--entryPoints.{name}.address=127.0.0.1:{port}" for name, port in ports.items())]
    process = subprocess.Popen(command, stdout=open(log, "wb"), stderr=subprocess.STDOUT, cwd=directory, start_new_session=True)
    ask_now = lambda port, data: asyncio.run(ask(port, data))  # noqa: E731
    try:
        taken = False

        def ready():
            try:
                return ask_now(ports["web"], READY)[0]
            except OSError:
                return None

        wait_until(f"{binary} listens", lambda: ready() or process.poll() is not None)
        end = time.monotonic() + 8  # a file that says nothing is not refused either
        while not (taken := ready() == 200) and time.monotonic() < end:
            time.sleep(0.05)
            if re.search(REFUSED, log_of(log)):
                end = min(end, time.monotonic() + 1)  # who refused something may serve the rest in a moment
        views = []
        for number, (point, data) in enumerate(ASKS):
            case = f"{directory}-{number}"
            answer = ask_now(ports[point], data.replace(b"\r\n", f"\r\nX-Case: {case}\r\n".encode(), 1))
            views.append(view(answer, upstream.seen.pop(case, []), dict(ports, upstream=upstream.port), False))
        return taken, views, log_of(log)
    finally:
        stop(process)


def compared(args, upstream, directory, number, title, ending, text):
    """The words of the difference, the reason if it is accepted."""
    (a_taken, a, _), (b_taken, b, log) = (answers(binary, directory / str(number) / name, ending, text, upstream) for name, binary in (("traefik", args.traefik), ("weir", args.weir)))
    if a == b and a_taken == b_taken:
        return None, None
    words = f"-- {title}: traefik {'took' if a_taken else 'refused'} the file, weir {'took' if b_taken else 'refused'} it\n" + "".join(f"   {line}\n" for x, y in zip(a, b) for line in difference(x, y))
    if b_taken and not a_taken:
        return words, "one slip takes nothing else down"
    said = "dynamic" in "".join(line for line in log.splitlines() if " ERR " in line)
    return words, next((why for pattern, why in ACCEPTED if said and re.search(pattern, title)), None)


def main():
    from files import FILES
    args = arguments(sets=False)
    upstream = Upstream()
    different = accepted = 0
    with tempfile.TemporaryDirectory(prefix="weir-compare-") as temporary:
        directory = pathlib.Path(temporary)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(upstream.start(directory))
        threading.Thread(target=loop.run_forever, daemon=True).start()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for words, why in pool.map(lambda one: compared(args, upstream, directory, *one), [(i, *of) for i, of in enumerate(FILES)]):
                different, accepted = different + bool(words and not why), accepted + bool(why)
                if words and (not why or args.verbose):
                    print(words + (f"   (accepted: {why})" if why else ""), flush=True)
    print(f"{len(FILES)} files, {len(FILES) * len(ASKS)} requests, {different} different, {accepted} different on purpose")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
