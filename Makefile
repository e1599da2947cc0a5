# make run ARGS="train genres --epochs 20"    the app, or one command
# make test ARGS="-k journal" WORKERS=0       the tests, or some of them; in one process
# make bench ARGS="--quick"                   what this machine does, as a table
# make gpu                                    what only a CUDA GPU can show: its tests, then its figures

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Python compiles what it imports, once; pip would compile all of PyTorch, which takes as long as to unpack it.
# The versions in constraints.txt are those that the tests passed with.
PIP_OPTIONS := --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# Processes that share the tests. Many tests wait for a process of their own: one more than two cores is no loss.
WORKERS ?= 3

.PHONY: run test bench gpu lint format constraints clean

run: $(VENV)/.installed
	@$(BIN)/genre-tui $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(VENV)/.installed-bench
	@$(BIN)/python -m benchmarks $(ARGS)

# Each part continues where another fails, because time on a GPU is short.
gpu: $(VENV)/.installed-bench
	-$(BIN)/python -m pytest tests/core/inference/test_cuda.py tests/core/training/test_cuda.py
	-$(BIN)/python -m benchmarks --only classify linear_adam $(ARGS)
	$(BIN)/python -m benchmarks --only whole compiled $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The newest versions that pyproject.toml allows, into a new environment; then run the tests and commit constraints.txt.
# Triton is left out: each build of PyTorch brings its own.
constraints:
	$(PYTHON) -m venv --clear build/constraints
	build/constraints/bin/python -m pip install $(filter-out --constraint constraints.txt,$(PIP_OPTIONS)) -e '.[dev,bench]'
	build/constraints/bin/python -m pip freeze --exclude-editable \
		| sed -e 's/+cpu$$//' -e '/^triton==/d' -e '/^nvidia-[^m]/d' -e '/^cuda-/d' >constraints.txt

# Runs and cached features stay; what can be made again goes.
clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps are younger than pyproject.toml: a change of the dependencies installs them again.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the project and PyTorch into $(VENV); the first time takes minutes"
	$(BIN)/python -m pip install $(PIP_OPTIONS) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the project, PyTorch and the test tools into $(VENV); the first time takes minutes"
	$(BIN)/python -m pip install $(PIP_OPTIONS) -e '.[dev]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-bench: pyproject.toml constraints.txt | $(VENV)/.installed-dev
	$(BIN)/python -m pip install $(PIP_OPTIONS) -e '.[bench]'
	@touch $@
