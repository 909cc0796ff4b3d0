# make demo, make test: everything from a fresh clone; needs Python 3.11 or later and nothing else.
# Where uv is installed it makes the environment, otherwise pip does; both install the versions of constraints.txt, which
# is uv.lock in the form that both read. UV= (empty) keeps to pip; PYTHON=python3.12 chooses another interpreter;
# TORCH_INDEX= takes torch from the usual index (CUDA build on Linux); where pip is set up with PIP_FIND_LINKS, torch comes
# from there.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV ?= $(shell command -v uv)
TORCH_INDEX ?= $(if $(PIP_FIND_LINKS),,$(shell command -v nvidia-smi >/dev/null || echo https://download.pytorch.org/whl/cpu))

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := exr,heif,onnx,plot,raw,restoration,torchmetrics,video,web,xlsx
GROUP := dev
DEMO := experiments/demo
export NO_ALBUMENTATIONS_UPDATE := 1

# $(call install,ENVIRONMENT,ARGUMENTS)
install = $(if $(UV),$(UV) pip install --quiet --python $(1)/bin/python,$(1)/bin/python -m pip install --quiet) $(2)
# The build of torch that is wanted, before anything asks for another: from PIP_FIND_LINKS, or by one quick try at the
# index of CPU builds; where that cannot be reached, torch comes from where the rest comes from. Without dependencies:
# neither place has to offer them in the locked versions.
# $(call install_torch,ENVIRONMENT,REQUIREMENT)
install_torch = $(if $(PIP_FIND_LINKS),$(call install,$(1),--no-index --no-deps --find-links $(PIP_FIND_LINKS) $(2)),$(if \
	$(TORCH_INDEX),UV_HTTP_RETRIES=0 PIP_RETRIES=0 $(call install,$(1),--no-deps --index-url $(TORCH_INDEX) $(2)),true))

.PHONY: setup demo test coverage test-lowest test-py313 lint docs lock dist clean

setup: $(READY)

# The stamp depends on what is to be installed, so a second run installs nothing. Dependency groups need pip 25.1.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(if $(UV),$(UV) venv --quiet --seed --python $(PYTHON) $(VENV),$(PYTHON) -m venv $(VENV))
	$(BIN)/python -c "import sys; sys.exit(sys.version_info < (3, 11) and 'riqa needs Python 3.11 or later: make PYTHON=...')"
	$(if $(UV),,$(BIN)/python -m pip install --quiet "pip>=25.1")
	$(BIN)/python -c "import torch" 2>/dev/null || $(call install_torch,$(VENV),-c constraints.txt torch) || true
	$(call install,$(VENV),-c constraints.txt $(GROUP:%=--group %) -e ".[$(EXTRAS)]")
	touch $@

demo: $(READY)
	@mkdir -p out/demo
	@echo "== One photograph, two codecs at equal size, with reference"
	@$(BIN)/riqa compare $(DEMO)/skyline.jpg $(DEMO)/skyline.avif --reference $(DEMO)/skyline_reference.webp \
		--out out/demo/report.html --json out/demo/result.json
	@echo "== One noisy photograph, two denoisers, no reference"
	@$(BIN)/riqa compare $(DEMO)/lobster_nlm.webp $(DEMO)/lobster_median.webp \
		--out out/demo/report_noref.html --json out/demo/result_noref.json

# A half of the tests each, in their order, so that what a file prepares is prepared once; who is done first takes over.
TWO_PROCESSES := -n 2 --dist worksteal

test: $(READY)
	$(BIN)/python -m pytest -q $(TWO_PROCESSES)

# What part of the code the tests run; takes about twice as long as they do.
coverage: $(READY)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q $(TWO_PROCESSES)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Tests of every room that touches a library, for the two jobs below.
LIBRARY_TESTS := tests/distortion_engine/test_render.py tests/distortion_engine/test_dataset.py \
	tests/distortion_engine/reading tests/relational_iqa/networks tests/relational_iqa/storage \
	tests/relational_iqa/systems/test_reference_results.py tests/relational_iqa/systems/test_onnx.py \
	tests/relational_iqa/commands/test_cli.py tests/relational_iqa/retrieval tests/relational_iqa/web/test_web.py \
	tests/relational_iqa/report/test_report.py tests/relational_iqa/report/test_report_files.py \
	tests/relational_iqa/report/test_report_pictures.py tests/relational_iqa/training/loop/test_trainer.py \
	tests/relational_iqa/training/loop/test_trainer_resume.py tests/relational_iqa/training/loop/test_checkpoints.py \
	tests/relational_iqa/training/loop/test_reporting.py

# The lowest versions that pyproject.toml declares, in an environment of their own; needs uv. LOWEST_TORCH= another torch,
# where the declared one is not offered.
LOWEST := out/venv-lowest
LOWEST_TORCH ?= 2.6.0
test-lowest:
	$(if $(UV),,$(error make test-lowest needs uv))
	test -x $(LOWEST)/bin/python || $(UV) venv --quiet --python 3.11 $(LOWEST)
	mkdir -p out && echo "torch==$(LOWEST_TORCH)" > out/lowest-torch.txt
	$(call install_torch,$(LOWEST),torch==$(LOWEST_TORCH))
	$(call install,$(LOWEST),--resolution lowest-direct --overrides out/lowest-torch.txt --group test -e ".[$(EXTRAS)]")
	$(LOWEST)/bin/python -m pytest -q -n 2 -W default $(LIBRARY_TESTS)   # old versions warn of what newer ones below them changed

# The locked versions under Python 3.13, in an environment of its own.
PY313 := out/venv-py313
test-py313:
	$(MAKE) test PYTHON=python3.13 VENV=$(PY313)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site in out/docs; broken links and warnings are errors. Its tools are the dependency group `docs`.
docs: $(READY)
	$(BIN)/python -c "import mkdocs, mkdocstrings, mkdocs_jupyter" 2>/dev/null || \
		$(call install,$(VENV),-c constraints.txt --group docs)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# Newer versions: uv lock --upgrade first. constraints.txt is written here and by nothing else; needs uv.
lock:
	$(if $(UV),,$(error make lock needs uv))
	$(UV) lock --quiet
	echo "# The versions of uv.lock as pip reads them; written by: make lock" > constraints.txt
	echo "# torch without a local label: pip takes 2.13.0+cpu where it is offered." >> constraints.txt
	$(UV) export --quiet --frozen --all-groups --all-extras --no-hashes --no-emit-project --no-annotate --no-header >> constraints.txt

# Wheel and source distribution.
dist: $(READY)
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/python -c "import setuptools.build_meta as build; build.build_sdist('dist')"

clean:
	rm -rf out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
