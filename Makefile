# SPDX-License-Identifier: GPL-2.0-or-later
#
#   make            configure if need be, and build ./build/qemu-system-x86_64
#   make run        boot Debian's kernel as a Xen PV guest: a shell on this
#                   terminal (RELEASE=trixie for the newer one)
#   make demo       the same with nobody there: succeeds only on proof
#   make check      every test (LEVELS="tools unit" for some of them)
#   make check-kvm      guests under KVM, which is nested in TCG
#   make check-xenhost  all there is for a real Xen host, booted in QEMU itself
#   make fuzz       what decodes a guest's data, under a fuzzer, FUZZ_SECONDS
#                   each (needs clang)
#   make bench      every benchmark in short, one table and a picture
#                   (BENCH="--long guest" for some, in full)
#   make lint       style, includes, headers, the list of hooks, the scripts
#   make tidy       clang-tidy and clang's static analyzer
#   make docs       the manual, as a part of QEMU's (build/docs/html)
#   make series     patches for "git am" on a pristine QEMU; check-series
#                   applies and builds them, SERIES="--newest 3" only some
#   make install    as qemu-system-xenpv below PREFIX (/usr/local)
#   make deb        a Debian package of that
#   make deps       install what all this needs (apt, as root or with sudo)
#   make clean      remove what was built; distclean: and what was fetched
#
# Options for QEMU's configure: CONFIGURE_FLAGS='--cc="ccache gcc"'; or run
# ./configure yourself, its options are kept.

MAKEFLAGS += --no-builtin-rules
BUILD := build
PREFIX := /usr/local
SERIES :=
BENCH :=
PROGRAMS := qemu-system-x86_64 qemu-img qemu-io qemu-nbd
RELEASE := bookworm
CONFIGURE_LOG := $(BUILD)/configure.log
export CONFIGURE_FLAGS
LEVELS ?=
NINJA := ninja -C $(BUILD)
FUZZ_BUILD := $(BUILD)/fuzz
FUZZ_CC := clang
FUZZ_TARGETS :=

.PHONY: all deps build run demo check-build check check-kvm check-xenhost fuzz bench lint tidy docs series check-series install deb clean distclean help

all: build

# ninja knows what is out of date; this only sees to it that ninja can run.
build: $(BUILD)/build.ninja
	+@$(NINJA) $(PROGRAMS)

$(BUILD)/build.ninja: configure xen-setup xen-hooks.mak
	@mkdir -p $(BUILD)
	@echo "configuring QEMU (log: $(CONFIGURE_LOG))"
	@if [ -z "$$CONFIGURE_FLAGS" ] && [ -e $(BUILD)/xenpv-configure ]; then \
	    ./configure --again; \
	else \
	    eval ./configure "$$CONFIGURE_FLAGS"; \
	fi >$(CONFIGURE_LOG) || { tail -n 20 $(CONFIGURE_LOG); \
	    echo "(is a package missing? make deps)"; exit 1; }
	@touch $@

deps:
	@scripts/install-deps

# Separate makes: what is installed must be there before configure looks.
run:
	@scripts/install-deps build
	@$(MAKE) --no-print-directory build
	@scripts/run-guest --release $(RELEASE)

demo:
	@scripts/install-deps build
	@$(MAKE) --no-print-directory build
	@scripts/run-guest --release $(RELEASE) --demo

check-build:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory build
	+@$(NINJA) xenpv-unit

check: check-build
	@scripts/run-tests $(LEVELS)

check-kvm: check-build
	@tests/kvm/run

check-xenhost: check-build
	@tests/xenhost/run

# A tree of its own: all code in it is instrumented.
$(FUZZ_BUILD)/build.ninja: configure xen-setup xen-hooks.mak
	@mkdir -p $(FUZZ_BUILD)
	@echo "configuring QEMU for the fuzzer (log: $(FUZZ_BUILD)/configure.log)"
	@cd $(FUZZ_BUILD) && $(CURDIR)/configure --cc='$(FUZZ_CC)' \
	    --enable-asan --enable-ubsan \
	    --extra-cflags=-fsanitize=fuzzer-no-link >configure.log || \
	    { tail -n 20 configure.log; exit 1; }
	@touch $@

fuzz:
	@scripts/install-deps build fuzz
	@$(MAKE) --no-print-directory $(FUZZ_BUILD)/build.ninja
	+@ninja -C $(FUZZ_BUILD) xenpv-fuzz
	@BUILD=$(CURDIR)/$(FUZZ_BUILD) tests/fuzz/run $(FUZZ_TARGETS)

bench:
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory build
	@tests/bench/all $(BENCH)

lint:
	@scripts/install-deps build lint
	@$(MAKE) --no-print-directory -s $(BUILD)/build.ninja
	@scripts/lint

tidy:
	@scripts/install-deps build lint
	@$(MAKE) --no-print-directory -s build
	@scripts/tidy

docs:
	@scripts/install-deps lint
	@[ -e qemu/docs/conf.py ] || ./xen-setup
	@scripts/docs

series:
	@scripts/install-deps build lint
	@$(MAKE) --no-print-directory -s $(BUILD)/build.ninja
	@scripts/series

check-series:
	@scripts/install-deps build lint
	@$(MAKE) --no-print-directory -s $(BUILD)/build.ninja
	@scripts/check-series $(SERIES)

install: build
	@scripts/install-files $(PREFIX)

deb: build
	@scripts/make-deb

clean:
	rm -rf $(BUILD)

distclean: clean
	rm -rf qemu .work

help:
	@sed -n '3,25s/^# \{0,3\}//p' Makefile
