/* confirm.c - how long it takes until a publisher knows that everybody has
 * applied an event.
 *
 * Five sidecars, a cache at each, one publisher at the first, all on this
 * machine.  Rounds of two kinds alternate:
 *
 *   one-way    an invalidation without waiting, every 2 ms; it is there when
 *              the last of the five callbacks is called
 *   applied    the same with COHERD_WAIT_APPLIED; until the call returns
 *
 * The table shows each round, in microseconds, the medians over the rounds, and
 * how many times longer the second takes.
 * BENCH_ROUNDS (5) and BENCH_EVENTS (2000) change how much is measured.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/coherd.h"

#define NODES 5
#define EVENTS_MAX 100000
#define ROUNDS_MAX 99
#define INTERVAL_NS 2000000L
#define TOPIC "bench"
#define PEERS "[::1]:27620,[::1]:27630,[::1]:27640,[::1]:27650,[::1]:27660"

/* Written by the caches, each in a process of its own. */
typedef struct shared {
    uint64_t received[NODES][EVENTS_MAX];
} shared;

typedef struct result {
    double p50;
    double p99;
} result;

static shared *times;
static char dir[] = "/tmp/coherd-bench-XXXXXX";
static unsigned event_count = 2000;
static unsigned event_next; /* a number that no event had */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void pause_ns(long ns)
{
    const struct timespec span = {.tv_nsec = ns};
    nanosleep(&span, NULL);
}

static void die(const char *what)
{
    perror(what);
    kill(0, SIGKILL);
    exit(1);
}

/* --- five instances ------------------------------------------------------- */

static void on_event(coherd_client *client, const coherd_event *event,
                     void *arg)
{
    char text[16] = "";

    (void)client;
    if (event->target.len < sizeof(text)) {
        memcpy(text, event->target.data, event->target.len);
        const unsigned long i = strtoul(text, NULL, 10) % EVENTS_MAX;
        __atomic_store_n(&times->received[*(unsigned *)arg][i], now_ns(),
                         __ATOMIC_RELEASE);
    }
}

static void on_reset(coherd_client *client, const coherd_reset *reset,
                     void *arg)
{
    (void)client, (void)reset, (void)arg;
}

static void socket_path(unsigned node, char path[64])
{
    (void)snprintf(path, 64, "%s/%u.sock", dir, node);
}

