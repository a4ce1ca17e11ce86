/* work_throughput.c - events as fast as the system takes them, until all three
 * subscribers have everything.
 *
 * UNDER_WAY bounds how far the publisher is ahead of the slowest subscriber, as
 * in a system whose subscribers keep up: what loses nothing then is a rate
 * without loss.  0: it publishes without looking, and what is lost is told.
 *
 * With hot keys the same few come again and again, and one event may stand for
 * earlier ones of its key; the end is a key of its own. */
#include <stdio.h>

#include "tests/bench/compare/compare.h"

#define PER_CALL_MAX 1024
#define LOOK_EVERY 1024u
#define LOOK_NS 200000
#define PATIENCE_NS UINT64_C(5000000000)

/* Count one up, in place: making keys must not be what is measured. */
static void next_key(char *key)
{
    for (size_t i = KEY_BYTES; i-- > 0;) {
        if (key[i] != '9') {
            key[i]++;
            return;
        }
        key[i] = '0';
    }
}

/* Wait until the slowest subscriber is near enough, or stands still. */
static void wait_for_slowest(const bench_system *system, unsigned published,
                             unsigned under_way)
{
    uint64_t changed = 0;
    unsigned before = 0;

    for (;;) {
        unsigned least = published;
        for (unsigned node = 0; node < NODES; node++) {
            const unsigned has = atomic_load(&the_board->lanes[node].distinct);
            least = has < least ? has : least;
        }
        if (published - least <= under_way) {
            return;
        }
        if (changed == 0) {
            system->flush();
        }
        if (least != before || changed == 0) {
            before = least;
            changed = now_ns();
        } else if (now_ns() - changed > PATIENCE_NS) {
            return;
        }
        pause_ns(LOOK_NS);
    }
}

static void publish_all(const bench_system *system, unsigned count,
                        unsigned per_call, unsigned hot, unsigned under_way)
{
    char keys[PER_CALL_MAX * KEY_BYTES];
    char key[KEY_BYTES];
    unsigned number = 0;

    board_key(key, 0);
    for (unsigned i = 0; i < count;) {
        unsigned in_call = 0;
        for (; in_call < per_call && i < count; in_call++, i++) {
            if (hot > 0 && ++number > hot) {
                number = 1;
                board_key(key, 0);
            }
            next_key(key);
            __builtin_memcpy(keys + (size_t)in_call * KEY_BYTES, key,
                             KEY_BYTES);
        }
        system->publish(keys, in_call);
        if (under_way > 0 && i % LOOK_EVERY < per_call) {
            wait_for_slowest(system, i, under_way);
        }
    }
    if (hot > 0) {
        board_key(key, NUMBER_END);
        system->publish(key, 1);
    }
    system->flush();
}

static void run(const bench_system *system, const unsigned long *arguments)
{
    const unsigned count =
        arguments[0] > FLAT_OUT_MAX ? FLAT_OUT_MAX : (unsigned)arguments[0];
    const unsigned per_call =
        arguments[1] > PER_CALL_MAX ? PER_CALL_MAX : (unsigned)arguments[1];
    const unsigned hot = (unsigned)arguments[2];
    unsigned long total = 0;
    unsigned silent = 0;
    unsigned told = 0;
    uint64_t end = 0;
    uint64_t resident;
    uint64_t peak;

    the_board->expected = hot > 0 ? 0 : count;
    start_system(system);
    const uint64_t cpu = servers_cpu_ns();
    const uint64_t begun = now_ns();
    publish_all(system, count, per_call, hot, (unsigned)arguments[3]);
    const uint64_t taken = now_ns();
    board_wait_done(5);
    const uint64_t used = servers_cpu_ns() - cpu;
    for (unsigned node = 0; node < NODES; node++) {
        board_lane *lane = &the_board->lanes[node];
        const uint64_t done = atomic_load(&lane->done);
        const unsigned wanted = hot > 0 ? hot : count;
        total += atomic_load(&lane->total);
        const unsigned lost = wanted - atomic_load(&lane->distinct);
        const unsigned notices = atomic_load(&lane->notices);
        if (notices > 0 && lane->notice[notices - 1] > begun) {
            told += lost;
        } else {
            silent += lost;
        }
        end = done > end ? done : end;
    }
    servers_memory(&resident, &peak);
    printf("lost_silently %u\nlost_told %u\n", silent, told);
    printf("delivered %lu\n", total);
    printf("taken_per_s %.0f\n", count / ((double)(taken - begun) / 1e9));
    if (end > begun) {
        printf("rate_per_s %.0f\n", count / ((double)(end - begun) / 1e9));
    }
    printf("cpu_us_per_event %.4f\n", (double)used / 1e3 / count);
    printf("rss_after_bytes %lu\n", (unsigned long)resident);
    printf("rss_peak_bytes %lu\n", (unsigned long)peak);
}

const bench_work work_throughput = {
    .name = "throughput",
    .arguments = "EVENTS PER_CALL HOT_KEYS UNDER_WAY",
    .argument_count = 4,
    .run = run,
};
