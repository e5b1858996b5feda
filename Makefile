# `make build` puts the release build into .venv; `make test` runs every check, cheapest first.
PYTHON ?= python3
.PHONY: build test

.venv/bin/maturin:
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -q -U "pip>=25.1"
	.venv/bin/pip install -q "maturin>=1.9.4,<2" "pytest>=9" pytest-timeout hypothesis anyio

build: .venv/bin/maturin
	@command -v cargo >/dev/null || { echo "cargo is missing: get Rust from your system or by rustup"; exit 1; }
	.venv/bin/maturin develop --release --locked

test: build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked
	.venv/bin/pytest -q tests/test_core.py
