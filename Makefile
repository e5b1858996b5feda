# `make build` puts the release build into .venv, `make demo` shows steplog at work (ONCE=1: and
# stops), `make test` runs every check, cheapest first, `make bench` measures.
PYTHON ?= python3
BIN := .venv/bin
# Another environment that is active must not be the one that is built into.
export VIRTUAL_ENV := $(CURDIR)/.venv
unexport CONDA_PREFIX
.PHONY: build demo test check-rust check-web pytest bench tools loom fuzz fuzz-brief crash
# Every order in which threads can append, rotate, read and close.
LOOM := cargo test --package steplog-core --lib --features loom --locked --quiet proof::orders

tools:
	@command -v cargo >/dev/null || { echo "cargo is missing: get Rust with https://rustup.rs, or from your system"; exit 1; }
	@command -v node >/dev/null || { echo "node is missing: get Node 20 or later with https://nodejs.org, or from your system"; exit 1; }
	@command -v npm >/dev/null || { echo "npm is missing: it comes with Node of https://nodejs.org; systems may have it as a package npm"; exit 1; }
	@node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' || { echo "Node 20 or later is needed, this is $$(node --version): see https://nodejs.org"; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: get Python 3.10 or later, or say PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or later is needed: say PYTHON=…"; exit 1; }

$(BIN)/maturin:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -U "pip>=25.1"
	$(BIN)/pip install -q "maturin>=1.9.4,<2"

web/node_modules: web/package-lock.json
	npm --prefix web ci --no-audit --no-fund
	@touch web/node_modules

build: tools $(BIN)/maturin web/node_modules
	npm --prefix web run build --silent
	$(BIN)/maturin develop --release --locked --extras server

demo: build
	$(BIN)/pip install -q --group demo
	$(BIN)/python examples/demo.py $(if $(ONCE),--once)

test: tools $(BIN)/maturin web/node_modules
	@mkdir -p target; failed=; $(MAKE) --no-print-directory check-web >target/check-web.log 2>&1 & job=$$!; \
	$(MAKE) --no-print-directory check-rust || failed=1; wait $$job || failed=1; \
	cat target/check-web.log; test -z "$$failed"
	$(BIN)/maturin develop --release --locked --extras server
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m mypy.stubtest steplog._core
	@test -x /usr/bin/chromium || echo "no Chromium: the browser tests are skipped; get it with: apt-get install chromium"
	$(MAKE) --no-print-directory pytest

check-rust:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked --quiet
	$(LOOM)
	$(MAKE) --no-print-directory fuzz-brief

# Beside the compiler, which often has work for one core alone; and what the rest needs is fetched.
check-web:
	$(BIN)/pip install -q --group lint --group test --group demo
	npm --prefix web run check

# Those with a server wait more than they work, so two parts of them share the cores; the others do not like company.
E2E_PARTS := ag-s b-ft-z
pytest:
	@mkdir -p target; failed=; jobs=; for part in $(E2E_PARTS); do \
	  env --default-signal=INT $(BIN)/pytest -q tests/e2e/test_[$$part]*.py >"target/tests-$$part.log" 2>&1 & jobs="$$jobs $$!"; done; \
	for job in $$jobs; do wait $$job || failed=1; done; \
	for part in $(E2E_PARTS); do cat "target/tests-$$part.log"; done; test -z "$$failed"
	$(BIN)/pytest -q --ignore=tests/e2e

loom:
	$(LOOM)

# Each target for SECS seconds, from what is kept in the repository and what was found before.
SECS ?= 60
FUZZ_LIMITS = -artifact_prefix=target/ -max_total_time=$(SECS) -timeout=10 -malloc_limit_mb=512 -max_len=65536
fuzz:
	@cargo +nightly fuzz --version >/dev/null 2>&1 || { echo "the fuzzer is missing: rustup toolchain install nightly; cargo install cargo-fuzz"; exit 1; }
	cd rust/fuzz; for target in frame record recovery table; do mkdir -p target/corpus/$$target; \
	  cargo +nightly fuzz run --fuzz-dir . $$target target/corpus/$$target corpus/$$target -- $(FUZZ_LIMITS) -verbosity=0 || exit 1; done

# The same for a minute in all, at once, with any compiler: what it covers is counted, its memory is not watched.
COVERAGE := --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
fuzz-brief: SECS = 20
fuzz-brief:
	@command -v c++ >/dev/null || { echo "no C++ compiler: fuzzing is skipped; get it with: apt-get install g++"; exit 0; }; \
	cd rust/fuzz && RUSTFLAGS="$(COVERAGE)" cargo build --release --locked --quiet --target $(HOST) || exit 1; \
	for target in frame record recovery table; do mkdir -p target/corpus/$$target; \
	  { target/$(HOST)/release/$$target target/corpus/$$target corpus/$$target $(FUZZ_LIMITS) \
	    >target/$$target.log 2>&1 && echo "fuzz $$target: $$(grep ^Done target/$$target.log)" \
	    || { cat target/$$target.log; false; }; } & jobs="$$jobs $$!"; \
	done; \
	for job in $$jobs; do wait $$job || failed=1; done; test -z "$$failed"

# Processes killed at any moment, by the hundred; a few of them are in `make test`.
KILLS ?= 200
crash: build
	$(BIN)/pip install -q --group test
	STEPLOG_KILLS=$(KILLS) $(BIN)/pytest -q tests/e2e/test_kills.py tests/e2e/test_crash.py

bench: build
	$(BIN)/pip install -q --group bench
	$(BIN)/python benches/bench_log.py
	$(BIN)/python benches/bench_server.py
	$(BIN)/python benches/bench_artifact.py
	$(BIN)/python benches/bench_capture.py
	$(BIN)/python benches/bench_output.py
	$(BIN)/python benches/bench_table.py
	$(BIN)/python benches/bench_table_query.py
	$(BIN)/python benches/bench_limits.py
	$(BIN)/python benches/bench_instructions.py
	$(BIN)/python benches/bench_peers.py
