#include <criterion/criterion.h>
#include <stdio.h>

#include "proto/session/again.h"
#include "tests/support/heap.h"

#define COUNT 4

static chd_again *again;

static void set_up(void)
{
    cr_assert_eq(chd_again_new(COUNT, heap_mem(), &again), CHD_OK);
}

static void tear_down(void)
{
    chd_again_destroy(&again);
    NO_LEAKS();
}

TestSuite(again, .init = set_up, .fini = tear_down);

static chd_event event_of(const char *topic, const char *key, uint64_t ms)
{
    return (chd_event){.seq = 3,
                       .kind = CHD_KIND_INVALIDATE,
                       .target_kind = CHD_TARGET_KEY,
                       .topic = chd_bytes_str(topic),
                       .target = chd_bytes_str(key),
                       .again_ms = ms};
}

static void add(uint64_t now_ms, const char *topic, const char *key,
                uint64_t ms)
{
    const chd_event event = event_of(topic, key, ms);
    chd_again_add(again, now_ms * CHD_MS, 9, &event);
}

/* Write what is due as "topic/key", separated by blanks. */
static const char *due(uint64_t now_ms)
{
    static char text[1024];
    chd_repeat repeat;
    size_t len = 0;

    text[0] = '\0';
    while (chd_again_next(again, now_ms * CHD_MS, &repeat)) {
        const chd_event *event = &repeat.event;
        len += (size_t)snprintf(
            text + len, sizeof(text) - len, "%s%.*s/%.*s", len > 0 ? " " : "",
            repeat.all ? 3 : (int)event->topic.len,
            repeat.all ? "ALL" : (const char *)event->topic.ptr,
            event->target_kind == CHD_TARGET_ALL ? 1 : (int)event->target.len,
            event->target_kind == CHD_TARGET_ALL
                ? "*"
                : (const char *)event->target.ptr);
    }
    return text;
}

static uint64_t next_ms(void)
{
    return chd_again_deadline_ns(again) / CHD_MS;
}

Test(again, an_event_comes_again_when_it_is_due_and_once)
{
    cr_assert_eq(chd_again_deadline_ns(again), CHD_NEVER_NS);
    add(1000, "t", "a", 2000);
    cr_assert_eq(next_ms(), 3000);
    cr_assert_str_eq(due(2999), "");
    cr_assert_str_eq(due(3000), "t/a");
    cr_assert_str_eq(due(100000), "");
    cr_assert_eq(chd_again_deadline_ns(again), CHD_NEVER_NS);
}

Test(again, it_is_the_same_event)
{
    chd_event event = event_of("t", "a", 5);
    chd_repeat repeat;

    event.flags = CHD_FLAG_SOFT;
    event.version = 7;
    event.hlc = 8;
    chd_again_add(again, 0, 9, &event);
    cr_assert(chd_again_next(again, 5 * CHD_MS, &repeat));
    cr_assert_not(repeat.all);
    cr_assert_eq(repeat.origin, 9);
    cr_assert_eq(repeat.event.seq, 3);
    cr_assert_eq(repeat.event.hlc, 8);
    cr_assert_eq(repeat.event.version, 7);
    cr_assert_eq(repeat.event.flags, CHD_FLAG_SOFT);
    cr_assert(chd_bytes_equal(repeat.event.topic, event.topic));
    cr_assert_neq(repeat.event.topic.ptr, event.topic.ptr);
}

Test(again, only_invalidations_that_ask_for_it_are_listed)
{
    chd_event event = event_of("t", "a", 0);

    chd_again_add(again, 0, 9, &event);
    event.again_ms = 1;
    event.kind = CHD_KIND_UPDATE;
    chd_again_add(again, 0, 9, &event);
    cr_assert_eq(chd_again_deadline_ns(again), CHD_NEVER_NS);
}

Test(again, they_come_in_the_order_in_which_they_are_due)
{
    add(0, "t", "a", 30);
    add(0, "t", "b", 10);
    add(5, "t", "c", 10);
    cr_assert_str_eq(due(12), "t/b");
    cr_assert_eq(next_ms(), 15);
    cr_assert_str_eq(due(40), "t/c t/a");
}

Test(again, the_same_once_more_comes_when_the_first_and_the_last_are_due)
{
    add(0, "t", "a", 100);
    add(10, "t", "a", 100);
    add(90, "t", "a", 100);
    cr_assert_str_eq(due(100), "t/a");
    cr_assert_eq(next_ms(), 190);
    cr_assert_str_eq(due(190), "t/a");
    cr_assert_eq(chd_again_deadline_ns(again), CHD_NEVER_NS);
}

Test(again, a_busy_key_is_applied_all_the_time)
{
    unsigned count = 0;

    for (uint64_t ms = 0; ms <= 1000; ms++) {
        add(ms, "t", "a", 100);
        count += due(ms)[0] != '\0';
    }
    cr_assert_geq(count, 9);
    cr_assert_leq(count, 20);
    cr_assert_str_eq(due(1100), "t/a");
}

