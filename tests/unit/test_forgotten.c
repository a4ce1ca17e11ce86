#include <criterion/criterion.h>
#include <stdio.h>

#include "proto/base/hash.h"
#include "proto/base/limits.h"
#include "proto/core/forgotten.h"
#include "tests/support/heap.h"

static void forget(chd_forgotten *f, uint64_t origin, uint64_t seq,
                   const char *topic)
{
    const chd_bytes bytes = chd_bytes_str(topic);
    const chd_forgotten_entry entry = {
        origin,
        seq,
        chd_hash(0, bytes),
        bytes,
    };
    chd_forgotten_add(f, &entry);
}

static bool names(const chd_forgotten *f, uint64_t origin, uint64_t first,
                  const char *wanted)
{
    const chd_forgotten_query query = {origin, first, 0};
    uint32_t at = 0;
    chd_bytes topic;

    while (chd_forgotten_next(f, &query, &at, &topic)) {
        if (chd_bytes_equal(topic, chd_bytes_str(wanted))) {
            return true;
        }
    }
    return false;
}

Test(forgotten, only_topics_touched_behind_the_asker_are_named)
{
    chd_forgotten *f;
    cr_assert_eq(chd_forgotten_new(heap_mem(), &f), CHD_OK);

    forget(f, 1, 1, "old");
    forget(f, 1, 2, "new");
    forget(f, 2, 9, "other");
    cr_assert_eq(chd_forgotten_seq(f, 1), 2);
    cr_assert_eq(chd_forgotten_seq(f, 3), 0);
    cr_assert(names(f, 1, 1, "old") && names(f, 1, 1, "new"));
    cr_assert(!names(f, 1, 2, "old") && names(f, 1, 2, "new"));
    cr_assert(!names(f, 1, 1, "other"));
    cr_assert(!names(f, 1, 3, "new"));
    chd_forgotten_destroy(&f);
    NO_LEAKS();
}

Test(forgotten, only_what_is_new_since_the_asker_was_told_is_named)
{
    chd_forgotten *f;
    uint32_t at = 0;
    chd_bytes topic;
    cr_assert_eq(chd_forgotten_new(heap_mem(), &f), CHD_OK);

    cr_assert_eq(chd_forgotten_count(f, 1), 0);
    forget(f, 1, 5, "first");
    const uint64_t told = chd_forgotten_count(f, 1);
    cr_assert_gt(told, 0);
    forget(f, 2, 5, "another's");
    cr_assert_eq(chd_forgotten_count(f, 1), told);
    const chd_forgotten_query since = {1, 3, told};
    cr_assert(!chd_forgotten_next(f, &since, &at, &topic));
    forget(f, 1, 4, "second");
    cr_assert_gt(chd_forgotten_count(f, 1), told);
    at = 0;
    cr_assert(chd_forgotten_next(f, &since, &at, &topic));
    cr_assert(chd_bytes_equal(topic, chd_bytes_str("second")));
    cr_assert(!chd_forgotten_next(f, &since, &at, &topic));
    cr_assert(!chd_forgotten_all(f, &since));
    chd_forgotten_skip(f, 1, 9);
    cr_assert(chd_forgotten_all(f, &since));
    const chd_forgotten_query now = {1, 3, chd_forgotten_count(f, 1)};
    cr_assert(!chd_forgotten_all(f, &now));
    chd_forgotten_destroy(&f);
    NO_LEAKS();
}

Test(forgotten, without_room_every_topic_counts_as_touched)
{
    chd_forgotten *f;
    char topic[32];
    cr_assert_eq(chd_forgotten_new(heap_mem(), &f), CHD_OK);

    for (uint64_t i = 1; i <= CHD_FORGOTTEN_TOPICS_MAX; i++) {
        (void)snprintf(topic, sizeof(topic), "topic-%lu", (unsigned long)i);
        forget(f, 1, i, topic);
    }
    const chd_forgotten_query first = {1, 1, 0};
    cr_assert(!chd_forgotten_all(f, &first));
    forget(f, 1, CHD_FORGOTTEN_TOPICS_MAX + 1, "one-too-many");
    cr_assert(chd_forgotten_all(f, &first));
    const chd_forgotten_query later = {1, CHD_FORGOTTEN_TOPICS_MAX + 2, 0};
    cr_assert(!chd_forgotten_all(f, &later));
    forget(f, 1, CHD_FORGOTTEN_TOPICS_MAX + 2, "fresh");
    cr_assert(names(f, 1, CHD_FORGOTTEN_TOPICS_MAX + 2, "fresh"));
    chd_forgotten_destroy(&f);
    NO_LEAKS();
}

Test(forgotten, more_origins_than_fit_leave_one_number_for_all)
{
    chd_forgotten *f;
    cr_assert_eq(chd_forgotten_new(heap_mem(), &f), CHD_OK);

    for (uint64_t i = 1; i <= CHD_ORIGINS_MAX + 1; i++) {
        forget(f, i, 100 + i, "t");
    }
    const chd_forgotten_query query = {1, 101, 0};
    cr_assert_geq(chd_forgotten_seq(f, 1), 101);
    cr_assert(chd_forgotten_all(f, &query));
    chd_forgotten_destroy(&f);
    NO_LEAKS();
}

Test(forgotten, a_constructor_without_memory_leaves_nothing_behind)
{
    chd_err err = CHD_ENOMEM;
    chd_forgotten *f;

    for (size_t nth = 1; err == CHD_ENOMEM; nth++) {
        heap_fail_nth(nth);
        err = chd_forgotten_new(heap_mem(), &f);
        cr_assert(err == CHD_OK || (f == NULL && heap_balance() == 0));
    }
    heap_fail_nth(0);
    chd_forgotten_destroy(&f);
    NO_LEAKS();
}
