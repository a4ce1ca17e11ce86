#include <criterion/criterion.h>
#include <stdio.h>

#include "proto/wire/event.h"
#include "tests/support/mangle.h"
#include "tests/support/samples.h"
#include "tests/support/walk.h"

static uint8_t buf[CHD_RECORD_BYTES_MAX + 4096];
static uint8_t filler[CHD_PAYLOAD_BYTES_MAX + 1];

static chd_event event_of(chd_kind kind, chd_target_kind target_kind,
                          size_t target_len, size_t value_len)
{
    return (chd_event){
        .seq = 1,
        .kind = kind,
        .target_kind = target_kind,
        .topic = chd_bytes_str("t"),
        .target = chd_bytes_of(filler, target_len),
        .value = chd_bytes_of(filler, value_len),
    };
}

/* Write event and read it back; it must come out the same. */
static chd_err read_back(const chd_event *event)
{
    chd_pack pack;
    chd_scan scan;
    chd_event read;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_event_pack(&pack, event);
    cr_assert_eq(chd_pack_result(&pack), CHD_OK);
    chd_scan_init(&scan, chd_pack_bytes(&pack));
    chd_event_scan(&scan, &read);
    const chd_err err = chd_scan_end(&scan);
    if (err == CHD_OK) {
        cr_assert_eq(read.seq, event->seq);
        cr_assert_eq(read.hlc, event->hlc);
        cr_assert_eq(read.kind, event->kind);
        cr_assert_eq(read.target_kind, event->target_kind);
        cr_assert_eq(read.flags, event->flags);
        cr_assert(chd_bytes_equal(read.topic, event->topic));
        cr_assert(chd_bytes_equal(read.target, event->target));
        cr_assert(chd_bytes_equal(read.value, event->value));
    }
    return err;
}

/* The item of a PUBLISH likewise. */
static chd_err read_item_back(const chd_event *item)
{
    chd_pack pack;
    chd_scan scan;
    chd_event read;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_item_pack(&pack, item);
    cr_assert_eq(chd_pack_result(&pack), CHD_OK);
    chd_scan_init(&scan, chd_pack_bytes(&pack));
    chd_item_scan(&scan, &read);
    const chd_err err = chd_scan_end(&scan);
    if (err == CHD_OK) {
        cr_assert_eq(read.seq, 0);
        cr_assert_eq(read.hlc, 0);
        cr_assert_eq(read.kind, item->kind);
        cr_assert_eq(read.target_kind, item->target_kind);
        cr_assert_eq(read.flags, item->flags);
        cr_assert(chd_bytes_equal(read.topic, item->topic));
        cr_assert(chd_bytes_equal(read.target, item->target));
        cr_assert(chd_bytes_equal(read.value, item->value));
    }
    return err;
}

/* Publisher, record and item are judged alike. */
static void assert_judged(const chd_event *event, chd_err expected,
                          const char *label)
{
    cr_assert_eq(chd_event_check(event, CHD_PAYLOAD_BYTES_MAX), expected,
                 "%s: check says %s", label,
                 chd_err_name(chd_event_check(event, CHD_PAYLOAD_BYTES_MAX)));
    cr_assert_eq(read_back(event), expected, "%s: scan says %s", label,
                 chd_err_name(read_back(event)));
    cr_assert_eq(read_item_back(event), expected, "%s", label);
}

Test(event, kinds_take_the_targets_that_belong_to_them)
{
    static const bool belongs[3][5] = {
        [CHD_KIND_INVALIDATE] = {false, true, true, true, true},
        [CHD_KIND_UPDATE] = {false, true, false, false, false},
        [CHD_KIND_MESSAGE] = {true, false, false, false, false},
    };

    for (int kind = 0; kind < 3; kind++) {
        for (int target = 0; target < 5; target++) {
            const bool bare =
                target == CHD_TARGET_NONE || target == CHD_TARGET_ALL;
            const chd_event event = event_of(
                (chd_kind)kind, (chd_target_kind)target, bare ? 0 : 1, 0);
            char label[64];
            snprintf(label, sizeof(label), "kind %d target %d", kind, target);
            assert_judged(&event, belongs[kind][target] ? CHD_OK : CHD_ERANGE,
                          label);
        }
    }
}

