/* latency.c - from publishing to the callback on the farthest instance.
 *
 * Three instances, one publisher at the first, one subscriber at each, all on
 * this machine.  One event every 2 ms; an event counts when all three have it.
 * Beside it runs a bare chain of ZeroMQ sockets without any protocol logic:
 *
 *   coherd:  publisher -unix- coherd A -PUB/SUB tcp- coherd B, C -unix- caches
 *   zmq:     publisher -PUSH ipc- relay A -PUB/SUB tcp- relay B, C -PUB ipc-
 *
 * Both alternate; the table shows each round and the medians.
 * BENCH_ROUNDS (5) and BENCH_EVENTS (3000) change how much is measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "client/coherd.h"

#define NODES 3
#define EVENTS_MAX 100000
#define ROUNDS_MAX 99
#define INTERVAL_NS 2000000L
#define TOPIC "bench-0123456789" /* 16 bytes; keys have 32 */

/* Written by the subscribers, each in a process of its own. */
typedef struct shared {
    uint64_t sent[EVENTS_MAX];
    uint64_t received[NODES][EVENTS_MAX];
} shared;

typedef struct result {
    double p50;
    double p99;
    double max;
    unsigned lost;
} result;

static shared *times;
static char dir[] = "/tmp/coherd-bench-XXXXXX";
static unsigned event_count = 3000;

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

static void end(pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
}

/* --- what both measure ---------------------------------------------------- */

static void note(unsigned node, const void *key, size_t len)
{
    char text[33] = "";

    if (len == 32) {
        memcpy(text, key, len);
        const unsigned long i = strtoul(text, NULL, 10);
        if (i < EVENTS_MAX && times->received[node][i] == 0) {
            times->received[node][i] = now_ns();
        }
    }
}

static bool reached_all(unsigned i)
{
    for (unsigned node = 0; node < NODES; node++) {
        if (__atomic_load_n(&times->received[node][i], __ATOMIC_ACQUIRE) == 0) {
            return false;
        }
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef void publish_fn(void *arg, const char key[33]);

/* Publish event 0 until everybody has it, then the others, one at a time. */
static result measure(publish_fn *publish, void *arg)
{
    static double us[EVENTS_MAX];
    result found = {0};
    unsigned count = 0;
    char key[33];

    memset(times, 0, sizeof(*times));
    while (!reached_all(0)) {
        (void)snprintf(key, sizeof(key), "%032u", 0u);
        publish(arg, key);
        pause_ns(10 * INTERVAL_NS);
    }
    for (unsigned i = 1; i <= event_count; i++) {
        pause_ns(INTERVAL_NS);
        (void)snprintf(key, sizeof(key), "%032u", i);
        times->sent[i] = now_ns();
        publish(arg, key);
    }
    const uint64_t end = now_ns() + 5000000000u;
    while (!reached_all(event_count) && now_ns() < end) {
        pause_ns(INTERVAL_NS);
    }
    for (unsigned i = 1; i <= event_count; i++) {
        uint64_t last = 0;
        for (unsigned node = 0; node < NODES; node++) {
            last = times->received[node][i] > last ? times->received[node][i]
                                                   : last;
        }
        if (reached_all(i)) {
            us[count++] = (double)(last - times->sent[i]) / 1000;
        }
    }
    found.lost = event_count - count;
    qsort(us, count, sizeof(us[0]), compare);
    if (count > 0) {
        found.p50 = us[count / 2];
        found.p99 = us[count * 99 / 100];
        found.max = us[count - 1];
    }
    return found;
}

/* --- coherd --------------------------------------------------------------- */

static void on_event(coherd_client *client, const coherd_event *event,
                     void *arg)
{
    (void)client;
    note(*(unsigned *)arg, event->target.data, event->target.len);
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
    (void)snprintf(port, sizeof(port), "%u", 27420 + 10 * node);
    socket_path(node, path);
    execl(program, "coherd", "--cluster-name", "bench", "--mesh-address", "::1",
          "--mesh-port", port, "--discovery-peers",
          "[::1]:27420,[::1]:27430,[::1]:27440", "--local-socket", path,
          "--admin-address", "", "--logging-level", "error", (char *)NULL);
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

static void publish_coherd(void *arg, const char key[33])
{
    const coherd_target target = coherd_key(key);
    if (coherd_invalidate(arg, TOPIC, &target, 1, NULL, NULL) != COHERD_OK) {
        die("coherd_invalidate");
    }
}

static result measure_coherd(void)
{
    pid_t pids[2 * NODES];
    char path[64];
    coherd_client *client;

    for (unsigned node = 0; node < NODES; node++) {
        pids[node] = start_sidecar(node);
        pids[NODES + node] = start_cache(node);
    }
    socket_path(0, path);
    const coherd_options options = {.socket = path};
    if (coherd_open(&options, &client) != COHERD_OK) {
        die("coherd_open");
    }
    const result found = measure(publish_coherd, client);
    coherd_close(&client);
    end(pids, 2 * NODES);
    return found;
}

/* --- the bare chain ------------------------------------------------------- */

static void *open_socket(void *context, int type)
{
    const int zero = 0;
    const int one = 1;
    void *made = zmq_socket(context, type);

    if (made == NULL || zmq_setsockopt(made, ZMQ_LINGER, &zero, 4) != 0 ||
        zmq_setsockopt(made, ZMQ_SNDHWM, &zero, 4) != 0 ||
        zmq_setsockopt(made, ZMQ_RCVHWM, &zero, 4) != 0 ||
        zmq_setsockopt(made, ZMQ_IPV6, &one, 4) != 0 ||
        (type == ZMQ_SUB && zmq_setsockopt(made, ZMQ_SUBSCRIBE, "", 0) != 0)) {
        die("zmq_socket");
    }
    return made;
}

static void attach(void *made, bool binds, const char *name, unsigned node)
{
    char endpoint[128];

    (void)snprintf(endpoint, sizeof(endpoint), "ipc://%s/%s%u", dir, name,
                   node);
    if ((binds ? zmq_bind(made, endpoint) : zmq_connect(made, endpoint)) != 0) {
        die(endpoint);
    }
}

static pid_t start_relay(unsigned node)
{
    const pid_t pid = spawn();

    if (pid != 0) {
        return pid;
    }
    void *context = zmq_ctx_new();
    void *in = open_socket(context, node == 0 ? ZMQ_PULL : ZMQ_SUB);
    void *out = open_socket(context, ZMQ_PUB);
    attach(out, true, "out", node);
    if (node == 0) {
        attach(in, true, "in", 0);
        if (zmq_bind(out, "tcp://[::1]:27450") != 0) {
            die("bind");
        }
    } else if (zmq_connect(in, "tcp://[::1]:27450") != 0) {
        die("connect");
    }
    for (;;) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, in, 0) < 0 ||
            zmq_msg_send(&message, out, 0) < 0) {
            die("relay");
        }
    }
}