/* Start a process that ends with this one. */
static pid_t spawn(void)
{
    const pid_t pid = fork();

    if (pid < 0) {
        die("fork");
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    return pid;
}

static pid_t start_sidecar(unsigned node)
{
    char port[16];
    char path[64];
    char program[256];
    const char *bin = getenv("CHD_BIN");
    const pid_t pid = spawn();

    if (pid != 0) {
        return pid;
    }
    (void)snprintf(program, sizeof(program), "%s/coherd",
                   bin != NULL ? bin : "build/bin");
    (void)snprintf(port, sizeof(port), "%u", 27620 + 10 * node);
    socket_path(node, path);
    execl(program, "coherd", "--cluster-name", "bench", "--mesh-address", "::1",
          "--mesh-port", port, "--discovery-peers", PEERS, "--local-socket",
          path, "--admin-address", "", "--logging-level", "error",
          (char *)NULL);
    die(program);
    return 0;
}

static pid_t start_cache(unsigned node)
{
    char path[64];
    coherd_client *client;
    const pid_t pid = spawn();

    if (pid != 0) {
        return pid;
    }
    socket_path(node, path);
    const coherd_options options = {.socket = path,
                                    .on_event = on_event,
                                    .on_reset = on_reset,
                                    .arg = &node};
    if (coherd_open(&options, &client) != COHERD_OK ||
        coherd_subscribe(client, TOPIC) != COHERD_OK) {
        die("coherd_open");
    }
    for (;;) {
        pause();
    }
}

/* --- measuring ------------------------------------------------------------ */

/* When the last one got an event; 0: not all have. */
static uint64_t reached_all(unsigned i)
{
    uint64_t last = 0;

    for (unsigned node = 0; node < NODES; node++) {
        const uint64_t at = __atomic_load_n(
            &times->received[node][i % EVENTS_MAX], __ATOMIC_ACQUIRE);
        if (at == 0) {
            return 0;
        }
        last = at > last ? at : last;
    }
    return last;
}

/* Publish one; returns the microseconds that the call took, or until the last
 * callback; below 0: it failed. */
static double publish(coherd_client *client, coherd_wait wait)
{
    const coherd_publish_options how = {.wait = wait, .timeout_ms = 5000};
    const unsigned i = event_next++;
    char key[16];
    coherd_receipt receipt = {0};

    for (unsigned node = 0; node < NODES; node++) {
        times->received[node][i % EVENTS_MAX] = 0;
    }
    (void)snprintf(key, sizeof(key), "%u", i);
    const coherd_target target = coherd_key(key);
    const uint64_t begin = now_ns();
    const coherd_err err =
        coherd_invalidate(client, TOPIC, &target, 1, &how, &receipt);
    const uint64_t end = now_ns();
    if (err != COHERD_OK) {
        return -1;
    }
    if (wait == COHERD_WAIT_APPLIED) {
        return receipt.applied == NODES && reached_all(i) != 0
                   ? (double)(end - begin) / 1000
                   : -1;
    }
    while (reached_all(i) == 0 && now_ns() - begin < 5000000000u) {
        pause_ns(100000);
    }
    return reached_all(i) == 0 ? -1 : (double)(reached_all(i) - begin) / 1000;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static result measure(coherd_client *client, coherd_wait wait)
{
    static double us[EVENTS_MAX];

    for (unsigned i = 0; i < event_count; i++) {
        pause_ns(INTERVAL_NS);
        us[i] = publish(client, wait);
        if (us[i] < 0) {
            fprintf(stderr, "an event did not reach everybody\n");
            exit(1);
        }
    }
    qsort(us, event_count, sizeof(us[0]), compare);
    return (result){us[event_count / 2], us[event_count * 99 / 100]};
}

static unsigned setting(const char *name, unsigned value, unsigned most)
{
    const char *text = getenv(name);
    const unsigned long given = text == NULL ? value : strtoul(text, NULL, 10);
    return given == 0 || given > most ? value : (unsigned)given;
}

static double median(const result *results, unsigned count, bool p99)
{
    double all[ROUNDS_MAX] = {0};

    for (unsigned i = 0; i < count; i++) {
        all[i] = p99 ? results[i].p99 : results[i].p50;
    }
    qsort(all, count, sizeof(all[0]), compare);
    return all[count / 2];
}

static void print_row(const char *round, double a, double b, double c, double d)
{
    printf("%6s %12.0f %12.0f %12.0f %12.0f %8.2f\n", round, a, b, c, d, c / a);
    (void)fflush(stdout);
}

static void run(coherd_client *client)
{
    static result plain[ROUNDS_MAX];
    static result waited[ROUNDS_MAX];
    const unsigned rounds = setting("BENCH_ROUNDS", 5, ROUNDS_MAX);
    char name[16];

    while (publish(client, COHERD_WAIT_APPLIED) < 0) {
        pause_ns(INTERVAL_NS); /* until all have met */
    }
    printf("microseconds, %u events each\n", event_count);
    printf("%6s %12s %12s %12s %12s %8s\n", "round", "one-way p50", "p99",
           "applied p50", "p99", "times");
    for (unsigned i = 0; i < rounds; i++) {
        plain[i] = measure(client, COHERD_WAIT_NONE);
        waited[i] = measure(client, COHERD_WAIT_APPLIED);
        (void)snprintf(name, sizeof(name), "%u", i + 1);
        print_row(name, plain[i].p50, plain[i].p99, waited[i].p50,
                  waited[i].p99);
    }
    print_row("median", median(plain, rounds, false),
              median(plain, rounds, true), median(waited, rounds, false),
              median(waited, rounds, true));
}

int main(void)
{
    pid_t pids[2 * NODES];
    char path[64];
    coherd_client *client;

    times = mmap(NULL, sizeof(*times), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (times == MAP_FAILED || mkdtemp(dir) == NULL) {
        die("mmap or mkdtemp");
    }
    event_count = setting("BENCH_EVENTS", event_count, EVENTS_MAX / 4);
    for (unsigned node = 0; node < NODES; node++) {
        pids[node] = start_sidecar(node);
        pids[NODES + node] = start_cache(node);
    }
    socket_path(0, path);
    const coherd_options options = {.socket = path};
    if (coherd_open(&options, &client) != COHERD_OK) {
        die("coherd_open");
    }
    run(client);
    coherd_close(&client);
    for (size_t i = 0; i < 2 * NODES; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    for (unsigned node = 0; node < NODES; node++) {
        socket_path(node, path);
        (void)unlink(path);
    }
    (void)rmdir(dir);
    return 0;
}
