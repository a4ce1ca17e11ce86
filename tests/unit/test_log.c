#include <criterion/criterion.h>
#include <stdio.h>

#include "proto/base/hash.h"
#include "proto/base/limits.h"
#include "proto/base/prng.h"
#include "proto/core/forgotten.h"
#include "proto/core/log.h"
#include "tests/support/heap.h"

#define LOG_BYTES ((size_t)4 * 1024 * 1024)
#define RECORD_MAX ((size_t)66000)

static unsigned topics = 50;

/* A record that begins with topic and key. */
static chd_log_entry entry_of(uint8_t *record, size_t len, uint64_t origin,
                              uint64_t seq, unsigned key)
{
    memset(record, 0, len);
    (void)snprintf((char *)record, len, "topic%02u key%07u", key % topics, key);
    chd_log_entry entry = {
        .origin = origin,
        .seq = seq,
        .topic_hash = chd_hash(1, chd_bytes_of(record, 7)),
        .topic = {record, 7},
        .subject = {record, 18},
        .record = {record, len},
    };
    entry.subject_hash = chd_hash(2 + origin, entry.subject);
    return entry;
}

static void put(chd_log *log, uint64_t origin, uint64_t seq, unsigned key)
{
    uint8_t record[64];
    const chd_log_entry entry =
        entry_of(record, sizeof(record), origin, seq, key);
    chd_log_supersede(log, &entry);
    chd_log_append(log, &entry);
}

static chd_log *new_log(void)
{
    chd_log *log;
    cr_assert_eq(chd_log_new(LOG_BYTES, RECORD_MAX, heap_mem(), &log), CHD_OK);
    return log;
}

static bool find(chd_log *log, uint64_t origin, uint64_t seq)
{
    chd_log_entry entry;

    chd_log_index(log, origin, seq, seq);
    if (!chd_log_find(log, origin, seq, &entry)) {
        return false;
    }
    cr_assert_eq(entry.origin, origin);
    cr_assert_eq(entry.seq, seq);
    return true;
}

Test(log, a_reader_sees_every_entry_once_in_order)
{
    chd_log *log = new_log();
    chd_log_cursor cursor = {0};
    chd_log_entry entry;

    for (unsigned i = 1; i <= 1000; i++) {
        put(log, 7, i, i);
    }
    for (unsigned i = 1; i <= 1000; i++) {
        cr_assert(chd_log_read(log, &cursor, &entry));
        cr_assert_eq(entry.seq, i);
        cr_assert_eq(entry.origin, 7);
    }
    cr_assert(!chd_log_read(log, &cursor, &entry));
    put(log, 7, 1001, 1001);
    cr_assert(chd_log_read(log, &cursor, &entry));
    cr_assert_eq(entry.seq, 1001, "reading goes on where it stopped");
    chd_log_destroy(&log);
    NO_LEAKS();
}

Test(log, a_key_invalidated_a_million_times_takes_one_entry)
{
    chd_log *log = new_log();

    put(log, 7, 1, 12345);
    for (unsigned i = 2; i <= 1000000; i++) {
        put(log, 7, i, 1);
    }
    cr_assert_eq(chd_log_count(log), 2);
    cr_assert(find(log, 7, 1), "the other key is still here");
    cr_assert(find(log, 7, 1000000));
    cr_assert(!find(log, 7, 999999));
    cr_assert_eq(chd_forgotten_seq(chd_log_forgotten(log), 7), 0,
                 "nothing was evicted");
    chd_log_destroy(&log);
    NO_LEAKS();
}

Test(log, one_origin_never_stands_for_another)
{
    chd_log *log = new_log();

    put(log, 7, 1, 1);
    put(log, 8, 1, 1);
    cr_assert(find(log, 7, 1));
    cr_assert(find(log, 8, 1));
    chd_log_destroy(&log);
    NO_LEAKS();
}

Test(log, what_was_evicted_is_told_to_readers_and_by_topic)
{
    chd_log *log = new_log();
    chd_log_cursor cursor = {0};
    const chd_forgotten_query all = {7, 1, 0};
    uint32_t at = 0;
    chd_bytes topic;

    for (unsigned i = 1; i <= 100000; i++) {
        put(log, 7, i, i);
    }
    cr_assert(chd_log_overran(log, &cursor));
    const uint64_t gone = chd_forgotten_seq(chd_log_forgotten(log), 7);
    cr_assert_gt(gone, 0);
    cr_assert(!find(log, 7, gone));
    cr_assert(find(log, 7, gone + 1));
    cr_assert(!chd_forgotten_all(chd_log_forgotten(log), &all));
    cr_assert(chd_forgotten_next(chd_log_forgotten(log), &all, &at, &topic));
    cursor = chd_log_cursor_at_end(log);
    cr_assert(!chd_log_overran(log, &cursor));
    chd_log_destroy(&log);
    NO_LEAKS();
}

Test(log, the_largest_record_fits)
{
    chd_log *log = new_log();
    static uint8_t record[RECORD_MAX];

    for (unsigned i = 1; i <= 200; i++) {
        const chd_log_entry entry = entry_of(record, sizeof(record), 7, i, i);
        chd_log_append(log, &entry);
    }
    cr_assert_gt(chd_log_count(log), 10);
    cr_assert_leq(chd_log_bytes(log), LOG_BYTES);
    chd_log_destroy(&log);
    NO_LEAKS();
}

