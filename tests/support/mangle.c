#include "tests/support/mangle.h"

#include <stdlib.h>

#include "proto/base/prng.h"

#define RANDOM_COPIES 2000

/* Formats that promise much, or nothing that fits. */
static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xc9,
                                 0xcb, 0xcf, 0xd3, 0xd8, 0xdb, 0xdc, 0xdd,
                                 0xde, 0xdf, 0xe0, 0xff};

/* Return the nth replacement for byte: a value of the table, or a bit turned
 * over. */
static uint8_t replacement(uint8_t byte, size_t nth)
{
    if (nth < CHD_COUNT(values)) {
        return values[nth];
    }
    return (uint8_t)(byte ^ 1u << (nth - CHD_COUNT(values)));
}

static uint8_t *copy_of(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    CHD_ASSERT(copy != NULL);
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    return copy;
}

size_t mangle_truncate(chd_bytes message, mangle_reader read)
{
    for (size_t len = 0; len < message.len; len++) {
        uint8_t *copy = copy_of(message.ptr, len);
        const chd_err err = read(chd_bytes_of(copy, len));
        free(copy);
        if (err == CHD_OK) {
            return len;
        }
    }
    return message.len;
}

size_t mangle_change(chd_bytes message, mangle_reader read)
{
    uint8_t *copy = copy_of(message.ptr, message.len);
    chd_prng prng = chd_prng_seeded(message.len);
    size_t count = 0;

    for (size_t i = 0; i < message.len; i++) {
        for (size_t n = 0; n < CHD_COUNT(values) + 8; n++) {
            copy[i] = replacement(message.ptr[i], n);
            (void)read(chd_bytes_of(copy, message.len));
            count++;
        }
        copy[i] = message.ptr[i];
    }
    for (size_t n = 0; n < RANDOM_COPIES && message.len > 0; n++) {
        memcpy(copy, message.ptr, message.len);
        for (uint64_t i = chd_prng_below(&prng, 4) + 1; i > 0; i--) {
            const uint64_t at = chd_prng_below(&prng, message.len);
            copy[at] = (uint8_t)chd_prng_next(&prng);
        }
        (void)read(chd_bytes_of(copy, message.len));
        count++;
    }
    free(copy);
    return count;
}
