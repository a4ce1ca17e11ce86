#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "proto/wire/topic.h"

/* --- text ----------------------------------------------------------------- */

/* Decode the way the standard puts it, one code point at a time. */
static bool is_text(const uint8_t *bytes, size_t len)
{
    size_t i = 0;

    while (i < len) {
        const uint8_t first = bytes[i];
        const size_t more = first < 0x80             ? 0
                            : (first & 0xe0) == 0xc0 ? 1
                            : (first & 0xf0) == 0xe0 ? 2
                            : (first & 0xf8) == 0xf0 ? 3
                                                     : len;
        static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
        if (more >= len - i) {
            return false;
        }
        uint32_t point = more == 0 ? first : first & (0x3fu >> more);
        for (size_t j = 1; j <= more; j++) {
            if ((bytes[i + j] & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (bytes[i + j] & 0x3fu);
        }
        if (point < smallest[more] || point > 0x10ffff ||
            (point >= 0xd800 && point <= 0xdfff) || point < 0x20 ||
            point == 0x7f) {
            return false;
        }
        i += more + 1;
    }
    return true;
}

static void assert_agrees(const uint8_t *bytes, size_t len)
{
    const bool valid = chd_text_is_valid(chd_bytes_of(bytes, len));

    cr_assert_eq(valid, is_text(bytes, len), "%02x %02x %02x %02x (%zu)",
                 bytes[0], bytes[1], bytes[2], bytes[3], len);
}

Test(topic, every_sequence_of_one_and_two_bytes_is_judged_right)
{
    uint8_t bytes[4] = {0};

    for (unsigned i = 0; i < 65536; i++) {
        bytes[0] = (uint8_t)i;
        bytes[1] = (uint8_t)(i >> 8);
        assert_agrees(bytes, 1);
        assert_agrees(bytes, 2);
    }
}

Test(topic, every_sequence_of_three_bytes_is_judged_right)
{
    uint8_t bytes[4] = {0};

    for (unsigned first = 0xc0; first < 256; first++) {
        for (unsigned i = 0; i < 65536; i++) {
            bytes[0] = (uint8_t)first;
            bytes[1] = (uint8_t)i;
            bytes[2] = (uint8_t)(i >> 8);
            assert_agrees(bytes, 3);
        }
    }
}

Test(topic, sequences_of_four_bytes_are_judged_right)
{
    static const uint8_t thirds[] = {0x00, 0x20, 0x7f, 0x80, 0xbf, 0xc0, 0xff};

    for (unsigned first = 0xf0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            for (size_t t = 0; t < CHD_COUNT(thirds); t++) {
                for (size_t f = 0; f < CHD_COUNT(thirds); f++) {
                    const uint8_t bytes[] = {(uint8_t)first, (uint8_t)second,
                                             thirds[t], thirds[f]};
                    assert_agrees(bytes, 4);
                }
            }
        }
    }
}

Test(topic, a_bad_byte_is_found_wherever_it_stands)
{
    /* Eight bytes are looked at together, so try every length and offset. */
    static const uint8_t bad[] = {0x00, 0x1f, 0x7f, 0x80, 0xc0, 0xff};
    static const uint8_t good[] = {0x20, 0x7e, 'a'};

    for (size_t len = 1; len <= 33; len++) {
        for (size_t at = 0; at < len; at++) {
            uint8_t block[33];
            uint8_t *text = block + (sizeof(block) - len);
            for (size_t i = 0; i < CHD_COUNT(bad); i++) {
                memset(text, i % 2 == 0 ? 'x' : '~', len);
                text[at] = bad[i];
                cr_assert(!chd_text_is_valid(chd_bytes_of(text, len)),
                          "%02x at %zu of %zu", bad[i], at, len);
            }
            for (size_t i = 0; i < CHD_COUNT(good); i++) {
                text[at] = good[i];
                cr_assert(chd_text_is_valid(chd_bytes_of(text, len)));
            }
        }
    }
}

Test(topic, a_character_may_stand_anywhere_but_not_end_behind_the_end)
{
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac",
                                             "\xf0\x9f\x98\x80"};

    for (size_t c = 0; c < CHD_COUNT(characters); c++) {
        const size_t size = strlen(characters[c]);
        for (size_t before = 0; before < 20; before++) {
            uint8_t text[32];
            memset(text, 'x', sizeof(text));
            memcpy(text + before, characters[c], size);
            cr_assert(chd_text_is_valid(chd_bytes_of(text, sizeof(text))));
            for (size_t cut = 1; cut < size; cut++) {
                cr_assert(!chd_text_is_valid(chd_bytes_of(text, before + cut)));
            }
            cr_assert(chd_text_is_valid(chd_bytes_of(text, before + size)));
        }
    }
}

