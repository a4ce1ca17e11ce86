#include "proto/core/window.h"

_Static_assert(CHD_WINDOW_SEQS % 64 == 0, "the bits fill whole words");

static uint64_t *word_of(chd_window *window, uint64_t seq)
{
    return &window->bits[seq % CHD_WINDOW_SEQS / 64];
}

static bool is_marked(const chd_window *window, uint64_t seq)
{
    return (window->bits[seq % CHD_WINDOW_SEQS / 64] >> (seq % 64) & 1) != 0;
}

chd_seen chd_window_judge(const chd_window *window, uint64_t seq)
{
    CHD_ASSERT(seq >= 1);
    if (seq <= window->base) {
        return CHD_SEEN_BEFORE;
    }
    if (seq == window->base + 1) {
        return CHD_SEEN_NEXT;
    }
    if (seq - window->base > CHD_WINDOW_SEQS) {
        return CHD_SEEN_BEYOND;
    }
    return seq <= window->high && is_marked(window, seq) ? CHD_SEEN_BEFORE
                                                         : CHD_SEEN_AHEAD;
}

/* Move the base over marked numbers, clearing them for their next use. */
static void absorb(chd_window *window)
{
    while (window->base < window->high && is_marked(window, window->base + 1)) {
        window->base++;
        *word_of(window, window->base) &= ~(UINT64_C(1) << (window->base % 64));
    }
}

void chd_window_mark(chd_window *window, uint64_t seq)
{
    const chd_seen seen = chd_window_judge(window, seq);

    CHD_ASSERT(seen == CHD_SEEN_NEXT || seen == CHD_SEEN_AHEAD);
    if (seen == CHD_SEEN_NEXT && window->high == window->base) {
        window->base = seq; /* the common case: no gap, no bits */
        window->high = seq;
        return;
    }
    *word_of(window, seq) |= UINT64_C(1) << (seq % 64);
    window->high = seq > window->high ? seq : window->high;
    absorb(window);
}

void chd_window_advance(chd_window *window, uint64_t base)
{
    if (base <= window->base) {
        return;
    }
    if (base >= window->high) {
        if (window->high > window->base) {
            for (size_t i = 0; i < CHD_COUNT(window->bits); i++) {
                window->bits[i] = 0;
            }
        }
        window->base = base;
        window->high = base;
        return;
    }
    while (window->base < base) {
        window->base++;
        *word_of(window, window->base) &= ~(UINT64_C(1) << (window->base % 64));
    }
    absorb(window);
}

uint64_t chd_window_next(const chd_window *window)
{
    for (uint64_t seq = window->base + 1; seq <= window->high; seq++) {
        if (is_marked(window, seq)) {
            return seq;
        }
    }
    return 0;
}
