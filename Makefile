# Two commands need nothing but Python >= 3.11, make and a package index: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
SOURCES := taskgrove tests benchmarks docs recipes examples
# Tests start many processes; without their bytecode each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo setup check fix test test-slow docs bench bench-speed lock release clean

demo: .venv/.demo  ## grow a system of eight tasks on embedded data, and write demo-report/
	$(BIN)/taskgrove run recipes/demo.toml --store demo-grove --report demo-report

setup: .venv/.dev  ## everything that development needs

check: .venv/.dev  ## format, lint, types, import contracts
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: .venv/.dev  ## format, and repair what can be repaired
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

test: .venv/.dev  ## all tests but the slow ones
	$(BIN)/pytest -q -n 2 --dist worksteal

test-slow: .venv/.dev  ## the slow ones, and the laws on new random examples
	$(BIN)/pytest -q -m slow
	$(BIN)/pytest -q -n 2 --dist worksteal tests/laws --hypothesis-profile=search

docs: .venv/.dev  ## regenerate the command reference
	$(BIN)/python docs/generate.py

bench: .venv/.dev  ## the reduced run on real data; TASKGROVE_DATA is a folder of npz files
	$(BIN)/python benchmarks/recipe.py recipes/char6.toml --out benchmarks/char6_local

bench-speed: .venv/.dev  ## speed and memory; PEERS and TRAINERS are interpreters, see benchmarks/README.md
	$(BIN)/python -m benchmarks.step $(if $(PEERS),--peer-python $(PEERS)) --out benchmarks/step_local
	$(BIN)/python -m benchmarks.prefix --out benchmarks/prefix_local
	$(BIN)/python -m benchmarks.serving_prefix --out benchmarks/serving_prefix_local
	$(BIN)/python -m benchmarks.search $(if $(PEERS),--peer-python $(PEERS)) --out benchmarks/search_local
	$(BIN)/python -m benchmarks.overhead $(if $(TRAINERS),--trainers-python $(TRAINERS)) --out benchmarks/overhead_local
	$(BIN)/python -m benchmarks.workers --out benchmarks/workers_local
	$(BIN)/python -m benchmarks.memory --out benchmarks/memory_local
	$(BIN)/python -m benchmarks.log --out benchmarks/log_local
	$(BIN)/python -m benchmarks.opening --out benchmarks/opening_local
	$(BIN)/python -m benchmarks.bytes --out benchmarks/bytes_local

lock: .venv/.dev  ## show what is installed, to renew constraints.txt
	$(BIN)/pip freeze --exclude-editable

release: check test  ## build the wheel
	$(PIP) build
	$(BIN)/python -m build --wheel

clean:  ## forget environments, caches and the demo
	rm -rf .venv demo-grove demo-report .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Taskgrove needs Python 3.11 or newer; set PYTHON, e.g. make PYTHON=python3.12 demo"; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

# torch comes first and pinned, so that pip takes the CPU wheel where that is the machine's choice.
.venv/.torch: .venv/.python constraints.txt
	$(PIP) torch
	@touch $@

.venv/.demo: .venv/.torch pyproject.toml
	$(PIP) -e '.[demo]'
	@touch $@

.venv/.dev: .venv/.torch pyproject.toml
	$(PIP) -e '.[demo,search,hub,tfds,cloud,ray,tensorboard,dev]'
	@touch $@ .venv/.demo
