# `make demo` and `make test` set up what they need. Everything lives in .venv; nothing is installed elsewhere.
# The first interpreter that really runs and has a version we support (a shim on the PATH may do neither).
VERSION_CHECK := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.13; do \
	$$p -c '$(VERSION_CHECK)' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup demo test test-slow test-gpu check docs bench lock clean

setup: $(READY)

$(READY): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.13 is needed; name it: make setup PYTHON=/path/to/python3.12"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --requirement requirements.txt
	@touch $(READY)

demo: $(READY)
	@$(BIN)/python recognize.py skus build samples/catalog.csv --db demo/sku_db
	@$(BIN)/python recognize.py run samples/photos --db demo/sku_db --out demo/result --overwrite
	@echo
	@$(BIN)/python recognize.py evaluate end-to-end demo/result samples

test: $(READY)
	@$(BIN)/python -m pytest -q

test-slow: $(READY)
	@$(BIN)/python -m pytest -q -m slow

test-gpu: $(READY)
	@$(BIN)/python -m pytest -q -m gpu

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docs: $(READY)
	@$(BIN)/python -m pytest -q tests/test_docs.py

bench: $(READY)
	@$(BIN)/python benchmarks/photo.py

lock: $(READY)
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-emit-index-url --no-emit-find-links \
		--no-header --upgrade -o requirements.txt pyproject.toml

clean:
	rm -rf .venv demo build dist .mypy_cache .ruff_cache .pytest_cache
