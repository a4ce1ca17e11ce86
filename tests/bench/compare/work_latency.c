/* work_latency.c - one event at a time, until the last subscriber has it. */
#include <stdio.h>

#include "tests/bench/compare/compare.h"

#define INTERVAL_NS 2000000u

/* Return how long an event took to be everywhere; 0: it is not. */
static uint64_t span_of(unsigned number)
{
    uint64_t last = 0;

    for (unsigned node = 0; node < NODES; node++) {
        const uint64_t at =
            atomic_load(&the_board->lanes[node].received[number]);
        if (at == 0) {
            return 0;
        }
        last = at > last ? at : last;
    }
    return last - the_board->sent[number];
}

static void print_spans(unsigned count)
{
    static uint64_t spans[PACED_MAX + 1];
    unsigned have = 0;

    for (unsigned i = 1; i <= count; i++) {
        const uint64_t span = span_of(i);
        if (span > 0) {
            spans[have++] = span;
        }
    }
    sort_spans(spans, have);
    printf("lost %u\n", count - have);
    if (have > 0) {
        printf("p50_us %.1f\n", quantile_us(spans, have, 500));
        printf("p99_us %.1f\n", quantile_us(spans, have, 990));
        printf("p999_us %.1f\n", quantile_us(spans, have, 999));
        printf("max_us %.1f\n", quantile_us(spans, have, 1000));
    }
}

static void run(const bench_system *system, const unsigned long *arguments)
{
    const unsigned count =
        arguments[0] > PACED_MAX ? PACED_MAX : (unsigned)arguments[0];
    char key[KEY_BYTES];

    the_board->timed = true;
    the_board->expected = count;
    start_system(system);
    const uint64_t cpu = servers_cpu_ns();
    const uint64_t begun = now_ns();
    for (unsigned i = 1; i <= count; i++) {
        pause_until_ns(begun + (uint64_t)i * INTERVAL_NS);
        board_key(key, i);
        the_board->sent[i] = now_ns();
        system->publish(key, 1);
        system->flush();
    }
    board_wait_done(3);
    printf("cpu_us_per_event %.3f\n",
           (double)(servers_cpu_ns() - cpu) / 1e3 / count);
    print_spans(count);
}

const bench_work work_latency = {
    .name = "latency",
    .arguments = "EVENTS",
    .argument_count = 1,
    .run = run,
};
