#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "proto/base/prng.h"
#include "proto/core/log.h"
#include "tests/support/heap.h"

#define LOG_BYTES 4096

static chd_log *new_log(size_t bytes)
{
    chd_log *log;
    const chd_err err = chd_log_new(bytes, heap_mem(), &log);

    cr_assert_eq(err, CHD_OK);
    return log;
}

/* Append a record of len bytes, all with the low byte of seq. */
static void append(chd_log *log, uint64_t seq, size_t len)
{
    static uint8_t bytes[LOG_BYTES];

    memset(bytes, (int)(uint8_t)seq, len);
    const chd_log_entry entry = {
        .origin = seq * 3,
        .seq = seq,
        .topic_hash = seq * 5,
        .topic = {bytes + len / 2, len - len / 2},
        .record = {bytes, len},
    };
    chd_log_append(log, &entry);
}

static void assert_entry(const chd_log_entry *entry, uint64_t seq, size_t len)
{
    cr_assert_eq(entry->seq, seq);
    cr_assert_eq(entry->origin, seq * 3);
    cr_assert_eq(entry->topic_hash, seq * 5);
    cr_assert_eq(entry->record.len, len);
    cr_assert_eq(entry->topic.ptr, entry->record.ptr + len / 2);
    cr_assert_eq(entry->topic.len, len - len / 2);
    for (size_t i = 0; i < len; i++) {
        cr_assert_eq(entry->record.ptr[i], (uint8_t)seq);
    }
}

Test(log, survives_being_out_of_memory)
{
    chd_log *log;
    chd_err err = CHD_ENOMEM;

    for (size_t nth = 1; err == CHD_ENOMEM; nth++) {
        heap_fail_nth(nth);
        err = chd_log_new(LOG_BYTES, heap_mem(), &log);
        cr_assert(err == CHD_OK || (log == NULL && heap_balance() == 0));
    }
    heap_fail_nth(0);
    chd_log_destroy(&log);
    cr_assert_null(log);
    chd_log_destroy(&log);
    NO_LEAKS();
}

Test(log, is_empty_at_first)
{
    chd_log *log = new_log(LOG_BYTES);
    chd_log_entry entry;
    uint64_t position = chd_log_oldest(log);

    cr_assert_eq(position, chd_log_end(log));
    cr_assert_not(chd_log_read(log, &position, &entry));
    cr_assert_eq(position, chd_log_end(log));
    chd_log_destroy(&log);
    NO_LEAKS();
}

Test(log, gives_back_what_was_appended)
{
    chd_log *log = new_log(LOG_BYTES);
    uint64_t position = 0;
    chd_log_entry entry;

    for (uint64_t seq = 1; seq <= 20; seq++) {
        append(log, seq, (size_t)seq);
    }
    for (uint64_t seq = 1; seq <= 20; seq++) {
        cr_assert(chd_log_read(log, &position, &entry));
        assert_entry(&entry, seq, (size_t)seq);
    }
    cr_assert_not(chd_log_read(log, &position, &entry));
    chd_log_destroy(&log);
    NO_LEAKS();
}

Test(log, drops_the_oldest_and_no_more_than_it_must)
{
    chd_log *log = new_log(LOG_BYTES);
    const size_t size = 88 + CHD_LOG_ENTRY_BYTES; /* 32 fill it exactly */

    for (uint64_t seq = 1; seq <= LOG_BYTES / size; seq++) {
        append(log, seq, 88);
    }
    cr_assert_eq(chd_log_oldest(log), 0);
    cr_assert_eq(chd_log_end(log), LOG_BYTES);
    append(log, 33, 88);
    cr_assert_eq(chd_log_oldest(log), size);

    uint64_t position = chd_log_oldest(log);
    chd_log_entry entry;
    cr_assert(chd_log_read(log, &position, &entry));
    assert_entry(&entry, 2, 88);
    chd_log_destroy(&log);
    NO_LEAKS();
}

/* Sizes of every remainder make every kind of filler before the wrap. */
Test(log, holds_a_suffix_of_what_was_appended_whatever_the_sizes)
{
    chd_prng prng = chd_prng_seeded(1);
    static size_t lens[20001];
    chd_log *log = new_log(LOG_BYTES);

    for (uint64_t seq = 1; seq <= 20000; seq++) {
        const uint64_t most = seq % 100 == 0 ? 1900 : 120;
        lens[seq] = (size_t)chd_prng_below(&prng, most) + 1;
        append(log, seq, lens[seq]);
        cr_assert_leq(chd_log_end(log) - chd_log_oldest(log), LOG_BYTES);
        if (seq % 7 != 0) {
            continue;
        }
        uint64_t position = chd_log_oldest(log);
        chd_log_entry entry;
        uint64_t expected = 0;
        while (chd_log_read(log, &position, &entry)) {
            expected = expected == 0 ? entry.seq : expected;
            assert_entry(&entry, expected, lens[expected]);
            expected++;
        }
        cr_assert_eq(expected, seq + 1);
    }
    chd_log_destroy(&log);
    NO_LEAKS();
}

Test(log, reader_goes_on_from_any_position_it_was_left_at)
{
    chd_log *log = new_log(LOG_BYTES);
    chd_log_entry entry;
    uint64_t position = 0;
    uint64_t read = 0;

    for (uint64_t seq = 1; seq <= 1000; seq++) {
        append(log, seq, (size_t)(seq % 300) + 1);
        while (read + 3 < seq && chd_log_read(log, &position, &entry)) {
            read++;
            assert_entry(&entry, read, (size_t)(read % 300) + 1);
        }
    }
    cr_assert_eq(read, 997);
    chd_log_destroy(&log);
    NO_LEAKS();
}
