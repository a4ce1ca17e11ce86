/* work_confirmed.c - publishing until it is known that every subscriber at
 * every node has applied it.
 *
 * First one event at a time, waited for, every 2 ms; then as many as go with
 * OUTSTANDING under way.  Whatever says that an event is applied is compared
 * with what the subscribers have noted by then: one of them without the event,
 * and there is no measurement. */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>

#include "tests/bench/compare/compare.h"

#define INTERVAL_NS 2000000u

static sem_t room;

static void must_be_everywhere(unsigned number)
{
    for (unsigned node = 0; node < NODES; node++) {
        if (atomic_load(&the_board->lanes[node].received[number]) == 0) {
            die("confirmed, and a subscriber does not have it");
        }
    }
}

static void one_at_a_time(const bench_system *system, unsigned count)
{
    static uint64_t spans[PACED_MAX + 1];
    const uint64_t begun = now_ns();
    char key[KEY_BYTES];

    for (unsigned i = 1; i <= count; i++) {
        pause_until_ns(begun + (uint64_t)i * INTERVAL_NS);
        board_key(key, i);
        const uint64_t sent = now_ns();
        system->confirm(key);
        spans[i - 1] = now_ns() - sent;
        must_be_everywhere(i);
    }
    sort_spans(spans, count);
    printf("p50_us %.1f\n", quantile_us(spans, count, 500));
    printf("p99_us %.1f\n", quantile_us(spans, count, 990));
}

static void on_confirmed(unsigned number)
{
    must_be_everywhere(number);
    (void)sem_post(&room);
}

static void take_room(void)
{
    while (sem_wait(&room) != 0) {
    }
}

static void many(const bench_system *system, unsigned first, unsigned count,
                 unsigned outstanding)
{
    const uint64_t cpu = servers_cpu_ns();
    const uint64_t begun = now_ns();
    char key[KEY_BYTES];

    (void)sem_init(&room, 0, outstanding);
    for (unsigned i = first; i < first + count; i++) {
        take_room();
        board_key(key, i);
        system->offer_confirm(key, i, on_confirmed);
    }
    for (unsigned i = 0; i < outstanding; i++) {
        take_room();
    }
    const double seconds = (double)(now_ns() - begun) / 1e9;
    printf("rate_per_s %.0f\n", count / seconds);
    printf("cpu_us_per_event %.4f\n",
           (double)(servers_cpu_ns() - cpu) / 1e3 / count);
}

static void run(const bench_system *system, const unsigned long *arguments)
{
    const unsigned paced = (unsigned)arguments[0];
    const unsigned flat_out = (unsigned)arguments[1];
    const unsigned outstanding = (unsigned)arguments[2];

    if (system->confirm == NULL || paced == 0 || flat_out == 0 ||
        outstanding == 0 || arguments[0] + arguments[1] > PACED_MAX) {
        errno = EINVAL;
        die("a system that confirms nothing, or numbers that are no use");
    }
    the_board->timed = true;
    start_system(system);
    one_at_a_time(system, paced);
    many(system, paced + 1, flat_out, outstanding);
}

const bench_work work_confirmed = {
    .name = "confirmed",
    .arguments = "EVENTS EVENTS_FLAT_OUT OUTSTANDING",
    .argument_count = 3,
    .run = run,
};
