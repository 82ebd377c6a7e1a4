# weir - one binary, build/weir. `make help` lists what there is to run.
#
# Set-up is part of every target that needs it: `deps` installs missing Debian packages as root and names the
# apt-get line otherwise. BUILD and SANITIZE make other builds beside the normal one (make asan, make fuzz).

BUILD ?= build
CC = gcc
PYTHON = /usr/bin/python3
MULTIARCH := $(shell dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch)
VERSION := $(shell cat VERSION)

PACKAGES_BUILD = gcc make pkg-config libc6-dev libcrypt-dev libuv1-dev libyaml-dev libcjson-dev libpcre2-dev \
	libc-ares-dev android-libboringssl-dev node-llhttp zlib1g-dev libbrotli-dev libzstd-dev libnghttp2-dev
PACKAGES_TEST = libcmocka-dev python3-pytest python3-pytest-xdist python3-yaml curl procps iproute2 nghttp2-client \
	openssl apache2-utils postgresql-15 redis-server python3-brotli python3-zstandard python3-h2 python3-grpcio socat
PACKAGES_LINT = clang-format cppcheck
PACKAGES_FUZZ = clang libclang-rt-14-dev
# Debian's cargo-web is kept up to date for browsers, unlike its cargo; one of rustup in the PATH will do as well.
PACKAGES_BORINGSSL = cmake ninja-build g++ ca-certificates $(if $(shell command -v cargo),,cargo-web)
PACKAGES_E2E = etcd-server
# A node of its own: containers, their network, images.
PACKAGES_NODE = containerd runc containernetworking-plugins iptables conntrack buildah debootstrap procps
PACKAGES_CALLGRIND = nginx-light valgrind
PACKAGES_BENCH = nginx-light libnginx-mod-stream haproxy wrk nghttp2-client openssl

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla -Wpointer-arith
WERROR ?= -Werror
OPT ?= -O2
# Debian's BoringSSL is built small. The full one of `make boringssl` is linked when it is there; BORINGSSL= takes Debian's.
BORINGSSL_VERSION := $(shell sed -n 's/^version=//p' deploy/boringssl.sh)
BORINGSSL_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/weir-boringssl
BORINGSSL ?= $(patsubst %/lib/libssl.a,%,$(wildcard $(BORINGSSL_CACHE)/$(BORINGSSL_VERSION)/lib/libssl.a))
ifeq ($(BORINGSSL),)
TLS_HEADERS = /usr/include/android
TLS_LIBS = -L/usr/lib/$(MULTIARCH)/android -Wl,-rpath,/usr/lib/$(MULTIARCH)/android -lssl -lcrypto
TLS_WORDS = small, of Debian
else
TLS_HEADERS = $(BORINGSSL)/include
TLS_LIBS = $(BORINGSSL)/lib/libssl.a $(BORINGSSL)/lib/libcrypto.a -l:libstdc++.a
TLS_WORDS = full, $(notdir $(BORINGSSL))
endif
CPPFLAGS += -D_GNU_SOURCE -I. -isystem $(TLS_HEADERS) -isystem /usr/share/include/llhttp \
	-DLLHTTP_STRICT_MODE=1 -DPCRE2_CODE_UNIT_WIDTH=8 -DWEIR_VERSION='"$(VERSION)"'
# Stack traces are unwound by tables; sanitizers want the frame pointer, which costs the rest a register and 3 % of the instructions.
CFLAGS += -std=gnu17 -g $(OPT) $(if $(findstring -fsanitize,$(SANITIZE)),-fno-omit-frame-pointer) -fstack-protector-strong -fPIE -ffunction-sections \
	-fdata-sections $(WARN) $(WERROR) $(SANITIZE)
LDFLAGS += -pie -Wl,--build-id=sha1 -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--as-needed \
	$(SANITIZE)
