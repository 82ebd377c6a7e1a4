#!/usr/bin/env bash
# lint.sh - the rules of the house that a machine can check; any finding fails. Run by `make lint`.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
fail() {
    echo "lint: $1"
    failed=1
}
mapfile -t sources < <(find common shm master worker tests -name '*.c' -o -name '*.h' | grep -v '^build/' | sort)

echo "== rooms: master and worker never include each other; shm and common know nothing above them"
grep -nE '#include "worker/' -r master common shm && fail "worker/ included from another room"
grep -nE '#include "master/' -r worker common shm && fail "master/ included from another room"
grep -nE '#include "shm/' -r common && fail "shm/ included from common/"
grep -nE '#include <uv.h>' -r shm && fail "libuv in shm/"

echo "== unsafe calls and unfinished marks"
grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|alloca)\(' -r common shm master worker && fail "unsafe call"
grep -nwE 'TODO|FIXME|XXX|HACK' -r common shm master worker tests/unit tests/integration && fail "unfinished mark"

echo "== every file says in its first comment what it is for"
for f in "${sources[@]}"; do
    head -n 2 "$f" | grep -q '^ \* \|^/\* ' || fail "$f has no first comment"
done

echo "== what comments name exists"
/usr/bin/python3 tests/lint_comments.py || fail "a comment is no longer true"

echo "== functions of at most 80 lines"
long=$(find common shm master worker -name '*.c' | sort | xargs awk '/^\{$/ { start = FNR }
    /^\}/ { if (start && FNR - start - 1 > 80) print FILENAME ":" start ": " FNR - start - 1 " lines"; start = 0 }')
[ -z "$long" ] || fail "$long"

echo "== formatting"
clang-format --dry-run -Werror "${sources[@]}" 2>build/clang-format.log || {
    head -n 20 build/clang-format.log
    fail "run make format"
}

echo "== static analysis"
mapfile -t analysed < <(find common shm master worker -name '*.c' | sort)
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -j "$(nproc)" \
    --suppress=missingIncludeSystem --suppress=unknownMacro --suppressions-list=tests/cppcheck.txt \
    -D_GNU_SOURCE -D__x86_64__ -DWEIR_VERSION='""' -I. "${analysed[@]}" || fail "cppcheck"

echo "== python"
/usr/bin/python3 -m compileall -q tests >/dev/null || fail "python does not compile"
exit "$failed"