static pid_t start_subscriber(unsigned node)
{
    const pid_t pid = spawn();

    if (pid != 0) {
        return pid;
    }
    void *in = open_socket(zmq_ctx_new(), ZMQ_SUB);
    attach(in, false, "out", node);
    for (;;) {
        char event[64];
        const int len = zmq_recv(in, event, sizeof(event), 0);
        if (len == 48) {
            note(node, event + 16, 32);
        }
    }
}

static void publish_zmq(void *arg, const char key[33])
{
    char event[48];

    memcpy(event, TOPIC, 16);
    memcpy(event + 16, key, 32);
    if (zmq_send(arg, event, sizeof(event), 0) < 0) {
        die("zmq_send");
    }
}

static result measure_zmq(void)
{
    pid_t pids[2 * NODES];

    for (unsigned node = 0; node < NODES; node++) {
        pids[node] = start_relay(node);
        pids[NODES + node] = start_subscriber(node);
    }
    void *context = zmq_ctx_new();
    void *out = open_socket(context, ZMQ_PUSH);
    attach(out, false, "in", 0);
    const result found = measure(publish_zmq, out);
    zmq_close(out);
    zmq_ctx_term(context);
    end(pids, 2 * NODES);
    return found;
}

/* --- the table ------------------------------------------------------------ */

static unsigned setting(const char *name, unsigned value, unsigned most)
{
    const char *text = getenv(name);
    const unsigned long given = text == NULL ? value : strtoul(text, NULL, 10);
    return given == 0 || given > most ? value : (unsigned)given;
}

static void print_row(const char *name, const char *round, const result *r)
{
    printf("%-8s %6s %10.0f %10.0f %10.0f %6u\n", name, round, r->p50, r->p99,
           r->max, r->lost);
    (void)fflush(stdout);
}

static result median_of(result *results, unsigned count)
{
    double p50[ROUNDS_MAX];
    double p99[ROUNDS_MAX];
    double max[ROUNDS_MAX];
    result median = {0};

    if (count == 0) {
        return median;
    }
    for (unsigned i = 0; i < count; i++) {
        p50[i] = results[i].p50;
        p99[i] = results[i].p99;
        max[i] = results[i].max;
        median.lost += results[i].lost;
    }
    qsort(p50, count, sizeof(double), compare);
    qsort(p99, count, sizeof(double), compare);
    qsort(max, count, sizeof(double), compare);
    median.p50 = p50[count / 2];
    median.p99 = p99[count / 2];
    median.max = max[count / 2];
    return median;
}

/* Everything below has a name that was given here. */
static void remove_dir(void)
{
    const char *names[] = {"in0",         "out0",       "out1",   "out2",
                           "0.sock",      "1.sock",     "2.sock", "0.sock.lock",
                           "1.sock.lock", "2.sock.lock"};
    char path[64];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

int main(void)
{
    const unsigned rounds = setting("BENCH_ROUNDS", 5, ROUNDS_MAX);
    static result coherd[ROUNDS_MAX];
    static result chain[ROUNDS_MAX];
    struct utsname machine;
    char round[16];

    event_count = setting("BENCH_EVENTS", event_count, EVENTS_MAX - 1);
    times = mmap(NULL, sizeof(*times), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (times == MAP_FAILED || mkdtemp(dir) == NULL || uname(&machine) != 0) {
        die("set-up");
    }
    printf("%s %s, %ld cores; %u events, one every 2 ms; microseconds until "
           "all %d have it\n",
           machine.sysname, machine.release, sysconf(_SC_NPROCESSORS_ONLN),
           event_count, NODES);
    printf("%-8s %6s %10s %10s %10s %6s\n", "", "round", "p50", "p99", "max",
           "lost");
    for (unsigned i = 0; i < rounds; i++) {
        (void)snprintf(round, sizeof(round), "%u", i + 1);
        coherd[i] = measure_coherd();
        print_row("coherd", round, &coherd[i]);
        chain[i] = measure_zmq();
        print_row("zmq", round, &chain[i]);
    }
    const result ours = median_of(coherd, rounds);
    const result bare = median_of(chain, rounds);
    print_row("coherd", "median", &ours);
    print_row("zmq", "median", &bare);
    printf("ratio of the medians: p50 %.2f, p99 %.2f\n", ours.p50 / bare.p50,
           ours.p99 / bare.p99);
    remove_dir();
    return 0;
}
