/* cache_stress.c - many threads on one cache and on one guarded table of the
 * application's own, while everything is invalidated: cache_stress [SECONDS]
 *
 * The database is a version for each key.  Whatever was read after an
 * invalidation was applied must be at least as new as the database was when
 * it was published; that is checked for each read.  In a second phase the
 * connection is lost again and again, and at the end nothing stale may be
 * left.  Run it under ThreadSanitizer.
 */
#include <stdatomic.h>

#include "client/coherd_cache.h"

#define FAKE_CHECK(ok, text)                                                   \
    do {                                                                       \
        if (!(ok)) {                                                           \
            fprintf(stderr, "cache_stress: in vain: %s\n", (text));            \
            abort();                                                           \
        }                                                                      \
    } while (0)
#include "tests/unit/test_client_sidecar.h"

#define KEYS 48u
#define TAGS 4u
#define READERS 4
#define EVENTS_MAX (1u << 20)

static fake sidecar;
static coherd_client *client;
static coherd_cache *cache;
static atomic_bool stopping;
static atomic_bool is_strict;
static atomic_uint database[KEYS];
static atomic_uint applied[KEYS]; /* reads that begin now see these or newer */
static atomic_ulong reads;
static atomic_ulong resets;
static atomic_bool end_seen; /* the RESET of the topic "end" */

/* What was published, in order; the n-th event that arrives is the n-th. */
typedef struct change {
    uint8_t first; /* keys first, first + step ... */
    uint8_t step;
    uint8_t end;
    unsigned versions[KEYS];
} change;

static change *changes;
static pthread_mutex_t write_mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned published;
static unsigned delivered;

/* The application's own cache. */
static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned table[KEYS]; /* 0: not cached */
static atomic_ulong table_stored;

static void check(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "cache_stress: %s\n", what);
        abort();
    }
}

static unsigned name_of(unsigned i, char key[16])
{
    /* Three families of prefixes. */
    return (unsigned)snprintf(key, 16, "%c/%u", "abc"[i % 3], i);
}

static void on_event(coherd_client *of, const coherd_event *event, void *arg)
{
    (void)of;
    (void)arg;
    (void)event;
    pthread_mutex_lock(&table_mutex);
    for (unsigned i = 0; i < KEYS; i++) {
        table[i] = 0; /* too much is never wrong */
    }
    pthread_mutex_unlock(&table_mutex);
    if (!atomic_load(&is_strict)) {
        return;
    }
    pthread_mutex_lock(&write_mutex);
    const change *one = &changes[delivered++];
    pthread_mutex_unlock(&write_mutex);
    for (unsigned i = one->first; i < one->end; i += one->step) {
        atomic_store(&applied[i], one->versions[i]);
    }
}

static void on_reset(coherd_client *of, const coherd_reset *reset, void *arg)
{
    (void)of;
    (void)arg;
    pthread_mutex_lock(&table_mutex);
    for (unsigned i = 0; i < KEYS; i++) {
        table[i] = 0;
    }
    pthread_mutex_unlock(&table_mutex);
    atomic_fetch_add(&resets, 1);
    if (reset->topic_len == 3) {
        atomic_store(&end_seen, true);
    }
}

/* --- writing -------------------------------------------------------------- */

static coherd_target change_keys(unsigned n, char text[16])
{
    change *one = &changes[published];
    const unsigned i = n % KEYS;

    *one = (change){.first = (uint8_t)i, .step = 1, .end = (uint8_t)(i + 1)};
    switch (n / KEYS % 16) {
    case 0: /* all */
        *one = (change){.first = 0, .step = 1, .end = KEYS};
        break;
    case 1: /* a tag */
    case 2:
        *one = (change){(uint8_t)(i % TAGS), TAGS, KEYS, {0}};
        snprintf(text, 16, "tag%u", i % TAGS);
        break;
    case 3: /* a prefix */
        *one = (change){(uint8_t)(i % 3), 3, KEYS, {0}};
        snprintf(text, 16, "%c/", "abc"[i % 3]);
        break;
    default:
        name_of(i, text);
        break;
    }
    for (unsigned k = one->first; k < one->end; k += one->step) {
        one->versions[k] = atomic_fetch_add(&database[k], 1) + 1;
    }
    switch (n / KEYS % 16) {
    case 0:
        return coherd_all();
    case 1:
    case 2:
        return coherd_tag(text);
    case 3:
        return coherd_prefix(text);
    default:
        return coherd_key(text);
    }
}

