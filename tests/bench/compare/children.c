/* children.c - the processes of a measurement, and what they use. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/compare/compare.h"

#define CHILDREN_MAX 16

typedef struct child {
    pid_t pid;
    unsigned node;
    bool server;
} child;

static child children[CHILDREN_MAX];
static size_t child_count;
static pid_t own_pid;

char bench_dir[] = "/tmp/coherd-bench-XXXXXX";

_Noreturn void die(const char *what)
{
    perror(what);
    if (own_pid == getpid()) {
        end_children();
        bench_remove_dir();
    }
    _exit(1);
}

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void pause_until_ns(uint64_t when)
{
    const struct timespec at = {.tv_sec = (time_t)(when / 1000000000),
                                .tv_nsec = (long)(when % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) ==
           EINTR) {
    }
}

void pause_ns(uint64_t ns)
{
    pause_until_ns(now_ns() + ns);
}

void bench_make_dir(void)
{
    own_pid = getpid();
    if (mkdtemp(bench_dir) == NULL) {
        die(bench_dir);
    }
}

static int remove_one(const char *path, const struct stat *stat, int type,
                      struct FTW *at)
{
    (void)stat, (void)type, (void)at;
    return remove(path);
}

void bench_remove_dir(void)
{
    (void)nftw(bench_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Start a process that ends with this one; 0 in the child. */
static pid_t spawn(unsigned node, bool server)
{
    (void)fflush(stdout);
    const pid_t pid = fork();

    if (pid < 0 || child_count == CHILDREN_MAX) {
        die("fork");
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != own_pid) {
            _exit(1);
        }
        (void)signal(SIGPIPE, SIG_IGN);
        return 0;
    }
    children[child_count++] =
        (child){.pid = pid, .node = node, .server = server};
    return pid;
}

void start_program(unsigned node, const char *const *command)
{
    if (spawn(node, true) != 0) {
        return;
    }
    const char *told = getenv("BENCH_VERBOSE");
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(told != NULL ? STDERR_FILENO : null, STDOUT_FILENO) < 0 ||
        (told == NULL && dup2(null, STDERR_FILENO) < 0)) {
        die("/dev/null");
    }
    execvp(command[0], (char *const *)command);
    die(command[0]);
}

void start_relays(void (*run)(unsigned node))
{
    for (unsigned node = 0; node < NODES; node++) {
        if (spawn(node, true) == 0) {
            run(node);
            _exit(1);
        }
    }
}

void start_system(const bench_system *system)
{
    system->start();
    for (unsigned node = 0; node < NODES; node++) {
        if (spawn(node, false) == 0) {
            system->subscribe(node);
            _exit(1);
        }
    }
    system->open();
    board_wait_ready(system);
}

uint64_t servers_cpu_ns(void)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < child_count; i++) {
        clockid_t clock;
        struct timespec used;
        if (!children[i].server) {
            continue;
        }
        if (clock_getcpuclockid(children[i].pid, &clock) != 0 ||
            clock_gettime(clock, &used) != 0) {
            die("a server is gone");
        }
        sum += (uint64_t)used.tv_sec * UINT64_C(1000000000) +
               (uint64_t)used.tv_nsec;
    }
    return sum;
}

/* Return a line of /proc/PID/status, which is in KiB, in bytes. */
static uint64_t status_bytes(pid_t pid, const char *field)
{
    char path[64];
    char line[256];
    uint64_t found = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *status = fopen(path, "re");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0) {
            found = strtoull(line + strlen(field), NULL, 10) * 1024;
        }
    }
    if (status == NULL || fclose(status) != 0 || found == 0) {
        die(path);
    }
    return found;
}

void servers_memory(uint64_t *resident, uint64_t *peak)
{
    *resident = *peak = 0;
    for (size_t i = 0; i < child_count; i++) {
        if (children[i].server) {
            const uint64_t now = status_bytes(children[i].pid, "VmRSS:");
            const uint64_t most = status_bytes(children[i].pid, "VmHWM:");
            *resident = now > *resident ? now : *resident;
            *peak = most > *peak ? most : *peak;
        }
    }
}

void print_children(void)
{
    for (size_t i = 0; i < child_count; i++) {
        printf("%s %u %d\n", children[i].server ? "server" : "subscriber",
               children[i].node, (int)children[i].pid);
    }
}

void end_children(void)
{
    /* Subscribers first: who loses its server would complain. */
    while (child_count > 0) {
        const pid_t pid = children[--child_count].pid;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}
