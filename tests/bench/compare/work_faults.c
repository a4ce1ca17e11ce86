/* work_faults.c - a steady load, while somebody else makes faults.
 *
 * Says who is who and that it begins, publishes, waits until all is there or
 * nothing comes any more, and prints what happened when, for the Python beside
 * it to judge:
 *
 *     event NUMBER SENT RECEIVED_A RECEIVED_B RECEIVED_C     (0: never)
 *     notice NODE TIME          the subscriber was told of a possible loss
 *     exceeded NODE FROM TO     it knew that it might be stale (TO 0: to the
 *                               end)
 *
 * Times are nanoseconds of CLOCK_MONOTONIC. */
#include <stdio.h>

#include "tests/bench/compare/compare.h"

#define QUIET_SECONDS 4

static void print_lane(unsigned node)
{
    board_lane *lane = &the_board->lanes[node];
    const unsigned notices = atomic_load(&lane->notices);
    const unsigned exceeded = atomic_load(&lane->exceeded);

    for (unsigned i = 0; i < notices; i++) {
        printf("notice %u %lu\n", node, (unsigned long)lane->notice[i]);
    }
    for (unsigned i = 0; i < exceeded; i++) {
        printf("exceeded %u %lu %lu\n", node,
               (unsigned long)lane->exceeded_from[i],
               (unsigned long)lane->exceeded_to[i]);
    }
}

static void run(const bench_system *system, const unsigned long *arguments)
{
    const unsigned long wanted = arguments[0] * arguments[1];
    const unsigned count = wanted > PACED_MAX ? PACED_MAX : (unsigned)wanted;
    const uint64_t interval = UINT64_C(1000000000) / arguments[0];
    char key[KEY_BYTES];

    the_board->timed = true;
    the_board->samples = true;
    the_board->expected = count;
    start_system(system);
    print_children();
    for (size_t i = 0; system->ports[i] != NULL; i++) {
        printf("port %s\n", system->ports[i]);
    }
    const uint64_t begun = now_ns();
    printf("begun %lu\n", (unsigned long)begun);
    (void)fflush(stdout);
    for (unsigned i = 1; i <= count; i++) {
        pause_until_ns(begun + i * interval);
        board_key(key, i);
        the_board->sent[i] = now_ns();
        system->publish(key, 1);
        system->flush();
    }
    board_wait_done(QUIET_SECONDS);
    for (unsigned i = 1; i <= count; i++) {
        printf("event %u %lu", i, (unsigned long)the_board->sent[i]);
        for (unsigned node = 0; node < NODES; node++) {
            printf(" %lu", (unsigned long)atomic_load(
                               &the_board->lanes[node].received[i]));
        }
        printf("\n");
    }
    for (unsigned node = 0; node < NODES; node++) {
        print_lane(node);
    }
    printf("ended %lu\n", (unsigned long)now_ns());
}

const bench_work work_faults = {
    .name = "faults",
    .arguments = "EVENTS_PER_SECOND SECONDS",
    .argument_count = 2,
    .run = run,
};
