/* The quick way to read an event against the general one: an array header in
 * its longer form is never usual. */
#include <criterion/criterion.h>
#include <string.h>

#include "proto/base/prng.h"
#include "proto/wire/usual.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define LONG_HEADER 3

typedef void scan_fn(chd_scan *scan, chd_event *event);

static uint8_t plain[512];
static uint8_t general[512 + LONG_HEADER];
static size_t usual_count;

static chd_event event_of(uint64_t seq, uint64_t number)
{
    return (chd_event){
        .seq = seq,
        .hlc = UINT64_C(1700000000000) << 16,
        .kind = CHD_KIND_INVALIDATE,
        .target_kind = CHD_TARGET_KEY,
        .topic = chd_bytes_str("episodes"),
        .target = chd_bytes_str(KEY),
        .client = UINT64_C(0x123456789abcdef0),
        .number = number,
    };
}

static size_t pack_record(uint64_t seq, uint64_t number)
{
    const chd_event event = event_of(seq, number);
    chd_pack pack;

    chd_pack_init(&pack, plain, sizeof(plain));
    chd_event_pack(&pack, &event);
    cr_assert_eq(chd_pack_result(&pack), CHD_OK);
    return pack.len;
}

static size_t pack_item(void)
{
    const chd_event item = event_of(0, 0);
    chd_pack pack;

    chd_pack_init(&pack, plain, sizeof(plain));
    chd_item_pack(&pack, &item);
    cr_assert_eq(chd_pack_result(&pack), CHD_OK);
    return pack.len;
}

/* Read the first len bytes of plain both ways. */
static void compare(scan_fn *read, size_t len)
{
    chd_event quick = {0};
    chd_event slow = {0};
    chd_scan a;
    chd_scan b;

    memset(general, 0, sizeof(general));
    general[0] = 0xdc;
    general[2] = plain[0] & 0x0f;
    memcpy(general + LONG_HEADER, plain + 1, len - 1);
    chd_scan_init(&a, chd_bytes_of(plain, len));
    chd_scan_init(&b, chd_bytes_of(general, len + LONG_HEADER - 1));
    read(&a, &quick);
    read(&b, &slow);
    cr_assert_eq(a.err, b.err, "%d, not %d", a.err, b.err);
    if (a.err != CHD_OK) {
        return;
    }
    cr_assert_eq(chd_scan_left(&a), chd_scan_left(&b));
    cr_assert_eq(quick.seq, slow.seq);
    cr_assert_eq(quick.hlc, slow.hlc);
    cr_assert_eq(quick.kind, slow.kind);
    cr_assert_eq(quick.flags, slow.flags);
    cr_assert_eq(quick.target_kind, slow.target_kind);
    cr_assert_eq(quick.client, slow.client);
    cr_assert_eq(quick.number, slow.number);
    cr_assert_eq(quick.version, slow.version);
    cr_assert_eq(quick.again_ms, slow.again_ms);
    cr_assert(chd_bytes_equal(quick.topic, slow.topic));
    cr_assert(chd_bytes_equal(quick.target, slow.target));
    cr_assert(chd_bytes_equal(quick.value, slow.value));
    if (quick.target.len > 0) {
        cr_assert_eq(quick.target.ptr - plain + LONG_HEADER - 1,
                     slow.target.ptr - general);
    }
}

static void note_usual(bool (*usual)(chd_scan *, chd_event *), size_t len)
{
    chd_event event;
    chd_scan scan;

    chd_scan_init(&scan, chd_bytes_of(plain, len));
    usual_count += usual(&scan, &event);
}

/* Every byte in turn becomes each of what it may be; then any two. */
static void mangle(scan_fn *read, bool (*usual)(chd_scan *, chd_event *),
                   size_t len)
{

    for (size_t cut = 1; cut <= len; cut++) {
        compare(read, cut);
    }
    for (size_t at = 1; at < len; at++) {
        const uint8_t was = plain[at];
        for (uint32_t value = 0; value <= UINT8_MAX; value++) {
            plain[at] = (uint8_t)value;
            compare(read, len);
            note_usual(usual, len);
        }
        plain[at] = was;
    }
    chd_prng prng = chd_prng_seeded(1);
    for (uint32_t i = 0; i < 20000; i++) {
        const size_t first = 1 + (size_t)chd_prng_below(&prng, len - 1);
        const size_t second = 1 + (size_t)chd_prng_below(&prng, len - 1);
        const uint8_t were[] = {plain[first], plain[second]};
        plain[first] = (uint8_t)chd_prng_below(&prng, 256);
        plain[second] = (uint8_t)chd_prng_below(&prng, 256);
        compare(read, len);
        plain[second] = were[1];
        plain[first] = were[0];
    }
}

