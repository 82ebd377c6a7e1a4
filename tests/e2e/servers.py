"""Programs of others that tests put behind weir, and their clients: FerretDB, which speaks MongoDB's protocol and keeps its data in
SQLite, and mongosh.

Both are had once, into the cache of programs.py: FerretDB is built from Go modules, mongosh installed from npm.
`python3 tests/e2e/servers.py` does that.
"""
import os
import shutil
import subprocess

from programs import CACHE

FERRETDB = "v1.24.2"
MONGOSH = "2.12.0"
FERRETDB_BINARY = CACHE / "bin/ferretdb"
SHELL = CACHE / "mongosh" / MONGOSH / "node_modules/mongosh/bin/mongosh.js"
# Its own main() insists on a file that only its repository has.
FERRETDB_SOURCE = """package main

import (
	"context"
	"log"
	"os"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() { // FOLDER ADDRESS TLS-ADDRESS CERTIFICATE KEY
	listener := ferretdb.ListenerConfig{TCP: os.Args[2], TLS: os.Args[3], TLSCertFile: os.Args[4], TLSKeyFile: os.Args[5]}
	server, err := ferretdb.New(&ferretdb.Config{Listener: listener, Handler: "sqlite", SQLiteURL: "file:" + os.Args[1] + "/"})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(server.Run(context.Background()))
}
"""


def needed(program, what):
    if shutil.which(program) is None:
        raise SystemExit(f"{what}: put `{program}` into the PATH")


def build_ferretdb():
    if FERRETDB_BINARY.exists():
        return
    needed("go", "building FerretDB needs Go 1.24 or later")
    folder = CACHE / "ferretdb"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(f"module servers\ngo 1.24.0\nrequire github.com/FerretDB/FerretDB {FERRETDB}\n")
    (folder / "main.go").write_text(FERRETDB_SOURCE)
    print(f"building FerretDB {FERRETDB}", flush=True)
    subprocess.run(["go", "mod", "tidy"], cwd=folder, check=True)
    subprocess.run(["go", "build", "-ldflags", "-s -w", "-o", FERRETDB_BINARY, "."], cwd=folder, check=True,
                   env={**os.environ, "CGO_ENABLED": "0"})


def install_shell():
    """Without what it needs for other ways to log in only, which would be compiled or fetched from elsewhere."""
    if SHELL.exists():
        return
    needed("npm", "installing mongosh needs npm, Debian's packages nodejs and npm")
    folder = CACHE / "mongosh" / MONGOSH
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    print(f"installing mongosh {MONGOSH}", flush=True)
    subprocess.run(["npm", "install", "--prefix", part, "--no-save", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund",
                    "--loglevel=error", f"mongosh@{MONGOSH}"], cwd=part, check=True, stdout=subprocess.DEVNULL)
    part.rename(folder)


def build():
    """What is not in the cache yet."""
    build_ferretdb()
    install_shell()


if __name__ == "__main__":
    try:
        build()
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"servers.py: `{' '.join(map(str, error.cmd))}` failed: what the tests run comes once from Go's module proxy "
                         "(GOPROXY) and from npm") from None
