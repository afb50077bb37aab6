# Rugo's one Makefile.
#
#   make              kernel, shim, programs and initrd            make run      boot it on this terminal
#   make iso          a bootable CD image                          make disk     a sample disk image
#   make check        style, stairs, sparse, generated files       make test     the whole test suite
#   make host-tests   pure code, on the host with sanitizers       make clean
#
# V=1 shows the commands. BUILD=dir puts all output elsewhere. A room that is not there is simply not built.
# GO=yes builds the Go programs too, GO=no does not; otherwise they are built where their tools are at hand.
# Sources are found by name: kernel/**, lib/**, services/NAME/*, apps/NAME.c or apps/NAME/*, tests/prog/NAME.c.

BUILD  ?= build
SECRET ?= none
GO     ?= auto

# Below this folder, absolute and relative names of BUILD mean the same flags and targets.
override BUILD := $(patsubst $(CURDIR)/%,%,$(BUILD))
GOALS := $(patsubst $(CURDIR)/%,%,$(MAKECMDGOALS))

CC      := gcc
LD      := ld
AR      := ar
NM      := nm
OBJCOPY := objcopy
PYTHON  := /usr/bin/python3
CLANG   := clang-19

MAKEFLAGS += --no-builtin-rules --no-builtin-variables --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

ifeq ($(V),1)
Q   :=
say  =
else
Q   := @
say  = @printf '  %-7s %s\n' $(1) '$(2)'
endif

first: all

# ---- flags ---------------------------------------------------------------------------------------

GCC_INCLUDE := $(shell $(CC) -print-file-name=include)
LIBGCC      := $(shell $(CC) -print-libgcc-file-name)

WARN := -Wall -Wextra -Werror -Wconversion -Wno-sign-conversion -Wshadow -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Wundef

# What every piece of target code shares: our C, no host headers, the same source paths on every machine.
TARGET := -std=gnu11 $(WARN) -ffreestanding -nostdinc -isystem $(GCC_INCLUDE) -O2 -g -fno-common \
          -fno-strict-aliasing -fno-asynchronous-unwind-tables -fcf-protection=none \
          -ffile-prefix-map=$(CURDIR)=.

# Position independent without a GOT (RIP-relative, hidden); no vector registers, no red zone below the stack;
# no loop may become a call of memcpy inside memcpy.
# A smashed stack is noticed before the function returns (klib/stack_guard.c).
KERNEL_FLAGS := $(TARGET) -fstack-protector-strong -mstack-protector-guard=global -fpie -fvisibility=hidden -mcmodel=small -mno-red-zone -mgeneral-regs-only \
                -fno-omit-frame-pointer -fno-tree-loop-distribute-patterns \
                -Ikernel -I$(BUILD)/gen/kernel -I$(BUILD)/gen/include -I.
# The kernel that the tests boot ($(BUILD)/test/rugo.elf) checks itself: undefined behaviour ends it with a trap, and
# DEBUG turns on the checks of klib/spinlock.h, mm/heap.c, mm/frame.c and object/object.h. Each trap stays where its check
# is, so that its address tells the line.
CHECKED_FLAGS := $(KERNEL_FLAGS) -DDEBUG -fsanitize=undefined -fsanitize-undefined-trap-on-error \
                 -fno-reorder-blocks-and-partition -fno-crossjumping -fno-tree-tail-merge
# The kernel of ./rugo test --coverage counts its branches. Little is optimised, so that they are those of the source; a
# function that is always inlined would have them once for each place.
COVERAGE_FLAGS := $(KERNEL_FLAGS) -DDEBUG -DCOVERAGE -Og -fno-inline -Dalways_inline=unused -fprofile-arcs -ftest-coverage -fprofile-update=atomic \
                  -fprofile-info-section
# make DEBUG=1: the ordinary kernel has the checks of DEBUG too.
ifdef DEBUG
KERNEL_FLAGS += -DDEBUG
endif
KERNEL_LINK  := -m elf_x86_64 -pie --no-dynamic-linker -z text -z max-page-size=4096 -z norelro \
                -z noexecstack --build-id=none --hash-style=sysv -T kernel/kernel.ld
KERNEL_MAX   := 524288

# The shim is 64-bit code linked low; Multiboot wants to see a 32-bit ELF file, so it is relabelled at the end.
SHIM_FLAGS := $(TARGET) -fno-stack-protector -fno-pic -fno-pie -mcmodel=small -mno-red-zone -mgeneral-regs-only \
              -fno-tree-loop-distribute-patterns -Iboot/shim -I. -Ikernel
SHIM_LINK  := -m elf_x86_64 -no-pie -z max-page-size=4096 -z noexecstack --build-id=none -T boot/shim/shim.ld

# Frame pointers: reports of crashes tell who called whom. A smashed stack is noticed (lib/stack_guard.c).
USER_FLAGS := $(TARGET) -fstack-protector-strong -fpie -fno-omit-frame-pointer -fvisibility=hidden \
              -ffunction-sections -fdata-sections -Ilib -I$(BUILD)/gen/include -I.