Test(usual, records_read_alike_both_ways)
{
    static const uint64_t numbers[] = {1,      0x7f,       0x80,
                                       0x1234, 0x12345678, CHD_SEQ_MAX};

    for (size_t i = 0; i < CHD_COUNT(numbers); i++) {
        const size_t before = usual_count;
        const size_t len = pack_record(numbers[i], numbers[i]);
        note_usual(chd_usual_record, len);
        cr_assert_eq(usual_count, before + 1);
        mangle(chd_event_scan, chd_usual_record, len);
        cr_assert_gt(usual_count, before + 1000);
    }
}

Test(usual, items_read_alike_both_ways)
{
    const size_t len = pack_item();

    note_usual(chd_usual_item, len);
    cr_assert_eq(usual_count, 1);
    mangle(chd_item_scan, chd_usual_item, len);
}

Test(usual, what_is_bad_or_uncommon_is_left_to_the_general_way)
{
    const size_t len = pack_record(1, 1);
    chd_event event;
    chd_scan scan;

    for (size_t cut = 0; cut < len; cut++) {
        chd_scan_init(&scan, chd_bytes_of(plain, cut));
        cr_assert_not(chd_usual_record(&scan, &event));
        cr_assert_eq(scan.at, plain);
        cr_assert_eq(scan.err, CHD_OK);
    }
}

/* --- writing: where there is only just room, it is the general way -------- */

static void write_both_ways(const chd_event *event)
{
    static uint8_t exact[sizeof(plain)];
    chd_event quick = *event;
    chd_event slow = *event;
    chd_pack a;
    chd_pack b;

    chd_pack_init(&a, plain, sizeof(plain));
    chd_event_place(&a, &quick);
    cr_assert_eq(chd_pack_result(&a), CHD_OK);
    chd_pack_init(&b, exact, a.len);
    chd_event_place(&b, &slow);
    cr_assert_eq(chd_pack_result(&b), CHD_OK);
    cr_assert(chd_bytes_equal(chd_pack_bytes(&a), chd_pack_bytes(&b)));
    cr_assert_eq(quick.topic.ptr - plain, slow.topic.ptr - exact);
    cr_assert_eq(quick.target.ptr - plain, slow.target.ptr - exact);
    cr_assert_eq(quick.value.ptr - plain, slow.value.ptr - exact);

    chd_pack_init(&a, plain, sizeof(plain));
    chd_item_pack(&a, event);
    chd_pack_init(&b, exact, a.len);
    chd_item_pack(&b, event);
    cr_assert_eq(chd_pack_result(&b), CHD_OK);
    cr_assert(chd_bytes_equal(chd_pack_bytes(&a), chd_pack_bytes(&b)));
}

static size_t written_len(const chd_event *event)
{
    chd_event placed = *event;
    chd_pack pack;

    chd_pack_init(&pack, plain, sizeof(plain));
    return chd_usual_place(&pack, &placed) ? pack.len : 0;
}

Test(usual, events_are_written_alike_both_ways)
{
    static const uint64_t numbers[] = {
        1,          0x7f,       0x80,
        0xff,       0x100,      0xffff,
        0x10000,    UINT32_MAX, UINT64_C(0x100000000),
        CHD_SEQ_MAX};
    static const size_t topics[] = {1, 31, 32};
    static const size_t keys[] = {1, 255, 256};
    static uint8_t text[256];

    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < CHD_COUNT(numbers); i++) {
        chd_event event = event_of(numbers[i], numbers[i]);
        event.client = numbers[i];
        cr_assert_gt(written_len(&event), 0);
        for (size_t t = 0; t < CHD_COUNT(topics); t++) {
            for (size_t k = 0; k < CHD_COUNT(keys); k++) {
                event.topic.len = topics[t];
                event.topic.ptr = text;
                event.target = chd_bytes_of(text, keys[k]);
                write_both_ways(&event);
            }
        }
    }
}

Test(usual, what_is_uncommon_is_written_the_general_way)
{
    chd_event events[7];

    for (size_t i = 0; i < CHD_COUNT(events); i++) {
        events[i] = event_of(1, 1);
    }
    events[0].kind = CHD_KIND_UPDATE;
    events[0].value = chd_bytes_str("value");
    events[1].kind = CHD_KIND_MESSAGE;
    events[1].target_kind = CHD_TARGET_NONE;
    events[1].target.len = 0;
    events[2].target_kind = CHD_TARGET_TAG;
    events[3].flags = 0x80;
    events[4].version = 1;
    events[5].again_ms = 1;
    events[6].number = 0;
    for (size_t i = 0; i < CHD_COUNT(events); i++) {
        cr_assert_eq(written_len(&events[i]), 0, "%zu", i);
        write_both_ways(&events[i]);
    }
}