static void *write_all(void *arg)
{
    const coherd_publish_options patient = {.timeout_ms = 60000};
    unsigned n = 1;
    char text[16];

    (void)arg;
    while (!atomic_load(&stopping)) {
        n = n * 1664525u + 1013904223u;
        pthread_mutex_lock(&write_mutex);
        if (published + 1 == EVENTS_MAX) {
            pthread_mutex_unlock(&write_mutex);
            break;
        }
        const coherd_target target = change_keys(n >> 8, text);
        published++;
        pthread_mutex_unlock(&write_mutex);
        /* One writer, so the order of events is that of changes. */
        const coherd_err err =
            n >> 30 == 0
                ? coherd_cache_invalidate(cache, &target, 1, &patient, NULL)
                : coherd_invalidate(client, "t", &target, 1, &patient, NULL);
        check(err == COHERD_OK, coherd_strerror(err));
        for (unsigned i = 0; i < n >> 24; i++) {
            sched_yield();
        }
    }
    return NULL;
}

/* --- reading -------------------------------------------------------------- */

static unsigned read_database(unsigned i, unsigned delay)
{
    const unsigned version = atomic_load(&database[i]);

    while (delay-- > 0) {
        sched_yield();
    }
    return version;
}

static int load(coherd_load *into, const void *key, size_t key_len, void *arg)
{
    const unsigned *n = arg;
    const unsigned i = n[0];
    const unsigned version = read_database(i, n[1]);
    char tag[16];

    (void)key;
    (void)key_len;
    snprintf(tag, sizeof(tag), "tag%u", i % TAGS);
    check(coherd_load_tag(into, tag, strlen(tag)) == COHERD_OK, "tagged");
    check(coherd_load_value(into, &version, sizeof(version)) == COHERD_OK,
          "loaded");
    return 0;
}

static unsigned read_cache(unsigned i, unsigned delay)
{
    unsigned job[2] = {i, delay};
    coherd_value *value;
    char key[16];
    const unsigned len = name_of(i, key);
    unsigned version;

    check(coherd_cache_get_or_load(cache, key, len, load, job, &value) ==
              COHERD_OK,
          "a key is always there");
    memcpy(&version, value->data, sizeof(version));
    coherd_value_release(&value);
    return version;
}

/* As coherd.h says: the lock is held around the end and the storing. */
static unsigned read_table(unsigned i, unsigned delay)
{
    coherd_fill fill;
    char key[16];
    char text[16];
    const unsigned len = name_of(i, key);

    pthread_mutex_lock(&table_mutex);
    unsigned version = table[i];
    pthread_mutex_unlock(&table_mutex);
    if (version != 0) {
        return version;
    }
    (void)coherd_fill_begin(client, "t", key, len, &fill);
    version = read_database(i, delay);
    snprintf(text, sizeof(text), "tag%u", i % TAGS);
    const coherd_target tag = coherd_tag(text);
    const coherd_fill_options options = {.tags = &tag, .tag_count = 1};
    pthread_mutex_lock(&table_mutex);
    if (coherd_fill_end(client, &fill, &options) == COHERD_OK) {
        table[i] = version;
        atomic_fetch_add(&table_stored, 1);
    }
    pthread_mutex_unlock(&table_mutex);
    return version;
}

