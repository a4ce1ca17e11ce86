#include <criterion/criterion.h>
#include <msgpack.h>

#include "proto/base/limits.h"
#include "proto/base/prng.h"
#include "proto/wire/pack.h"
#include "proto/wire/scan.h"

#define SCAN_OF(...)                                                           \
    scan_of((const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

static chd_scan scan_of(const uint8_t *bytes, size_t len)
{
    chd_scan scan;
    chd_scan_init(&scan, chd_bytes_of(bytes, len));
    return scan;
}

/* --- numbers -------------------------------------------------------------- */

static const struct {
    const char *label;
    uint64_t value;
    size_t len;
    uint8_t bytes[9];
} numbers[] = {
    {"fixint 0", 0, 1, {0}},
    {"fixint 127", 127, 1, {0x7f}},
    {"uint 8", 255, 2, {0xcc, 0xff}},
    {"uint 8 of what is small", 5, 2, {0xcc, 5}},
    {"uint 16", 65535, 3, {0xcd, 0xff, 0xff}},
    {"uint 16 of what is small", 5, 3, {0xcd, 0, 5}},
    {"uint 32", UINT32_MAX, 5, {0xce, 255, 255, 255, 255}},
    {"uint 32 of what is small", 5, 5, {0xce, 0, 0, 0, 5}},
    {"uint 64", UINT64_MAX, 9, {0xcf, 255, 255, 255, 255, 255, 255, 255, 255}},
    {"uint 64 of what is small", 5, 9, {0xcf, 0, 0, 0, 0, 0, 0, 0, 5}},
    {"int 8", 127, 2, {0xd0, 0x7f}},
    {"int 16", 32767, 3, {0xd1, 0x7f, 0xff}},
    {"int 32", INT32_MAX, 5, {0xd2, 0x7f, 255, 255, 255}},
    {"int 64", INT64_MAX, 9, {0xd3, 0x7f, 255, 255, 255, 255, 255, 255, 255}},
    {"int 64 of what is small", 5, 9, {0xd3, 0, 0, 0, 0, 0, 0, 0, 5}},
};

Test(scan, a_number_is_read_from_every_format)
{
    for (size_t i = 0; i < CHD_COUNT(numbers); i++) {
        chd_scan scan = scan_of(numbers[i].bytes, numbers[i].len);
        cr_assert_eq(chd_scan_uint(&scan, UINT64_MAX), numbers[i].value, "%s",
                     numbers[i].label);
        cr_assert_eq(chd_scan_end(&scan), CHD_OK, "%s", numbers[i].label);
    }
}

Test(scan, a_number_that_ends_too_early_is_truncated)
{
    for (size_t i = 0; i < CHD_COUNT(numbers); i++) {
        for (size_t len = 0; len < numbers[i].len; len++) {
            chd_scan scan = scan_of(numbers[i].bytes, len);
            cr_assert_eq(chd_scan_uint(&scan, UINT64_MAX), 0);
            cr_assert_eq(chd_scan_end(&scan), CHD_ETRUNCATED, "%s at %zu",
                         numbers[i].label, len);
        }
    }
}

Test(scan, a_number_above_its_maximum_is_out_of_range)
{
    for (size_t i = 0; i < CHD_COUNT(numbers); i++) {
        const uint64_t value = numbers[i].value;
        chd_scan at = scan_of(numbers[i].bytes, numbers[i].len);
        cr_assert_eq(chd_scan_uint(&at, value), value);
        cr_assert_eq(chd_scan_end(&at), CHD_OK);
        if (value > 0) {
            chd_scan above = scan_of(numbers[i].bytes, numbers[i].len);
            cr_assert_eq(chd_scan_uint(&above, value - 1), 0);
            cr_assert_eq(chd_scan_end(&above), CHD_ERANGE);
        }
        if (value < UINT64_MAX) {
            chd_scan below = scan_of(numbers[i].bytes, numbers[i].len);
            cr_assert_eq(chd_scan_uint(&below, value + 1), value);
            cr_assert_eq(chd_scan_end(&below), CHD_OK);
        }
    }
}

Test(scan, a_negative_number_is_out_of_range)
{
    chd_scan scans[] = {
        SCAN_OF(0xff),
        SCAN_OF(0xe0),
        SCAN_OF(0xd0, 0x80),
        SCAN_OF(0xd1, 0xff, 0xff),
        SCAN_OF(0xd2, 0x80, 0, 0, 0),
        SCAN_OF(0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
    };

    for (size_t i = 0; i < CHD_COUNT(scans); i++) {
        cr_assert_eq(chd_scan_uint(&scans[i], UINT64_MAX), 0);
        cr_assert_eq(chd_scan_end(&scans[i]), CHD_ERANGE, "%zu", i);
    }
}

Test(scan, a_boolean_is_one_of_two_bytes)
{
    for (unsigned first = 0; first < 256; first++) {
        const uint8_t byte = (uint8_t)first;
        chd_scan scan = scan_of(&byte, 1);
        const bool truth = chd_scan_bool(&scan);
        const chd_err err = chd_scan_end(&scan);
        cr_assert_eq(truth, byte == 0xc3);
        cr_assert_eq(err, byte == 0xc2 || byte == 0xc3 ? CHD_OK : CHD_ETYPE);
    }
    chd_scan empty = scan_of(NULL, 0);
    cr_assert(!chd_scan_bool(&empty));
    cr_assert_eq(chd_scan_end(&empty), CHD_ETRUNCATED);
}

/* --- which first byte begins what ----------------------------------------- */

typedef enum format { NUMBER, NEGATIVE, TEXT, BINARY, ARRAY, OTHER } format;

static format format_of(uint8_t first)
{
    if (first <= 0x7f || (first >= 0xcc && first <= 0xd3)) {
        return NUMBER;
    }
    if (first >= 0xe0) {
        return NEGATIVE;
    }
    if ((first >= 0xa0 && first <= 0xbf) || (first >= 0xd9 && first <= 0xdb)) {
        return TEXT;
    }
    if (first >= 0xc4 && first <= 0xc6) {
        return BINARY;
    }
    if ((first >= 0x90 && first <= 0x9f) || first == 0xdc || first == 0xdd) {
        return ARRAY;
    }
    return OTHER;
}

Test(scan, every_first_byte_is_read_as_its_type_and_as_no_other)
{
    for (unsigned first = 0; first < 256; first++) {
        /* Enough for any fixed format; the spaces pass as text, and no array
         * or string claims more than is there. */
        uint8_t bytes[64] = {(uint8_t)first};
        memset(bytes + 9, ' ', sizeof(bytes) - 9);
        if (format_of(bytes[0]) == TEXT && first < 0xc0) {
            memset(bytes + 1, ' ', sizeof(bytes) - 1);
        }
        const format is = format_of(bytes[0]);
        chd_scan number = scan_of(bytes, sizeof(bytes));
        chd_scan text = number;
        chd_scan binary = number;
        chd_scan array = number;
        chd_scan_uint(&number, UINT64_MAX);
        chd_scan_str(&text, 64);
        chd_scan_bin(&binary, 64);
        chd_scan_array(&array, 64);
        cr_assert_eq(number.err, is == NUMBER     ? CHD_OK
                                 : is == NEGATIVE ? CHD_ERANGE
                                                  : CHD_ETYPE);
        cr_assert_eq(text.err, is == TEXT ? CHD_OK : CHD_ETYPE, "%x", first);
        cr_assert_eq(binary.err, is == BINARY ? CHD_OK : CHD_ETYPE);
        cr_assert_eq(array.err, is == ARRAY ? CHD_OK : CHD_ETYPE);
    }
}

/* --- strings -------------------------------------------------------------- */

static uint8_t string_buf[70000];

/* Write a string whose length stands in width bytes; 0 is fixstr. */
static chd_scan string_of(uint8_t first, size_t width, size_t len)
{
    string_buf[0] = first;
    for (size_t i = 0; i < width; i++) {
        string_buf[1 + i] = (uint8_t)(len >> 8 * (width - 1 - i));
    }
    memset(string_buf + 1 + width, 'x', len);
    return scan_of(string_buf, 1 + width + len);
}

Test(scan, strings_are_read_from_every_width_of_length)
{
    static const size_t widths[] = {1, 2, 4};

    for (size_t i = 0; i < CHD_COUNT(widths); i++) {
        for (size_t len = 0; len < 256; len += 5) {
            chd_scan scan = string_of((uint8_t)(0xd9 + i), widths[i], len);
            const chd_bytes text = chd_scan_str(&scan, 255);
            cr_assert_eq(chd_scan_end(&scan), CHD_OK);
            cr_assert_eq(text.len, len);
            cr_assert_eq(text.ptr, string_buf + 1 + widths[i]);
            scan = string_of((uint8_t)(0xc4 + i), widths[i], len);
            const chd_bytes data = chd_scan_bin(&scan, 255);
            cr_assert_eq(chd_scan_end(&scan), CHD_OK);
            cr_assert_eq(data.len, len);
        }
    }
    for (uint8_t len = 0; len < 32; len++) {
        chd_scan scan = string_of((uint8_t)(0xa0 | len), 0, len);
        cr_assert_eq(chd_scan_str(&scan, 31).len, len);
        cr_assert_eq(chd_scan_end(&scan), CHD_OK);
    }
}

Test(scan, a_string_is_as_long_as_allowed_and_no_longer)
{
    static const size_t limits[] = {1, 31, 255, 256, 65535, 65536};

    for (size_t i = 0; i < CHD_COUNT(limits); i++) {
        for (size_t len = limits[i] - 1; len <= limits[i] + 1; len++) {
            const chd_err expected = len <= limits[i] ? CHD_OK : CHD_ELENGTH;
            chd_scan scan = string_of(0xdb, 4, len);
            chd_scan_str(&scan, limits[i]);
            cr_assert_eq(chd_scan_end(&scan), expected, "str %zu", len);
            scan = string_of(0xc6, 4, len);
            chd_scan_bin(&scan, limits[i]);
            cr_assert_eq(chd_scan_end(&scan), expected, "bin %zu", len);
        }
    }
}

Test(scan, a_string_longer_than_the_message_is_truncated)
{
    chd_scan scans[] = {
        SCAN_OF(0xa2, 'a'),
        SCAN_OF(0xd9),
        SCAN_OF(0xd9, 1),
        SCAN_OF(0xda, 0),
        SCAN_OF(0xdb, 0, 0, 0),
        SCAN_OF(0xdb, 0xff, 0xff, 0xff, 0xff),
        SCAN_OF(0xdb, 0, 0, 0, 2, 'a'),
    };

    for (size_t i = 0; i < CHD_COUNT(scans); i++) {
        cr_assert_eq(chd_scan_str(&scans[i], SIZE_MAX).len, 0);
        cr_assert_eq(chd_scan_end(&scans[i]), CHD_ETRUNCATED, "%zu", i);
    }
    chd_scan binary = SCAN_OF(0xc6, 0xff, 0xff, 0xff, 0xff, 'a');
    cr_assert_eq(chd_scan_bin(&binary, SIZE_MAX).len, 0);
    cr_assert_eq(chd_scan_end(&binary), CHD_ETRUNCATED);
}

Test(scan, text_is_utf_8_without_control_characters_and_binary_is_anything)
{
    chd_scan scans[] = {
        SCAN_OF(0xa1, 0x1f), SCAN_OF(0xa1, 0x7f),       SCAN_OF(0xa1, 0x00),
        SCAN_OF(0xa1, 0x80), SCAN_OF(0xa2, 0xc3, 0x28), SCAN_OF(0xa1, 0xc3),
    };

    for (size_t i = 0; i < CHD_COUNT(scans); i++) {
        cr_assert_eq(chd_scan_str(&scans[i], 9).len, 0);
        cr_assert_eq(chd_scan_end(&scans[i]), CHD_EUTF8, "%zu", i);
    }
    chd_scan text = SCAN_OF(0xa2, 0xc3, 0xa9);
    cr_assert_eq(chd_scan_str(&text, 9).len, 2);
    cr_assert_eq(chd_scan_end(&text), CHD_OK);
    chd_scan binary = SCAN_OF(0xc4, 3, 0xff, 0x00, 0x7f);
    cr_assert_eq(chd_scan_bin(&binary, 9).len, 3);
    cr_assert_eq(chd_scan_end(&binary), CHD_OK);
}

/* --- arrays --------------------------------------------------------------- */

Test(scan, hostile_array_header_is_refused_without_allocation)
{
    chd_scan scans[] = {
        SCAN_OF(0xdd, 0xff, 0, 0, 0),
        SCAN_OF(0xdd, 0xff, 0xff, 0xff, 0xff),
        SCAN_OF(0xdd, 0, 0x10, 0, 0),
        SCAN_OF(0xdc, 0xff, 0xff),
        SCAN_OF(0x91),
    };

    for (size_t i = 0; i < CHD_COUNT(scans); i++) {
        chd_scan skipped = scans[i];
        cr_assert_eq(chd_scan_array(&scans[i], UINT32_MAX), 0);
        cr_assert_eq(chd_scan_end(&scans[i]), CHD_ELENGTH, "%zu", i);
        chd_scan_skip(&skipped);
        cr_assert_eq(chd_scan_end(&skipped), CHD_ELENGTH, "%zu", i);
    }
}

Test(scan, hostile_map_header_is_refused_without_allocation)
{
    chd_scan scans[] = {
        SCAN_OF(0xdf, 0xff, 0xff, 0xff, 0xff, 0, 0),
        SCAN_OF(0xdf, 0x80, 0, 0, 0, 0, 0), /* twice that is 2^32 */
        SCAN_OF(0xde, 0, 2, 0, 0, 0),
        SCAN_OF(0x81, 0),
    };

    for (size_t i = 0; i < CHD_COUNT(scans); i++) {
        chd_scan_skip(&scans[i]);
        cr_assert_eq(chd_scan_end(&scans[i]), CHD_ELENGTH, "%zu", i);
    }
}

Test(scan, an_array_has_as_many_elements_as_allowed_and_no_more)
{
    const uint8_t bytes[] = {0x93, 1, 2, 3};

    for (uint32_t max = 2; max <= 4; max++) {
        chd_scan scan = scan_of(bytes, sizeof(bytes));
        cr_assert_eq(chd_scan_array(&scan, max), max < 3 ? 0 : 3);
        cr_assert_eq(scan.err, max < 3 ? CHD_ELENGTH : CHD_OK);
    }
}

Test(scan, an_array_has_as_many_elements_as_the_bytes_left_can_hold)
{
    const uint8_t bytes[] = {0xdd, 0, 0, 0, 3, 1, 2, 3, 4};

    for (size_t left = 2; left <= 4; left++) {
        chd_scan scan = scan_of(bytes, 5 + left);
        cr_assert_eq(chd_scan_array(&scan, UINT32_MAX), left < 3 ? 0 : 3);
        cr_assert_eq(scan.err, left < 3 ? CHD_ELENGTH : CHD_OK);
    }
}

Test(scan, an_array_header_that_ends_too_early_is_truncated)
{
    chd_scan scans[] = {SCAN_OF(0xdc), SCAN_OF(0xdc, 0), SCAN_OF(0xdd),
                        SCAN_OF(0xdd, 0, 0, 0)};

    for (size_t i = 0; i < CHD_COUNT(scans); i++) {
        cr_assert_eq(chd_scan_array(&scans[i], UINT32_MAX), 0);
        cr_assert_eq(chd_scan_end(&scans[i]), CHD_ETRUNCATED);
    }
}

/* --- stepping over -------------------------------------------------------- */

Test(scan, every_type_of_value_is_stepped_over)
{
    /* How long a value is that begins with a byte, when zeros follow. */
    for (unsigned first = 0; first < 256; first++) {
        static const uint8_t lengths[] = {
            1, 0, 1, 1, 2, 3, 5, 3,  4,  6, 5, 9, 2, 3, 5, 9,
            2, 3, 5, 9, 3, 4, 6, 10, 18, 2, 3, 5, 3, 5, 3, 5,
        };
        size_t len = 1;
        if (first >= 0x80 && first < 0x90) {
            len = 1 + 2 * (first & 0x0f);
        } else if (first >= 0x90 && first < 0xa0) {
            len = 1 + (first & 0x0f);
        } else if (first >= 0xa0 && first < 0xc0) {
            len = 1 + (first & 0x1f);
        } else if (first >= 0xc0 && first < 0xe0) {
            len = lengths[first - 0xc0];
        }
        uint8_t bytes[40] = {(uint8_t)first};
        chd_scan scan = scan_of(bytes, sizeof(bytes));
        chd_scan_skip(&scan);
        if (first == 0xc1) {
            cr_assert_eq(chd_scan_end(&scan), CHD_ETYPE);
            continue;
        }
        cr_assert_eq(scan.err, CHD_OK, "%x", first);
        cr_assert_eq((size_t)(scan.at - bytes), len, "%x", first);
        for (size_t cut = 0; cut < len; cut++) {
            chd_scan shorter = scan_of(bytes, cut);
            chd_scan_skip(&shorter);
            cr_assert_neq(chd_scan_end(&shorter), CHD_OK, "%x", first);
        }
    }
}

Test(scan, strings_of_any_length_are_stepped_over)
{
    static const uint8_t firsts[] = {0xd9, 0xda, 0xdb, 0xc4, 0xc5,
                                     0xc6, 0xc7, 0xc8, 0xc9};

    for (size_t i = 0; i < CHD_COUNT(firsts); i++) {
        const size_t width = (size_t)1 << i % 3;
        const size_t more = i >= 6 ? 1 : 0; /* the type of an ext */
        for (size_t len = 0; len < 200; len += 33) {
            (void)string_of(firsts[i], width, len + more);
            string_buf[width] = (uint8_t)len;
            chd_scan scan = scan_of(string_buf, 1 + width + more + len);
            chd_scan_skip(&scan);
            cr_assert_eq(chd_scan_end(&scan), CHD_OK, "%x", firsts[i]);
            scan = scan_of(string_buf, width + more + len);
            chd_scan_skip(&scan);
            cr_assert_eq(chd_scan_end(&scan), CHD_ETRUNCATED);
        }
    }
}

Test(scan, values_nest_as_deep_as_allowed_and_no_deeper)
{
    for (size_t depth = CHD_DEPTH_MAX - 1; depth <= CHD_DEPTH_MAX + 1;
         depth++) {
        const chd_err expected = depth <= CHD_DEPTH_MAX ? CHD_OK : CHD_EDEPTH;
        uint8_t arrays[CHD_DEPTH_MAX + 2];
        memset(arrays, 0x91, depth);
        arrays[depth] = 0;
        chd_scan scan = scan_of(arrays, depth + 1);
        chd_scan_skip(&scan);
        cr_assert_eq(chd_scan_end(&scan), expected, "%zu arrays", depth);
        arrays[depth - 1] = 0x90; /* an empty one counts too */
        scan = scan_of(arrays, depth);
        chd_scan_skip(&scan);
        cr_assert_eq(chd_scan_end(&scan), expected, "%zu arrays", depth);

        uint8_t maps[2 * (CHD_DEPTH_MAX + 2)] = {0};
        for (size_t i = 0; i < depth; i++) {
            maps[2 * i] = 0x81; /* each is the value of the key 0 */
        }
        scan = scan_of(maps, 2 * depth + 1);
        chd_scan_skip(&scan);
        cr_assert_eq(chd_scan_end(&scan), expected, "%zu maps", depth);
    }
}

Test(scan, many_containers_beside_each_other_are_not_deep)
{
    /* [[[]], [[]], ..., 7] and then one more value. */
    uint8_t bytes[3 + 2 * 1000 + 2] = {0xdc, 1001 >> 8, 1001 & 0xff};

    for (size_t i = 0; i < 1000; i++) {
        bytes[3 + 2 * i] = 0x91;
        bytes[4 + 2 * i] = 0x90;
    }
    bytes[2003] = 7;
    bytes[2004] = 9;
    chd_scan scan = scan_of(bytes, sizeof(bytes));
    chd_scan_skip(&scan);
    cr_assert_eq(chd_scan_uint(&scan, 9), 9);
    cr_assert_eq(chd_scan_end(&scan), CHD_OK);
}

Test(scan, bombs_of_nested_headers_are_refused)
{
    /* What makes msgpack-c 4.0 reserve 62 MiB, and 15.5 GiB. */
    uint8_t small[93];
    uint8_t large[155];

    for (size_t i = 0; i < sizeof(small); i++) {
        small[i] = i % 3 == 0 ? 0xdc : 0xff;
    }
    for (size_t i = 0; i < sizeof(large); i++) {
        large[i] = i % 5 == 0 ? 0xdd : (uint8_t)(i % 5 == 1 ? 0x01 : 0x00);
    }
    chd_scan scan = scan_of(small, sizeof(small));
    chd_scan_skip(&scan);
    cr_assert_eq(chd_scan_end(&scan), CHD_ELENGTH);
    scan = scan_of(large, sizeof(large));
    chd_scan_skip(&scan);
    cr_assert_eq(chd_scan_end(&scan), CHD_ELENGTH);

    uint8_t deep[100000];
    memset(deep, 0x91, sizeof(deep));
    scan = scan_of(deep, sizeof(deep));
    chd_scan_skip(&scan);
    cr_assert_eq(chd_scan_end(&scan), CHD_EDEPTH);
}

/* --- errors, and the end -------------------------------------------------- */

Test(scan, the_first_error_stays_and_later_reads_give_nothing)
{
    chd_scan scan = SCAN_OF(0xc0, 1, 0xc3, 0xa1, 'x', 0xc4, 1, 'x', 0x91, 1);

    cr_assert_eq(chd_scan_uint(&scan, 9), 0);
    cr_assert_eq(scan.err, CHD_ETYPE);
    const chd_scan failed = scan;
    cr_assert_eq(chd_scan_uint(&scan, 9), 0);
    cr_assert(!chd_scan_bool(&scan));
    cr_assert_eq(chd_scan_str(&scan, 9).len, 0);
    cr_assert_eq(chd_scan_bin(&scan, 9).len, 0);
    cr_assert_eq(chd_scan_array(&scan, 9), 0);
    chd_scan_skip(&scan);
    chd_scan_rest(&scan, 9, 1);
    chd_scan_rest(&scan, 1, 9);
    chd_scan_fail(&scan, CHD_EORDER);
    cr_assert_eq(chd_scan_end(&scan), CHD_ETYPE);
    cr_assert_eq(chd_scan_left(&scan), 0);
    cr_assert_eq(scan.at, failed.at);
    cr_assert_eq(scan.err, failed.err);
}

Test(scan, no_bytes_at_all_can_be_read_to_the_end)
{
    chd_scan scan = scan_of(NULL, 0);

    cr_assert_eq(chd_scan_end(&scan), CHD_OK);
    chd_scan_skip(&scan);
    cr_assert_eq(chd_scan_end(&scan), CHD_ETRUNCATED);
}

Test(scan, bytes_left_over_are_an_error)
{
    chd_scan scan = SCAN_OF(1, 2);

    cr_assert_eq(chd_scan_uint(&scan, 9), 1);
    cr_assert_eq(chd_scan_left(&scan), 1);
    cr_assert_eq(chd_scan_end(&scan), CHD_ELENGTH);
}

Test(scan, fields_of_a_newer_release_are_skipped)
{
    chd_scan scan = SCAN_OF(0x94, 1, 0xa1, 'x', 0x91, 0xc0, 2, 3);

    const uint32_t count = chd_scan_array(&scan, 9);
    cr_assert_eq(count, 4);
    cr_assert_eq(chd_scan_uint(&scan, 9), 1);
    chd_scan_rest(&scan, count, 1);
    cr_assert_eq(chd_scan_uint(&scan, 9), 3);
    cr_assert_eq(chd_scan_end(&scan), CHD_OK);
}

Test(scan, an_array_with_fewer_fields_than_known_is_truncated)
{
    /* Its last field was read from what follows it. */
    chd_scan scan = SCAN_OF(0x91, 1, 2, 3);

    const uint32_t count = chd_scan_array(&scan, 9);
    cr_assert_eq(chd_scan_uint(&scan, 9), 1);
    cr_assert_eq(chd_scan_uint(&scan, 9), 2);
    chd_scan_rest(&scan, count, 2);
    cr_assert_eq(chd_scan_end(&scan), CHD_ETRUNCATED);
}

Test(scan, what_was_read_since_a_position_can_be_taken)
{
    const uint8_t bytes[] = {1, 0xa1, 'x', 2};
    chd_scan scan = scan_of(bytes, sizeof(bytes));

    chd_scan_uint(&scan, 9);
    const uint8_t *start = scan.at;
    chd_scan_skip(&scan);
    cr_assert(chd_bytes_equal(chd_scan_since(&scan, start),
                              chd_bytes_of(bytes + 1, 2)));
}

/* --- msgpack-c as the judge ----------------------------------------------- */

/* Tell whether bytes hold a header of an array or map that may claim much:
 * msgpack-c would reserve what it claims. */
static bool may_claim(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] >= 0xdc && bytes[i] <= 0xdf) {
            return true;
        }
    }
    return false;
}

