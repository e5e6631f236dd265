# SPDX-License-Identifier: GPL-2.0
#
# What people call; 'make help' lists it. Kbuild (for a kernel tree) and
# kmod/Makefile (the module) are kbuild's.

KDIR	?= /lib/modules/$(shell uname -r)/build
BUILD	?= build
CACHE	?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kvmft
KERNELS	?= 6.1 6.12
PREFIX	?= /usr/local
T	?=
V	?= 0
SEED	?=
ROUNDS	?= 10
SECONDS	?= 600
FAST	?=
MODULE_FLAGS ?=

CFLAGS	?= -O2 -g
WARN	:= -Wall -Wextra
STD	:= -std=gnu11

$(if $(word 4,$(CURDIR) $(BUILD) $(CACHE)),$(error no folder's name may have a space: $(CURDIR) $(BUILD) $(CACHE)))
override BUILD := $(abspath $(BUILD))
export KVMFT_BUILD := $(BUILD)
export KVMFT_CACHE := $(abspath $(CACHE))

# Files that tests and tools are made of.
ftctl_src	:= $(wildcard tools/ftctl/*.c)
ftvmm_src	:= $(wildcard tools/ftvmm/*.c)
lab_bin		:= $(addprefix $(BUILD)/lab/,agent quick tsckhz)
test_c		:= $(wildcard selftests/kvmft/*.c)
test_copied	:= $(wildcard selftests/kvmft/*.sh selftests/lib/*.sh selftests/lib/*.py selftests/fixtures/*.sh \
		   selftests/bench/*.sh selftests/bench/parts/*.sh)
test_all	:= $(test_c:selftests/%.c=$(BUILD)/selftests/%) \
		   $(test_copied:selftests/%=$(BUILD)/selftests/%)

.PHONY: all module module-faults tools selftests install modules_install clean
.PHONY: distclean help deps deps-ready linux-source lab demo lint lint-run check
.PHONY: check-run check-long check-long-run check-debug check-debug-run kernels
.PHONY: module-dir fixture-module fuzz bench

all: module tools

help:
	@echo 'make                    the module for the running kernel, and the tools'
	@echo 'make KDIR=DIR           the same for another kernel: DIR is /lib/modules/VERSION/build'
	@echo 'make install            tools, manual pages, completion and header below PREFIX ($(PREFIX))'
	@echo 'make modules_install    the module, for the kernel of KDIR'
	@echo 'make deps               install every Debian package that all of this needs'
	@echo 'make check              build for all kernels, run all tests in hosts of the lab'
	@echo '    T="WORD ..."            only tests with one of the words in their name'
	@echo '    ALL=y                   on each kernel, also those for which one would do'
	@echo '    KERNELS="6.1 6.12"      on these kernels'
	@echo '    V=1                     show what the tests print'
	@echo 'make check-debug        the same under a kernel with KASAN, lockdep and kmemleak'
	@echo 'make check-long         long tests; goes on where it stopped (SEED=N ROUNDS=N)'
	@echo 'make fuzz SECONDS=600   fuzz decoders and stage, so long each; goes on where it stopped'
	@echo 'make lint               checkpatch, sparse, shellcheck, warnings, documentation'
	@echo 'make demo               a guest that outlives its host, to look at; its timeline as an SVG'
	@echo '    FAST=1                  with less time to look at it'
	@echo 'make bench              kvmft beside others (T="micro macro", FAST=1 to see that it works)'
	@echo 'make lab                two hosts with the module loaded, to look around in'
	@echo 'make clean, distclean   remove what was built; what is cached, too'

# --- The module ------------------------------------------------------------

kernel_release	= $(shell sed -n 's/.*UTS_RELEASE "\(.*\)".*/\1/p' \
			$(KDIR)/include/generated/utsrelease.h 2>/dev/null)
module_src	:= $(wildcard kmod/*.[ch]) kmod/Makefile uapi/linux/kvmft.h

# Every kernel has a directory of its own with links to the sources, since kbuild
# puts what it makes beside them. $(1) is the directory, $(2) more for kbuild.
define build-module
	@scripts/check-kernel '$(KDIR)'
	@for f in $(module_src); do \
		mkdir -p $(1)/$${f%/*} && ln -sfn $(CURDIR)/$$f $(1)/$$f; \
	done; find $(1) -xtype l -delete
	$(if $(filter 1,$(V)),,@)$(MAKE) --no-print-directory -C $(KDIR) M=$(1)/kmod \
		CONFIG_KVMFT=m $(2) $(MODULE_FLAGS) modules
endef

module:
	$(call build-module,$(BUILD)/$(kernel_release))

module-faults:
	$(call build-module,$(BUILD)/$(kernel_release)/faults,CONFIG_KVMFT_FAULTS=y)

module-dir:
	@echo $(BUILD)/$(kernel_release)

modules_install: module
	$(MAKE) -C $(KDIR) M=$(BUILD)/$(kernel_release)/kmod CONFIG_KVMFT=m modules_install

# Both builds of the module, and what the lab's own tests load, for each of KERNELS.
kernels:
	@set -e; for k in $(KERNELS); do \
		dir=$$(/usr/bin/python3 -B selftests/lab/kernel.py $$k); \
		$(MAKE) --no-print-directory KDIR=$$dir module module-faults fixture-module; \
	done

fixture-module:
	@mkdir -p $(BUILD)/$(kernel_release)/fixtures
	@ln -sfn $(addprefix $(CURDIR)/,$(wildcard selftests/fixtures/modules/*)) \
		$(BUILD)/$(kernel_release)/fixtures/
	$(if $(filter 1,$(V)),,@)$(MAKE) --no-print-directory -C $(KDIR) \
		M=$(BUILD)/$(kernel_release)/fixtures modules

# --- Tools and tests -------------------------------------------------------

tools: $(BUILD)/tools/ftctl $(BUILD)/tools/ftvmm

$(BUILD)/tools/ftctl: $(ftctl_src) $(wildcard tools/ftctl/*.h) uapi/linux/kvmft.h kmod/version.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(STD) -Iuapi -I. $(shell pkg-config --cflags libmnl) \
		-o $@ $(ftctl_src) $(LDFLAGS) $(shell pkg-config --libs libmnl)

$(BUILD)/tools/ftvmm: $(ftvmm_src) $(wildcard tools/ftvmm/*.h) uapi/linux/kvmft.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(STD) -Iuapi -pthread -o $@ $(ftvmm_src) $(LDFLAGS)

# Static: the agent outlives the root file system of the host's first moments.
$(BUILD)/lab/%: selftests/lab/%.c selftests/lab/frame.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(STD) -static -o $@ $<

# kselftest's harness and runner come from Debian's kernel source, unpacked once.
linux-source: $(BUILD)/linux-source

$(BUILD)/linux-source: scripts/linux-source
	@mkdir -p $(BUILD)
	@dir=$$(scripts/linux-source $(CACHE)) && ln -sfn $$dir $@

$(BUILD)/selftests/kselftest/%: | $(BUILD)/linux-source
	@mkdir -p $(@D)
	@cp $(BUILD)/linux-source/tools/testing/selftests/kselftest/$(@F) $@

$(BUILD)/selftests/kvmft/%: selftests/kvmft/%.c uapi/linux/kvmft.h $(wildcard selftests/kvmft/*.h) \
		| $(BUILD)/linux-source
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(STD) -Iuapi -isystem $(BUILD)/linux-source/tools/testing/selftests \
		-o $@ $< -Wl,--as-needed $(shell pkg-config --cflags --libs libmnl libnl-genl-3.0)

# The module's pure parts in a program; selftests/wire/shim stands for the kernel.
wire_unit_src := $(wildcard kmod/wire*.c) kmod/stage.c kmod/pool.c kmod/pageset.c kmod/histogram.c \
		 kmod/pack.c kmod/pace.c \
		 selftests/wire/shim/shim.c $(wildcard selftests/wire/*.c)

$(BUILD)/selftests/wire/unit: $(wire_unit_src) uapi/linux/kvmft.h $(wildcard kmod/*.h \
		selftests/wire/*.h selftests/wire/shim/*.h selftests/wire/shim/linux/*.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) -Wno-unused-parameter -Wno-missing-field-initializers $(STD) \
		-fsanitize=address,undefined -fno-sanitize-recover=all \
		-Iselftests/wire/shim -Iuapi -iquote kmod -o $@ $(wire_unit_src) -llz4

# A VMM with tiny guests, whose code is assembled along.
flat_src := $(wildcard selftests/flat/*.c selftests/flat/*.S)

$(BUILD)/selftests/flat/flatvmm: $(flat_src) uapi/linux/kvmft.h $(wildcard selftests/flat/*.h \
		selftests/flat/*.inc)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(STD) -Iuapi -pthread -o $@ $(flat_src)

# A hostile guest, for the parts of ftvmm that judge what a guest says.
ftvmm_fuzz_src := $(wildcard selftests/ftvmm/*.c) \
		  $(addprefix tools/ftvmm/,announce.c blk.c blob.c bus.c net.c outbox.c promise.c queue.c \
		  request.c rng.c virtio.c)

# What runs in its guests has nothing to link with there.
$(addprefix $(BUILD)/selftests/ftvmm/,work measure): $(BUILD)/selftests/ftvmm/%: selftests/ftvmm/guest/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(STD) -static -o $@ $<

# Kernels for it that are nothing but a small guest.
$(addprefix $(BUILD)/selftests/ftvmm/,counter pages): $(BUILD)/selftests/ftvmm/%: \
		selftests/ftvmm/%.S selftests/ftvmm/bzimage.inc \
		$(addprefix selftests/flat/,layout.h code.inc counter.inc)
	@mkdir -p $(@D)
	$(CC) $(WARN) -Iselftests/flat -nostdlib -static -o $@ $< \
		-Wl,--oformat=binary,--build-id=none,--section-start=.rodata=0,--entry=0

$(BUILD)/selftests/ftvmm/fuzz: $(ftvmm_fuzz_src) uapi/linux/kvmft.h $(wildcard selftests/ftvmm/*.h \
		tools/ftvmm/*.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(STD) -Iuapi -pthread \
		-fsanitize=address,undefined -fno-sanitize-recover=all -o $@ $(ftvmm_fuzz_src)

# ftvmm with Kemari's method in place of kvmft.
kemari_src := $(filter-out tools/ftvmm/ft.c,$(wildcard tools/ftvmm/*.c)) selftests/bench/kemari.c

$(BUILD)/selftests/bench/ftvmm-kemari: $(kemari_src) selftests/bench/kemari.h uapi/linux/kvmft.h \
		$(wildcard tools/ftvmm/*.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(STD) -Iuapi -Itools/ftvmm -pthread -o $@ $(kemari_src)

$(BUILD)/selftests/bench/kemari_receiver: selftests/bench/kemari.h

# What measurements are compared with.
$(BUILD)/selftests/bench/%: selftests/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(STD) -o $@ $<

$(BUILD)/selftests/%: selftests/%
	@mkdir -p $(@D)
	@cp $< $@

selftests: $(lab_bin) $(test_all) $(BUILD)/selftests/wire/unit $(BUILD)/selftests/flat/flatvmm \
		$(addprefix $(BUILD)/selftests/ftvmm/,fuzz work measure counter pages) \
		$(addprefix $(BUILD)/selftests/bench/,plain kemari_receiver ftvmm-kemari) $(addprefix $(BUILD)/selftests/kselftest/,runner.sh prefix.pl)

# --- Installing ------------------------------------------------------------

install: tools
	install -D -m 755 $(BUILD)/tools/ftctl $(DESTDIR)$(PREFIX)/sbin/ftctl
	install -D -m 755 $(BUILD)/tools/ftvmm $(DESTDIR)$(PREFIX)/sbin/ftvmm
	install -D -m 644 Documentation/man/ftctl.8 $(DESTDIR)$(PREFIX)/share/man/man8/ftctl.8
	install -D -m 644 Documentation/man/ftctl-show.8 $(DESTDIR)$(PREFIX)/share/man/man8/ftctl-show.8
	install -D -m 644 Documentation/man/ftvmm.8 $(DESTDIR)$(PREFIX)/share/man/man8/ftvmm.8
	install -D -m 644 Documentation/man/kvmft-fencing.7 \
		$(DESTDIR)$(PREFIX)/share/man/man7/kvmft-fencing.7
	install -D -m 644 tools/ftvmm/ftvmm.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/ftvmm
	install -D -m 644 tools/ftctl/ftctl.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/ftctl
	install -D -m 644 uapi/linux/kvmft.h $(DESTDIR)$(PREFIX)/include/linux/kvmft.h

deps:
	@scripts/deps install

# Installs what is missing if that is allowed; says the one command if it isn't.
deps-ready:
	@scripts/deps ready

# --- Checking --------------------------------------------------------------

# A make of its own after deps-ready: what it installs, the rest asks about.
check check-long check-debug lint: deps-ready
	@$(MAKE) --no-print-directory $@-run

run = selftests/run --match '$(T)' $(if $(filter 1,$(V)),-v) $(if $(ALL),--all)
long = --long --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

check-run: kernels tools selftests
	@$(run) --kernels '$(KERNELS)'

check-long-run: kernels tools selftests
	@$(run) --kernels '$(KERNELS)' $(long)

check-debug-run: tools selftests
	@set -e; dir=$$(selftests/debug/build-kernel $$(readlink $(BUILD)/linux-source) $(CACHE)); \
	$(MAKE) --no-print-directory KERNELS=$$dir kernels; \
	$(run) --kernels $$dir --no-machine

fuzz: deps-ready
	@selftests/fuzz/run $(SECONDS) $(BUILD)

lint-run: tools selftests
	@scripts/lint $(BUILD) $(KERNELS)

lab: deps-ready
	@$(MAKE) --no-print-directory KERNELS='$(firstword $(KERNELS))' kernels tools selftests
	@scripts/lab-for-people $(BUILD) $(firstword $(KERNELS))

bench: deps-ready
	@$(MAKE) --no-print-directory KERNELS='$(lastword $(KERNELS))' kernels tools selftests
	@selftests/bench/run $(BUILD) '$(lastword $(KERNELS))' '$(T)' $(if $(filter-out 0,$(FAST)),fast)

demo: deps-ready
	@$(MAKE) --no-print-directory KERNELS='$(firstword $(KERNELS))' kernels tools selftests
	@demo/run --kernel $(firstword $(KERNELS)) $(if $(filter-out 0,$(FAST)),--fast)

clean:
	$(if $(filter $(BUILD)/%,$(CURDIR)/),$(error BUILD=$(BUILD) holds the sources; it is not removed))
	$(if $(shell git ls-files $(BUILD) 2>/dev/null),$(error BUILD=$(BUILD) holds sources; it is not removed))
	rm -rf $(BUILD)

distclean: clean
	rm -rf $(CACHE)/linux-source-* $(CACHE)/debug-* $(CACHE)/userland-*.ext4 $(CACHE)/userland.lock
