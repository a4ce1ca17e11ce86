# Every command that a developer or a CI needs; `make help` lists them.
#
#   V=1         show the commands          WERROR=    warnings do not stop
#   VARIANT=    release, asan, tsan, ...   T=window   only tests named so
#   BUILD=dir   build somewhere else       SIM_ARGS=, NET_ARGS=  passed on
#   SEEDS=A..B, NODES=n, MINUTES=m         of make sim
#
# What users get goes to build/bin and build/lib (of another variant to
# build/<variant>/bin and /lib), all the rest to build/<variant>. The Makefile
# calls itself for another variant, and once what it needs is installed.
VERSION := 0.1.0
VARIANT ?= release
BUILD ?= build
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/coherd
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
SYSTEMD ?= $(PREFIX)/lib
WERROR ?= -Werror
OBJCOPY ?= objcopy
PKG_CONFIG ?= pkg-config

JOBS ?= $(shell nproc)
MAKEFLAGS += --no-builtin-rules $(if $(filter 0,$(MAKELEVEL)),--jobs=$(JOBS))
.DELETE_ON_ERROR:
.SECONDARY:
.SECONDEXPANSION:
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $1 $(@:$(BUILD)/%=%);)mkdir -p $(@D) &&
again = +$(Q)$(MAKE) --no-print-directory

top := $(BUILD)$(if $(filter-out release,$(VARIANT)),/$(VARIANT))
bin := $(top)/bin
lib := $(top)/lib
priv := $(BUILD)/$(VARIANT)
obj := $(priv)/obj

# --- flags ------------------------------------------------------------------

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
    -Wmissing-prototypes -Wformat=2 -Wundef -Wvla $(WERROR)
mode_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
# The daemon is compiled as a whole, and so is the library: most functions are
# short, and many calls go from one file to another.  clang does not know how to
# make one object of many that way.
whole := $(if $(findstring clang,$(CC)),,$(if \
    $(filter release,$(VARIANT)),-flto=auto))
# Warnings that follow the flow of values misfire on instrumented code.
sanitised := -O1 -g -fno-omit-frame-pointer -Wno-format-truncation \
    -Wno-maybe-uninitialized -fno-sanitize-recover=all
# The simulator has one thread: with TSan its seeds only prove that it works.
mode_asan := $(sanitised) -fsanitize=address,undefined -DSIM_SEEDS_DEFAULT=200
mode_tsan := $(sanitised) -fsanitize=thread -DSIM_SEEDS_DEFAULT=40
mode_fuzz := $(filter-out -Wno-%,$(mode_asan)) -fsanitize=fuzzer-no-link
# The next release, which still speaks ours, and one that no longer does.
mode_next := $(mode_release) -DCHD_PROTOCOL_MIN=1 -DCHD_PROTOCOL_MAX=2
mode_far := $(mode_release) -DCHD_PROTOCOL_MIN=2 -DCHD_PROTOCOL_MAX=2
# More nodes than a sidecar takes, and what would fill the memory cut short.
mode_wide := $(mode_release) -DCHD_PEERS_MAX=4000 -DCHD_COUNTED_MAX=4096 \
    -DCHD_NAME_BYTES_MAX=15 '-DCHD_PAYLOAD_BYTES_MAX=(64 * 1024)'
mode := $(or $(mode_$(VARIANT)),$(mode_release)) $(CFLAGS)
sanitiser := $(filter -fsanitize=%,$(mode))
ifeq ($(VARIANT),fuzz)
  CC := clang
endif

# Asked when used and not before: `make test` installs the packages first.
cflags_of = $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $1))
libs_of = $(shell $(PKG_CONFIG) --libs $1) -pthread
broker_pkgs := libzmq libczmq libcares msgpack libmicrohttpd

gnu := -D_GNU_SOURCE
cc = $(CC) -std=c17 $(warnings) $(mode) $(CPPFLAGS) -I. \
    -DCHD_VERSION='"$(VERSION)"'
compile = $(call say,CC) $(cc) -MMD -MP $1 -c -o $@ $<
link_flags = $(mode) -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)
ld = $(CC) -pie $(link_flags)
link = $(call say,LD) $(ld) -o $@ $^ $1
# gcc-ar knows what is in objects that are still to be compiled as a whole.
archive = $(call say,AR) rm -f $@ && $(if $(whole),gcc-ar,$(AR)) rcs $@

# --- sources and products ---------------------------------------------------

