/* log.c - what the log costs: memory per event, and time per operation.
 *
 * Events are invalidations of a 32-byte key in a 16-byte topic.  BENCH_ROUNDS
 * (5) repeats the times; the table shows the medians.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "proto/base/hash.h"
#include "proto/base/limits.h"
#include "proto/core/log.h"
#include "proto/wire/event.h"

#define LOG_BYTES ((size_t)32 * 1024 * 1024)
#define EVENTS 1000000u
#define ROUNDS_MAX 99
#define TOPIC "bench-0123456789"

static chd_log *log_;
static uint8_t record[CHD_RECORD_BYTES_MAX];

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void check(chd_err err)
{
    if (err != CHD_OK) {
        fprintf(stderr, "bench: %s\n", chd_err_text(err));
        exit(1);
    }
}

/* Append event seq, of a key that recurs after so many events. */
static void append(uint64_t seq, uint64_t keys)
{
    char key[33];
    chd_pack pack;
    chd_scan scan;
    chd_event event;

    (void)snprintf(key, sizeof(key), "key-%028llu",
                   (unsigned long long)(seq % keys));
    const chd_event made = {
        .seq = seq,
        .kind = CHD_KIND_INVALIDATE,
        .hlc = seq << 16,
        .topic = chd_bytes_str(TOPIC),
        .target_kind = CHD_TARGET_KEY,
        .target = chd_bytes_str(key),
    };
    chd_pack_init(&pack, record, sizeof(record));
    chd_event_pack(&pack, &made);
    chd_scan_init(&scan, chd_pack_bytes(&pack));
    chd_event_scan(&scan, &event);
    check(chd_scan_end(&scan));
    const uint8_t *end = event.target.ptr + event.target.len;
    chd_log_entry entry = {
        .origin = 1,
        .seq = seq,
        .topic_hash = chd_hash(1, event.topic),
        .topic = event.topic,
        .record = chd_pack_bytes(&pack),
        .subject =
            chd_bytes_of(event.topic.ptr, (size_t)(end - event.topic.ptr)),
    };
    entry.subject_hash = chd_hash(2, entry.subject) | 1;
    chd_log_supersede(log_, &entry);
    chd_log_append(log_, &entry);
}

/* Fill a log; return the nanoseconds that an event took. */
static double fill(uint64_t keys)
{
    chd_log_destroy(&log_);
    check(chd_log_new(LOG_BYTES, CHD_RECORD_BYTES_MAX, NULL, &log_));
    const double begin = now_s();
    for (uint64_t seq = 1; seq <= EVENTS; seq++) {
        append(seq, keys);
    }
    return (now_s() - begin) * 1e9 / EVENTS;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void row(const char *what, uint64_t keys, unsigned rounds)
{
    double ns[ROUNDS_MAX] = {0};

    for (unsigned i = 0; i < rounds; i++) {
        ns[i] = fill(keys);
    }
    qsort(ns, rounds, sizeof(ns[0]), compare);
    printf("%-34s %9zu %9.1f %12.1f %8.0f\n", what, chd_log_count(log_),
           (double)chd_log_bytes(log_) / 1048576,
           (double)chd_log_bytes(log_) / (double)chd_log_count(log_),
           ns[rounds / 2]);
}

int main(void)
{
    const char *set = getenv("BENCH_ROUNDS");
    const long asked = set == NULL ? 5 : strtol(set, NULL, 10);
    const unsigned rounds =
        asked < 1 ? 1 : (asked > ROUNDS_MAX ? ROUNDS_MAX : (unsigned)asked);
    struct utsname machine;

    (void)uname(&machine);
    printf("log of %zu MiB, %u events, %s %s %s, medians of %u\n",
           LOG_BYTES >> 20, EVENTS, machine.sysname, machine.release,
           machine.machine, rounds);
    printf("%-34s %9s %9s %12s %8s\n", "events", "kept", "MiB", "bytes/event",
           "ns/event");
    row("each of another key", EVENTS, rounds);
    row("of 1,000 hot keys", 1000, rounds);
    row("of one key", 1, rounds);
    chd_log_destroy(&log_);
    return 0;
}