Test(event, targets_are_as_long_as_allowed_and_no_longer)
{
    static const struct {
        chd_target_kind kind;
        size_t len;
        chd_err err;
    } cases[] = {
        {CHD_TARGET_KEY, 0, CHD_ELENGTH},
        {CHD_TARGET_KEY, 1, CHD_OK},
        {CHD_TARGET_KEY, CHD_TARGET_BYTES_MAX - 1, CHD_OK},
        {CHD_TARGET_KEY, CHD_TARGET_BYTES_MAX, CHD_OK},
        {CHD_TARGET_KEY, CHD_TARGET_BYTES_MAX + 1, CHD_ELENGTH},
        {CHD_TARGET_TAG, 0, CHD_ELENGTH},
        {CHD_TARGET_TAG, 1, CHD_OK},
        {CHD_TARGET_TAG, CHD_TARGET_BYTES_MAX, CHD_OK},
        {CHD_TARGET_TAG, CHD_TARGET_BYTES_MAX + 1, CHD_ELENGTH},
        {CHD_TARGET_PREFIX, 0, CHD_OK},
        {CHD_TARGET_PREFIX, CHD_TARGET_BYTES_MAX, CHD_OK},
        {CHD_TARGET_PREFIX, CHD_TARGET_BYTES_MAX + 1, CHD_ELENGTH},
        {CHD_TARGET_ALL, 0, CHD_OK},
        {CHD_TARGET_ALL, 1, CHD_ELENGTH},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        const chd_event event =
            event_of(CHD_KIND_INVALIDATE, cases[i].kind, cases[i].len, 0);
        char label[64];
        snprintf(label, sizeof(label), "case %zu", i);
        assert_judged(&event, cases[i].err, label);
    }
    const chd_event message = event_of(CHD_KIND_MESSAGE, CHD_TARGET_NONE, 1, 0);
    assert_judged(&message, CHD_ELENGTH, "a message with a target");
}

Test(event, values_are_as_long_as_allowed_and_no_longer)
{
    static const struct {
        chd_kind kind;
        chd_target_kind target_kind;
        size_t len;
        chd_err err;
    } cases[] = {
        {CHD_KIND_INVALIDATE, CHD_TARGET_KEY, 0, CHD_OK},
        {CHD_KIND_INVALIDATE, CHD_TARGET_KEY, 1, CHD_ELENGTH},
        {CHD_KIND_UPDATE, CHD_TARGET_KEY, 0, CHD_OK},
        {CHD_KIND_UPDATE, CHD_TARGET_KEY, CHD_PAYLOAD_BYTES_MAX - 1, CHD_OK},
        {CHD_KIND_UPDATE, CHD_TARGET_KEY, CHD_PAYLOAD_BYTES_MAX, CHD_OK},
        {CHD_KIND_UPDATE, CHD_TARGET_KEY, CHD_PAYLOAD_BYTES_MAX + 1,
         CHD_ELENGTH},
        {CHD_KIND_MESSAGE, CHD_TARGET_NONE, 0, CHD_OK},
        {CHD_KIND_MESSAGE, CHD_TARGET_NONE, CHD_PAYLOAD_BYTES_MAX, CHD_OK},
        {CHD_KIND_MESSAGE, CHD_TARGET_NONE, CHD_PAYLOAD_BYTES_MAX + 1,
         CHD_ELENGTH},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        const size_t target_len = cases[i].target_kind == CHD_TARGET_KEY;
        const chd_event event = event_of(cases[i].kind, cases[i].target_kind,
                                         target_len, cases[i].len);
        char label[64];
        snprintf(label, sizeof(label), "case %zu", i);
        assert_judged(&event, cases[i].err, label);
    }
}

Test(event, a_publisher_is_held_to_the_payload_that_is_configured)
{
    for (size_t len = 99; len <= 101; len++) {
        const chd_event event =
            event_of(CHD_KIND_MESSAGE, CHD_TARGET_NONE, 0, len);
        cr_assert_eq(chd_event_check(&event, 100),
                     len <= 100 ? CHD_OK : CHD_ELENGTH);
    }
    const chd_event large = event_of(CHD_KIND_MESSAGE, CHD_TARGET_NONE, 0,
                                     CHD_PAYLOAD_BYTES_MAX + 1);
    cr_assert_eq(chd_event_check(&large, SIZE_MAX), CHD_ELENGTH);
}