# Under AddressSanitizer crypt_r() is its own, which calls that of libcrypt: nothing else asks for the library then.
CRYPT = -Wl,--push-state,--no-as-needed -lcrypt -Wl,--pop-state
LDLIBS = -luv -lyaml -lcjson -lpcre2-8 -lcares $(TLS_LIBS) $(CRYPT) -lz -lbrotlienc -lzstd -lm -lnghttp2 -lpthread

# Targets that build first and then do something build on all cores, unless make was told otherwise.
PARALLEL = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
# V=1 shows the whole commands.
Q := $(if $(V),,@)
SAY := @$(if $(V),:,printf '  %s %s\n')

SOURCES := $(filter-out common/main.c,$(sort $(shell find common shm master worker -name '*.c')))
LLHTTP := api http llhttp
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(LLHTTP:%=$(BUILD)/llhttp/%.o)
UNIT_KNOWN := $(sort $(basename $(notdir $(wildcard tests/unit/test_*.c))))
UNIT_TESTS := $(UNIT_KNOWN)
ifneq ($(filter-out $(UNIT_KNOWN),$(UNIT_TESTS)),)
$(error UNIT_TESTS: there is no $(patsubst %,tests/unit/%.c,$(filter-out $(UNIT_KNOWN),$(UNIT_TESTS))))
endif
UNIT_HELPERS := $(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c))
FUZZERS := $(sort $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c))))
FUZZ_SECONDS ?= 30
SECONDS ?= 600
ASAN = -fsanitize=address,undefined -fno-sanitize-recover=undefined

.PHONY: all boringssl run test unit unit-build integration integration-build soak soak-run soak-full chaos chaos-run e2e e2e-api e2e-here e2e-servers e2e-node e2e-long h2spec chart-test asan fuzz \
	fuzz-build lint format bench bench-kube instructions compare compare-kube \
	reference deps deps-test deps-lint deps-fuzz deps-bench deps-callgrind deps-e2e deps-node deps-boringssl clean help

all: $(BUILD)/weir ## build the binary, build/weir

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

# ---- build ----
$(BUILD)/weir: $(BUILD)/common/main.o $(BUILD)/libweir.a
	$(SAY) LD $@
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LDLIBS)

$(BUILD)/libweir.a: $(OBJECTS)
	@rm -f $@
	@ar rcsP $@ $^

# Which BoringSSL the objects were made for: another one makes them anew.
TLS_STAMP := $(BUILD)/boringssl
$(shell mkdir -p $(BUILD) && { test "$$(cat $(TLS_STAMP) 2>/dev/null)" = '$(TLS_HEADERS)' || echo '$(TLS_HEADERS)' >$(TLS_STAMP); })
$(BUILD)/master/tools/version.o: CPPFLAGS += -DWEIR_BORINGSSL='"$(TLS_WORDS)"'

$(BUILD)/%.o: %.c Makefile VERSION $(TLS_STAMP)
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Debian ships llhttp as C sources; its own code is not held to our warnings.
$(BUILD)/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) -std=gnu17 -g -O2 -fPIE -I/usr/share/include/llhttp -DLLHTTP_STRICT_MODE=1 $(SANITIZE) -w -c -o $@ $<

-include $(SOURCES:%.c=$(BUILD)/%.d) $(BUILD)/common/main.d

boringssl: deps-boringssl ## build the full BoringSSL into a cache outside of the tree; make links it from then on
	@deploy/boringssl.sh $(BORINGSSL_CACHE)

# ---- try it ----
run: deps ## build and start the demo (deploy/demo) with its backends
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@deploy/demo/run.sh $(BUILD)/weir

# ---- tests ----
test: deps deps-test ## unit and integration tests
	@$(MAKE) --no-print-directory $(PARALLEL) all unit-build integration-build
	@$(MAKE) --no-print-directory unit integration

unit-build: $(UNIT_TESTS:%=$(BUILD)/tests/%)

unit: unit-build ## unit tests only
	@$(MAKE) --no-print-directory -j$(shell nproc) --output-sync=target $(UNIT_TESTS:%=pass-%)

