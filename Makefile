# Two commands on a fresh Debian machine: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CONSTRAINTS := constraints.txt
# Real peers for the laboratory. Without root they are not installed, and what needs them says so.
PACKAGES := python3-venv iproute2 nftables isc-dhcp-server isc-dhcp-relay dhcpcd-base samba dnsmasq
# What only the tests need: more peers, a browser, PostgreSQL, tools that judge what we wrote, and a Windows to run in.
TEST_PACKAGES := tftpd-hpa kea-dhcp4-server chrony faketime chromium chromium-driver postgresql zbar-tools prometheus \
  systemd wimtools wine wine64 gcc-mingw-w64-x86-64 python3-pip

# Tests start thousands of processes: where bytecode is not kept, each of them compiles all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test soak setup test-setup check pictures system-packages test-packages windows-parts benchmark-probes clean

setup: system-packages $(STAMP)

test-setup: setup test-packages windows-parts

$(STAMP): pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade --constraint $(CONSTRAINTS) pip
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable . --group dev
	touch $@

# Installs what is missing when we are root on a machine with apt; PE_NO_APT=1 leaves the system alone.
system-packages:
	@.ci/system-packages $(PACKAGES)

test-packages:
	@.ci/system-packages $(TEST_PACKAGES)

# CPython for Windows and wheels for it. Without a network they are not fetched, and what needs them is skipped.
windows-parts: $(STAMP)
	@.ci/windows-python
	@.ci/windows-wheels

# ONCE=1: run the story, print `pe-collector patterns --format json` last, exit.
demo: setup
	@$(BIN)/python -m tests.lab $(if $(ONCE),--once,--stay) || \
	  { [ $$? -eq 75 ] && $(BIN)/pe-collector demo $(if $(ONCE),--once); }

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --platform linux
	$(BIN)/mypy --platform win32
	$(BIN)/lint-imports
	$(BIN)/python protos/generate.py --check

test: test-setup check
	$(BIN)/python -m pytest -m "not slow" --numprocesses 3 --dist loadfile --no-loadscope-reorder

# FUZZ_SECONDS: how long each codec is fuzzed. Where the fuzzer does not install, the soak goes on without it.
FUZZ_SECONDS ?= 60
soak: test-setup
	-$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --group fuzz
	PE_HYPOTHESIS=random $(BIN)/python -m pytest
	@$(BIN)/python -c "import atheris" 2>/dev/null || { echo "atheris is not installed: nothing was fuzzed"; exit 0; }; \
	  $(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

# The pictures in the README and docs, drawn from the laboratory and from the page over a simulated fleet.
pictures: setup test-packages
	$(BIN)/python -m tests.lab.pictures docs
	PE_PICTURES=docs $(BIN)/python -m pytest -q tests/page/test_pictures.py

# Path states against nmap and blackbox_exporter, into docs/benchmarks-probes.md; seconds count on a machine at rest only.
benchmark-probes: setup
	@.ci/system-packages nmap prometheus-blackbox-exporter
	$(BIN)/python -m benchmarks.probes

clean:
	rm -rf $(VENV) demo-data