Test(scan, skipping_agrees_with_msgpack_c)
{
    enum { ROUNDS = 300000 };
    chd_prng prng = chd_prng_seeded(7);
    msgpack_unpacked unpacked;
    uint32_t accepted = 0;

    msgpack_unpacked_init(&unpacked);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[24];
        const size_t len = 1 + chd_prng_below(&prng, sizeof(bytes));
        for (size_t i = 0; i < len; i++) {
            /* Headers of all sorts more often than small numbers. */
            const uint64_t random = chd_prng_next(&prng);
            bytes[i] = (uint8_t)(random % 3 == 0   ? 0x80 | random >> 8
                                 : random % 3 == 1 ? (random >> 8) % 4
                                                   : random >> 8);
        }
        chd_scan scan = scan_of(bytes, len);
        chd_scan_skip(&scan);
        if (scan.err == CHD_EDEPTH ||
            (scan.err != CHD_OK && may_claim(bytes, len))) {
            continue;
        }
        size_t used = 0;
        const msgpack_unpack_return result =
            msgpack_unpack_next(&unpacked, (const char *)bytes, len, &used);
        cr_assert_eq(result == MSGPACK_UNPACK_SUCCESS, scan.err == CHD_OK,
                     "round %d", round);
        if (scan.err == CHD_OK) {
            cr_assert_eq((size_t)(scan.at - bytes), used, "round %d", round);
            accepted++;
        }
    }
    msgpack_unpacked_destroy(&unpacked);
    cr_assert_gt(accepted, ROUNDS / 10);
}

