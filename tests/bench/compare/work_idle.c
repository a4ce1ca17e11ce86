/* work_idle.c - what the servers use while nobody publishes. */
#include <stdio.h>

#include "tests/bench/compare/compare.h"

static void run(const bench_system *system, const unsigned long *arguments)
{
    uint64_t resident;
    uint64_t peak;

    start_system(system);
    const uint64_t cpu = servers_cpu_ns();
    const uint64_t begun = now_ns();
    pause_ns(arguments[0] * UINT64_C(1000000000));
    const uint64_t used = servers_cpu_ns() - cpu;
    const uint64_t passed = now_ns() - begun;
    const unsigned servers = system == &system_redis ? 1 : NODES;
    servers_memory(&resident, &peak);
    printf("cpu_percent_per_server %.4f\n",
           100.0 * (double)used / (double)passed / servers);
    printf("rss_idle_bytes %lu\n", (unsigned long)resident);
    printf("rss_start_peak_bytes %lu\n", (unsigned long)peak);
}

const bench_work work_idle = {
    .name = "idle",
    .arguments = "SECONDS",
    .argument_count = 1,
    .run = run,
};
