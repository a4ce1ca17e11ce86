#include "broker/entropy.h"

#include <errno.h>
#include <sys/random.h>

uint64_t chd_entropy_u64(void)
{
    uint64_t bits = 0;

    while (bits == 0) {
        /* Up to 256 bytes come whole or not at all. */
        const ssize_t got = getrandom(&bits, sizeof(bits), 0);
        CHD_ASSERT(got == (ssize_t)sizeof(bits) || errno == EINTR);
        if (got != (ssize_t)sizeof(bits)) {
            bits = 0;
        }
    }
    return bits;
}
