/* base.h - the few compiler extensions we allow ourselves, and assertions.
 *
 * CHD_ASSERT is for programmer errors only and stays on in every build.  No
 * byte that came from a socket, a file, the environment or DNS may reach one.
 */
#ifndef CHD_PROTO_BASE_BASE_H
#define CHD_PROTO_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define CHD_MUST_USE __attribute__((warn_unused_result))
#define CHD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define CHD_NORETURN __attribute__((noreturn))
#define CHD_UNUSED __attribute__((unused))

/* Abort when a programmer was wrong.  The core may not print: the stack of the
 * core dump says where. */
#define CHD_ASSERT(cond)                                                       \
    do {                                                                       \
        if (!(cond)) {                                                         \
            abort();                                                           \
        }                                                                      \
    } while (0)

#define CHD_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline size_t chd_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline uint64_t chd_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t chd_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
