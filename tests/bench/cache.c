/* cache.c - what a hit and a guarded fill cost, and how often a cache of a
 * given size hits.
 *
 *   hits      coherd's cache beside uthash under one mutex, by one thread and
 *             by two; keys by a Zipf law, all of them cached; few keys, which
 *             fit the processor's caches, and many, which do not
 *   fills     coherd_fill_begin and coherd_fill_end as a pair, without and
 *             with invalidations under way
 *   ratios    the cache's S3-FIFO beside plain LRU with as many entries, on
 *             traces made here: Zipf, and Zipf with scans through it
 *
 * All alternate; the table shows medians of BENCH_ROUNDS (5).
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

#include "client/coherd_cache.h"

#define FAKE_CHECK(ok, text)                                                   \
    do {                                                                       \
        if (!(ok)) {                                                           \
            fprintf(stderr, "cache: in vain: %s\n", (text));                   \
            abort();                                                           \
        }                                                                      \
    } while (0)
#include "tests/unit/test_client_sidecar.h"

#define KEYS 100000u
#define LOOKUPS 2000000u
#define TRACE 2000000u
#define ROUNDS_MAX 99

static fake sidecar;
static coherd_client *client;
static unsigned *picks; /* LOOKUPS keys by a Zipf law */
static char (*names)[24];

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof(values[0]), by_value);
    return values[count / 2];
}

/* --- Zipf ----------------------------------------------------------------- */

static double *cumulated;
static uint64_t random_state = 88172645463325252u;

