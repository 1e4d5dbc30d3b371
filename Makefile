# Needs make and a Python >= 3.11 with venv; everything else goes into .venv.
#   make PYTHON=/path/to/python3.12 test    uses another Python (after `make clean`)
#   make test ARGS='-k structure'           passes arguments to pytest (likewise `bench`)

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
SOURCES := $(wildcard runner/*.py runner/*/*.py)

export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup test test-ray run check lint types structure docs format fuzz coverage chaos chaos-ray endurance theory \
	twins scale bench speed bench-analysis bench-costs bench-pacing bench-peers bench-ray clean

help: ## what you can make (this list)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.all .venv/.compiled ## .venv with mprun and all development tools

test: setup ## all tests
	$(BIN)/python -m pytest $(ARGS)

test-ray: setup ## the tests of the engine ray, which share one cluster; skipped where Ray is not installed
	$(BIN)/python -m pytest -m ray $(ARGS)

run: .venv/.core .venv/.compiled ## two producers and two consumers (configs/default.yaml)
	$(BIN)/mprun configs/default.yaml

check: lint types structure docs ## lint, types, structure and docs

lint: setup ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy --strict over package, tests and benchmarks
	$(BIN)/mypy

structure: setup ## imports point down only, workers stay light
	$(BIN)/python -m pytest -q tests/test_structure.py

docs: setup ## the documentation, into docs/_build/html
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

format: setup ## ruff rewrites the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fuzz: setup ## 100,000 texts read as configs (minutes)
	MPRUN_FUZZ_TEXTS=100000 $(BIN)/python -m pytest -q -o faulthandler_timeout=0 tests/test_fuzz_config.py $(ARGS)

coverage: setup ## how often the intervals of `mprun compare` contain the truth, of 100 repetitions (minutes)
	PYTHONPATH=tests $(BIN)/python -m repetitions $(ARGS)

chaos: setup ## 1,000 trials in which workers are killed, a failpoint on every line, the controls (most of an hour)
	PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)

chaos-ray: setup ## actors, nodes and brokers of Ray are killed, 20 trials of each kind (a quarter of an hour)
	MPRUN_CHAOS_RAY=20 $(BIN)/python -m pytest -v tests/test_ray_deaths.py $(ARGS)

endurance: setup ## killed supervisors and sweeps, Ctrl-C, nasty user code, full disks, 400 runs in one process (an hour)
	MPRUN_ENDURANCE=1 $(BIN)/python -m pytest -q -o faulthandler_timeout=0 $(addprefix tests/test_,\
		nasty_user_code.py hang.py faults.py supervisor_killed.py terminal.py full_store.py leaks.py sweep_killed.py) $(ARGS)

theory: setup ## queueing theory against simulation, 30 seeds of 100,000 items each (minutes)
	MPRUN_THEORY=1 $(BIN)/python -m pytest -q -s -o faulthandler_timeout=0 tests/test_simulation_theory.py $(ARGS)

twins: setup ## docs/explanation/twins.md: every example for real, beside its simulation (minutes)
	$(BIN)/python bench/twin_table.py --output docs/explanation/twins.md $(ARGS)

speed: setup ## docs/explanation/simulation.md: against the same models in SimPy, and with 10⁴ to 10⁷ items (minutes)
	PYTHONPATH=tests $(BIN)/python bench/simulation.py --into docs/explanation/simulation.md $(ARGS)

bench: .venv/.all .venv/.compiled ## start-up times, mprun against plain scripts, traces and reports (minutes)
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/main_job.py $(ARGS)
	$(BIN)/python bench/reports.py

bench-analysis: .venv/.core .venv/.compiled ## summary and audit of logs of 10⁵ to 10⁷ events: time and memory (ten minutes)
	$(BIN)/python bench/analysis.py $(ARGS)

bench-costs: .venv/.core .venv/.compiled ## what an item and a line of the log cost, and where (a minute)
	$(BIN)/python bench/costs.py $(ARGS)

bench-pacing: .venv/.core .venv/.compiled ## how punctual open pacing is (two minutes)
	$(BIN)/python bench/pacing.py $(ARGS)

bench-peers: .venv/.core .venv/.compiled .venv-peers/.all ## mprun beside its peers, into docs/explanation/peers.md (minutes)
	$(BIN)/python bench/peers.py --python .venv-peers/bin/python --page docs/explanation/peers.md $(ARGS)

bench-ray: .venv/.ray .venv/.compiled ## the queue of a Ray cluster beside ray.util.queue, into docs/how-to/grow-to-a-cluster.md (minutes)
	$(BIN)/python bench/ray_queue.py --page docs/how-to/grow-to-a-cluster.md $(ARGS)

scale: .venv/.core .venv/.compiled ## 500 producers and 500 consumers under fork and forkserver (minutes)
	$(BIN)/python bench/scale.py $(ARGS)

clean: ## remove all that make made; runs/ stays
	rm -rf .venv .venv-peers build dist docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find runner tests bench configs docs -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is the last thing `venv` puts there: its presence says that the environment is whole.
.venv/bin/pip:
	@$(PYTHON) -c '' 2>/dev/null || { echo "make: '$(PYTHON)' does not run here; install Python 3.11 or newer," \
		"or name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: mprun needs Python 3.11" \
		"or newer, '$(PYTHON)' is $$($(PYTHON) -V 2>&1); name another: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: '$(PYTHON)' cannot make virtual" \
		"environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.core: pyproject.toml | .venv/bin/pip
	$(PIP) install --editable .
	@touch $@

# Dependency groups need pip >= 25.1; the pip that a Python brings along is often older.
.venv/.all: pyproject.toml | .venv/bin/pip
	$(PIP) install --upgrade 'pip>=25.1'
	$(PIP) install --editable '.[analysis,report]' --group dev
	@touch .venv/.core $@

.venv/.ray: pyproject.toml | .venv/bin/pip
	$(PIP) install --editable '.[ray]'
	@touch .venv/.core $@

# One after the other where they cannot all be had (faster-fifo is compiled): bench/peers.py says which are missing.
.venv-peers/.all: pyproject.toml | .venv/bin/pip
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip -qq install --upgrade 'pip>=25.1'
	.venv-peers/bin/python -m pip -qq install --group peers || \
		for peer in faster-fifo joblib mpire; do .venv-peers/bin/python -m pip -qq install $$peer || true; done
	@touch $@

# Where PYTHONDONTWRITEBYTECODE is set, every start would compile the package anew.
.venv/.compiled: $(SOURCES) | .venv/bin/pip
	@$(BIN)/python -m compileall -q runner
	@touch $@
