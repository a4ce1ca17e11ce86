#include "broker/clock.h"

#include <time.h>

chd_now chd_clock_read(void)
{
    struct timespec mono;
    struct timespec wall;

    /* BOOTTIME is MONOTONIC that goes on while the machine is suspended: what
     * was fresh before is not fresh after.  Neither can fail with these ids
     * and a valid pointer. */
    (void)clock_gettime(CLOCK_BOOTTIME, &mono);
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (chd_now){
        .mono_ns = (uint64_t)mono.tv_sec * CHD_SECOND + (uint64_t)mono.tv_nsec,
        .wall_ms =
            (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / CHD_MS,
    };
}

uint64_t chd_clock_monotonic_us(void)
{
    struct timespec mono;

    (void)clock_gettime(CLOCK_MONOTONIC, &mono);
    return (uint64_t)mono.tv_sec * 1000000 + (uint64_t)mono.tv_nsec / 1000;
}
