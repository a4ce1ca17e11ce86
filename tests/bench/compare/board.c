/* board.c - memory that the publisher and the subscribers share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/bench/compare/compare.h"

board *the_board;

void board_make(void)
{
    the_board = mmap(NULL, sizeof(*the_board), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (the_board == MAP_FAILED) {
        die("mmap");
    }
}

void board_key(char *key, unsigned number)
{
    memset(key, '0', KEY_BYTES);
    for (size_t i = KEY_BYTES; number > 0; number /= 10) {
        key[--i] = (char)('0' + number % 10);
    }
}

static unsigned number_of(const char *key)
{
    unsigned number = 0;

    for (size_t i = KEY_BYTES - 8; i < KEY_BYTES; i++) {
        number = number * 10 + (unsigned)(key[i] - '0');
    }
    return number;
}

static bool mark_seen(board_lane *lane, unsigned number)
{
    const uint8_t bit = (uint8_t)(1u << number % 8);

    if (lane->seen[number / 8] & bit) {
        return false;
    }
    lane->seen[number / 8] |= bit;
    return true;
}

void board_note(unsigned node, const char *key)
{
    board_lane *lane = &the_board->lanes[node];
    const unsigned number = number_of(key);

    if (number == NUMBER_PROBE) {
        atomic_store(&lane->ready, true);
        return;
    }
    if (number == NUMBER_END) {
        atomic_store(&lane->done, now_ns());
        return;
    }
    /* Nobody else writes these. */
    atomic_store_explicit(
        &lane->total,
        atomic_load_explicit(&lane->total, memory_order_relaxed) + 1,
        memory_order_relaxed);
    if (number > FLAT_OUT_MAX || !mark_seen(lane, number)) {
        return;
    }
    if (the_board->timed && number <= PACED_MAX) {
        atomic_store(&lane->received[number], now_ns());
    }
    const unsigned distinct =
        atomic_load_explicit(&lane->distinct, memory_order_relaxed) + 1;
    atomic_store_explicit(&lane->distinct, distinct, memory_order_relaxed);
    if (distinct == the_board->expected) {
        atomic_store(&lane->done, now_ns());
    }
}

void board_notice(unsigned node)
{
    board_lane *lane = &the_board->lanes[node];
    const unsigned i = atomic_load(&lane->notices);

    if (i < NOTICES_MAX) {
        lane->notice[i] = now_ns();
        atomic_store(&lane->notices, i + 1);
    }
}

void board_exceeded(unsigned node, bool exceeded)
{
    board_lane *lane = &the_board->lanes[node];
    const unsigned i = atomic_load(&lane->exceeded);

    if (exceeded && i < NOTICES_MAX) {
        lane->exceeded_from[i] = now_ns();
        atomic_store(&lane->exceeded, i + 1);
    } else if (!exceeded && i > 0) {
        lane->exceeded_to[i - 1] = now_ns();
    }
}

static bool all_ready(void)
{
    for (unsigned node = 0; node < NODES; node++) {
        if (!atomic_load(&the_board->lanes[node].ready)) {
            return false;
        }
    }
    return true;
}

void board_wait_ready(const bench_system *system)
{
    const uint64_t end = now_ns() + UINT64_C(60000000000);
    char key[KEY_BYTES];

    board_key(key, NUMBER_PROBE);
    while (!all_ready()) {
        if (now_ns() > end) {
            (void)fprintf(stderr, "%s: no way from publisher to subscribers\n",
                          system->name);
            die("after a minute");
        }
        system->publish(key, 1);
        system->flush();
        pause_ns(20000000);
    }
    /* What the start has stirred up should settle. */
    pause_ns(1000000000);
}

void board_wait_done(unsigned quiet_seconds)
{
    const uint64_t quiet_ns = quiet_seconds * UINT64_C(1000000000);
    uint64_t changed = now_ns();
    unsigned long before = 0;

    while (now_ns() - changed < quiet_ns) {
        unsigned long total = 0;
        unsigned done = 0;
        for (unsigned node = 0; node < NODES; node++) {
            total += atomic_load(&the_board->lanes[node].total);
            done += atomic_load(&the_board->lanes[node].done) != 0;
        }
        if (done == NODES) {
            return;
        }
        if (total != before) {
            before = total;
            changed = now_ns();
        }
        pause_ns(2000000);
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void sort_spans(uint64_t *spans, unsigned count)
{
    qsort(spans, count, sizeof(spans[0]), compare);
}

double quantile_us(const uint64_t *spans, unsigned count, unsigned of_thousand)
{
    const size_t at = (size_t)count * of_thousand / 1000;

    return (double)spans[at < count ? at : count - 1] / 1e3;
}
