# make demo   set up, simulate the demo cohort, run the whole pipeline on it, print the report's path
# make test   set up, run every test that this machine can run
# make help   the rest
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CORES ?= $(shell nproc 2>/dev/null || echo 2)
PYTHON ?= python3.11
VENV ?= .venv
# cpu or cuda: what was asked for, else what the environment was made for, else cuda on a machine with an NVIDIA GPU.
# So an environment for GPUs, made on a login node without one, is not replaced by what is called later.
MADE := $(firstword $(patsubst $(VENV)/.installed-%,%,$(wildcard $(VENV)/.installed-cpu $(VENV)/.installed-cuda)))
TORCH ?= $(or $(MADE),$(if $(wildcard /dev/nvidia0),cuda,cpu))
ifeq ($(filter cpu cuda,$(TORCH)),)
$(error TORCH is '$(TORCH)', expected cpu or cuda)
endif
BIN := $(VENV)/bin
TORCH_LOCK := envs/locks/torch-$(if $(filter cuda,$(TORCH)),cu,cpu).txt
LOCKS := envs/locks/base.txt $(TORCH_LOCK) envs/locks/dev.txt
STAMP := $(VENV)/.installed-$(TORCH)
export PYTHONPATH := workflow/lib
export PIP_DISABLE_PIP_VERSION_CHECK := 1
DEMO := demo

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | sort | expand -t 18

.PHONY: env
env: $(STAMP) ## the locked environment, in .venv (TORCH=cpu|cuda makes it for that; offline: WHEELHOUSE=folder, without what tests need)
	@echo "$(VENV): torch for $(TORCH). It stays so until make env TORCH=$(if $(filter cpu,$(TORCH)),cuda,cpu)"