static void *read_all(void *arg)
{
    unsigned n = *(const unsigned *)arg;

    while (!atomic_load(&stopping)) {
        n = n * 1664525u + 1013904223u;
        const unsigned i = (n >> 8) % KEYS;
        const unsigned least = atomic_load(&applied[i]);
        const unsigned delay = n >> 28;
        const unsigned got =
            n >> 31 == 0 ? read_cache(i, delay) : read_table(i, delay);
        check(!atomic_load(&is_strict) || got >= least, "a stale value");
        atomic_fetch_add(&reads, 1);
    }
    return NULL;
}

/* --- phases --------------------------------------------------------------- */

static void run(unsigned milliseconds, bool with_faults)
{
    pthread_t writer;
    pthread_t readers[READERS];
    unsigned seeds[READERS];

    atomic_store(&stopping, false);
    pthread_create(&writer, NULL, write_all, NULL);
    for (unsigned i = 0; i < READERS; i++) {
        seeds[i] = i * 7919;
        pthread_create(&readers[i], NULL, read_all, &seeds[i]);
    }
    for (unsigned ms = 0; ms < milliseconds; ms += 20) {
        const struct timespec pause = {.tv_nsec = 20000000};
        nanosleep(&pause, NULL);
        if (with_faults) {
            FAKE_SET(&sidecar, sidecar.drop_sessions = true);
        }
    }
    atomic_store(&stopping, true);
    pthread_join(writer, NULL);
    for (unsigned i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
    }
}

static void check_that_nothing_is_stale(void)
{
    check(coherd_flush(client, 60000) == COHERD_OK, "all is accepted");
    /* Behind all that was published comes the RESET of a new topic. */
    atomic_store(&end_seen, false);
    check(coherd_subscribe(client, "end") == COHERD_OK, "subscribed");
    while (!atomic_load(&end_seen)) {
        sched_yield();
    }
    for (unsigned i = 0; i < KEYS; i++) {
        const unsigned now = atomic_load(&database[i]);
        check(read_cache(i, 0) == now, "the cache has converged");
        check(read_table(i, 0) == now, "and so has the table");
    }
    check(coherd_unsubscribe(client, "end") == COHERD_OK, "unsubscribed");
}

int main(int argc, char **argv)
{
    const unsigned ms =
        argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) * 1000 : 4000;
    coherd_cache_stats stats;

    changes = calloc(EVENTS_MAX, sizeof(changes[0]));
    fake_init(&sidecar);
    fake_start(&sidecar);
    const coherd_options options = {
        .socket = sidecar.path, .on_event = on_event, .on_reset = on_reset};
    const coherd_cache_options small = {.entries_max = KEYS - 8};
    check(coherd_open(&options, &client) == COHERD_OK, "a client opens");
    check(coherd_cache_open(client, "t", &small, &cache) == COHERD_OK,
          "a cache opens");
    while (atomic_load(&resets) == 0) {
        sched_yield();
    }
    for (unsigned i = 0; i < KEYS; i++) {
        atomic_store(&database[i], 1);
    }
    atomic_store(&is_strict, true);
    run(ms / 2, false);
    check_that_nothing_is_stale();
    atomic_store(&is_strict, false);
    run(ms / 2, true);
    FAKE_WAIT(&sidecar, !sidecar.drop_sessions);
    check_that_nothing_is_stale();
    coherd_cache_read_stats(cache, &stats);
    check(stats.hits > 0 && stats.stored > 0 && stats.refused > 0 &&
              stats.tags > 0 && stats.evicted > 0 && table_stored > 0,
          "all of it was tried");
    printf("cache_stress: %lu reads, %u changes, %llu hits, %llu loads, "
           "%llu shared, %llu refused, %lu resets\n",
           atomic_load(&reads), published, (unsigned long long)stats.hits,
           (unsigned long long)stats.loads, (unsigned long long)stats.shared,
           (unsigned long long)stats.refused, atomic_load(&resets));
    coherd_cache_close(&cache);
    check(coherd_close(&client) == COHERD_OK, "the client closes");
    fake_fini(&sidecar);
    free(changes);
    return 0;
}
