"""paired.py - Traefik and weir side by side with one dynamic file, and the same sets of questions to both: what the
files compare_*.py of this folder share, but for compare_kube.py. Not here: what is asked, and which differences are accepted.
"""
import argparse
import contextlib
import http.client
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from ports import free_port  # noqa: E402
from waiting import wait_until  # noqa: E402


def start(binary, name, directory, dynamic, points):
    """Returns the process and the ports of `points`, when /ready-here is answered with 200 on another one."""
    ports = {point: free_port() for point in (*points, "ready")}
    hosts = {point: "[::1]" if point.startswith("six") else "" if point.startswith("all") else "127.0.0.1" for point in ports}
    log = open(directory / f"{name}.log", "wb")
    process = subprocess.Popen([str(binary), f"--providers.file.filename={dynamic}", "--global.checknewversion=false", "--global.sendanonymoususage=false",
                                *(f"--entryPoints.{point}.address={hosts[point]}:{port}" for point, port in ports.items()),
                                *(f"--entryPoints.{point}.{option}" for point, options in points.items() for option in options)], stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd=directory)

    def answers():
        assert process.poll() is None, f"{name} ended, see\n{(directory / f'{name}.log').read_text()[-2000:]}"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", ports["ready"], timeout=5)) as client:
            try:
                client.request("GET", "/ready-here", headers={"Host": "r"})
                return client.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False

    wait_until(f"{name} is ready", answers)
    return process, ports


def stop(process):
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def both(args, directory, dynamic, points=None):
    """The ports of Traefik and of weir, which end with the block: of `web`, or {name: port} of `points` ({name: options}, those named
    six... on ::1, all... on every address)."""
    running = []
    try:
        for name, binary in (("traefik", args.traefik), ("weir", args.weir)):
            running.append(start(binary, name, directory, dynamic, points or {"web": []}))
        yield [ports if points else ports["web"] for _, ports in running]
    finally:
        for process, _ in running:
            stop(process)


class Totals:
    def __init__(self, verbose):
        self.verbose, self.asked, self.different, self.accepted = verbose, 0, 0, 0

    def ask_all(self, number, ports, questions, ask, accepted):
        """Each question to both; prints where they differ. Whether anything was printed."""
        shown = set()
        for question in questions:
            answers = [ask(port, *question) for port in ports]
            self.asked += 1
            if answers[0] == answers[1]:
                continue
            reason = next((why for fits, why in accepted if fits(question, *answers)), None)
            self.accepted, self.different = self.accepted + bool(reason), self.different + (not reason)
            if self.verbose or not reason and tuple(answers) not in shown:
                shown.add(tuple(answers))
                print(f"-- set {number} {question}:\n   traefik {answers[0]}\n   weir    {answers[1]}" + (f" (accepted: {reason})" if reason else ""))
        return bool(shown)


def arguments(sets=True):
    parser = argparse.ArgumentParser()
    parser.add_argument("--traefik", type=pathlib.Path, required=True)
    parser.add_argument("--weir", type=pathlib.Path, required=True)
    if sets:
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--sets", type=int, default=20)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    args.traefik, args.weir = args.traefik.resolve(), args.weir.resolve()
    return args


def compare_sets(what, prepare, ask_set):
    """prepare(directory) makes what all sets share; ask_set(args, rng, shared, directory, number, totals). Returns the status to end
    with."""
    args = arguments()
    totals = Totals(args.verbose)
    with tempfile.TemporaryDirectory(prefix="weir-compare-") as temporary:
        directory = pathlib.Path(temporary)
        shared = prepare(directory)
        for number in range(args.sets):
            ask_set(args, random.Random(f"{args.seed}/{number}"), shared, directory, number, totals)
    print(f"{args.sets} sets, {totals.asked} {what}, {totals.different} different, {totals.accepted} different on purpose")
    return 1 if totals.different else 0
