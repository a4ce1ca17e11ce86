#include "proto/wire/topic.h"

#include "proto/base/limits.h"

#define WORD_BYTES sizeof(uint64_t)
#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Tell whether the eight bytes at text are printable ASCII.  The top bit of a
 * byte is set if it is 0x80 or above; when 0x20 is taken away, if it is below;
 * when 1 is added, if it is 0x7f.  What is borrowed or carried comes from a
 * byte that is none itself. */
static bool is_plain(const uint8_t *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof(word));
    return ((word | (word - EACH_BYTE(0x20)) | (word + EACH_BYTE(0x01))) &
            EACH_BYTE(0x80)) == 0;
}

/* Return the length of the character at the front of text, at least one byte,
 * or 0 when it is a control character or not valid UTF-8.  The ranges are
 * those of table 3-7 of the Unicode standard. */
static size_t character_length(chd_bytes text)
{
    const uint8_t first = text.ptr[0];
    size_t len = 0;
    uint8_t lowest = 0x80;  /* of the second byte: neither overlong forms, */
    uint8_t highest = 0xbf; /* nor surrogates, nor above U+10FFFF         */

    if (first < 0x80) {
        return first >= 0x20 && first != 0x7f ? 1 : 0;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        len = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        len = 3;
        lowest = first == 0xe0 ? 0xa0 : lowest;
        highest = first == 0xed ? 0x9f : highest;
    } else if (first >= 0xf0 && first <= 0xf4) {
        len = 4;
        lowest = first == 0xf0 ? 0x90 : lowest;
        highest = first == 0xf4 ? 0x8f : highest;
    }
    if (len == 0 || len > text.len || text.ptr[1] < lowest ||
        text.ptr[1] > highest) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((text.ptr[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

bool chd_text_is_valid(chd_bytes text)
{
    if (text.len >= WORD_BYTES && is_plain(text.ptr + text.len - WORD_BYTES)) {
        /* The last word follows: each look ahead stays within the text. */
        text.len -= WORD_BYTES;
        while (text.len > 0 && is_plain(text.ptr)) {
            const size_t len = chd_min_size(text.len, WORD_BYTES);
            text.ptr += len;
            text.len -= len;
        }
    }
    while (text.len > 0) {
        const size_t len = character_length(text);
        if (len == 0) {
            return false;
        }
        text.ptr += len;
        text.len -= len;
    }
    return true;
}

chd_bytes chd_text_cut(chd_bytes text, size_t len_max)
{
    size_t len = chd_min_size(text.len, len_max);

    /* Bytes that continue a character are 10xxxxxx. */
    while (len > 0 && len < text.len && (text.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    return (chd_bytes){text.ptr, len};
}

chd_err chd_topic_check(chd_bytes topic)
{
    if (topic.len == 0 || topic.len > CHD_TOPIC_BYTES_MAX ||
        !chd_text_is_valid(topic)) {
        return CHD_ETOPIC;
    }
    return CHD_OK;
}

chd_err chd_filter_check(const chd_filter *filter)
{
    if (filter->match == CHD_MATCH_PREFIX && filter->topic.len == 0) {
        return CHD_OK;
    }
    return chd_topic_check(filter->topic);
}

bool chd_filter_matches(const chd_filter *filter, chd_bytes topic)
{
    switch (filter->match) {
    case CHD_MATCH_EXACT:
        return chd_bytes_equal(filter->topic, topic);
    case CHD_MATCH_PREFIX:
        return chd_bytes_starts_with(topic, filter->topic);
    }
    return false;
}
