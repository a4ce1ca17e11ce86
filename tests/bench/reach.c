/* reach.c - how long an event takes from a client beside one sidecar to the
 * clients beside others that run already.
 *
 *     reach EVENTS INTERVAL_MS SOCKET SOCKET...
 *
 * Publishes at the first socket, one event each interval, and is subscribed at
 * all others, everything in this process.  Prints lines of "name value":
 * percentiles in microseconds, from before the publishing call until a
 * callback, of all deliveries (p50_us, p99_us, max_us) and of the last one of
 * each event (all_p50_us, all_p99_us).  An event that somebody did not get
 * ends it with status 1.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/coherd.h"

#define TOPIC "bench-0123456789"
#define EVENTS_MAX 100000u
#define CLIENTS_MAX 64u
#define PATIENCE_NS UINT64_C(30000000000)
#define SECOND_NS UINT64_C(1000000000)

static uint64_t sent[EVENTS_MAX + 1]; /* event 0 is the probe */
static _Atomic uint64_t received[CLIENTS_MAX][EVENTS_MAX + 1];
static uint64_t spans[CLIENTS_MAX * EVENTS_MAX];
static unsigned client_count;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void pause_until_ns(uint64_t when)
{
    const struct timespec at = {.tv_sec = (time_t)(when / SECOND_NS),
                                .tv_nsec = (long)(when % SECOND_NS)};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void on_event(coherd_client *client, const coherd_event *event,
                     void *arg)
{
    uint32_t number;

    (void)client;
    if (event->target.len != sizeof(number)) {
        return;
    }
    memcpy(&number, event->target.data, sizeof(number));
    if (number <= EVENTS_MAX) {
        atomic_store((_Atomic uint64_t *)arg + number, now_ns());
    }
}

static void on_reset(coherd_client *client, const coherd_reset *reset,
                     void *arg)
{
    (void)client, (void)reset, (void)arg;
}

static coherd_client *open_at(const char *socket, void *times)
{
    const coherd_options options = {
        .socket = socket,
        .on_event = times == NULL ? NULL : on_event,
        .on_reset = times == NULL ? NULL : on_reset,
        .arg = times,
    };
    coherd_client *client;

    if (coherd_open(&options, &client) != COHERD_OK) {
        die(socket);
    }
    if (times != NULL && coherd_subscribe(client, TOPIC) != COHERD_OK) {
        die("coherd_subscribe");
    }
    return client;
}

static void publish(coherd_client *client, uint32_t number)
{
    const coherd_target target = coherd_key_n(&number, sizeof(number));

    sent[number] = now_ns();
    const coherd_err err =
        coherd_invalidate(client, TOPIC, &target, 1, NULL, NULL);
    if (err != COHERD_OK) {
        die(coherd_err_name(err));
    }
}

static bool has_everything(unsigned client, unsigned events)
{
    for (unsigned i = 0; i <= events; i++) {
        if (atomic_load(&received[client][i]) == 0) {
            return false;
        }
    }
    return true;
}

static void wait_for_all(coherd_client *probing, unsigned events)
{
    const uint64_t end = now_ns() + PATIENCE_NS;

    for (unsigned i = 0; i < client_count;) {
        if (has_everything(i, events)) {
            i++;
            continue;
        }
        if (now_ns() > end) {
            die("an event did not arrive");
        }
        if (probing != NULL) {
            publish(probing, 0);
        }
        pause_until_ns(now_ns() + SECOND_NS / 20);
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void print_quantiles(const char *prefix, size_t count)
{
    const size_t middle = count / 2;
    const size_t high = count * 99 / 100;

    qsort(spans, count, sizeof(spans[0]), compare);
    printf("%sp50_us %.1f\n", prefix, (double)spans[middle] / 1e3);
    printf("%sp99_us %.1f\n", prefix, (double)spans[high] / 1e3);
    printf("%smax_us %.1f\n", prefix, (double)spans[count - 1] / 1e3);
}

static void print_result(unsigned events)
{
    size_t count = 0;

    for (unsigned i = 1; i <= events; i++) {
        for (unsigned c = 0; c < client_count; c++) {
            spans[count++] = atomic_load(&received[c][i]) - sent[i];
        }
    }
    print_quantiles("", count);
    for (unsigned i = 1; i <= events; i++) {
        uint64_t last = 0;
        for (unsigned c = 0; c < client_count; c++) {
            const uint64_t at = atomic_load(&received[c][i]);
            last = at > last ? at : last;
        }
        spans[i - 1] = last - sent[i];
    }
    print_quantiles("all_", events);
}

int main(int argc, char **argv)
{
    const unsigned long events = argc > 4 ? strtoul(argv[1], NULL, 10) : 0;
    const unsigned long interval_ms = argc > 4 ? strtoul(argv[2], NULL, 10) : 0;

    if (events == 0 || events > EVENTS_MAX || interval_ms == 0 ||
        argc - 4 > (int)CLIENTS_MAX) {
        (void)fprintf(stderr, "usage: reach EVENTS INTERVAL_MS SOCKET "
                              "SOCKET...\n");
        return 2;
    }
    client_count = (unsigned)argc - 4;
    coherd_client *publisher = open_at(argv[3], NULL);
    for (unsigned i = 0; i < client_count; i++) {
        (void)open_at(argv[4 + i], received[i]);
    }
    wait_for_all(publisher, 0);
    /* What the start has stirred up should settle. */
    const uint64_t begun = now_ns() + SECOND_NS;
    for (unsigned i = 1; i <= events; i++) {
        pause_until_ns(begun + i * interval_ms * 1000000);
        publish(publisher, i);
    }
    wait_for_all(NULL, (unsigned)events);
    print_result((unsigned)events);
    return 0;
}