Test(topic, nothing_at_all_is_text)
{
    cr_assert(chd_text_is_valid((chd_bytes){NULL, 0}));
}

Test(topic, text_is_cut_between_characters)
{
    static const struct {
        const char *text;
        size_t max;
        size_t len;
    } cases[] = {
        {"", 0, 0},
        {"", 5, 0},
        {"abc", 4, 3},
        {"abc", 3, 3},
        {"abc", 2, 2},
        {"abc", 0, 0},
        {"a\xc3\xa9", 3, 3},
        {"a\xc3\xa9", 2, 1},
        {"\xe2\x82\xac\xe2\x82\xac", 5, 3},
        {"\xe2\x82\xac\xe2\x82\xac", 4, 3},
        {"\xe2\x82\xac\xe2\x82\xac", 3, 3},
        {"\xe2\x82\xac", 2, 0},
        {"\xf0\x9f\x98\x80", 3, 0},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        const chd_bytes whole = chd_bytes_str(cases[i].text);
        const chd_bytes cut = chd_text_cut(whole, cases[i].max);
        cr_assert_eq(cut.len, cases[i].len, "%zu", i);
        cr_assert_eq(cut.ptr, whole.ptr);
        cr_assert(chd_text_is_valid(cut));
    }
}

/* --- topics and filters --------------------------------------------------- */

static uint8_t long_text[CHD_TOPIC_BYTES_MAX + 1];

static void write_long_text(void)
{
    memset(long_text, 'x', sizeof(long_text));
}

Test(topic, a_topic_has_1_to_255_bytes_of_text, .init = write_long_text)
{
    cr_assert_eq(chd_topic_check((chd_bytes){NULL, 0}), CHD_ETOPIC);
    cr_assert_eq(chd_topic_check(chd_bytes_of(long_text, 1)), CHD_OK);
    cr_assert_eq(chd_topic_check(chd_bytes_of(long_text, 254)), CHD_OK);
    cr_assert_eq(chd_topic_check(chd_bytes_of(long_text, 255)), CHD_OK);
    cr_assert_eq(chd_topic_check(chd_bytes_of(long_text, 256)), CHD_ETOPIC);
    cr_assert_eq(chd_topic_check(chd_bytes_str("a\nb")), CHD_ETOPIC);
    cr_assert_eq(chd_topic_check(chd_bytes_str("a\xff")), CHD_ETOPIC);
    cr_assert_eq(chd_topic_check(chd_bytes_str("caf\xc3\xa9 / 1")), CHD_OK);
}

Test(topic, only_the_filter_of_a_prefix_may_be_empty, .init = write_long_text)
{
    const chd_filter exact = {CHD_MATCH_EXACT, {NULL, 0}};
    const chd_filter prefix = {CHD_MATCH_PREFIX, {NULL, 0}};
    const chd_filter longest = {CHD_MATCH_PREFIX, {long_text, 255}};
    const chd_filter too_long = {CHD_MATCH_PREFIX, {long_text, 256}};
    const chd_filter not_text = {CHD_MATCH_PREFIX, chd_bytes_str("\x01")};

    cr_assert_eq(chd_filter_check(&exact), CHD_ETOPIC);
    cr_assert_eq(chd_filter_check(&prefix), CHD_OK);
    cr_assert_eq(chd_filter_check(&longest), CHD_OK);
    cr_assert_eq(chd_filter_check(&too_long), CHD_ETOPIC);
    cr_assert_eq(chd_filter_check(&not_text), CHD_ETOPIC);
}

Test(topic, a_filter_matches_its_topic_or_every_topic_with_its_prefix)
{
    static const struct {
        chd_match match;
        const char *filter;
        const char *topic;
        bool matches;
    } cases[] = {
        {CHD_MATCH_EXACT, "episodes", "episodes", true},
        {CHD_MATCH_EXACT, "episodes", "episode", false},
        {CHD_MATCH_EXACT, "episodes", "episodes2", false},
        {CHD_MATCH_EXACT, "episodes", "Episodes", false},
        {CHD_MATCH_PREFIX, "user:", "user:1", true},
        {CHD_MATCH_PREFIX, "user:", "user:", true},
        {CHD_MATCH_PREFIX, "user:", "user", false},
        {CHD_MATCH_PREFIX, "user:", "xuser:1", false},
        {CHD_MATCH_PREFIX, "", "anything", true},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        const chd_filter filter = {cases[i].match,
                                   chd_bytes_str(cases[i].filter)};
        cr_assert_eq(chd_filter_matches(&filter, chd_bytes_str(cases[i].topic)),
                     cases[i].matches, "%zu", i);
    }
}

Test(topic, a_match_that_does_not_exist_matches_nothing)
{
    const chd_filter filter = {(chd_match)2, chd_bytes_str("t")};
    cr_assert(!chd_filter_matches(&filter, chd_bytes_str("t")));
}