static double random_unit(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

static void make_zipf(double skew)
{
    double sum = 0;

    for (unsigned i = 0; i < KEYS; i++) {
        sum += 1.0 / pow(i + 1, skew);
        cumulated[i] = sum;
    }
    for (unsigned i = 0; i < KEYS; i++) {
        cumulated[i] /= sum;
    }
}

static unsigned pick(void)
{
    const double at = random_unit();
    unsigned low = 0;
    unsigned high = KEYS - 1;

    while (low < high) {
        const unsigned middle = (low + high) / 2;
        if (cumulated[middle] < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Neighbours in the Zipf law are no neighbours in memory. */
static void make_picks(unsigned keys)
{
    for (unsigned i = 0; i < LOOKUPS; i++) {
        picks[i] = (unsigned)((uint64_t)pick() * 48271 % keys);
    }
}

/* --- hits ----------------------------------------------------------------- */

typedef struct node {
    UT_hash_handle hh;
    atomic_uint refs;
    char key[24];
    char value[64];
} node;

static node *nodes;
static node *table;
static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static coherd_cache *cache;
static atomic_uint wrong;

static void *hit_uthash(void *arg)
{
    const unsigned from = *(const unsigned *)arg;

    for (unsigned i = 0; i < LOOKUPS; i++) {
        const char *key = names[picks[(from + i) % LOOKUPS]];
        node *found;
        pthread_mutex_lock(&table_mutex);
        HASH_FIND(hh, table, key, 16, found);
        if (found == NULL) {
            pthread_mutex_unlock(&table_mutex);
            atomic_fetch_add(&wrong, 1);
            continue;
        }
        atomic_fetch_add(&found->refs, 1);
        pthread_mutex_unlock(&table_mutex);
        if (found->value[0] != 'v') {
            atomic_fetch_add(&wrong, 1);
        }
        atomic_fetch_sub(&found->refs, 1);
    }
    return NULL;
}

static void *hit_coherd(void *arg)
{
    const unsigned from = *(const unsigned *)arg;
    coherd_value *value;

    for (unsigned i = 0; i < LOOKUPS; i++) {
        const char *key = names[picks[(from + i) % LOOKUPS]];
        if (coherd_cache_get(cache, key, 16, &value) != COHERD_OK ||
            *(const char *)value->data != 'v') {
            atomic_fetch_add(&wrong, 1);
            continue;
        }
        coherd_value_release(&value);
    }
    return NULL;
}

/* Nanoseconds of wall time for each lookup of all threads together, and of
 * processor time. */
static double time_hits(void *(*hit)(void *), unsigned threads, double *cpu)
{
    pthread_t running[4];
    unsigned from[4];
    const double start = now_s();
    const double cpu_start = cpu_s();

    for (unsigned i = 0; i < threads; i++) {
        from[i] = i * 12345;
        pthread_create(&running[i], NULL, hit, &from[i]);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(running[i], NULL);
    }
    *cpu = (cpu_s() - cpu_start) * 1e9 / ((double)LOOKUPS * threads);
    return (now_s() - start) * 1e9 / ((double)LOOKUPS * threads);
}

static int load(coherd_load *into, const void *key, size_t key_len, void *arg)
{
    static const char value[64] = "v";

    (void)key;
    (void)key_len;
    (void)arg;
    return coherd_load_value(into, value, sizeof(value)) != COHERD_OK;
}

static void get(coherd_cache *from, unsigned i)
{
    coherd_value *value;

    if (coherd_cache_get_or_load(from, names[i], 16, load, NULL, &value) !=
        COHERD_OK) {
        atomic_fetch_add(&wrong, 1);
        return;
    }
    coherd_value_release(&value);
}

static void bench_hits(unsigned rounds, unsigned keys)
{
    double times[4][ROUNDS_MAX];
    double cpu[4][ROUNDS_MAX];
    const char *const what[] = {"uthash, 1 thread", "uthash, 2 threads",
                                "coherd, 1 thread", "coherd, 2 threads"};

    FAKE_CHECK(coherd_cache_open(client, "bench", NULL, &cache) == COHERD_OK,
               "a cache");
    make_picks(keys);
    for (unsigned i = 0; i < keys; i++) {
        node *one = &nodes[i];
        memcpy(one->key, names[i], sizeof(one->key));
        one->value[0] = 'v';
        HASH_ADD(hh, table, key, 16, one);
        get(cache, i);
    }
    for (unsigned r = 0; r < rounds; r++) {
        for (unsigned i = 0; i < 4; i++) {
            times[i][r] = time_hits(i < 2 ? hit_uthash : hit_coherd, i % 2 + 1,
                                    &cpu[i][r]);
        }
    }
    printf("\nhits, %u keys of 16 bytes, Zipf 1.0      ns a lookup"
           "        of processor\n",
           keys);
    for (unsigned i = 0; i < 4; i++) {
        printf("  %-22s %24.0f %19.0f\n", what[i], median(times[i], rounds),
               median(cpu[i], rounds));
    }
    HASH_CLEAR(hh, table);
    coherd_cache_close(&cache);
}

/* --- fills ---------------------------------------------------------------- */

static double time_fills(const coherd_fill_options *options)
{
    coherd_fill fill;
    unsigned refused = 0;
    const double start = cpu_s();

    for (unsigned i = 0; i < LOOKUPS; i++) {
        (void)coherd_fill_begin(client, "bench", names[picks[i]], 16, &fill);
        refused += coherd_fill_end(client, &fill, options) != COHERD_OK;
    }
    const double ns = (cpu_s() - start) * 1e9 / LOOKUPS;
    if (refused > LOOKUPS / 2) {
        atomic_fetch_add(&wrong, 1);
    }
    return ns;
}

static void bench_fills(unsigned rounds)
{
    const coherd_target tags[] = {coherd_tag("home"), coherd_tag("author:7")};
    const coherd_fill_options tagged = {.tags = tags, .tag_count = 2};
    const coherd_target prefixes[] = {coherd_prefix("ke"), coherd_prefix("x"),
                                      coherd_prefix("kay")};
    const coherd_publish_options accepted = {.wait = COHERD_WAIT_ACCEPTED};
    double times[3][ROUNDS_MAX];

    FAKE_CHECK(coherd_subscribe(client, "bench") == COHERD_OK, "a topic");
    for (unsigned r = 0; r < rounds; r++) {
        times[0][r] = time_fills(NULL);
        times[1][r] = time_fills(&tagged);
    }
    FAKE_CHECK(coherd_invalidate(client, "bench", prefixes, 3, &accepted,
                                 NULL) == COHERD_OK,
               "published");
    for (unsigned r = 0; r < rounds; r++) {
        times[2][r] = time_fills(&tagged);
    }
    printf("\nguarded fills                     ns of processor a pair\n");
    printf("  %-22s %24.0f\n", "key alone", median(times[0], rounds));
    printf("  %-22s %24.0f\n", "with two tags", median(times[1], rounds));
    printf("  %-22s %24.0f\n", "and three prefixes", median(times[2], rounds));
}

/* --- ratios --------------------------------------------------------------- */

/* Keys are numbers, so a list over an array is enough; KEYS is its end. */
static unsigned newer[KEYS + 1];
static unsigned older[KEYS + 1];
static bool present[KEYS];

static void take_out(unsigned key)
{
    newer[older[key]] = newer[key];
    older[newer[key]] = older[key];
    present[key] = false;
}

static void put_first(unsigned key)
{
    older[key] = older[KEYS];
    newer[key] = KEYS;
    newer[older[key]] = key;
    older[KEYS] = key;
    present[key] = true;
}

static double ratio_lru(const unsigned *trace, unsigned room)
{
    unsigned count = 0;
    unsigned hits = 0;

    memset(present, 0, sizeof(present));
    newer[KEYS] = older[KEYS] = KEYS;
    for (unsigned i = 0; i < TRACE; i++) {
        const unsigned key = trace[i];
        if (present[key]) {
            hits++;
            take_out(key);
        } else if (count == room) {
            take_out(newer[KEYS]);
        } else {
            count++;
        }
        put_first(key);
    }
    return (double)hits / TRACE;
}

static double ratio_coherd(const unsigned *trace, unsigned room)
{
    const coherd_cache_options options = {.entries_max = room};
    coherd_cache_stats stats;
    coherd_cache *of = NULL;

    FAKE_CHECK(coherd_cache_open(client, "bench", &options, &of) == COHERD_OK,
               "a cache");
    for (unsigned i = 0; i < TRACE; i++) {
        get(of, trace[i]);
    }
    coherd_cache_read_stats(of, &stats);
    coherd_cache_close(&of);
    return (double)stats.hits / TRACE;
}

static void make_trace(unsigned *trace, bool scans)
{
    unsigned next = 0;

    for (unsigned i = 0; i < TRACE; i++) {
        /* A scan of 20,000 keys after every 50,000 lookups. */
        if (scans && i % 50000 >= 30000) {
            trace[i] = next++ % KEYS;
        } else {
            trace[i] = pick();
        }
    }
}

static void bench_ratios(void)
{
    const struct {
        const char *name;
        double skew;
        bool scans;
    } traces[] = {
        {"Zipf 0.8", 0.8, false},
        {"Zipf 1.0", 1.0, false},
        {"Zipf 1.0 and scans", 1.0, true},
    };
    const unsigned rooms[] = {KEYS / 100, KEYS / 10};
    unsigned *trace = calloc(TRACE, sizeof(trace[0]));

    printf("\nhit ratio, room for          1 %% of %u keys      10 %%\n", KEYS);
    printf("  %-22s %10s %10s %10s %10s\n", "", "LRU", "coherd", "LRU",
           "coherd");
    for (size_t t = 0; t < sizeof(traces) / sizeof(traces[0]); t++) {
        make_zipf(traces[t].skew);
        make_trace(trace, traces[t].scans);
        printf("  %-22s", traces[t].name);
        for (unsigned i = 0; i < 2; i++) {
            printf(" %9.1f%% %9.1f%%", 100 * ratio_lru(trace, rooms[i]),
                   100 * ratio_coherd(trace, rooms[i]));
        }
        printf("\n");
    }
    free(trace);
}

int main(void)
{
    const char *text = getenv("BENCH_ROUNDS");
    unsigned rounds = text == NULL ? 5 : (unsigned)strtoul(text, NULL, 10);

    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    cumulated = calloc(KEYS, sizeof(cumulated[0]));
    picks = calloc(LOOKUPS, sizeof(picks[0]));
    names = calloc(KEYS, sizeof(names[0]));
    nodes = calloc(KEYS, sizeof(nodes[0]));
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(names[i], sizeof(names[i]), "key-%012u", i);
    }
    make_zipf(1.0);
    make_picks(KEYS);
    fake_init(&sidecar);
    fake_start(&sidecar);
    const coherd_options options = {.socket = sidecar.path};
    FAKE_CHECK(coherd_open(&options, &client) == COHERD_OK &&
                   coherd_subscribe(client, "bench") == COHERD_OK &&
                   coherd_wait_connected(client, 10000) == COHERD_OK,
               "a client");
    FAKE_WAIT(&sidecar, sidecar.applied > 0);
    bench_fills(rounds);
    bench_hits(rounds, KEYS / 50);
    bench_hits(rounds, KEYS);
    bench_ratios();
    FAKE_CHECK(atomic_load(&wrong) == 0, "every lookup was right");
    FAKE_CHECK(coherd_close(&client) == COHERD_OK, "closed");
    fake_fini(&sidecar);
    return 0;
}