Test(again, a_short_delay_does_not_wait_for_a_long_one)
{
    add(0, "t", "a", 3000);
    add(0, "t", "a", 10);
    add(1, "t", "a", 10);
    cr_assert_str_eq(due(10), "t/a");
    cr_assert_str_eq(due(11), "t/a");
    cr_assert_eq(next_ms(), 3000);
}

Test(again, a_hard_one_makes_the_soft_one_hard_and_the_version_is_the_newest)
{
    chd_event event = event_of("t", "a", 10);
    chd_repeat repeat;

    event.flags = CHD_FLAG_SOFT;
    event.version = 9;
    chd_again_add(again, 0, 1, &event);
    event.flags = 0;
    event.version = 4;
    chd_again_add(again, 0, 1, &event);
    cr_assert(chd_again_next(again, 10 * CHD_MS, &repeat));
    cr_assert_eq(repeat.event.flags, 0);
    cr_assert_eq(repeat.event.version, 9);
}

Test(again, a_full_list_widens_to_the_topic)
{
    add(0, "t", "a", 100);
    add(1, "t", "b", 100);
    add(2, "u", "c", 100);
    add(3, "t", "d", 100);
    add(50, "t", "e", 100); /* one too many */
    add(60, "t", "f", 100);
    const char *first = due(149);
    cr_assert_not_null(strstr(first, "t/*"), "%s", first);
    cr_assert_not_null(strstr(first, "u/c"), "%s", first);
    /* Those that came late are not early. */
    cr_assert_eq(next_ms(), 160);
    cr_assert_str_eq(due(160), "t/*");
    cr_assert_eq(chd_again_deadline_ns(again), CHD_NEVER_NS);
}

Test(again, a_full_list_of_other_topics_resets_everything)
{
    add(0, "t", "a", 1000);
    add(0, "t", "b", 1000);
    add(0, "t", "c", 1000);
    add(0, "t", "d", 1000);
    add(0, "u", "e", 100);
    add(50, "v", "f", 100);
    cr_assert_eq(next_ms(), 100);
    cr_assert_str_eq(due(100), "ALL/");
    cr_assert_str_eq(due(149), "");
    cr_assert_str_eq(due(150), "ALL/");
    cr_assert_str_eq(due(999), "");
    cr_assert_eq(strlen(due(1000)), strlen("t/a t/b t/c t/d"));
    add(2000, "w", "g", 5);
    cr_assert_str_eq(due(2005), "w/g", "there is room again");
}

Test(again, nothing_is_ever_left_out)
{
    char key[16];

    /* Whatever the list does, something that covers each key comes not before
     * its time. */
    for (uint64_t ms = 0; ms < 2000; ms += 7) {
        snprintf(key, sizeof(key), "%u", (unsigned)(ms % 11));
        add(ms, ms % 3 == 0 ? "t" : "u", key, 20 + ms % 5);
        const char *seen = due(ms);
        cr_assert_lt(strlen(seen), 200);
        cr_assert(next_ms() > ms);
        cr_assert(next_ms() <= ms + 24, "%u at %u", (unsigned)next_ms(),
                  (unsigned)ms);
    }
    cr_assert_str_not_empty(due(2024));
    cr_assert_str_empty(due(9000));
}

Test(again, an_hour_is_the_longest)
{
    add(0, "t", "a", UINT64_MAX);
    cr_assert_eq(next_ms(), CHD_AGAIN_MS_MAX);
}

Test(again, a_child_resets_everything_as_late_as_it_may_be_due)
{
    chd_again_start_over(again, 5 * CHD_MS);
    cr_assert_eq(chd_again_deadline_ns(again), CHD_NEVER_NS);
    add(0, "t", "a", 70);
    add(0, "t", "b", 20);
    cr_assert_str_eq(due(80), "t/b t/a");
    chd_again_start_over(again, 100 * CHD_MS);
    cr_assert_eq(next_ms(), 170);
    cr_assert_str_eq(due(170), "ALL/");
    cr_assert_eq(chd_again_deadline_ns(again), CHD_NEVER_NS);
}

Test(again, it_survives_being_out_of_memory)
{
    chd_again *other = NULL;
    chd_err err = CHD_ENOMEM;
    const size_t before = heap_balance();

    for (size_t nth = 1; err == CHD_ENOMEM; nth++) {
        heap_fail_nth(nth);
        err = chd_again_new(2, heap_mem(), &other);
        cr_assert(err == CHD_OK || heap_balance() == before);
    }
    heap_fail_nth(0);
    cr_assert_eq(err, CHD_OK);
    chd_again_destroy(&other);
    chd_again_destroy(&other);
    cr_assert_eq(chd_again_new(0, NULL, &other), CHD_ELIMIT);
    cr_assert_eq(chd_again_new(CHD_AGAIN_COUNT_MAX + 1, NULL, &other),
                 CHD_ELIMIT);
}
