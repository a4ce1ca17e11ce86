#include "proto/base/hash.h"

#define K1 UINT64_C(0x9e3779b97f4a7c15)
#define K2 UINT64_C(0xd6e8feb86659fd93)

uint64_t chd_hash(uint64_t seed, chd_bytes bytes)
{
    uint64_t h = seed ^ (bytes.len * K1);
    const uint8_t *p = bytes.ptr;
    size_t left = bytes.len;

    for (; left >= 8; p += 8, left -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = (h ^ chd_mix64(word + K1)) * K2;
    }
    if (left > 0) {
        uint64_t word = 0;
        memcpy(&word, p, left);
        h = (h ^ chd_mix64(word + K1)) * K2;
    }
    return chd_mix64(h);
}