Test(log, memory_is_within_what_it_was_given)
{
    chd_log *log = new_log();

    cr_assert_leq(chd_log_capacity(log), LOG_BYTES);
    cr_assert_geq(chd_log_capacity(log), LOG_BYTES * 3 / 4);
    chd_log_destroy(&log);
    NO_LEAKS();
}

/* Random keys, sizes and readers against a plain list of what was appended. */
typedef struct model {
    uint64_t seq[3];
    uint64_t newest[3][2000]; /* by origin and key: number + 1 */
    unsigned key_of[60000];
    uint64_t origin_of[60000];
    uint64_t seq_of[60000];
} model;

/* These come often; of the others older entries may stay. */
#define KEYS_HOT 50

static void check_against(chd_log *log, const model *m, unsigned count)
{
    size_t found = 0;
    size_t outlived = 0; /* hot keys with more than one entry */

    for (unsigned i = 0; i < count; i++) {
        const bool superseded =
            m->newest[m->origin_of[i]][m->key_of[i]] != i + 1;
        const bool here = find(log, 100 + m->origin_of[i], m->seq_of[i]);
        found += here;
        outlived += superseded && here && m->key_of[i] < KEYS_HOT;
        if (!superseded && !here) {
            cr_assert_geq(chd_forgotten_seq(chd_log_forgotten(log),
                                            100 + m->origin_of[i]),
                          m->seq_of[i], "entry %u is lost silently", i);
        }
    }
    cr_assert_eq(found, chd_log_count(log));
    cr_assert_lt(outlived, 1 + found / 50, "%zu of %zu", outlived, found);
}

static void use_at_random(void)
{
    static model m;
    static uint8_t record[RECORD_MAX];
    chd_log *log = new_log();
    chd_prng prng = chd_prng_seeded(5);
    chd_log_cursor cursor = {0};

    for (unsigned i = 0; i < CHD_COUNT(m.key_of); i++) {
        const uint64_t origin = chd_prng_below(&prng, 3);
        const unsigned key = (unsigned)chd_prng_below(
            &prng, chd_prng_below(&prng, 2) == 0 ? KEYS_HOT : 2000);
        const size_t len = chd_prng_below(&prng, 500) == 0
                               ? RECORD_MAX
                               : 40 + chd_prng_below(&prng, 600);
        const chd_log_entry added =
            entry_of(record, len, 100 + origin, ++m.seq[origin], key);
        chd_log_supersede(log, &added);
        chd_log_append(log, &added);
        m.newest[origin][key] = i + 1;
        m.key_of[i] = key;
        m.origin_of[i] = origin;
        m.seq_of[i] = m.seq[origin];

        chd_log_entry entry;
        if (chd_prng_below(&prng, 100) == 0) {
            (void)find(log, 100 + origin,
                       1 + chd_prng_below(&prng, m.seq[origin]));
        }
        if (chd_log_overran(log, &cursor)) {
            cursor = chd_log_cursor_at_end(log);
        }
        for (uint64_t n = chd_prng_below(&prng, 3); n > 0; n--) {
            const uint64_t before = cursor.number;
            if (!chd_log_read(log, &cursor, &entry)) {
                break;
            }
            cr_assert_geq(cursor.number, before + 1);
            cr_assert_eq(entry.seq, m.seq_of[cursor.number - 1]);
        }
    }
    check_against(log, &m, CHD_COUNT(m.key_of));
    chd_log_destroy(&log);
    NO_LEAKS();
}

Test(log, random_use_agrees_with_a_plain_list)
{
    use_at_random();
}

Test(log, so_it_does_with_few_topics)
{
    topics = 2;
    use_at_random();
}

Test(log, a_topic_whose_evicted_events_were_all_superseded_is_not_told)
{
    const chd_forgotten_query all = {7, 1, 0};
    chd_log *log = new_log();
    uint64_t seq = 0;
    uint32_t at = 0;
    chd_bytes topic;

    for (unsigned i = 1; i <= 100000; i++) {
        put(log, 7, ++seq, 50 * i);
        put(log, 7, ++seq, 1);
    }
    cr_assert_gt(chd_forgotten_seq(chd_log_forgotten(log), 7), 0);
    while (chd_forgotten_next(chd_log_forgotten(log), &all, &at, &topic)) {
        cr_assert(chd_bytes_equal(topic, chd_bytes_str("topic00")));
    }
    chd_log_destroy(&log);
    NO_LEAKS();
}

Test(log, a_constructor_without_memory_leaves_nothing_behind)
{
    chd_err err = CHD_ENOMEM;
    chd_log *log;

    for (size_t nth = 1; err == CHD_ENOMEM; nth++) {
        heap_fail_nth(nth);
        err = chd_log_new(LOG_BYTES, RECORD_MAX, heap_mem(), &log);
        cr_assert(err == CHD_OK || (log == NULL && heap_balance() == 0));
    }
    heap_fail_nth(0);
    chd_log_destroy(&log);
    NO_LEAKS();
}
