/* bytes.h - a borrowed span of bytes.
 *
 * Owns:   nothing.  A span is valid as long as what it points into.
 */
#ifndef CHD_PROTO_BASE_BYTES_H
#define CHD_PROTO_BASE_BYTES_H

#include <string.h>

#include "proto/base/base.h"

typedef struct chd_bytes {
    const uint8_t *ptr; /* may be NULL only if len is 0 */
    size_t len;
} chd_bytes;

static inline chd_bytes chd_bytes_of(const void *ptr, size_t len)
{
    return (chd_bytes){(const uint8_t *)ptr, len};
}

/* View a NUL-terminated string, without its NUL. */
static inline chd_bytes chd_bytes_str(const char *text)
{
    return (chd_bytes){(const uint8_t *)text, strlen(text)};
}

/* Read eight bytes in network order. */
static inline uint64_t chd_load64(const uint8_t *at)
{
    return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 |
           (uint64_t)at[2] << 40 | (uint64_t)at[3] << 32 |
           (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 |
           (uint64_t)at[6] << 8 | at[7];
}

/* Write eight bytes in network order. */
static inline void chd_store64(uint8_t *at, uint64_t word)
{
    at[0] = (uint8_t)(word >> 56);
    at[1] = (uint8_t)(word >> 48);
    at[2] = (uint8_t)(word >> 40);
    at[3] = (uint8_t)(word >> 32);
    at[4] = (uint8_t)(word >> 24);
    at[5] = (uint8_t)(word >> 16);
    at[6] = (uint8_t)(word >> 8);
    at[7] = (uint8_t)word;
}

static inline bool chd_words_equal(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, sizeof(uint64_t)) == 0;
}

/* What is mostly compared is neither long nor very short, and the call of
 * memcmp would take longer. */
static inline bool chd_bytes_equal(chd_bytes a, chd_bytes b)
{
    const size_t word = sizeof(uint64_t);

    if (a.len != b.len) {
        return false;
    }
    if (a.len < word || a.len > 8 * word) {
        return a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0;
    }
    for (size_t at = 0; at < a.len - word; at += word) {
        if (!chd_words_equal(a.ptr + at, b.ptr + at)) {
            return false;
        }
    }
    return chd_words_equal(a.ptr + a.len - word, b.ptr + b.len - word);
}

static inline bool chd_bytes_starts_with(chd_bytes whole, chd_bytes prefix)
{
    return whole.len >= prefix.len &&
           (prefix.len == 0 || memcmp(whole.ptr, prefix.ptr, prefix.len) == 0);
}

#endif
