/* staleness.c - what one call of coherd_staleness costs, beside the bare
 * reading of the clock that is in it.
 *
 * A cache that bounds staleness asks before each read, so it must cost no more
 * than that.  The system call shows whether the kernel answers CLOCK_BOOTTIME
 * without being entered.  BENCH_ROUNDS (5) changes how much is measured.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/coherd.h"

#define CALLS 2000000u
#define ROUNDS_MAX 99

static char dir[] = "/tmp/coherd-bench-XXXXXX";
static char path[64];
static coherd_client *client;

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t bare_boottime(void)
{
    return now_ns(CLOCK_BOOTTIME);
}

static uint64_t bare_monotonic(void)
{
    return now_ns(CLOCK_MONOTONIC);
}

static uint64_t system_call(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_nsec;
}

static uint64_t staleness(void)
{
    return coherd_staleness(client);
}

static double measure(uint64_t (*call)(void))
{
    static volatile uint64_t sink;
    const uint64_t begun = now_ns(CLOCK_MONOTONIC);

    for (unsigned i = 0; i < CALLS; i++) {
        sink = call();
    }
    (void)sink;
    return (double)(now_ns(CLOCK_MONOTONIC) - begun) / CALLS;
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static pid_t start_coherd(void)
{
    char program[256];
    const char *bin = getenv("CHD_BIN");
    const pid_t pid = fork();

    if (pid != 0) {
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(program, sizeof(program), "%s/coherd",
                   bin != NULL ? bin : "build/bin");
    execl(program, "coherd", "--cluster-name", "bench", "--mesh-address", "::1",
          "--mesh-port", "27520", "--local-socket", path, "--admin-address", "",
          "--logging-level", "error", (char *)NULL);
    perror(program);
    _exit(1);
}

static void report(void)
{
    static const struct {
        const char *name;
        uint64_t (*call)(void);
    } calls[] = {
        {"clock_gettime(CLOCK_MONOTONIC)", bare_monotonic},
        {"clock_gettime(CLOCK_BOOTTIME)", bare_boottime},
        {"coherd_staleness", staleness},
        {"the system call clock_gettime", system_call},
    };
    static double took[4][ROUNDS_MAX];
    const char *text = getenv("BENCH_ROUNDS");
    long rounds = text == NULL ? 5 : strtol(text, NULL, 10);

    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    for (long round = 0; round < rounds; round++) {
        for (int i = 0; i < 4; i++) {
            took[i][round] = measure(calls[i].call);
        }
    }
    puts("staleness: nanoseconds a call, median (smallest to largest)");
    for (int i = 0; i < 4; i++) {
        qsort(took[i], (size_t)rounds, sizeof(took[i][0]), compare);
        printf("  %-32s %7.1f  (%.1f to %.1f)\n", calls[i].name,
               took[i][rounds / 2], took[i][0], took[i][rounds - 1]);
    }
}

int main(void)
{
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/socket", dir);
    const pid_t pid = start_coherd();
    const coherd_options options = {.socket = path};
    int status = 1;
    if (coherd_open(&options, &client) == COHERD_OK) {
        for (int i = 0;
             i < 1000 && coherd_staleness(client) == COHERD_STALENESS_UNKNOWN;
             i++) {
            usleep(10000); /* tidy: sleep, because this is no test */
        }
        if (coherd_staleness(client) != COHERD_STALENESS_UNKNOWN) {
            report();
            status = 0;
        }
        coherd_close(&client);
    }
    kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
    (void)unlink(path);
    (void)rmdir(dir);
    return status;
}
