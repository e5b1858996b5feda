# `make build` puts the release build into .venv; `make test` runs every check, cheapest first.
PYTHON ?= python3
.PHONY: build test

.venv/bin/maturin:
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -q -U "pip>=25.1"
	.venv/bin/pip install -q "maturin>=1.9.4,<2" --group lint --group test

build: .venv/bin/maturin
	@command -v cargo >/dev/null || { echo "cargo is missing: get Rust from your system or by rustup"; exit 1; }
	.venv/bin/maturin develop --release --locked --extras server

test: build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked
	.venv/bin/ruff check python/steplog/_*.py python/steplog/__init__.py tests
	.venv/bin/ruff format --check python/steplog/_*.py python/steplog/__init__.py tests
	.venv/bin/mypy python/steplog/__init__.py python/steplog/_api.py tests
	.venv/bin/lint-imports
	.venv/bin/python -m mypy.stubtest steplog._core
	.venv/bin/pytest -q
