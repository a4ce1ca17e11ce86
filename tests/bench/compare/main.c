/* main.c - which systems and which works there are, and one of each run. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/compare/compare.h"

#define PROCESSORS 2
#define ARGUMENTS_MAX 4

static const bench_system *const systems[] = {
    &system_coherd, &system_redis, &system_nats, &system_relay, &system_raw,
};

static const bench_work *const works[] = {
    &work_latency, &work_throughput, &work_confirmed, &work_idle, &work_faults,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void usage(void)
{
    (void)fprintf(stderr, "usage: compare SYSTEM WORK\nsystems:");
    for (size_t i = 0; i < COUNT(systems); i++) {
        (void)fprintf(stderr, " %s", systems[i]->name);
    }
    (void)fprintf(stderr, "\nworks:\n");
    for (size_t i = 0; i < COUNT(works); i++) {
        (void)fprintf(stderr, "  %s %s\n", works[i]->name, works[i]->arguments);
    }
    exit(2);
}

/* Whoever has more processors gets two of them too. */
static void stay_on_two(void)
{
    cpu_set_t all;
    cpu_set_t two;
    int chosen = 0;

    CPU_ZERO(&two);
    if (sched_getaffinity(0, sizeof(all), &all) != 0) {
        die("sched_getaffinity");
    }
    for (size_t cpu = 0; cpu < CPU_SETSIZE && chosen < PROCESSORS; cpu++) {
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &two);
            chosen++;
        }
    }
    if (sched_setaffinity(0, sizeof(two), &two) != 0) {
        die("sched_setaffinity");
    }
}

int main(int argc, char **argv)
{
    const bench_system *system = NULL;
    const bench_work *work = NULL;
    unsigned long arguments[ARGUMENTS_MAX] = {0};

    for (size_t i = 0; argc > 2 && i < COUNT(systems); i++) {
        system = strcmp(argv[1], systems[i]->name) == 0 ? systems[i] : system;
    }
    for (size_t i = 0; argc > 2 && i < COUNT(works); i++) {
        work = strcmp(argv[2], works[i]->name) == 0 ? works[i] : work;
    }
    if (system == NULL || work == NULL || argc - 3 != work->argument_count) {
        usage();
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        arguments[i - 3] = strtoul(argv[i], NULL, 10);
    }
    stay_on_two();
    bench_make_dir();
    board_make();
    work->run(system, arguments);
    end_children();
    bench_remove_dir();
    return 0;
}
