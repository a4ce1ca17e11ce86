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
/* For a function that is compiled anew for each constant it is called with. */
#define CHD_INLINED static inline __attribute__((always_inline))

/* Let the processor fetch a line of memory that will be read, or written.  It
 * may lie behind the end of what is valid: nothing happens then. */
#define CHD_PREFETCH(at) __builtin_prefetch(at)
#define CHD_PREFETCH_WRITE(at) __builtin_prefetch(at, 1)
#define CHD_LINE_BYTES 64

/* Abort.  Nothing is printed, which the core may not do, but a debugger or a
 * core dump shows the arguments in the frame of this function; and the caller's
 * line is the right one, where the compiler would merge calls of abort. */
void chd_assert_failed(const char *file, int line, const char *condition)
    CHD_NORETURN;

/* Abort when a programmer was wrong. */
#define CHD_ASSERT(cond)                                                       \
    do {                                                                       \
        if (!(cond)) {                                                         \
            chd_assert_failed(__FILE__, __LINE__, #cond);                      \
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