find_c = $(sort $(foreach dir,$1,$(wildcard $(dir)/*.c)))
objs = $(patsubst %.c,$(obj)/%.o,$1)
objs_but_main = $(filter-out %/main.o,$(call objs,$1))

proto_src := $(call find_c,proto/* proto/*/*)
broker_src := $(call find_c,broker broker/*)
cli_src := $(call find_c,client/cli)
client_src := $(filter-out client/cli/% client/examples/%,\
    $(call find_c,client client/*))
sim_src := $(call find_c,tests/sim tests/scenario)
support_src := $(call find_c,tests/support)
unit_src := $(call find_c,tests/unit)
net_src := $(call find_c,tests/net)
compare_src := $(call find_c,tests/bench/compare)
virtual_src := $(call find_c,tests/bench/virtual)
other_src := $(call find_c,tests/stress tests/bench tests/fuzz)
example_src := $(call find_c,client/examples client/examples/*)
ours := $(proto_src) $(broker_src) $(cli_src) $(client_src) $(sim_src) \
    $(support_src) $(unit_src) $(net_src) $(compare_src) $(virtual_src) \
    $(other_src)

so := libcoherd.so
so_file := $(so).$(VERSION)
so_name := $(so).$(firstword $(subst ., ,$(VERSION)))
proto_lib := $(priv)/lib/libproto.a
daemon := $(if $(whole),$(patsubst %.c,$(obj)/whole/%.o,$(broker_src) \
    $(proto_src)),$(call objs,$(broker_src)) $(proto_lib))
library := $(if $(whole),$(client_src:%.c=$(obj)/library/%.o) \
    $(priv)/lib/libwhole.a,$(call objs,$(client_src)) $(proto_lib))
test_libs := $(priv)/lib/libsupport.a $(proto_lib)
programs := $(patsubst broker/%,$(bin)/coherd,$(wildcard broker/main.c)) \
    $(patsubst client/cli/%,$(bin)/coherctl,$(wildcard client/cli/main.c))
libraries := $(if $(client_src),$(lib)/libcoherd.a $(lib)/$(so))
# A file in client/examples is a program, and so is a folder.
examples := $(addprefix $(top)/examples/,$(sort $(basename $(foreach e,\
    $(example_src:client/examples/%=%),$(firstword $(subst /, ,$e))) \
    $(if $(filter %/plain.c,$(example_src)),episodes-plain))))
sim := $(if $(wildcard tests/sim/main.c),$(priv)/bin/chd-sim)
tests_of = $(patsubst tests/$1/%.c,$(priv)/$(or $2,$1)/%,\
    $(filter tests/$1/%,$(unit_src) $(net_src) $(other_src)))
units := $(call tests_of,unit)
chosen := $(foreach u,$(units),$(if $(findstring $(or $(T),/),$u),$u))
helpers := $(call tests_of,net,bin)
releases := $(if $(wildcard broker/main.c),\
    $(BUILD)/test/coherd-next $(BUILD)/test/coherd-far)

# --- build ------------------------------------------------------------------

all: $(proto_lib) $(programs) $(libraries) $(examples)  ## build programs, libraries and examples
build: all  ## the same

proto_flags = -fPIC -fvisibility=hidden $(call cflags_of,msgpack)
$(obj)/proto/%.o: proto/%.c Makefile
	$(call compile,$(proto_flags))
$(obj)/client/cli/%.o: client/cli/%.c Makefile
	$(call compile,-fPIE $(gnu))
$(obj)/client/%.o: client/%.c Makefile
	$(call compile,-fPIC -fvisibility=hidden $(gnu) $(call cflags_of,msgpack))
$(obj)/%.o: %.c Makefile
	$(call compile,-fPIE $(gnu) $(call cflags_of,$(broker_pkgs)))
$(obj)/library/%.o: %.c Makefile
	$(call compile,$(whole) -fPIC -fvisibility=hidden $(gnu) \
	    $(call cflags_of,msgpack))
$(obj)/whole/%.o: %.c Makefile
	$(call compile,$(whole) -fPIE $(gnu) $(call cflags_of,$(broker_pkgs)))

$(proto_lib): $(call objs,$(proto_src))
	$(archive) $^
$(priv)/lib/libwhole.a: $(proto_src:%.c=$(obj)/library/%.o)
	$(archive) $^
$(priv)/lib/libsupport.a: $(call objs,$(support_src))
	$(archive) $^
# One object that holds what it needs of proto/ and shows coherd_* alone.
$(priv)/lib/coherd.o: $(library)
	$(call say,LD) $(CC) $(mode) $(if $(whole),$(whole) \
	    -flinker-output=nolto-rel) -r -nostdlib -o $@ $^ && \
	    $(OBJCOPY) --wildcard --keep-global-symbol='coherd_*' $@
$(lib)/libcoherd.a: $(priv)/lib/coherd.o
	$(archive) $^
$(lib)/$(so_file): $(library)
	$(call say,LD) $(CC) $(mode) $(whole) -shared $(link_flags) -Wl,-soname,$(so_name) \
	    $(if $(sanitiser),,-Wl,-z,defs) -o $@ $^ $(call libs_of,msgpack)
$(lib)/$(so): $(lib)/$(so_file)
	$(Q)ln -sf $(so_file) $(lib)/$(so_name) && ln -sf $(so_name) $@

$(bin)/coherd: $(daemon)
	$(call link,$(whole) $(call libs_of,$(broker_pkgs)))
$(bin)/coherctl: $(call objs,$(cli_src)) $(lib)/libcoherd.a
	$(call link,$(call libs_of,msgpack))
# Examples are built as their readers will build them.
example = $(call say,LD) $(CC) -std=c17 $(gnu) $(warnings) $(mode) -Iclient -o $@ \
    $(filter %.c,$^) -pthread $1
coherent = -L$(lib) -lcoherd '-Wl,-rpath,$$ORIGIN/../lib'
$(top)/examples/%: $$(wildcard client/examples/$$*.c client/examples/$$*/*.c) $(lib)/$(so) \
        $(wildcard client/coherd*.h) Makefile
	$(call example,$(coherent))
# One is an application, which is built twice: coherent, and without us.
episodes := $(wildcard client/examples/episodes/*.[ch])
$(top)/examples/episodes: $(filter-out %/plain.c,$(episodes)) $(lib)/$(so) \
        $(wildcard client/coherd*.h) Makefile
	$(call example,$(coherent) $(call libs_of,libmicrohttpd sqlite3))
$(top)/examples/episodes-plain: $(filter-out %/coherent.c,$(episodes)) Makefile
	$(call example,$(call libs_of,libmicrohttpd sqlite3))

# --- test programs ----------------------------------------------------------

link_test = $(call link,$(call libs_of,criterion msgpack $1))

$(priv)/unit/test_broker_%: $(obj)/tests/unit/test_broker_%.o \
        $(call objs_but_main,$(broker_src)) $(test_libs)
	$(call link_test,$(broker_pkgs))
$(priv)/unit/test_client_%: $(obj)/tests/unit/test_client_%.o \
        $(call objs,$(client_src)) $(test_libs)
	$(call link_test)
$(priv)/unit/%: $(obj)/tests/unit/%.o $(test_libs)
	$(call link_test)
$(priv)/bin/chd-sim: $(call objs,$(sim_src)) $(test_libs)
	$(call link)
$(priv)/fuzz/%: $(obj)/tests/fuzz/%.o $(test_libs)
	$(call link,-fsanitize=fuzzer $(call libs_of,msgpack))
$(helpers): $(priv)/bin/%: $(obj)/tests/net/%.o $(lib)/libcoherd.a $(test_libs)
	$(call link,$(call libs_of,$(broker_pkgs)))
# What users do not see is counted too, so the library stands here in parts.
$(priv)/bench/micro: $(obj)/tests/bench/micro.o $(call objs,$(client_src)) \
        $(test_libs)
	$(call link,$(call libs_of,msgpack))
$(call tests_of,stress) $(filter-out %/micro,$(call tests_of,bench)): \
        $(priv)/%: $(obj)/tests/%.o $(lib)/libcoherd.a $(test_libs)
	$(call link,$(call libs_of,$(broker_pkgs)) -lm)
$(priv)/bin/compare: $(call objs,$(compare_src)) $(lib)/libcoherd.a
	$(call link,$(call libs_of,libzmq hiredis msgpack))
$(priv)/bin/virtual: $(call objs,$(virtual_src)) $(proto_lib)
	$(call link,$(call libs_of,msgpack))
$(BUILD)/test/coherd-%: FORCE
	$(again) VARIANT=$* $(BUILD)/$*/bin/coherd
	$(Q)mkdir -p $(@D) && cp -u $(BUILD)/$*/bin/coherd $@

# --- test -------------------------------------------------------------------

# Runs that somebody asks for may take as long as they take.
sim_asked = $(if $(SEEDS),--seeds $(SEEDS)) $(if $(NODES),--nodes $(NODES)) \
    $(if $(MINUTES),--minutes $(MINUTES))
sim_args = $(strip $(sim_asked) $(SIM_ARGS))
run = $(Q)BUILD=$(BUILD) VARIANT=$(VARIANT) CHD_BIN=$(bin) \
    CHD_TEST_BIN=$(priv)/bin UNIT='$(chosen)' SIM='$(sim) $(sim_args)' \
    SIM_SECONDS=$(if $(strip $(sim_asked)),0,600) \
    NET='$(NET_ARGS)' STRESS='$(call tests_of,stress)' \
    FUZZ='$(call tests_of,fuzz)' tests/run

deps:  ## install the packages that building and testing needs
	$(Q)deploy/install-deps
demo: deps  ## the main job, shown: sidecars that DNS brings together
	$(again) show
show: all
	$(Q)CHD_BIN=$(bin) deploy/demo
test: deps  ## install what is missing, build, run every test
	$(again) check
check: all $(units) $(sim) $(helpers) $(releases)
	$(run) unit tidy sim net
unit: $$(chosen)  ## unit tests (T=part-of-a-name)
	$(run) unit
sim: $(sim)  ## stories, canaries, seeds; or only SEEDS=A..B NODES=n MINUTES=m
	$(run) sim
# What stands in a mutant's object is not taken from the library behind it.
sim-mutants: $(sim)  ## faults planted in proto/, which the seeds must find (T=part-of-a-name)
	$(Q)MUTANT_DIR=$(priv)/mutants MUTANT_CC='$(cc) $(proto_flags) -w' \
	    MUTANT_LD='$(ld)' SIM_OBJECTS='$(call objs,$(sim_src)) $(test_libs)' \
	    PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m tests.mutants $(T)
net: all $(helpers) $(releases)  ## real sidecars in network namespaces (NET_ARGS=)
	$(run) net
stress: $(call tests_of,stress)  ## the client library under many threads
	$(run) stress
asan:  ## tests and simulator with the address and undefined-behaviour sanitizers
	$(again) VARIANT=asan check-asan
check-asan: all $(units) $(sim) $(call tests_of,stress)
	$(run) unit sim stress
tsan:  ## simulator and client stress with the thread sanitizer
	$(again) VARIANT=tsan check-tsan
check-tsan: all $(sim) $(call tests_of,stress)
	$(run) sim stress
fuzz:  ## every fuzzer for FUZZ_SECONDS (60)
	$(again) VARIANT=fuzz check-fuzz
check-fuzz: $(call tests_of,fuzz)
	$(run) fuzz
bench:  ## coherd beside Redis, NATS and bare chains, as a table (BENCH_ROUNDS=5, BENCH_QUICK=1)
	$(Q)deploy/install-deps --build --bench
	$(again) run-bench
run-bench: all $(priv)/bin/compare
	$(Q)CHD_BIN=$(bin) CHD_VERSION=$(VERSION) PYTHONDONTWRITEBYTECODE=1 \
	    /usr/bin/python3 -m tests.bench.compare $(priv)/bin/compare \
	    --out $(BUILD)/bench $(BENCH_ARGS)
bench-scale:  ## joining, idle cost and events of 3 to 100 sidecars (BENCH_SIZES=3,10, BENCH_QUICK=1)
	$(Q)deploy/install-deps --build --bench
	$(again) run-bench-scale
run-bench-scale: all $(priv)/bench/reach
	$(Q)CHD_BIN=$(bin) CHD_VERSION=$(VERSION) PYTHONDONTWRITEBYTECODE=1 \
	    /usr/bin/python3 -m tests.bench.scale $(priv)/bench/reach \
	    --out $(BUILD)/bench/scale.json
bench-library: all $(priv)/bench/cache $(priv)/bench/staleness  ## what a cache hit, a fill and a question for staleness cost
	$(Q)set -e; for b in cache staleness; do CHD_BIN=$(bin) $(priv)/bench/$$b; done
bench-check:  ## instructions of single operations against the baseline, and the tables' own tests
	$(Q)deploy/install-deps --build --count
	$(again) count
bench-baseline:  ## the same, and make what is counted the baseline
	$(Q)deploy/install-deps --build --count
	$(again) count COUNT_ARGS=--store
count: $(priv)/bench/micro
	$(Q)PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m tests.bench.micro $< \
	    $(COUNT_ARGS)
	$(Q)PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m unittest -q \
	    tests.bench.compare.test_judge tests.bench.scale.test_table
# Up to the limit of a sidecar it is the release that runs.
SCALE_NODES ?= 100 300 1000
SCALE_WIDE ?= 2000
bench-sim: $(priv)/bin/virtual  ## many nodes on virtual time, as a table (SCALE_NODES=, SCALE_WIDE= beyond the limit)
	$(again) VARIANT=wide $(BUILD)/wide/bin/virtual
	$(Q)PYTHONDONTWRITEBYTECODE=1 nice /usr/bin/python3 -m tests.bench.virtual \
	    --out $(BUILD)/bench $< $(SCALE_NODES) $(BUILD)/wide/bin/virtual \
	    $(SCALE_WIDE)
tidy: all  ## layering, symbols, shape, documents that match the code
	$(run) tidy
lint: all  ## everything that reads the sources
	$(Q)BUILD=$(BUILD) tests/lint
format:  ## let clang-format decide
	$(Q)tests/lint --format

# --- install ----------------------------------------------------------------

mans := $(sort $(wildcard docs/man/*.[1-8]))
man_of = man$(patsubst .%,%,$(suffix $1))/$(notdir $1)
# These two are written as they are installed: other places stand in them.
pc := $(LIBDIR)/pkgconfig/coherd.pc
unit := $(SYSTEMD)/systemd/system/coherd.service
installed := $(BINDIR)/coherd $(BINDIR)/coherctl \
    $(patsubst client/%,$(INCDIR)/%,$(wildcard client/coherd*.h)) \
    $(addprefix $(LIBDIR)/,libcoherd.a $(so_file) $(so_name) $(so)) $(pc) \
    $(unit) $(SYSTEMD)/sysusers.d/coherd.conf $(DOCDIR)/coherd.conf \
    $(BASHDIR)/coherctl \
    $(foreach m,$(mans),$(MANDIR)/$(call man_of,$m))
put = install -m $1 $2 $(DESTDIR)$3

install: all  ## install below DESTDIR and PREFIX (/usr/local)
	$(Q)install -d $(addprefix $(DESTDIR),$(sort $(dir $(installed))))
	$(Q)$(call put,755,$(bin)/coherd $(bin)/coherctl,$(BINDIR))
	$(Q)$(call put,644,$(wildcard client/coherd*.h),$(INCDIR))
	$(Q)$(call put,644,$(lib)/libcoherd.a,$(LIBDIR))
	$(Q)$(call put,755,$(lib)/$(so_file),$(LIBDIR))
	$(Q)ln -sf $(so_file) $(DESTDIR)$(LIBDIR)/$(so_name)
	$(Q)ln -sf $(so_name) $(DESTDIR)$(LIBDIR)/$(so)
	$(Q)sed -e 's|@VERSION@|$(VERSION)|' -e 's|@PREFIX@|$(PREFIX)|' \
	    -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCDIR@|$(INCDIR)|' \
	    deploy/coherd.pc.in >$(DESTDIR)$(pc)
	$(Q)sed 's|/usr/bin/|$(BINDIR)/|' deploy/systemd/coherd.service \
	    >$(DESTDIR)$(unit)
	$(Q)$(call put,644,deploy/systemd/coherd.sysusers,$(SYSTEMD)/sysusers.d/coherd.conf)
	$(Q)$(call put,644,deploy/coherd.conf,$(DOCDIR))
	$(Q)$(call put,644,client/cli/coherctl.bash,$(BASHDIR)/coherctl)
	$(Q)$(foreach m,$(mans),$(call put,644,$m,$(MANDIR)/$(call man_of,$m)) &&) :
uninstall:  ## remove what install put there
	rm -f $(addprefix $(DESTDIR),$(installed))
clean:  ## remove everything that was built
	rm -rf $(BUILD)
help:  ## this list
	@awk -F ':|  ## ' '/^[a-z-]+:.*  ## / { printf "%-14s %s\n", $$1, $$NF }' \
	    Makefile

FORCE:
.PHONY: all build deps demo show test check unit sim sim-mutants net stress asan check-asan tsan \
    check-tsan fuzz check-fuzz bench run-bench bench-scale run-bench-scale bench-library \
    bench-check bench-baseline bench-sim count tidy lint format install uninstall clean \
    help FORCE
-include $(patsubst %.c,$(obj)/%.d,$(ours)) $(filter %.d,$(daemon:.o=.d))
