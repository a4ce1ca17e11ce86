#include "broker/clock.h"

#include <time.h>

chd_now chd_clock_read(void)
{
    struct timespec mono;
    struct timespec wall;

    /* Neither can fail with these ids and a valid pointer. */
    (void)clock_gettime(CLOCK_MONOTONIC, &mono);
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (chd_now){
        .mono_ns = (uint64_t)mono.tv_sec * CHD_SECOND + (uint64_t)mono.tv_nsec,
        .wall_ms =
            (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / CHD_MS,
    };
}