Test(event, a_publisher_is_held_to_the_kinds_that_exist)
{
    chd_event event = event_of((chd_kind)3, CHD_TARGET_ALL, 0, 0);
    cr_assert_eq(chd_event_check(&event, 100), CHD_ERANGE);
    event.kind = (chd_kind)-1;
    cr_assert_eq(chd_event_check(&event, 100), CHD_ERANGE);
    event = event_of(CHD_KIND_INVALIDATE, (chd_target_kind)5, 0, 0);
    cr_assert_eq(chd_event_check(&event, 100), CHD_ERANGE);
    event.target_kind = (chd_target_kind)-1;
    cr_assert_eq(chd_event_check(&event, 100), CHD_ERANGE);
}

Test(event, a_topic_has_1_to_255_bytes_of_text)
{
    memset(filler, 'x', 256);
    for (size_t len = 0; len <= 256; len++) {
        chd_event event = event_of(CHD_KIND_INVALIDATE, CHD_TARGET_ALL, 0, 0);
        event.topic = chd_bytes_of(filler, len);
        cr_assert_eq(chd_event_check(&event, 0),
                     len >= 1 && len <= 255 ? CHD_OK : CHD_ETOPIC);
        cr_assert_eq(read_back(&event), len == 0     ? CHD_ETOPIC
                                        : len <= 255 ? CHD_OK
                                                     : CHD_ELENGTH);
    }
    chd_event event = event_of(CHD_KIND_INVALIDATE, CHD_TARGET_ALL, 0, 0);
    event.topic = chd_bytes_str("a\x7f");
    cr_assert_eq(chd_event_check(&event, 0), CHD_ETOPIC);
    cr_assert_eq(read_back(&event), CHD_EUTF8);
}

Test(event, numbers_are_read_up_to_their_limits)
{
    chd_event event = event_of(CHD_KIND_INVALIDATE, CHD_TARGET_ALL, 0, 0);

    event.hlc = UINT64_MAX;
    event.flags = UINT32_MAX;
    event.seq = 0;
    cr_assert_eq(read_back(&event), CHD_ERANGE);
    event.seq = CHD_SEQ_MAX;
    cr_assert_eq(read_back(&event), CHD_OK);
    event.seq = CHD_SEQ_MAX + 1;
    cr_assert_eq(read_back(&event), CHD_ERANGE);
    /* A publisher does not know them yet. */
    event.seq = 0;
    cr_assert_eq(chd_event_check(&event, 0), CHD_OK);
}

Test(event, the_largest_record_fits_the_size_that_is_reserved_for_it)
{
    chd_event event = event_of(CHD_KIND_UPDATE, CHD_TARGET_KEY,
                               CHD_TARGET_BYTES_MAX, CHD_PAYLOAD_BYTES_MAX);
    chd_pack pack;

    memset(filler, 'x', 255);
    event.topic = chd_bytes_of(filler, 255);
    event.seq = CHD_SEQ_MAX;
    event.hlc = UINT64_MAX;
    event.flags = UINT32_MAX;
    chd_pack_init(&pack, buf, CHD_RECORD_BYTES_MAX);
    chd_event_pack(&pack, &event);
    cr_assert_eq(chd_pack_result(&pack), CHD_OK);
}

/* --- what a newer release may send ---------------------------------------- */

/* Write the fields of a record up to the target. */
static void pack_front(chd_pack *pack, uint32_t count, uint64_t kind,
                       uint64_t target_kind)
{
    chd_pack_init(pack, buf, sizeof(buf));
    chd_pack_array(pack, count);
    chd_pack_uint(pack, 7);
    chd_pack_uint(pack, kind);
    chd_pack_uint(pack, 6 | CHD_FLAG_SOFT);
    chd_pack_uint(pack, 99);
    chd_pack_str(pack, chd_bytes_str("t"));
    chd_pack_uint(pack, target_kind);
}

