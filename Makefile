# Needs python3 (3.11 or newer), git and make. Everything is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
SHARED_DATA := $(abspath $(wildcard ../shared/data))
ifneq ($(SHARED_DATA),)
export ASD_TEST_DATA ?= $(SHARED_DATA)
endif
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1

.PHONY: demo test test-slow walk check format setup lock clean

demo: $(INSTALLED)  ## run the cells of params.yaml and say what came out
	$(BIN)/asd run

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow --timeout 3600

walk: $(INSTALLED)  ## from a vendor's data to a served model, in every form, on a small scale
	$(BIN)/python -m pytest -m walk

check: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

setup: $(INSTALLED)

# uv of the locked version, when pip can get it, is several times faster; pip alone does it too
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "asd needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "$$(grep '^uv==' requirements.lock)" \
	  && UV_HTTP_TIMEOUT=300 $(BIN)/uv pip install --python $(BIN)/python --no-deps -r requirements.lock \
	  || $(BIN)/python -m pip install --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock:  ## pin the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile --universal --upgrade --no-header --no-annotate --python-version 3.11 \
	  --extra dev --extra onnx --extra s3 --extra timm --quiet pyproject.toml -o requirements.lock

clean:  ## remove caches of tools; results, downloads and .venv stay
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find asd flows tests -name __pycache__ -type d -prune -exec rm -rf {} +