# The library defines memcpy and its kin, so gcc must not turn their loops into calls of themselves;
# programs may rely on what gcc knows about the standard names.
LIB_FLAGS  := $(USER_FLAGS) -fno-tree-loop-distribute-patterns
PROG_FLAGS := $(USER_FLAGS) -fbuiltin
USER_LINK  := -pie --no-dynamic-linker -z text -z max-page-size=4096 -z noexecstack -z norelro \
              -z separate-code --gc-sections --build-id=none -e _start

HOST_FLAGS := -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -O1 -g -fno-omit-frame-pointer \
              -fsanitize=address,undefined -fno-sanitize-recover=all \
              -I. -Itests/host -I$(BUILD)/gen/include

# A changed flag rebuilds what it was used for: each set is kept as a variable in a file that objects depend on,
# and written again only when it differs from what the last run left there.
# (Not $(wildcard): make would go on believing that the folder is as empty as it was when first asked.)
-include $(shell ls -d $(BUILD)/kept/* 2>/dev/null)
keep_flags  = $(if $(findstring <:$(strip $(2))>,<$(kept-$(1))>),,$(call write_flags,$(1),kept-$(1) := :$(strip $(2))))
write_flags = $(shell mkdir -p $(BUILD)/kept)$(file >$(BUILD)/kept/$(1),$(2))

ifeq ($(filter clean help,$(MAKECMDGOALS)),)
$(call keep_flags,kernel,$(KERNEL_FLAGS) $(KERNEL_LINK))
$(call keep_flags,checked,$(CHECKED_FLAGS) $(KERNEL_LINK))
$(call keep_flags,coverage,$(COVERAGE_FLAGS) $(KERNEL_LINK))
$(call keep_flags,shim,$(SHIM_FLAGS) $(SHIM_LINK))
$(call keep_flags,lib,$(LIB_FLAGS))
$(call keep_flags,prog,$(PROG_FLAGS) $(USER_LINK))
$(call keep_flags,host,$(HOST_FLAGS))
endif

# ---- sources -------------------------------------------------------------------------------------

# Files below the folder $(1) whose names match $(2), at most five folders deep, without starting a process.
below = $(sort $(foreach d,$(1) $(1)/* $(1)/*/* $(1)/*/*/* $(1)/*/*/*/*,$(wildcard $(d)/$(2))))
# Objects keep the whole name of their source: trap.c and trap.S may stand side by side.
object = $(patsubst %,$(BUILD)/obj/%.o,$(patsubst $(BUILD)/%,%,$(1)))

KERNEL_SRC := $(call below,kernel,*.c) $(call below,kernel,*.S)
LIB_SRC    := $(call below,lib,*.c) $(filter-out lib/crt0.S,$(call below,lib,*.S))
SHIM_SRC   := $(call below,boot/shim,*.c) $(call below,boot/shim,*.S)
KERNEL_GEN := $(call below,$(BUILD)/gen/kernel,*.c)
LIB_GEN    := $(call below,$(BUILD)/gen/lib,*.c) $(call below,$(BUILD)/gen/lib,*.S)

SERVICES  := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard services/*/*.c)))))
APP_DIRS  := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard apps/*/*.c)))))
APP_FILES := $(sort $(notdir $(basename $(wildcard apps/*.c))))
TESTS     := $(sort $(notdir $(basename $(wildcard tests/prog/*.c))))
PROGRAMS  := $(SERVICES) $(APP_DIRS) $(APP_FILES)

# Go programs (go/tinygo/setup.sh says what they need): go/services/NAME, and test programs go/tests/NAME.
ifeq ($(filter yes no,$(GO)),)
on_path   = $(firstword $(wildcard $(addsuffix /$(1),$(subst :, ,$(PATH)))))
BUILDS_GO := $(and $(call on_path,go),$(or $(TINYGO),$(call on_path,tinygo),$(and $(call on_path,g++),$(call on_path,llvm-config-19),\
                   $(wildcard /usr/lib/llvm-19/include/clang-c/Index.h))),$(call on_path,clang-19),$(call on_path,ld.lld-19))
else
BUILDS_GO := $(filter yes,$(GO))
endif
GO_SERVICES := $(if $(BUILDS_GO),$(sort $(notdir $(patsubst %/,%,$(dir $(wildcard go/services/*/*.go))))))
GO_TESTS    := $(if $(BUILDS_GO),$(sort $(notdir $(patsubst %/,%,$(dir $(wildcard go/tests/*/*.go))))))

# A removed source must leave what was linked from it: the lists are kept as the flags are.
KERNEL_OBJ := $(call object,$(KERNEL_SRC) $(KERNEL_GEN))
LIB_OBJ    := $(call object,$(LIB_SRC) $(LIB_GEN))
SHIM_OBJ   := $(call object,$(SHIM_SRC))

ifeq ($(filter clean help,$(MAKECMDGOALS)),)
$(call keep_flags,kernel-objects,$(KERNEL_OBJ))
$(call keep_flags,lib-objects,$(LIB_OBJ))
$(call keep_flags,shim-objects,$(SHIM_OBJ))
endif

# One line per program: which objects it is made of.
objects_of = $(call object,$(sort $(wildcard services/$(1)/*.[cS] apps/$(1)/*.[cS] apps/$(1).c)))

.PHONY: first all kernel checked-kernel coverage-kernel shim programs initrd iso disk run test check clean format abi-docs host-tests help FORCE

all: kernel shim initrd sdk
kernel: $(if $(strip $(KERNEL_SRC)),$(BUILD)/rugo.elf)
checked-kernel: $(BUILD)/test/rugo.elf
coverage-kernel: $(BUILD)/coverage/rugo.elf
shim: $(if $(strip $(SHIM_SRC)),$(BUILD)/shim.elf)
programs: $(PROGRAMS:%=$(BUILD)/bin/%) $(TESTS:%=$(BUILD)/bin/test/%) $(GO_SERVICES:%=$(BUILD)/bin/%) $(GO_TESTS:%=$(BUILD)/bin/test/%)

help:
	@sed -n '2,10s/^# \{0,1\}//p' Makefile

# ---- the contract: abi/*.def becomes headers, stubs and tables -----------------------------------

ABI_DEF := $(wildcard abi/*.def abi/ipc/*.def)

ifneq ($(wildcard tools/abigen.py),)
ifneq ($(ABI_DEF),)
ABI_STAMP := $(BUILD)/gen/abi.mk
$(ABI_STAMP): tools/abigen.py $(ABI_DEF)
	$(call say,ABIGEN,$(ABI_DEF))
	@mkdir -p $(@D)
	$(Q)$(PYTHON) tools/abigen.py --out $(BUILD)/gen $(ABI_DEF)
	@echo '# abi/*.def have been turned into the files beside this one.' > $@
endif
endif

# make builds the stamp before anything else and then starts over, so that the generated sources are found above.
ifeq ($(filter clean help,$(MAKECMDGOALS)),)
-include $(ABI_STAMP)
endif

abi-docs:
	$(Q)$(PYTHON) tools/abigen.py --docs docs/abi $(ABI_DEF)

# ---- compiling -----------------------------------------------------------------------------------

# $(call compile,what,flags): the recipe of every object. -MMD notes the headers it read.
define compile
	$(call say,$(1),$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(2) -MMD -MP -c $< -o $@
endef

$(BUILD)/obj/boot/shim/%.c.o: boot/shim/%.c $(BUILD)/kept/shim | $(ABI_STAMP)
	$(call compile,CC,$(SHIM_FLAGS))
$(BUILD)/obj/boot/shim/%.S.o: boot/shim/%.S $(BUILD)/kept/shim | $(ABI_STAMP)
	$(call compile,AS,$(SHIM_FLAGS) -D__ASSEMBLY__)

# They run before there is a word for the stack protector to look at (lib/start.c).
$(BUILD)/obj/lib/start.c.o $(BUILD)/obj/lib/mem.c.o: LIB_FLAGS += -fno-stack-protector
$(BUILD)/obj/lib/%.c.o: lib/%.c $(BUILD)/kept/lib | $(ABI_STAMP)
	$(call compile,CC,$(LIB_FLAGS))
$(BUILD)/obj/lib/%.S.o: lib/%.S $(BUILD)/kept/lib | $(ABI_STAMP)
	$(call compile,AS,$(LIB_FLAGS) -D__ASSEMBLY__)
$(BUILD)/obj/gen/lib/%.c.o: $(BUILD)/gen/lib/%.c $(BUILD)/kept/lib | $(ABI_STAMP)
	$(call compile,CC,$(LIB_FLAGS))
$(BUILD)/obj/gen/lib/%.S.o: $(BUILD)/gen/lib/%.S $(BUILD)/kept/lib | $(ABI_STAMP)
	$(call compile,AS,$(LIB_FLAGS) -D__ASSEMBLY__)

$(BUILD)/obj/services/%.c.o: services/%.c $(BUILD)/kept/prog | $(ABI_STAMP)
	$(call compile,CC,$(PROG_FLAGS))
$(BUILD)/obj/services/%.S.o: services/%.S $(BUILD)/kept/prog | $(ABI_STAMP)
	$(call compile,AS,$(PROG_FLAGS) -D__ASSEMBLY__)
$(BUILD)/obj/apps/%.c.o: apps/%.c $(BUILD)/kept/prog | $(ABI_STAMP)
	$(call compile,CC,$(PROG_FLAGS))
$(BUILD)/obj/tests/prog/%.c.o: tests/prog/%.c $(BUILD)/kept/prog | $(ABI_STAMP)
	$(call compile,CC,$(PROG_FLAGS))

# ---- the kernels, each with the table of its own function names ------------------------------------

# Linked first with an empty table, then with the table of that first link. The table lies behind all
# code, so no function may have moved; tools/ksyms.py compares, and only then does the result count.
#
# $(call kernel_in,folder,kept flags,variable with the flags): how a kernel is made in a folder.
define kernel_in
$(1)/obj/kernel/%.c.o: kernel/%.c $(BUILD)/kept/$(2) | $(ABI_STAMP)
	$$(call compile,CC,$$($(3)))
$(1)/obj/kernel/%.S.o: kernel/%.S $(BUILD)/kept/$(2) | $(ABI_STAMP)
	$$(call compile,AS,$$($(3)) -D__ASSEMBLY__)
$(1)/obj/gen/kernel/%.c.o: $(BUILD)/gen/kernel/%.c $(BUILD)/kept/$(2) | $(ABI_STAMP)
	$$(call compile,CC,$$($(3)))

$(1)/rugo.debug.elf: $(KERNEL_OBJ:$(BUILD)/%=$(1)/%) kernel/kernel.ld tools/ksyms.py $(BUILD)/kept/kernel-objects
	$$(call say,LD,$$@)
	@mkdir -p $(1)/ksyms
	$(Q)$(PYTHON) tools/ksyms.py --empty -o $(1)/ksyms/pass1.S
	$(Q)$(CC) -c $(1)/ksyms/pass1.S -o $(1)/ksyms/pass1.o
	$(Q)$(LD) $(KERNEL_LINK) $(KERNEL_OBJ:$(BUILD)/%=$(1)/%) $(1)/ksyms/pass1.o -o $(1)/ksyms/pass1.elf
	$(Q)$(NM) $(1)/ksyms/pass1.elf | $(PYTHON) tools/ksyms.py -o $(1)/ksyms/ksyms.S
	$(Q)$(CC) -c $(1)/ksyms/ksyms.S -o $(1)/ksyms/ksyms.o
	$(Q)$(LD) $(KERNEL_LINK) $(KERNEL_OBJ:$(BUILD)/%=$(1)/%) $(1)/ksyms/ksyms.o -o $$@
	$(Q)$(NM) $$@ | $(PYTHON) tools/ksyms.py --verify $(1)/ksyms/ksyms.S
endef

$(eval $(call kernel_in,$(BUILD),kernel,KERNEL_FLAGS))
$(eval $(call kernel_in,$(BUILD)/test,checked,CHECKED_FLAGS))
$(eval $(call kernel_in,$(BUILD)/coverage,coverage,COVERAGE_FLAGS))

$(BUILD)/rugo.elf: $(BUILD)/rugo.debug.elf
	$(call say,STRIP,$@)
	$(Q)$(OBJCOPY) --strip-all $< $@
	@size=$$(stat -c %s $@); test $$size -le $(KERNEL_MAX) || \
	    { echo "$@: $$size bytes, more than the $(KERNEL_MAX) allowed" >&2; rm -f $@; exit 1; }

$(BUILD)/test/rugo.elf $(BUILD)/coverage/rugo.elf: %.elf: %.debug.elf
	$(call say,STRIP,$@)
	$(Q)$(OBJCOPY) --strip-all $< $@

$(BUILD)/shim.elf: $(SHIM_OBJ) boot/shim/shim.ld $(BUILD)/kept/shim-objects
	$(call say,LD,$@)
	$(Q)$(LD) $(SHIM_LINK) $(SHIM_OBJ) -o $(BUILD)/shim.debug.elf
	$(Q)$(OBJCOPY) -O elf32-i386 --strip-debug $(BUILD)/shim.debug.elf $@

# ---- library and programs ------------------------------------------------------------------------

$(BUILD)/librugo.a: $(LIB_OBJ) $(BUILD)/kept/lib-objects
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIB_OBJ)

$(BUILD)/crt0.o: $(BUILD)/obj/lib/crt0.S.o
	@cp $< $@

RUNTIME := $(BUILD)/crt0.o $(BUILD)/librugo.a

# $(call link_program,objects): NAME.debug beside the stripped NAME.
define link_program
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LD) $(USER_LINK) $(BUILD)/crt0.o $(1) $(BUILD)/librugo.a $(LIBGCC) -o $@.debug
	$(Q)$(OBJCOPY) --strip-all $@.debug $@
endef

# What tools/mkpkg.py needs to make programs of users the way our own are made; their warnings are advice, not errors.
sdk: $(BUILD)/sdk.conf $(RUNTIME)
.PHONY: sdk
$(BUILD)/sdk.conf: $(BUILD)/kept/prog
	@printf '%s\n' 'cc = $(CC)' 'cflags = $(filter-out $(WARN),$(PROG_FLAGS)) -Wall -Wextra' \
	    'ld = $(LD)' 'ldflags = $(USER_LINK)' 'start = $(BUILD)/crt0.o' \
	    'libs = $(BUILD)/librugo.a $(LIBGCC)' 'strip = $(OBJCOPY) --strip-all' > $@

define program
$(BUILD)/bin/$(1): $(call objects_of,$(1)) $(RUNTIME) $(BUILD)/kept/prog
	$$(call link_program,$(call objects_of,$(1)))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# Test programs carry a secret that the kernel cannot know. SECRET=none is the ordinary initrd; with any
# other SECRET the programs and the initrd are made in $(BUILD)/test, so that a test run disturbs nothing.
ifeq ($(SECRET),none)
TEST_BIN    := $(BUILD)/bin/test
INITRD      := $(BUILD)/initrd.cpio
SECRET_KEPT := $(BUILD)/kept/secret
else
TEST_BIN    := $(BUILD)/test/bin
INITRD      := $(BUILD)/test/initrd.cpio
SECRET_KEPT := $(BUILD)/kept/secret-test
endif

ifeq ($(filter clean help,$(MAKECMDGOALS)),)
$(call keep_flags,$(notdir $(SECRET_KEPT)),$(SECRET))
endif

$(TEST_BIN)/secret.c: $(SECRET_KEPT)
	@mkdir -p $(@D)
	@printf 'extern const char test_secret[];\nconst char test_secret[] = "%s";\n' '$(SECRET)' > $@
$(TEST_BIN)/secret.o: $(TEST_BIN)/secret.c $(BUILD)/kept/prog
	$(Q)$(CC) $(PROG_FLAGS) -c $< -o $@

$(TESTS:%=$(TEST_BIN)/%): $(TEST_BIN)/%: $(BUILD)/obj/tests/prog/%.c.o $(TEST_BIN)/secret.o $(RUNTIME) $(BUILD)/kept/prog
	$(call link_program,$< $(TEST_BIN)/secret.o)

# ---- Go programs ---------------------------------------------------------------------------------

# $(BUILD)/go: the compiler, made once; its TINYGOROOT with Rugo's runtime; support.a, the C half of that runtime; src, the
# module `rugo`: links to go/, and what tools/abigo.py makes of the contract in package sys.
GO_OUT      := $(BUILD)/go
GO_SUPPORT  := $(call object,$(call below,go/tinygo/support,*.c))
GO_OVERLAY  := $(call below,go/tinygo/overlay/src,*.go)
GO_SRC      := $(GO_OUT)/src
GO_FILES    := go/go.mod $(foreach d,sys services tests,$(call below,go/$(d),*.go))

ifeq ($(filter clean help,$(MAKECMDGOALS)),)
$(call keep_flags,go-compiler,$(TINYGO))
$(call keep_flags,go-overlay,$(GO_OVERLAY))
$(call keep_flags,go-support,$(GO_SUPPORT))
$(call keep_flags,go-files,$(GO_FILES))
endif

$(GO_OUT)/env: go/tinygo/setup.sh go/tinygo/go.mod go/tinygo/go.sum $(BUILD)/kept/go-compiler
	$(call say,TINYGO,$@)
	$(Q)TINYGO=$(TINYGO) go/tinygo/setup.sh compiler $(GO_OUT)

$(GO_OUT)/root/stamp: $(GO_OUT)/env $(GO_OVERLAY) go/tinygo/replaced go/tinygo/targets/rugo.json $(BUILD)/kept/go-overlay
	$(call say,TINYGO,$(GO_OUT)/root)
	$(Q)go/tinygo/setup.sh root $(GO_OUT)
	@touch $@

$(BUILD)/obj/go/tinygo/support/%.c.o: go/tinygo/support/%.c $(BUILD)/kept/prog | $(ABI_STAMP)
	$(call compile,CC,$(PROG_FLAGS))

$(GO_OUT)/support.a: $(GO_SUPPORT) $(BUILD)/kept/go-support
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(GO_SUPPORT)

$(GO_SRC)/stamp: tools/abigen.py tools/abigo.py $(ABI_DEF) $(BUILD)/kept/go-files
	$(call say,ABIGEN,$(GO_SRC))
	@rm -rf $(GO_SRC)
	@for f in $(GO_FILES:go/%=%); do mkdir -p $$(dirname $(GO_SRC)/$$f); ln -s $(CURDIR)/go/$$f $(GO_SRC)/$$f; done
	$(Q)$(PYTHON) tools/abigen.py --go $(GO_SRC)/sys $(ABI_DEF)
	@touch $@

# $(call go_program,target,folder)
define go_program
$(1): $(wildcard $(2)/*.go) $(wildcard go/sys/*.go) $(GO_SRC)/stamp $(GO_OUT)/root/stamp $(GO_OUT)/support.a $(RUNTIME)
	$$(call say,GO,$$@)
	@mkdir -p $$(@D)
	$(Q). $(GO_OUT)/env && cd $(GO_SRC) && nice "$$$$tinygo" build -target rugo -o $$(abspath $$@).elf ./$(2:go/%=%)
	$(Q)mv $$@.elf $$@.debug && $(OBJCOPY) --strip-all $$@.debug $$@
endef
$(foreach p,$(GO_SERVICES),$(eval $(call go_program,$(BUILD)/bin/$(p),go/services/$(p))))
$(foreach p,$(GO_TESTS),$(eval $(call go_program,$(BUILD)/bin/test/$(p),go/tests/$(p))))

# ---- initrd, images ------------------------------------------------------------------------------

ETC_FILES    := $(sort $(shell find etc -type f 2>/dev/null))
# A service in Go brings its configuration along.
GO_CONFIGS   := $(wildcard $(GO_SERVICES:%=go/services/%/service.conf))
INITRD_PARTS := $(PROGRAMS:%=$(BUILD)/bin/%) $(TESTS:%=$(TEST_BIN)/%) $(GO_SERVICES:%=$(BUILD)/bin/%) \
                $(GO_TESTS:%=$(BUILD)/bin/test/%)
INITRD_ROOT  := $(basename $(INITRD))

initrd: $(INITRD)

# A removed program must leave the initrd too: the list of its parts is kept like the flags are.
PARTS_KEPT := $(subst secret,initrd,$(SECRET_KEPT))
ifeq ($(filter clean help,$(MAKECMDGOALS)),)
$(call keep_flags,$(notdir $(PARTS_KEPT)),$(INITRD_PARTS) $(ETC_FILES) $(GO_CONFIGS))
endif

# With the names of all functions of its programs (tools/usyms.py), for reports of crashes.
# An ordinary cpio archive, byte for byte the same whoever makes it and when.
$(INITRD): $(INITRD_PARTS) $(ETC_FILES) $(GO_CONFIGS) $(PARTS_KEPT) tools/usyms.py
	$(call say,CPIO,$@)
	@rm -rf $(INITRD_ROOT) && mkdir -p $(addprefix $(INITRD_ROOT)/,bin etc test)
	@set -e; \
	for f in $(PROGRAMS) $(GO_SERVICES); do install -m 755 $(BUILD)/bin/$$f $(INITRD_ROOT)/bin/$$f; done; \
	for f in $(TESTS); do install -m 755 $(TEST_BIN)/$$f $(INITRD_ROOT)/test/$$f; done; \
	for f in $(GO_TESTS); do install -m 755 $(BUILD)/bin/test/$$f $(INITRD_ROOT)/test/$$f; done; \
	for f in $(ETC_FILES); do install -D -m 644 $$f $(INITRD_ROOT)/$$f; done; \
	for f in $(GO_CONFIGS); do d=$${f%/*}; install -D -m 644 $$f $(INITRD_ROOT)/etc/services/$${d##*/}.conf; done; \
	$(PYTHON) tools/usyms.py -o $(INITRD_ROOT)/etc/symbols $(INITRD_PARTS:%=%.debug); \
	find $(INITRD_ROOT) -type d -exec chmod 755 {} +; \
	find $(INITRD_ROOT) -exec touch -d @0 {} +; \
	out=$$(realpath $@.tmp); cd $(INITRD_ROOT); \
	find . -mindepth 1 | sed 's|^\./||' | LC_ALL=C sort | \
	    cpio -o -H newc --reproducible --owner=0:0 --quiet > "$$out"
	@mv $@.tmp $@

iso: $(BUILD)/rugo.iso
$(BUILD)/rugo.iso: $(BUILD)/rugo.elf $(BUILD)/shim.elf $(BUILD)/initrd.cpio FORCE
	$(call say,ISO,$@)
	$(Q)BUILD=$(BUILD) tools/mkiso.sh -o $@

disk: $(BUILD)/disk.img
$(BUILD)/disk.img: $(wildcard samples/hello/* tools/mkdisk.sh tools/mkpkg.py) | sdk
	$(call say,DISK,$@)
	$(Q)BUILD=$(BUILD) tools/mkdisk.sh $@

run: all $(BUILD)/disk.img
	$(Q)BUILD=$(BUILD) tools/run_qemu.sh --disk $(BUILD)/disk.img

test:
	$(Q)./rugo test

# ---- pure code on the host -----------------------------------------------------------------------

# tests/host/test_NAME.c is a program that exits 0 when all is well; tests/host/fuzz_NAME.c is a libFuzzer
# target. Each names the project files that it is linked with on one line of its opening comment:
#     SOURCES: services/fsd/fs.c lib/path.c          FLAGS: -Ilib   (optional)
HOST_TESTS := $(patsubst tests/host/%.c,$(BUILD)/host/%,$(sort $(wildcard tests/host/test_*.c tests/host/explore_*.c)))
FUZZERS    := $(patsubst tests/host/%.c,$(BUILD)/host/%,$(sort $(wildcard tests/host/fuzz_*.c)))
sources_of  = $(shell sed -n 's/^.*SOURCES: *//p' $(1) | sed 's/FLAGS:.*//;s,\*/.*,,')
flags_of    = $(shell sed -n 's/^.*FLAGS: *//p' $(1) | sed 's,\*/.*,,')

host-tests: $(HOST_TESTS)
	@set -e; for t in $(HOST_TESTS); do printf '  HOST    %s\n' $$t; $$t; done

fuzzers: $(FUZZERS)
.PHONY: fuzzers

$(BUILD)/host/test_%: tests/host/test_%.c $(BUILD)/kept/host | $(ABI_STAMP)
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_FLAGS) $(call flags_of,$<) $< $(call sources_of,$<) -o $@

$(BUILD)/host/fuzz_%: tests/host/fuzz_%.c $(BUILD)/kept/host | $(ABI_STAMP)
	$(call say,FUZZCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(HOST_FLAGS) -fsanitize=fuzzer $(call flags_of,$<) $< $(call sources_of,$<) -o $@

# tests/host/explore_NAME.c: state machines of the kernel under the explorer (tests/host/explore.h). make PLANTED=dir
# dir/explore_NAME makes one in which files of dir, called as in the tree, stand for those of the tree (headers: but in the base).
EXPLORE_FLAGS := $(HOST_FLAGS) -include tests/host/kernel/atomic.h -DDEBUG -Itests/host/kernel -Ikernel -I$(BUILD)/gen/kernel
EXPLORE_BASE  := tests/host/explore.c kernel/klib/tree.c kernel/object/object.c kernel/object/account.c \
                 kernel/proc/handle.c kernel/sched/wait.c
EXPLORE_OBJ   := $(EXPLORE_BASE:%=$(BUILD)/host/explore/%.o)
# (What stands for a file of the archive comes before it.)
explored_of    = $(foreach s,$(call sources_of,$(1)),$(firstword $(wildcard $(PLANTED)/$(s)) $(s))) \
                 $(wildcard $(EXPLORE_BASE:%=$(PLANTED)/%)) $(BUILD)/host/explore.a

$(BUILD)/host/explore/%.o: % $(BUILD)/kept/host | $(ABI_STAMP)
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(EXPLORE_FLAGS) -c $< -o $@
$(BUILD)/host/explore.a: $(EXPLORE_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $(EXPLORE_OBJ)

$(BUILD)/host/explore_%: tests/host/explore_%.c $(BUILD)/host/explore.a $(BUILD)/kept/host | $(ABI_STAMP)
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(EXPLORE_FLAGS) $< $(call explored_of,$<) -o $@
ifdef PLANTED
$(PLANTED)/explore_%: tests/host/explore_%.c $(BUILD)/host/explore.a FORCE | $(ABI_STAMP)
	$(Q)$(CC) -I$(PLANTED)/kernel $(EXPLORE_FLAGS) $< $(call explored_of,$<) -o $@
endif

# (Read only when asked for: it costs a process per file.)
ifneq ($(filter host-tests fuzzers $(BUILD)/host/%,$(GOALS)),)
$(EXPLORE_OBJ): $(wildcard tests/host/*.h) $(call below,kernel,*.h) $(call below,tests/host/kernel,*.h)
$(HOST_TESTS) $(FUZZERS): $(call sources_of,$(wildcard tests/host/*.c)) $(wildcard tests/host/*.h) \
                          $(call below,services,*.h) $(call below,lib,*.h) $(call below,apps,*.h)
endif

# ---- checks --------------------------------------------------------------------------------------

# (bench/linux is the other system's house.)
OUR_C  = $(shell git ls-files '*.c' '*.h' ':!bench/linux')
OUR_SH = rugo .ci/run $(shell git ls-files '*.sh')

.PHONY: check-format check-go check-sparse check-rooms check-scripts check-abi check-hosts
check: check-format check-go check-rooms check-scripts check-abi check-hosts check-sparse
	@echo 'check: all is well'

check-format:
	$(call say,FORMAT,clang-format-19)
	$(Q)clang-format-19 --dry-run -Werror $(OUR_C)

# With the Go that compiles them. Package sys is vetted and tested as a program of this host.
check-go: $(if $(BUILDS_GO),$(GO_OUT)/env $(GO_SRC)/stamp)
	$(if $(BUILDS_GO),$(call say,GO,gofmt and vet))
	$(if $(BUILDS_GO),$(Q). $(GO_OUT)/env; bad=$$(gofmt -l go); test -z "$$bad" || { echo "not formatted: $$bad" >&2; exit 1; })
	$(if $(BUILDS_GO),$(Q). $(GO_OUT)/env; cd $(GO_SRC) && go vet ./sys)

format:
	$(Q)clang-format-19 -i $(OUR_C)
	$(if $(BUILDS_GO),$(Q)gofmt -w go)

# sparse does not know gcc's own macros behind INT64_C; an explicit cast that cuts a constant short is meant so.
HASH := \#
SPARSE_FLAGS = -Wsparse-error -Wno-cast-truncate -D'__INT64_C(c)=c$(HASH)$(HASH)L' -D'__UINT64_C(c)=c$(HASH)$(HASH)UL'

check-sparse: $(ABI_STAMP)
	$(call say,SPARSE,kernel)
	$(Q)status=0; for f in $(filter %.c,$(KERNEL_SRC)); do \
	    sparse $(SPARSE_FLAGS) $(filter-out -W%,$(KERNEL_FLAGS)) $$f || status=1; \
	done; exit $$status

check-rooms:
	$(call say,ROOMS,tools/check_rooms.py)
	$(Q)$(PYTHON) tools/check_rooms.py --self-test
	$(Q)$(PYTHON) tools/check_rooms.py

check-scripts:
	$(call say,SCRIPTS,sh -n and python syntax)
	$(Q)for f in $(wildcard $(OUR_SH)); do \
	    case $$(head -n 1 $$f) in *bash*) bash -n $$f ;; *) sh -n $$f ;; esac || exit 1; \
	done
	$(Q)$(PYTHON) -c 'import ast, sys; [ast.parse(open(f).read(), f) for f in sys.argv[1:]]' $$(git ls-files '*.py')

check-abi: $(ABI_STAMP)
	$(call say,ABI,docs/abi)
	$(if $(ABI_STAMP),$(Q)rm -rf $(BUILD)/gen/docs && mkdir -p $(BUILD)/gen/docs)
	$(if $(ABI_STAMP),$(Q)$(PYTHON) tools/abigen.py --docs $(BUILD)/gen/docs $(ABI_DEF))
	$(if $(ABI_STAMP),$(Q)diff -ru docs/abi $(BUILD)/gen/docs || \
	    { echo 'docs/abi is stale: run make abi-docs' >&2; exit 1; })

# Packages come from wherever the system is set up to take them from: no registry is named in the tree.
check-hosts:
	$(call say,HOSTS,no registry is named)
	$(Q)! git grep -nIE 'https?://[^ "]*(debian|pypi|pythonhosted|golang|crates|npm)[^ ]*\.(org|io|com)'

clean:
	rm -rf $(BUILD)

# ---- headers noted by the last build -------------------------------------------------------------

# A target by its absolute name.
$(CURDIR)/$(BUILD)/%: $(BUILD)/% ;

FORCE:
ifeq ($(filter clean help,$(MAKECMDGOALS)),)
-include $(patsubst %.o,%.d,$(KERNEL_OBJ) $(KERNEL_OBJ:$(BUILD)/%=$(BUILD)/test/%) \
           $(KERNEL_OBJ:$(BUILD)/%=$(BUILD)/coverage/%) $(LIB_OBJ) $(SHIM_OBJ) $(BUILD)/obj/lib/crt0.S.o \
           $(GO_SUPPORT) $(foreach p,$(PROGRAMS),$(call objects_of,$(p))) $(TESTS:%=$(BUILD)/obj/tests/prog/%.c.o))
endif

# --- bench ----------------------------------------------------------------------------------------

# The measuring programs and an initrd of their own; ./rugo bench runs them. bench/linux/src is the work that
# Linux does as well, compiled as it is there: copies stay loops, so that every system runs the same instructions.
BENCH       := $(BUILD)/bench
BENCH_FLAGS := $(PROG_FLAGS) -fno-tree-vectorize -fno-tree-loop-distribute-patterns
BENCH_WORK  := $(filter-out $(WARN),$(BENCH_FLAGS)) -Wall -Wextra
BENCH_PORT  := bench/rugo/port_rugo.c bench/linux/src/bench.c
BENCH_OF_core  := bench/rugo/core.c $(BENCH_PORT)
BENCH_OF_blk   := bench/linux/src/bench_blk.c $(BENCH_PORT)
BENCH_OF_fs    := bench/linux/src/bench_fs.c $(BENCH_PORT)
BENCH_OF_init  := bench/rugo/init.c
BENCH_OF_smp   := bench/rugo/smp.c
BENCH_OF_hello := bench/linux/src/hello.c
BENCH_PROGRAMS := core blk fs smp init hello
BENCH_SRC   := $(sort $(foreach p,$(BENCH_PROGRAMS),$(BENCH_OF_$(p)))) bench/rugo/nothing.c

.PHONY: bench
bench: $(BENCH)/initrd.cpio $(BENCH)/empty/shim.elf $(BENCH)/count.so kernel shim initrd
	@ln -sf ../rugo.elf ../shim.elf $(BENCH)/

$(BUILD)/obj/bench/rugo/core.c.o: BENCH_FLAGS := $(BENCH_WORK)
$(BUILD)/obj/bench/rugo/%.c.o: bench/rugo/%.c $(BUILD)/kept/prog | $(ABI_STAMP)
	$(call compile,CC,$(BENCH_FLAGS))
$(BUILD)/obj/bench/linux/%.c.o: bench/linux/%.c $(BUILD)/kept/prog | $(ABI_STAMP)
	$(call compile,CC,$(BENCH_WORK))

define bench_program
$(BENCH)/bin/$(1): $(call object,$(BENCH_OF_$(1))) $(RUNTIME) $(BUILD)/kept/prog
	$$(call link_program,$(call object,$(BENCH_OF_$(1))))
endef
$(foreach p,$(BENCH_PROGRAMS),$(eval $(call bench_program,$(p))))

# Without start-up code: its first instruction is its own.
$(BENCH)/bin/nothing: $(BUILD)/obj/bench/rugo/nothing.c.o $(BUILD)/kept/prog
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LD) $(USER_LINK) $< -o $@.debug && $(OBJCOPY) --strip-all $@.debug $@

BENCH_SERVICES := svcman fsd
$(BENCH)/initrd.cpio: $(BENCH_SERVICES:%=$(BUILD)/bin/%) $(BENCH_PROGRAMS:%=$(BENCH)/bin/%) $(BENCH)/bin/nothing \
                      bench/rugo/scenarios etc/services/fsd.conf
	$(call say,CPIO,$@)
	@rm -rf $(BENCH)/initrd && mkdir -p $(addprefix $(BENCH)/initrd/,bin bench etc/services)
	@set -e; cd $(BENCH); i=initrd; \
	for p in $(BENCH_SERVICES); do install -m 755 ../bin/$$p $$i/bin/$$p; done; \
	for p in hello nothing; do install -m 755 bin/$$p $$i/bin/$$p; done; \
	for p in core blk fs smp init; do install -m 755 bin/$$p $$i/bench/$$p; done
	@install -m 644 etc/services/fsd.conf $(BENCH)/initrd/etc/services/fsd.conf
	@install -m 644 bench/rugo/scenarios $(BENCH)/initrd/etc/scenarios
	@find $(BENCH)/initrd -exec touch -d @0 {} +
	@cd $(BENCH)/initrd && find . -mindepth 1 | sed 's|^\./||' | LC_ALL=C sort | \
	    cpio -o -H newc --reproducible --owner=0:0 --quiet > ../initrd.tmp
	@mv $(BENCH)/initrd.tmp $@

# A multiboot program that says one character, where tools/run_qemu.sh looks for a system.
$(BENCH)/empty/shim.elf: bench/rugo/empty.S
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -m32 -c $< -o $(@D)/empty.o
	$(Q)$(LD) -m elf_i386 -Ttext=0x100000 --build-id=none -z noexecstack -e start $(@D)/empty.o -o $@
	@echo > $(@D)/rugo.elf; echo > $(@D)/initrd.cpio
# The plug-in with which QEMU counts instructions.
$(BENCH)/count.so: bench/rugo/count.c
	$(call say,HOSTCC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -shared -fPIC $< -o $@

ifneq ($(filter bench $(BENCH)/%,$(MAKECMDGOALS)),)
-include $(patsubst %.o,%.d,$(call object,$(BENCH_SRC)))
endif
