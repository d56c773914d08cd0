# drover: `make` builds ./drover, `make demo` shows it, `make test` proves it.
#
#   make                  ./drover (VARIANT=asan or tsan: only build/VARIANT/drover)
#   make demo             installs what is missing, builds, runs drover with four demo workers on port 8000
#   make test             installs what is missing, all unit tests and scenarios, three variants
#   make unit scenario    the tests of one VARIANT
#   make check            formatting, layers, compilers' and cppcheck's word, manual, longest files and functions
#   make format           rewrites the sources in the house's format
#   make fuzz             each fuzzer for SECONDS
#   make bench            side by side with nginx and HAProxy
#   make sizing           replays demand curves against sizing rules; SIZING="--boot 8 my.csv" for others
#   make install          DESTDIR and PREFIX as usual
VARIANT      ?= release
BUILD        := build/$(VARIANT)
PREFIX       ?= /usr/local
SECONDS      ?= 30
FUZZ_SECONDS ?= $(SECONDS)
LLHTTP       ?= /usr/share
SIZING       ?=
FOLDERS      := base config http balancer health keeper workers proxy admin daemon

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
CPPFLAGS := -I. -I$(BUILD) -D_GNU_SOURCE
CFLAGS   := -std=gnu11 -g $(WARNINGS) -fno-strict-aliasing -fno-omit-frame-pointer -pthread
LDFLAGS  := -pthread
LDLIBS   := -levent_core -lnghttp2 -lssl -lcrypto -lyaml -lcares -ljansson -lm

ifeq ($(VARIANT),release)
CFLAGS  += -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LDFLAGS += -pie -Wl,-z,relro,-z,now
else ifeq ($(VARIANT),asan)
CFLAGS  += -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=address,undefined
else ifeq ($(VARIANT),tsan)
CFLAGS  += -O1 -fsanitize=thread -Wno-unknown-warning-option -Wno-tsan
LDFLAGS += -fsanitize=thread
else ifeq ($(VARIANT),fuzz)
CC      := clang
CFLAGS  += -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=fuzzer,address,undefined
else
$(error VARIANT is release, asan, tsan or fuzz)
endif

SOURCES  := $(foreach folder,$(FOLDERS),$(wildcard $(folder)/*.c))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY  := $(filter-out $(BUILD)/daemon/main.o,$(OBJECTS))
TESTS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*/test_*.c))
REPLAY   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/sizing/*.c) workers/sizing.c workers/demand.c)
FUZZERS  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
QUICKLY   = --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: all demo test unit unit-tests scenario check layers format fuzz bench sizing install clean
.SECONDARY:
.DELETE_ON_ERROR:

all: drover

ifeq ($(VARIANT),release)
drover: $(BUILD)/drover
	@ln -sf $(BUILD)/drover drover
else
.PHONY: drover
drover: $(BUILD)/drover
endif

$(BUILD)/drover: $(OBJECTS)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libdrover.a: $(LIBRARY)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%: tests/unit/%.c $(BUILD)/libdrover.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(BUILD)/libdrover.a $(LDFLAGS) $(LDLIBS) -lcheck -lsubunit -lrt -lm

$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(BUILD)/libdrover.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -o $@ $< $(BUILD)/libdrover.a $(LDFLAGS) $(LDLIBS)

# node's parser (Debian's package node-llhttp), which one fuzzer compares ours with.
LLHTTP_OBJECTS := $(patsubst %,$(BUILD)/llhttp/%.o,llhttp http api)

$(BUILD)/llhttp/%.o: $(LLHTTP)/llhttp/%.c
	@mkdir -p $(@D)
	$(CC) -I$(LLHTTP)/include/llhttp -DLLHTTP_STRICT_MODE=1 $(filter-out $(WARNINGS),$(CFLAGS)) -c -o $@ $<

$(BUILD)/tests/fuzz/fuzz_llhttp: CPPFLAGS += -isystem $(LLHTTP)/include
$(BUILD)/tests/fuzz/fuzz_llhttp: LDLIBS += $(LLHTTP_OBJECTS)
$(BUILD)/tests/fuzz/fuzz_llhttp: $(LLHTTP_OBJECTS)

unit-tests: $(TESTS)

demo:
	@scripts/deps build
	@$(MAKE) $(QUICKLY) drover
	@scripts/demo

test:
	@scripts/deps test
	@env -u MAKEFLAGS -u MFLAGS scripts/test

unit scenario:
	@scripts/deps test
	@env -u MAKEFLAGS -u MFLAGS scripts/test --$@ $(VARIANT)

check:
	@scripts/deps check
	@env -u MAKEFLAGS -u MFLAGS scripts/check

layers:
	@scripts/layers

format:
	@scripts/deps check
	@scripts/sources | xargs clang-format -i

fuzz:
	@scripts/deps fuzz
	@env -u MAKEFLAGS -u MFLAGS FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz

bench:
	@scripts/deps bench
	@$(MAKE) $(QUICKLY) drover
	@bench/run

sizing: $(BUILD)/sizing
	@$(BUILD)/sizing $(SIZING)

$(BUILD)/sizing: $(REPLAY)
	$(CC) $(LDFLAGS) -o $@ $^ -lm

install: drover
	install -D -m 755 $(BUILD)/drover $(DESTDIR)$(PREFIX)/bin/drover
	install -D -m 644 docs/drover.1 $(DESTDIR)$(PREFIX)/share/man/man1/drover.1

clean:
	rm -rf build drover

-include $(OBJECTS:.o=.d) $(REPLAY:.o=.d) $(TESTS:=.d) $(FUZZERS:=.d)
