# drover: `make` builds ./drover, `make demo` shows it, `make test` proves it.
CC       ?= gcc
VARIANT  ?= release
BUILD    := build/$(VARIANT)
FOLDERS  := base config http balancer health keeper workers proxy admin daemon

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
CPPFLAGS := -I. -I$(BUILD) -D_GNU_SOURCE
CFLAGS   := -std=gnu11 -g $(WARNINGS) -fno-strict-aliasing -pthread
LDFLAGS  := -pthread
LDLIBS   := -levent_core -levent_pthreads -lcrypto -lyaml -lcares -ljansson

ifeq ($(VARIANT),release)
CFLAGS  += -O2 -fno-omit-frame-pointer -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LDFLAGS += -pie -Wl,-z,relro,-z,now
else ifeq ($(VARIANT),asan)
CFLAGS  += -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=address,undefined
else ifeq ($(VARIANT),tsan)
CFLAGS  += -O1 -fno-omit-frame-pointer -fsanitize=thread -Wno-tsan
LDFLAGS += -fsanitize=thread
else
$(error VARIANT is release, asan or tsan)
endif

SOURCES  := $(foreach folder,$(FOLDERS),$(wildcard $(folder)/*.c))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY  := $(filter-out $(BUILD)/daemon/main.o,$(OBJECTS))
TESTS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*/test_*.c))

.PHONY: all demo test unit unit-tests scenario check layers format fuzz bench deps clean
.SECONDARY:

all: drover

ifeq ($(VARIANT),release)
drover: $(BUILD)/drover
	@ln -sf $(BUILD)/drover drover
else
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

unit-tests: $(TESTS)

-include $(OBJECTS:.o=.d)

clean:
	rm -rf build drover
