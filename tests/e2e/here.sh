#!/usr/bin/env bash
# `make e2e-here`: both layers of the end-to-end tests as far as this machine can run them. A test that fails fails. What
# cannot run here (no Go, no way to its modules, not root, no control groups...) is said at once and again at the end, loudly.
# WITHIN=SECONDS: for machines that are taken away after a while; what is not over by then is broken off and said like that.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=/usr/bin/python3
not_run=()

# can NAME COMMAND...: whether the command says so; status 3 says that this machine cannot, anything else is a fault.
can() {
    local name=$1 why status=0
    shift
    why=$("$@" 2>&1) || status=$?
    if [ "$status" = 0 ]; then
        return 0
    fi
    if [ "$status" != 3 ]; then
        printf '%s\n' "$why" >&2
        exit 1
    fi
    not_run+=("$name: ${why##*$'\n'}")
    say "${not_run[-1]}"
    return 1
}

say() {
    printf '\n######## NOT RUN HERE: %s\n\n' "$1" >&2
}

# step NAME: make's target, and how long it took.
step() {
    local began=$SECONDS status=0 left=$((${WITHIN:-86400} - SECONDS))
    if [ "$left" -gt 0 ]; then
        timeout --kill-after=60 "$left" make --no-print-directory "$1" || status=$?
    fi
    printf '== %s took %d s\n' "$1" "$((SECONDS - began))"
    if [ "$left" -le 0 ] || [ "$status" = 124 ] || [ "$status" = 137 ]; then
        not_run+=("make $1: not over within the $WITHIN s that both layers have (the first time programs are built)")
    elif [ "$status" != 0 ]; then
        exit "$status"
    fi
}

if can "make e2e-api (a real API server)" $python tests/e2e/programs.py can helm h2spec api; then
    step e2e-api
fi
# Once more when its packages are there: some of what it tries needs them.
if can "make e2e-node (pods on a node)" $python tests/e2e/node.py can; then
    step deps-node
    if can "make e2e-node (pods on a node)" $python tests/e2e/node.py can; then
        step e2e-node
    fi
fi
for line in "${not_run[@]}"; do
    say "$line"
done
