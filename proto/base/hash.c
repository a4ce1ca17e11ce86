#include "proto/base/hash.h"

/* In the manner of wyhash (Wang Yi, 2019): a product of 64 by 64 bits, folded,
 * takes in sixteen bytes. */
#define K1 UINT64_C(0x9e3779b97f4a7c15)
#define K2 UINT64_C(0xd6e8feb86659fd93)

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b)
{
    const wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* Up to eight bytes, as a number. */
static uint64_t load_few(const uint8_t *at, size_t count)
{
    uint64_t word = 0;

    for (size_t i = 0; i < count; i++) {
        word |= (uint64_t)at[i] << (8 * i);
    }
    return word;
}

uint64_t chd_hash(uint64_t seed, chd_bytes bytes)
{
    uint64_t h = seed ^ K1;
    const uint8_t *p = bytes.ptr;
    size_t left = bytes.len;
    uint64_t first;
    uint64_t last = 0;

    for (; left > 16; p += 16, left -= 16) {
        h = fold(load(p) ^ K2, load(p + 8) ^ h);
    }
    /* The last sixteen bytes, some of them once more. */
    if (bytes.len >= 16) {
        first = load(p + left - 16);
        last = load(p + left - 8);
    } else if (bytes.len >= 8) {
        first = load(p);
        last = load(p + left - 8);
    } else {
        first = load_few(p, left);
    }
    return fold(K1 ^ bytes.len, fold(first ^ K2, last ^ h));
}