# torch's CPU wheel is not on PyPI: pip finds it among local wheels where a site has them,
# else in PyTorch's own index.
$(STAMP): $(LOCKS)
	@command -v $(PYTHON) >/dev/null || { echo "marrowclone needs Python 3.11 ($(PYTHON) is not on the PATH). Hint: make env PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "marrowclone needs Python 3.11; $(PYTHON) is another version. Hint: make env PYTHON=/path/to/python3.11" >&2; exit 1; }
ifdef WHEELHOUSE
	PYTHON="$(PYTHON)" sh containers/venv.sh envs/locks "$(WHEELHOUSE)" $(TORCH) $(VENV)
else
	$(PYTHON) -m venv --clear $(VENV)
	@echo "installing the locked environment ($(TORCH)) into $(VENV): two to five minutes"
	$(BIN)/python -m pip install -qq --require-hashes --no-deps -r $(TORCH_LOCK) 2>$(VENV)/torch.log \
	  || $(BIN)/python -m pip install -qq --require-hashes --no-deps --extra-index-url https://download.pytorch.org/whl/cpu -r $(TORCH_LOCK) \
	  || { cat $(VENV)/torch.log >&2; exit 1; }
	$(BIN)/python -m pip install -qq --require-hashes --no-deps -r envs/locks/base.txt -r envs/locks/dev.txt
	$(BIN)/python -m pip check
endif
	@touch $@

$(DEMO)/cohort.json: $(STAMP) config/demo/cohort.yaml $(shell find workflow/lib/marrowclone/simulate -name '*.py')
	@$(BIN)/python -m marrowclone.simulate config/demo/cohort.yaml --out $(DEMO) --cores $(CORES) 2>/dev/null \
	  || $(BIN)/python -m marrowclone.simulate config/demo/cohort.yaml --out $(DEMO) --cores $(CORES) --force
	@touch $@

.PHONY: demo
demo: $(STAMP) $(DEMO)/cohort.json ## the whole pipeline on the embedded demo cohort (PROFILE=slurm: on a cluster)
	$(BIN)/snakemake $(if $(PROFILE),--profile $(PROFILE),--cores $(CORES)) --directory $(DEMO) --configfile config/demo/config.yaml
	@$(BIN)/python -m marrowclone.report.truth_table $(DEMO)/results/report/truth.tsv
	@echo "report: $(CURDIR)/$(DEMO)/results/report/index.html"

# pip of the environment where there is one: a login node's Python often has none
PIP := $(if $(wildcard $(BIN)/pip),$(BIN)/python,$(PYTHON)) -m pip

.PHONY: wheelhouse
wheelhouse: ## what the image installs, for a site without internet (WHEELHOUSE=folder, TORCH=cpu|cuda)
	TORCH=$(TORCH) PIP="$(PIP)" containers/wheelhouse.sh $(or $(WHEELHOUSE),wheelhouse)

.PHONY: image
image: ## the container image for --sdm apptainer (TORCH=cpu|cuda; offline: WHEELHOUSE=folder BASE=archive; OUT=file)
	TORCH=$(TORCH) PIP="$(PIP)" BASE="$(BASE)" WHEELHOUSE="$(WHEELHOUSE)" containers/build.sh $(OUT)

.PHONY: validate
validate: $(STAMP) ## the cure score on a simulated cohort of known truth, or on yours (PATIENTS=300, ARGS="--landmarks ... --outcome ...")
	PYTHONPATH=workflow/lib $(BIN)/python -m marrowclone.cure.validate --patients $(or $(PATIENTS),300) --out validation $(ARGS)

.PHONY: real-data
real-data: $(STAMP) ## the pipeline on two public data sets, not myeloma (DATA=folder, OUT=folder)
	$(BIN)/python tests/workflow/real_data.py --data "$${DATA:-../shared/data}" --out "$${OUT:-real-data}" --cores $(CORES)

.PHONY: test
test: $(STAMP) check ## all tests that this machine can run
	tests/install.sh
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile -m 'not hpc and not container' tests
	$(BIN)/python -m pytest -m hpc tests  # by themselves: a machine has one cluster
	tests/containers/install.sh
	$(BIN)/python -m pytest -m container tests

.PHONY: peers
peers: $(STAMP) ## today's tools for the comparison, in .venv-peers
	PYTHON=$(PYTHON) sh benchmarks/peers/install.sh

.PHONY: benchmark-accuracy
benchmark-accuracy: peers ## accuracy beside today's tools on cohorts with known truth (QUICK=1: some minutes; ARGS=...)
	$(BIN)/python benchmarks/accuracy.py --cores $(CORES) $(if $(QUICK),--quick) $(ARGS)

.PHONY: benchmark-speed
benchmark-speed: peers ## time and memory of the copy-number signal beside today's tools (CELLS="2000 10000", ARGS=...)
	$(BIN)/python benchmarks/speed.py --cells $(or $(CELLS),2000 10000 50000 100000) $(ARGS)

.PHONY: benchmark-realism
benchmark-realism: $(STAMP) ## simulated beside real cells: figure and distances (DATA=folder)
	$(BIN)/python benchmarks/realism.py --data "$${DATA:-../shared/data}" --out benchmarks/results

.PHONY: benchmark-loading
benchmark-loading: $(STAMP) ## memory and time of loading 200,000 cells, beside scanpy (CELLS=number)
	$(BIN)/python benchmarks/loading.py --cells $(or $(CELLS),200000)

.PHONY: benchmark-cells
benchmark-cells: $(STAMP) ## what quality control keeps and drops, on captures with known truth (SEEDS="1 2")
	PYTHONPATH=workflow/lib $(BIN)/python benchmarks/cells.py --seeds $(or $(SEEDS),20261) --out benchmarks/results

.PHONY: benchmark-types
benchmark-types: $(STAMP) ## cell types of public data beside obvious markers: figure and table (DATA=folder)
	PYTHONPATH=workflow/lib $(BIN)/python benchmarks/cell_types.py --data "$${DATA:-../shared/data}" --out benchmarks/results

.PHONY: benchmark-alleles
benchmark-alleles: $(STAMP) ## clones with and without allele counts, on simulated captures (SEEDS="5 6")
	PYTHONPATH=workflow/lib $(BIN)/python benchmarks/alleles.py $(if $(SEEDS),--seeds $(SEEDS)) --out benchmarks/results

.PHONY: benchmark-clonality
benchmark-clonality: $(STAMP) ## light chains, clonotypes, TC class and identity on simulated patients (SEED=number)
	PYTHONPATH=workflow/lib $(BIN)/python benchmarks/clonality.py --patients 24 --donors 3 --seed $(or $(SEED),5) --out benchmarks/results

.PHONY: benchmark-clones
benchmark-clones: peers ## clones of true malignant cells beside what dosage allows and today's tools (SEEDS="1 2", ARGS="--cells 20000")
	PYTHONPATH=workflow/lib $(BIN)/python benchmarks/clones.py --cores $(CORES) $(if $(SEEDS),--seeds $(SEEDS)) $(ARGS)

.PHONY: benchmark-expression
benchmark-expression: $(STAMP) ## genes and programmes of clones, on real cells with imposed differences (ARGS="--seeds 1 2")
	PYTHONPATH=workflow/lib $(BIN)/python benchmarks/expression.py $(ARGS)

.PHONY: benchmark-changes
benchmark-changes: $(STAMP) ## changes of a clone's expression between days, on simulated captures (ARGS="--seeds 1 2")
	PYTHONPATH=workflow/lib $(BIN)/python benchmarks/changes.py $(ARGS)

.PHONY: benchmark-antigen
benchmark-antigen: $(STAMP) ## losses of a target antigen by number of cells, on simulated captures (ARGS="--seeds 1 2")
	PYTHONPATH=workflow/lib $(BIN)/python benchmarks/antigen.py $(ARGS)

.PHONY: benchmark-trees
benchmark-trees: $(STAMP) ## the clones' tree on simulated patients of known trees (SEEDS="21 22 23", ARGS=...)
	PYTHONPATH=workflow/lib $(BIN)/python benchmarks/trees.py --seeds $(or $(SEEDS),21 22 23) --cores $(CORES) --out benchmarks/results $(ARGS)

.PHONY: benchmark-evolution
benchmark-evolution: $(STAMP) ## burden, growth and labels of clones on patients of known course, beside the ceiling (SEEDS="101 102", ARGS=...)
	PYTHONPATH=workflow/lib $(BIN)/python benchmarks/evolution.py --seeds $(or $(SEEDS),101 102 103) --cores $(CORES) --out benchmarks/results $(ARGS)

.PHONY: benchmark-punctures
benchmark-punctures: $(STAMP) ## burden, growth and labels in marrows with and without patches, cells known (SEEDS="301 302", ARGS=...)
	PYTHONPATH=workflow/lib $(BIN)/python benchmarks/punctures.py --seeds $(or $(SEEDS),301 302 303) --cores $(CORES) --out benchmarks/results $(ARGS)

.PHONY: test-fast
test-fast: $(STAMP) ## unit tests only
	$(BIN)/python -m pytest -q -n $(CORES) -m 'not slow and not browser and not hpc and not container' tests

.PHONY: test-hpc
test-hpc: $(STAMP) ## the tests on a SLURM cluster that they start themselves (root, Debian)
	tests/install.sh
	$(BIN)/python -m pytest -m hpc tests

.PHONY: test-containers
test-containers: $(STAMP) ## the tests that build the image and run a cohort in it (root, Debian)
	tests/install.sh
	tests/containers/install.sh
	$(BIN)/python -m pytest -m container tests

.PHONY: check
check: $(STAMP) ## style, types, locks, generated files, lint of the workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/python envs/lock.py --check
	$(BIN)/python -m marrowclone.check.document --check
	$(BIN)/python -m pip check

.PHONY: format
format: $(STAMP) ## rewrite sources and generated files as `make check` wants them
	$(BIN)/ruff check --fix -q . || true
	$(BIN)/ruff format -q .
	$(BIN)/snakefmt Snakefile workflow/rules
	$(BIN)/python envs/lock.py --derive
	$(BIN)/python -m marrowclone.check.document

.PHONY: lock
lock: $(STAMP) ## resolve the environment anew (FIND_LINKS=folder with torch's CPU wheel, KEEP=1 leaves pins that still fit)
	$(BIN)/python envs/lock.py $(if $(KEEP),--keep) $(if $(FIND_LINKS),--find-links $(FIND_LINKS))

.PHONY: clean
clean: ## remove the demo's folder and caches, keep the environment
	rm -rf $(DEMO) .pytest_cache .mypy_cache .ruff_cache .hypothesis
