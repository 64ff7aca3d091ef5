# A virtual environment in the checkout, pinned by constraints.txt; every target makes what it needs first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
STAMP_DEV = $(VENV)/.installed-dev
ZINC ?= ../shared/data/molecules/zinc250k.smi.gz
CRYSTALS ?= ../shared/data/crystals
SEQUENCES ?= ../shared/data/sequences
MODULES = $(subst /,.,$(patsubst %/__init__.py,%,$(shell find invdesign -name __init__.py -not -path "*/cli/*") ) $(patsubst %.py,%,$(shell find invdesign -name "[a-z]*.py" -not -path "*/cli/*")))
PYTEST_OPTIONS ?= -q -n 2 --dist loadfile

.PHONY: demo test test-fast coverage docs lint types bench format clean

demo: $(STAMP)
	$(BIN)/invdesign run campaigns/demo.yaml

test: $(STAMP_DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_OPTIONS)

# Without doctests and the tests marked slow, which train models, start processes or check every shipped part.
test-fast: $(STAMP_DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_OPTIONS) -m "not slow" tests

coverage: $(STAMP_DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_OPTIONS) --cov=invdesign --cov-report=term:skip-covered

# API pages of the Python package, in docs/.
docs: $(STAMP_DEV)
	$(BIN)/python -c 'import invdesign.runs, pdoc.__main__ as pages; [getattr(m, n) for m in (invdesign, invdesign.runs) for n in m.__all__]; pages.cli()' \
		--docformat google --math --output-directory docs $(sort $(MODULES))

lint: $(STAMP_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(STAMP_DEV)
	$(BIN)/mypy

format: $(STAMP_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The figures in results/benchmarks/, measured anew. About five hours on two cores.
bench: $(STAMP_DEV)
	$(BIN)/python results/benchmarks/zinc_vae.py --corpus $(ZINC)
	$(BIN)/python results/benchmarks/overhead.py --corpus $(ZINC)
	$(BIN)/python results/benchmarks/constraints.py
	$(BIN)/python results/benchmarks/load.py --corpus $(ZINC)
	$(BIN)/python results/benchmarks/loop.py --corpus $(ZINC)
	$(BIN)/python results/benchmarks/chemistry.py --corpus $(ZINC)
	OMP_NUM_THREADS=1 $(BIN)/python results/benchmarks/pmo.py --corpus $(ZINC)
	$(BIN)/python results/benchmarks/crystals.py perov_5 --train $(CRYSTALS)/perov_5_train.csv.gz --test $(CRYSTALS)/perov_5_test.csv.gz
	$(BIN)/python results/benchmarks/crystals.py mp_20 --train $(CRYSTALS)/mp_20_train.csv.gz $(CRYSTALS)/mp_20_pilot_train.csv.gz --test $(CRYSTALS)/mp_20_test.csv.gz
	$(BIN)/python results/benchmarks/crystals.py carbon_24 --train $(CRYSTALS)/carbon_24_train.csv.gz --samples 2000 --compared 100
	$(BIN)/python results/benchmarks/zeolites.py --archive $(CRYSTALS)/zeolites.tar.xz
	OMP_NUM_THREADS=1 $(BIN)/python results/benchmarks/ehrlich.py
	OMP_NUM_THREADS=1 $(BIN)/python results/benchmarks/gb1.py --table $(SEQUENCES)/gb1_4site.csv.gz
	$(BIN)/python results/benchmarks/measured.py --gfp $(SEQUENCES)/gfp_full.csv.gz --aav $(SEQUENCES)/aav.csv.gz
	$(BIN)/python results/benchmarks/transfer.py --gb1 $(SEQUENCES)/gb1_4site.csv.gz --solubility $(dir $(ZINC))delaney.csv
	$(BIN)/python results/benchmarks/sequence_vae.py --data $(SEQUENCES)
	$(BIN)/python results/benchmarks/aav_library.py --table $(SEQUENCES)/aav.csv.gz

$(BIN)/python:
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "invdesign needs Python 3.11 or newer; try make PYTHON=python3.11"'
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all]'
	@touch $@

$(STAMP_DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@ $(STAMP)

clean:
	rm -rf build dist docs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