static chd_err scan_it(const chd_pack *pack, chd_event *event)
{
    chd_scan scan;

    cr_assert_eq(chd_pack_result(pack), CHD_OK);
    chd_scan_init(&scan, chd_pack_bytes(pack));
    chd_event_scan(&scan, event);
    return chd_scan_end(&scan);
}

static void assert_widened(const chd_event *event, uint32_t flags)
{
    cr_assert_eq(event->seq, 7);
    cr_assert_eq(event->hlc, 99);
    cr_assert_eq(event->kind, CHD_KIND_INVALIDATE);
    cr_assert_eq(event->target_kind, CHD_TARGET_ALL);
    cr_assert_eq(event->flags, flags);
    cr_assert(chd_bytes_equal(event->topic, chd_bytes_str("t")));
    cr_assert_eq(event->target.len, 0);
    cr_assert_eq(event->value.len, 0);
    cr_assert_eq(chd_event_check(event, 0), CHD_OK);
}

Test(event, what_is_not_known_widens_to_the_whole_topic)
{
    static const struct {
        uint64_t kind;
        uint64_t target_kind;
        uint32_t flags;
    } cases[] = {
        {3, CHD_TARGET_KEY, 6}, /* whether softly is not for us to say */
        {255, CHD_TARGET_ALL, 6},
        {UINT64_C(1) << 32, CHD_TARGET_KEY, 6}, /* 0 when cut to 32 bits */
        {UINT64_MAX, UINT64_MAX, 6},
        {CHD_KIND_INVALIDATE, 5, 7}, /* softly, as it asks */
        {CHD_KIND_INVALIDATE, (UINT64_C(1) << 32) + 1, 7},
        {CHD_KIND_UPDATE, 5, 6},
        {CHD_KIND_MESSAGE, UINT64_MAX, 6},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        chd_pack pack;
        chd_event event;
        pack_front(&pack, 8, cases[i].kind, cases[i].target_kind);
        chd_pack_bin(&pack, chd_bytes_str("51"));
        chd_pack_bin(&pack, chd_bytes_str("value"));
        cr_assert_eq(scan_it(&pack, &event), CHD_OK, "case %zu", i);
        assert_widened(&event, cases[i].flags);
    }
}

Test(event, target_and_value_of_an_unknown_kind_may_have_any_type)
{
    static const struct {
        size_t len;
        uint8_t bytes[12];
    } values[] = {
        {1, {0xc0}},                            /* nil              */
        {1, {0xff}},                            /* -1               */
        {3, {0xa2, 0xff, 0x00}},                /* str, not UTF-8   */
        {9, {0xcb}},                            /* float            */
        {4, {0xc7, 1, 5, 0}},                   /* ext              */
        {6, {0x92, 0x91, 0x80, 0x81, 1, 0xc3}}, /* [[{}], {1: true}] */
    };

    for (size_t t = 0; t < CHD_COUNT(values); t++) {
        for (size_t v = 0; v < CHD_COUNT(values); v++) {
            chd_pack pack;
            chd_event event;
            pack_front(&pack, 8, 77, CHD_TARGET_KEY);
            chd_pack_raw(&pack, chd_bytes_of(values[t].bytes, values[t].len));
            chd_pack_raw(&pack, chd_bytes_of(values[v].bytes, values[v].len));
            cr_assert_eq(scan_it(&pack, &event), CHD_OK, "%zu %zu", t, v);
            assert_widened(&event, 6);
            /* Not so when the kind is known. */
            pack_front(&pack, 8, CHD_KIND_INVALIDATE, CHD_TARGET_KEY);
            chd_pack_raw(&pack, chd_bytes_of(values[t].bytes, values[t].len));
            chd_pack_raw(&pack, chd_bytes_of(values[v].bytes, values[v].len));
            cr_assert_eq(scan_it(&pack, &event), CHD_ETYPE, "%zu %zu", t, v);
        }
    }
}

Test(event, an_unknown_kind_still_needs_all_its_fields_and_a_topic)
{
    chd_pack pack;
    chd_event event;

    pack_front(&pack, 7, 77, CHD_TARGET_KEY);
    chd_pack_bin(&pack, chd_bytes_str("51"));
    cr_assert_eq(scan_it(&pack, &event), CHD_ETRUNCATED);

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_pack_raw(&pack,
                 chd_bytes_of("\x98\x01\x4d\x00\x00\xa0\x01\xc0\xc0", 9));
    cr_assert_eq(scan_it(&pack, &event), CHD_ETOPIC);
}