Test(scan, numbers_agree_with_msgpack_c)
{
    chd_prng prng = chd_prng_seeded(8);
    msgpack_unpacked unpacked;

    msgpack_unpacked_init(&unpacked);
    for (int round = 0; round < 100000; round++) {
        const uint64_t random[2] = {chd_prng_next(&prng), chd_prng_next(&prng)};
        uint8_t bytes[16];
        memcpy(bytes, random, sizeof(bytes));
        bytes[0] = (uint8_t)(round % 3 == 0 ? bytes[0] : 0xcc + bytes[0] % 8);
        if (format_of(bytes[0]) != NUMBER && format_of(bytes[0]) != NEGATIVE) {
            continue;
        }
        size_t used = 0;
        chd_scan scan = scan_of(bytes, sizeof(bytes));
        const uint64_t number = chd_scan_uint(&scan, UINT64_MAX);
        cr_assert_eq(msgpack_unpack_next(&unpacked, (const char *)bytes,
                                         sizeof(bytes), &used),
                     MSGPACK_UNPACK_SUCCESS);
        if (unpacked.data.type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
            cr_assert_eq(scan.err, CHD_ERANGE);
            continue;
        }
        cr_assert_eq(unpacked.data.type, MSGPACK_OBJECT_POSITIVE_INTEGER);
        cr_assert_eq(number, unpacked.data.via.u64);
        cr_assert_eq((size_t)(scan.at - bytes), used);
    }
    msgpack_unpacked_destroy(&unpacked);
}
