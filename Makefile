# Every target sets up what it needs: a virtual environment from the locked requirements.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DELETE_ON_ERROR:
.PHONY: help demo test faults bench-smoke stream-matrix test-core test-pytorch-client test-torch test-ray check format lint types docs bench bench-18m lock clean

help: ## Show the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# torch has a lock of its own: the resolver that writes the other would choose a build for GPUs.
$(STAMP): requirements-dev.lock requirements-torch.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-torch.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

demo: $(STAMP) ## List and download real and synthetic buckets, compare every byte, draw a picture
	$(BIN)/python -m benchmarking.demo

# Upstream's package has the name of ours, so it lives in an environment of its own.
$(VENV)-upstream/.installed: requirements-peers.lock
	test -x $(VENV)-upstream/bin/python || $(PYTHON) -m venv $(VENV)-upstream
	$(VENV)-upstream/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-peers.lock
	touch $@

# litdata and mosaicml/streaming ask for more than there is for torch's CPU build, so they live beside ours in an environment
# of their own.
$(VENV)-streaming/.installed: requirements-torch.lock requirements-streaming-peers.lock
	test -x $(VENV)-streaming/bin/python || $(PYTHON) -m venv $(VENV)-streaming
	$(VENV)-streaming/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-torch.lock
	$(VENV)-streaming/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		-r requirements-streaming-peers.lock
	touch $@

test: $(STAMP) ## Run the tests, two files at a time
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

faults: $(STAMP) ## List, download in every way while calls fail in every way, signals strike (twenty minutes)
	$(BIN)/python -m pytest -q -m matrix

bench-smoke: $(STAMP) ## Let every client of the benchmarks bring a few samples (three minutes)
	$(BIN)/python -m pytest -q -m "matrix or not matrix" tests/benchmarking/test_smoke.py tests/benchmarking/test_stream_samples.py

stream-matrix: $(STAMP) ## Interrupt epochs in every cell of ranks, workers and ways to start them, go on in every other
	$(BIN)/python -m pytest -q -m matrix tests/streaming tests/plan/order

test-core: $(STAMP) ## List and download in an environment without any extra
	test -x $(VENV)-core/bin/python || $(PYTHON) -m venv $(VENV)-core
	$(VENV)-core/bin/python -m pip install --quiet --disable-pip-version-check -c requirements-dev.lock .
	$(BIN)/python tests/check_core_alone.py $(VENV)-core/bin/python

test-pytorch-client: $(VENV)-pytorch/.installed ## Run the existing PyTorch client on this package, every byte compared
	PYTHONPATH=. $(VENV)-pytorch/bin/python tests/pytorch_client/check.py

$(VENV)-pytorch/.installed: requirements-dev.lock requirements-pytorch-client.lock requirements-peers.lock
	test -x $(VENV)-pytorch/bin/python || $(PYTHON) -m venv $(VENV)-pytorch
	$(VENV)-pytorch/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	$(VENV)-pytorch/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-pytorch-client.lock
	$(VENV)-pytorch/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-peers.lock
	touch $@

test-torch: $(VENV)-pytorch/.installed ## Load datasets through torch's DataLoader, workers of every kind, every byte compared
	PYTHONPATH=. NO_GCE_CHECK=true $(VENV)-pytorch/bin/python -m tests.download.check_torch

test-ray: $(VENV)-ray/.installed ## Download in tasks and actors of Ray, every byte compared
	PYTHONPATH=. NO_GCE_CHECK=true RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=disabled \
		$(VENV)-ray/bin/python -m tests.download.check_ray

$(VENV)-ray/.installed: requirements-dev.lock requirements-ray.lock
	test -x $(VENV)-ray/bin/python || $(PYTHON) -m venv $(VENV)-ray
	$(VENV)-ray/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	$(VENV)-ray/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-ray.lock
	touch $@

check: lint types test docs ## Everything CI runs

format: $(STAMP) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP) ## Check format and lint rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP) ## Check types
	$(BIN)/mypy

bench: $(STAMP) $(VENV)-upstream/.installed $(VENV)-streaming/.installed ## Ask every question about speed, beside the peers (80 minutes)
	$(BIN)/python -m benchmarking

bench-18m: $(STAMP) ## List eighteen million objects, as columns, then as a Parquet file (3 minutes)
	$(BIN)/python -m benchmarking.list_eighteen_million

docs: $(STAMP) ## Run every example in the README and the docs, follow every link
	$(BIN)/python -m pytest -q tests/docs

lock: ## Resolve the development environment anew
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet uv
	$(VENV)-lock/bin/uv pip compile pyproject.toml --universal --python-version 3.10 --no-header --no-annotate \
		$(patsubst %,--extra %,cli arrow emulator trace bench streaming image video audio s3 flare) \
		--group dev --output-file requirements-dev.lock

clean: ## Remove what the targets made
	rm -rf $(VENV) $(VENV)-* build dist demo-output *.egg-info
