# genreid: `make demo`, `make install`, `make test`, `make check`, `make bench`. Needs Python 3.11-3.13, make and pip; fetches the rest.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.install-stamp
# uv from the machine if it runs, else a private copy in .uv (no change to the system's Python).
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .uv/bin/uv)
# PYTHON=/path/to/python3.12 chooses; else the first one on the PATH that fits.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 && \
	command -v "$$p" && break; done)
# Several test processes share the cores, so each computes with one thread.
TEST_ENV := OMP_NUM_THREADS=1
TEST_FLAGS := -n auto --maxprocesses=8 --dist=worksteal

.PHONY: demo install test test-tools trust check bench lock api clean help

help:
	@echo "make demo     both methods on drawn people, in some minutes (-> SEED=1 for other people)"
	@echo "make install  set .venv up from requirements.lock"
	@echo "make test     all tests (-> TESTS=tests/unit/data for some of them)"
	@echo "make test-tools  exported networks in BoxMOT, Ultralytics and Roboflow reid (.venv-tools, large packages)"
	@echo "make check    linter, formatter, types, guards"
	@echo "make trust    hostile and odd files, and 20 s of files changed by chance (-> FUZZ=3600 for an hour)"
	@echo "make bench    the benchmarks, about 25 minutes (-> BENCH=ranking for some of them)"
	@echo "make lock     write requirements.lock anew (newest versions)"
	@echo "make api      write tests/guards/api_surface.json anew, after a public name was added"

install: $(STAMP)

SEED := 0
demo: $(STAMP)
	$(BIN)/genreid demo --seed $(SEED)

$(STAMP): requirements.lock pyproject.toml $(if $(filter uv,$(UV)),,$(UV))
	@test -n "$(PYTHON)" || { echo "genreid needs Python 3.11, 3.12 or 3.13: type make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 2; }
	@test -x $(BIN)/python || $(UV) venv --quiet --python "$(PYTHON)" $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.uv/bin/uv:
	@test -n "$(PYTHON)" || { echo "genreid needs Python 3.11, 3.12 or 3.13: type make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 2; }
	"$(PYTHON)" -m pip install --quiet --disable-pip-version-check --target .uv uv

TESTS := tests
test: $(STAMP)
	$(TEST_ENV) $(BIN)/python -m pytest $(TEST_FLAGS) $(TESTS)

# The tools pin other versions of what we use, so they live apart.
TOOLS := 'boxmot[onnx,openvino]==25.0.0' 'ultralytics==8.4.190' 'reid==0.1.0rc1'
test-tools: $(if $(filter uv,$(UV)),,$(UV))
	@test -x .venv-tools/bin/python || $(UV) venv --quiet --python "$(PYTHON)" .venv-tools
	$(UV) pip install --quiet --python .venv-tools/bin/python -e '.[export]' $(TOOLS) pytest
	$(TEST_ENV) .venv-tools/bin/python -m pytest tests/tools/in_real_tools.py

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/guards

BENCH :=
bench: $(STAMP)
	$(BIN)/python -m benchmarks $(BENCH)

FUZZ := 20
trust: $(STAMP)
	$(TEST_ENV) GENREID_FUZZ_SECONDS=$(FUZZ) GENREID_FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -n 0 -q tests/trust \
		-o log_cli=true -o log_cli_level=INFO 2>&1 | grep -E "files changed by chance|passed|failed|Error"

api: $(STAMP)
	$(BIN)/python -m tests.guards.api_surface

# backports-strenum (of ai-edge-litert): later ones say Requires-Python < 3.11, which pip obeys and uv does not.
lock: $(if $(filter uv,$(UV)),,$(UV))
	echo 'backports-strenum<1.3' | $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --constraint - \
		--group dev --extra masks --extra search --extra offline --extra export --custom-compile-command "make lock" \
		--output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .venv-tools .uv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