Test(event, fields_after_the_known_ones_are_skipped)
{
    chd_pack pack;
    chd_event event;

    pack_front(&pack, 15, CHD_KIND_INVALIDATE, CHD_TARGET_KEY);
    chd_pack_bin(&pack, chd_bytes_str("51"));
    chd_pack_bin(&pack, chd_bytes_str(""));
    chd_pack_uint(&pack, UINT64_MAX);
    chd_pack_uint(&pack, CHD_SEQ_MAX);
    chd_pack_uint(&pack, 90210);
    chd_pack_uint(&pack, 2000);
    chd_pack_str(&pack, chd_bytes_str("new"));
    chd_pack_array(&pack, 1);
    chd_pack_uint(&pack, 1);
    chd_pack_bool(&pack, true);
    cr_assert_eq(scan_it(&pack, &event), CHD_OK);
    cr_assert_eq(event.target_kind, CHD_TARGET_KEY);
    cr_assert(chd_bytes_equal(event.target, chd_bytes_str("51")));
    cr_assert_eq(event.client, UINT64_MAX);
    cr_assert_eq(event.number, CHD_SEQ_MAX);
    cr_assert_eq(event.version, 90210);
    cr_assert_eq(event.again_ms, 2000);
}

Test(event, a_demand_is_there_or_zero)
{
    chd_pack pack;
    chd_event event = {.version = 1, .again_ms = 1, .client = 1, .number = 1};

    pack_front(&pack, 8, CHD_KIND_INVALIDATE, CHD_TARGET_KEY);
    chd_pack_bin(&pack, chd_bytes_str("51"));
    chd_pack_bin(&pack, chd_bytes_str(""));
    cr_assert_eq(scan_it(&pack, &event), CHD_OK);
    cr_assert_eq(event.client, 0);
    cr_assert_eq(event.number, 0);
    cr_assert_eq(event.version, 0);
    cr_assert_eq(event.again_ms, 0);

    pack_front(&pack, 11, CHD_KIND_INVALIDATE, CHD_TARGET_KEY);
    chd_pack_bin(&pack, chd_bytes_str("51"));
    chd_pack_bin(&pack, chd_bytes_str(""));
    chd_pack_uint(&pack, 0);
    chd_pack_uint(&pack, 0);
    chd_pack_uint(&pack, UINT64_MAX);
    cr_assert_eq(scan_it(&pack, &event), CHD_OK);
    cr_assert_eq(event.version, UINT64_MAX);
    cr_assert_eq(event.again_ms, 0);
}

Test(event, records_behind_each_other_do_not_run_into_each_other)
{
    /* The first lacks its last field, so it must not take the second's. */
    chd_pack pack;
    chd_event event;

    pack_front(&pack, 7, CHD_KIND_INVALIDATE, CHD_TARGET_KEY);
    chd_pack_bin(&pack, chd_bytes_str("51"));
    chd_pack_bin(&pack, chd_bytes_str(""));
    cr_assert_eq(scan_it(&pack, &event), CHD_ETRUNCATED);
}

/* --- damage --------------------------------------------------------------- */

Test(event, a_record_cut_short_is_refused_at_every_length)
{
    const sample_list list = samples_record();

    for (size_t i = 0; i < list.count; i++) {
        uint8_t bytes[SAMPLE_BYTES_MAX];
        const chd_bytes record = sample_bytes(&list.samples[i], bytes);
        cr_assert_eq(walk_record(record), CHD_OK, "%s", list.samples[i].name);
        cr_assert_eq(mangle_truncate(record, walk_record), record.len, "%s",
                     list.samples[i].name);
    }
}

Test(event, a_damaged_record_is_refused_or_holds_together)
{
    const sample_list list = samples_record();

    for (size_t i = 0; i < list.count; i++) {
        uint8_t bytes[SAMPLE_BYTES_MAX];
        const chd_bytes record = sample_bytes(&list.samples[i], bytes);
        cr_assert_gt(mangle_change(record, walk_record), record.len);
    }
}