pass-%:
	@echo "== $*"; log=$(BUILD)/tests/$*.log; $(BUILD)/tests/$* > $$log 2>&1; \
		grep -vE '^\[ +(OK|RUN) +\]|^case [0-9]+$$' $$log; \
		grep -q 'PASSED' $$log && ! grep -qE 'FAILED|ERROR: AddressSanitizer|runtime error' $$log || \
		{ echo "$* did not pass"; exit 1; }

$(BUILD)/tests/%.o: tests/unit/%.c Makefile VERSION $(TLS_STAMP)
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) -DUNIT_DIR='"tests/unit"' -MMD -MP -c -o $@ $<

# An archive: only what a test calls is linked with it.
$(BUILD)/tests/libunit.a: $(UNIT_HELPERS:tests/unit/%.c=$(BUILD)/tests/%.o)
	@rm -f $@
	@ar rcsP $@ $^

# They are many, so they are linked by what is quickest at it.
UNIT_LD ?= $(if $(shell command -v ld.gold),-fuse-ld=gold)
$(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/tests/libunit.a $(BUILD)/libweir.a
	$(SAY) LD $@
	$(Q)$(CC) $(CFLAGS) $(UNIT_LD) -o $@ $^ $(LDFLAGS) $(LDLIBS) -lcmocka

.SECONDARY: $(UNIT_TESTS:%=$(BUILD)/tests/%.o)
-include $(UNIT_TESTS:%=$(BUILD)/tests/%.d) $(UNIT_HELPERS:tests/unit/%.c=$(BUILD)/tests/%.d)

# Tells integration tests where things lie on the board.
$(BUILD)/tests/board_layout: tests/integration/board_layout.c $(BUILD)/libweir.a
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(BUILD)/libweir.a $(LDFLAGS) $(LDLIBS)

# Says when a CPU of this machine stood still.
$(BUILD)/tests/blackouts: tests/integration/blackouts.c
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu17 -g -O1 $(WARN) $(WERROR) -o $@ $< -lpthread

# Refuses an upgraded guard what it asks the machine for.
$(BUILD)/tests/starve.so: tests/chaos/starve.c
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu17 -g -O1 -fPIC -shared $(WARN) $(WERROR) $(if $(SANITIZE),,-DSTARVE_MEMORY) -o $@ $< -ldl

# What a sanitizer changes too much: sizes, what memory is asked for, the sandbox, how long a callback takes.
BARE_ONLY = test_blackouts.py test_memory.py test_process_limits.py test_tls_memory.py test_limits.py test_limits_protocols.py test_proxy_tight.py test_sandbox.py

# Tests wait more than they compute, so there are more processes than cores. Those that need more of the machine come afterwards.
TEST_JOBS ?= 12
CROWD_JOBS ?= 3
# Python keeps what it compiled in the build folder, whatever the environment says of that.
PYTEST = WEIR=$(abspath $(BUILD)/weir) PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(abspath $(BUILD)/pycache) \
	$(PYTHON) -m pytest -q -p no:cacheprovider
FAILED = $(BUILD)/tests/failed
INTEGRATION = tests/integration $(if $(SANITIZE),$(BARE_ONLY:%=--ignore=tests/integration/%))

integration-build: $(BUILD)/tests/board_layout $(BUILD)/tests/blackouts $(BUILD)/tests/starve.so \
		$(BUILD)/tests/collected

# Tests are compiled by one process, for all of those that run them.
$(BUILD)/tests/collected: $(wildcard tests/integration/*.py) | $(BUILD)/weir
	@mkdir -p $(@D)
	$(SAY) PY tests/integration
	@$(PYTEST) tests/integration --collect-only > $@.log || { cat $@.log; exit 1; }
	@mv $@.log $@

integration: $(BUILD)/weir $(BUILD)/tests/board_layout $(BUILD)/tests/blackouts $(BUILD)/tests/starve.so $(if $(PYTEST_ARGS),,$(BUILD)/tests/collected) ## integration tests only, against the real binary
ifdef PYTEST_ARGS
	$(PYTEST) $(PYTEST_ARGS)
else
	@rm -f $(FAILED); export FAILED_TESTS=$(abspath $(FAILED)); result=0; \
		$(PYTEST) $(INTEGRATION) -n $(TEST_JOBS) -m "not crowd and not alone" || result=1; \
		$(PYTEST) $(INTEGRATION) -n $(CROWD_JOBS) -m crowd || test $$? = 5 || result=1; \
		$(PYTEST) $(INTEGRATION) -m alone || result=1; \
		test $$result = 0 || cat $(FAILED); exit $$result
endif

# What delays processes at random (tests/chaos/chaos.c), or tests (tests/integration/dawdle.py); latencies are not its matter.
$(BUILD)/tests/chaos.so: tests/chaos/chaos.c
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu17 -g -O1 -fPIC -shared $(WARN) $(WERROR) -o $@ $< -ldl

CHAOS_SEED ?= $(shell date +%s)
chaos: deps deps-test ## integration tests while every process is delayed at random (CHAOS_STEPS=1: each step of a test instead); CHAOS_SEED=N as the last run, SANITIZE=1
	$(MAKE) --no-print-directory $(if $(filter 1,$(SANITIZE)),BUILD=build/asan OPT=-O1 SANITIZE="$(ASAN)",) chaos-run CHAOS_SEED=$(CHAOS_SEED)

chaos-run: all $(BUILD)/tests/board_layout $(BUILD)/tests/blackouts $(BUILD)/tests/chaos.so $(BUILD)/tests/starve.so
	@echo "CHAOS_SEED=$(CHAOS_SEED)"
ifdef CHAOS_STEPS
	CHAOS_STEPS=$(CHAOS_SEED) $(PYTEST) -m "not crowd and not alone" $(or $(PYTEST_ARGS),$(INTEGRATION) -n $(TEST_JOBS)) || { echo "CHAOS_STEPS=1 CHAOS_SEED=$(CHAOS_SEED)"; exit 1; }
else
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:verify_asan_link_order=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
		CHAOS=$(abspath $(BUILD)/tests/chaos.so) CHAOS_SEED=$(CHAOS_SEED) \
		$(PYTEST) -m "not crowd and not alone" $(or $(PYTEST_ARGS),$(INTEGRATION) -n $(TEST_JOBS)) || { echo "CHAOS_SEED=$(CHAOS_SEED)"; exit 1; }
endif

soak: deps deps-test ## traffic, changes, kills and upgrades at once for SECONDS (default 600); SANITIZE=1: as make asan
	$(MAKE) --no-print-directory $(if $(filter 1,$(SANITIZE)),BUILD=build/asan OPT=-O1 SANITIZE="$(ASAN)",) soak-run

soak-run: all $(BUILD)/tests/board_layout $(BUILD)/tests/blackouts
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
		WEIR=$(abspath $(BUILD)/weir) $(PYTHON) tests/soak/soak.py --seconds $(SECONDS) --log $(BUILD)/soak.log $(SOAK_ARGS)

soak-full: all $(BUILD)/tests/board_layout $(BUILD)/tests/blackouts ## the promises about changes, deaths and upgrades, each once in full, with figures
	WEIR=$(abspath $(BUILD)/weir) $(PYTHON) tests/soak/full.py $(SOAK_ARGS)

e2e: e2e-api e2e-servers e2e-node ## all of the next three

# Beside many real programs an event takes its time.
E2E_PYTEST = WEIR_TEST_DEADLINE=$${WEIR_TEST_DEADLINE:-120} $(PYTEST)

e2e-api: deps deps-test deps-e2e ## against a real kube-apiserver and etcd (needs Go once, to build it)
	@$(MAKE) --no-print-directory all $(BUILD)/tests/board_layout
	$(PYTHON) tests/e2e/programs.py helm h2spec api
	$(E2E_PYTEST) $(or $(PYTEST_ARGS),tests/chart tests/e2e $(patsubst %,--ignore=tests/e2e/test_%.py,node mongodb))

e2e-servers: deps deps-test ## MongoDB's protocol through weir: FerretDB and mongosh (needs Go and npm once)
	@$(MAKE) --no-print-directory all $(BUILD)/tests/board_layout
	$(PYTHON) tests/e2e/servers.py
	$(E2E_PYTEST) $(or $(PYTEST_ARGS),tests/e2e/test_mongodb.py)

e2e-node: deps-test deps-node ## the image in pods of a whole Kubernetes node (needs root, control groups, and Go once)
	$(PYTHON) tests/e2e/node.py build
	$(E2E_PYTEST) $(or $(PYTEST_ARGS),tests/e2e/test_node.py)

e2e-here: deps-test ## both layers as far as this machine can; what cannot run here is a line at the end, and no failure
	@tests/e2e/here.sh

e2e-long: ## the long forms of tests/e2e/test_hard.py: minutes without an API server, every kind in turn
	WEIR_LONG=1 $(MAKE) --no-print-directory e2e-api PYTEST_ARGS=tests/e2e/test_hard.py

h2spec: deps deps-test ## HTTP/2 as h2spec asks for it, plain and over TLS (needs Go once, to build h2spec)
	@$(MAKE) --no-print-directory all $(BUILD)/tests/board_layout
	$(PYTHON) tests/e2e/programs.py h2spec
	$(PYTEST) tests/e2e/test_h2spec.py

chart-test: deps deps-test ## what helm makes of helm/weir, and what weir says to it (needs Go once, to build helm)
	@$(MAKE) --no-print-directory all
	$(PYTHON) tests/e2e/programs.py helm
	$(PYTEST) tests/chart

asan: deps deps-test ## the whole suite under AddressSanitizer and UBSan
	$(MAKE) BUILD=build/asan OPT=-O1 SANITIZE="$(ASAN)" \
		all unit-build integration-build
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
		$(MAKE) BUILD=build/asan OPT=-O1 \
		SANITIZE="$(ASAN)" unit integration

fuzz-build: deps-fuzz
	$(MAKE) BUILD=build/fuzz CC=clang WERROR= SANITIZE="-fsanitize=fuzzer-no-link,address,undefined" \
		build/fuzz/libweir.a
	@set -e; mkdir -p build/fuzz/bin; for f in $(FUZZERS); do \
		clang $(CPPFLAGS) -std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
			-o build/fuzz/bin/$$f tests/fuzz/$$f.c build/fuzz/libweir.a $(LDFLAGS) -Wl,-z,muldefs $(LDLIBS); done # a target's stand-ins come first

fuzz: deps fuzz-build ## every fuzz target for FUZZ_SECONDS (default 30), as many at a time as there are cores
	@$(MAKE) --no-print-directory $(PARALLEL) --output-sync=target $(FUZZERS:%=run-%)

run-fuzz_%:
	@echo "== fuzz_$*"; mkdir -p build/fuzz/corpus/fuzz_$* build/fuzz/artifacts; \
		build/fuzz/bin/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 \
			-verbosity=0 -artifact_prefix=build/fuzz/artifacts/fuzz_$*- build/fuzz/corpus/fuzz_$* tests/fuzz/corpus/$*

lint: deps deps-lint ## formatting, static analysis, rules of the house; warnings are errors
	@tests/lint.sh

format: deps-lint ## format all C sources in place, new ones too
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

bench: deps deps-bench ## nginx, HAProxy (Traefik too: TRAEFIK=PATH) and weir side by side: CPU per request, rate, latency, memory
	@$(MAKE) --no-print-directory all
	$(PYTHON) tests/bench/bench.py $(if $(TRAEFIK),--traefik $(TRAEFIK)) $(BENCH_ARGS)

# Sanitizers get a binary without sandbox, and so does callgrind by the same word; nothing else hangs on it.
instructions: deps deps-callgrind ## what a worker executes for a request, by callgrind: the same on a busy machine as on an idle one
	@$(MAKE) --no-print-directory $(PARALLEL) BUILD=build/callgrind SANITIZE=-D__SANITIZE_THREAD__ all
	$(PYTHON) tests/bench/instructions.py --weir build/callgrind/weir --out build/callgrind/profiles $(BENCH_ARGS)

bench-kube: deps deps-e2e ## what changes in a cluster cost at 10,000 routes: a real kube-apiserver and etcd (needs Go once)
	@$(MAKE) --no-print-directory all $(BUILD)/tests/board_layout
	$(PYTHON) tests/e2e/programs.py api
	WEIR=$(abspath $(BUILD)/weir) $(PYTHON) tests/bench/bench_kube.py --weir $(abspath $(BUILD)/weir) $(BENCH_ARGS)

compare: deps deps-test ## ask Traefik (TRAEFIK=PATH of a binary) and weir the same, print the differences
	@test -n "$(TRAEFIK)" || { echo "usage: make compare TRAEFIK=/path/to/traefik"; exit 1; }
	@$(MAKE) --no-print-directory all
	$(PYTHON) tests/compare/compare.py --traefik $(TRAEFIK) --weir $(BUILD)/weir $(COMPARE_ARGS)
	$(PYTHON) tests/compare/compare_files.py --traefik $(TRAEFIK) --weir $(BUILD)/weir
	$(PYTHON) tests/compare/compare_tcp.py --traefik $(TRAEFIK) --weir $(BUILD)/weir
	$(PYTHON) tests/compare/compare_tls.py --traefik $(TRAEFIK) --weir $(BUILD)/weir
	$(PYTHON) tests/compare/compare_h2.py --traefik $(TRAEFIK) --weir $(BUILD)/weir
	$(PYTHON) tests/compare/compare_proxy.py --traefik $(TRAEFIK) --weir $(BUILD)/weir
	$(PYTHON) tests/compare/compare_tcp_servers.py --traefik $(TRAEFIK) --weir $(BUILD)/weir

compare-kube: deps deps-test deps-e2e ## the same Kubernetes objects to Traefik (TRAEFIK=PATH) and weir, print what they make of them
	@test -n "$(TRAEFIK)" || { echo "usage: make compare-kube TRAEFIK=/path/to/traefik"; exit 1; }
	@$(MAKE) --no-print-directory all
	$(PYTHON) tests/e2e/programs.py api
	$(PYTHON) tests/compare/compare_kube.py --traefik $(TRAEFIK) --weir $(BUILD)/weir $(COMPARE_ARGS)

reference: all ## write docs/reference.md, the custom resource definitions and the schema of values anew from the option tables
	$(BUILD)/weir reference > docs/reference.md
	$(BUILD)/weir crds traefik.io > helm/weir/crds/traefik.io.yaml
	$(BUILD)/weir crds traefik.containo.us > helm/weir/crds/traefik.containo.us.yaml
	$(PYTHON) helm/schema.py < docs/reference.md > helm/weir/values.schema.json

# ---- set-up ----
# $(call need,packages): installs what is missing as root, else says which line to run.
need = missing=$$(for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || \
	printf '%s ' $$p; done); \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
			--no-install-recommends $$missing >/dev/null; \
		else echo "missing packages, run as root: apt-get install $$missing"; exit 1; fi; fi

deps:
	@$(call need,$(PACKAGES_BUILD))
deps-test:
	@$(call need,$(PACKAGES_TEST))
deps-lint:
	@$(call need,$(PACKAGES_LINT))
deps-fuzz:
	@$(call need,$(PACKAGES_FUZZ))
deps-e2e:
	@$(call need,$(PACKAGES_E2E))
deps-node: deps-e2e
	@$(PYTHON) tests/e2e/node.py can
	@$(call need,$(PACKAGES_BUILD) $(PACKAGES_NODE))
deps-boringssl:
	@$(call need,$(PACKAGES_BORINGSSL))
deps-callgrind:
	@$(call need,$(PACKAGES_CALLGRIND))

deps-bench:
	@$(call need,$(PACKAGES_BENCH))

clean: ## remove the build folder
	rm -rf build
