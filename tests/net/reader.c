/* reader.c - an instance that writes, reads through its caches, and records
 * every read with the staleness that it claims:
 *
 *     reader [--bound MS] [--lie] SOCKET FOLDER NUMBER
 *
 * Several of them share the model database of history.h in FOLDER.  --bound
 * opens the caches with max_staleness_ms; --lie records that nothing is ever
 * stale, which history.c must notice.  On standard input:
 *
 *     halt     write no more; "halted" when all is replicated
 *     settle   wait until all that was accepted before is applied here, then
 *              read every key; "settled"
 *     quit
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/coherd_cache.h"
#include "tests/net/history.h"

#define WRITES_MAX (1u << 17)
#define READERS (HISTORY_THREADS - 1)
#define BATCH 32
#define LOG_BYTES ((size_t)1 << 18)

static const char *const topics[HISTORY_CACHES] = {"rows", "prices"};

static coherd_client *client;
static coherd_cache *caches[HISTORY_CACHES];
static history_database *database;
static unsigned number;
static bool lies;
static atomic_bool halted;   /* no more writing */
static atomic_bool stopping; /* no more reading */

static history_write *writes;
static atomic_uint write_count;

typedef struct reading {
    FILE *log;
    uint64_t chance;
    bool loaded; /* by the call that is under way */
} reading;

static void check(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "reader %u: %s: %s\n", number, what, strerror(errno));
        abort();
    }
}

static void check_err(coherd_err err, const char *what)
{
    if (err != COHERD_OK) {
        fprintf(stderr, "reader %u: %s: %s\n", number, what,
                coherd_strerror(err));
        abort();
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void nap(unsigned microseconds)
{
    const struct timespec span = {.tv_nsec = (long)microseconds * 1000};

    nanosleep(&span, NULL);
}

/* Return a number below limit. */
static unsigned draw(uint64_t *chance, unsigned limit)
{
    *chance ^= *chance << 13;
    *chance ^= *chance >> 7;
    *chance ^= *chance << 17;
    return (unsigned)((*chance >> 32) % limit);
}

/* Write the name of a key, which begins with its shelf. */
static size_t name_key(unsigned key, char name[16])
{
    return (size_t)snprintf(name, 16, "%u/%u", key % HISTORY_SHELVES, key);
}

/* --- reading -------------------------------------------------------------- */

typedef struct job {
    reading *by;
    unsigned cache;
    unsigned key;
} job;

static int load(coherd_load *into, const void *name, size_t len, void *arg)
{
    job *what = arg;
    char tag[16];

    (void)name;
    (void)len;
    what->by->loaded = true;
    const uint64_t version =
        atomic_load(&database->rows[what->cache][what->key]);
    if (draw(&what->by->chance, 8) == 0) {
        nap(draw(&what->by->chance, 1000)); /* a slow source */
    }
    snprintf(tag, sizeof(tag), "tag%u", what->key % HISTORY_TAGS);
    check_err(coherd_load_tag(into, tag, strlen(tag)), "to tag");
    if (what->cache == HISTORY_PRICES) {
        coherd_load_version(into, version);
    }
    check_err(coherd_load_value(into, &version, sizeof(version)), "to load");
    return 0;
}

/* The order makes the claim one about this read:
 *
 *   1. the time, at;
 *   2. the claim, s: what was accepted before some horizon h was applied here
 *      by now, and s is the time since h, rounded up.  It is asked after at,
 *      so at - s is not later than h;
 *   3. the value, which is read after all that was applied.
 *
 * So the value may miss nothing that was accepted before at - s.  The other
 * way round, what was applied between the read and the question would count
 * for a value that was read without it.  The cache asks for max_staleness_ms
 * with the lock held under which it looks the entry up and events change it,
 * so that there the two are one.
 */
static void read_key(reading *by, unsigned cache, unsigned key, uint8_t flags)
{
    job what = {by, cache, key};
    coherd_value *value;
    uint64_t version;
    char name[16];
    const size_t len = name_key(key, name);

    by->loaded = false;
    history_read record = {
        .key = (uint16_t)key, .cache = (uint8_t)cache, .flags = flags};
    record.at_ns = now_ns();
    const uint64_t claim_ms = coherd_staleness(client);
    check_err(
        coherd_cache_get_or_load(caches[cache], name, len, load, &what, &value),
        "to read");
    record.end_ns = now_ns();
    memcpy(&version, value->data, sizeof(version));
    coherd_value_release(&value);
    record.version = (uint32_t)version;
    record.claim_ms = claim_ms < HISTORY_CLAIM_UNKNOWN ? (uint32_t)claim_ms
                                                       : HISTORY_CLAIM_UNKNOWN;
    if (lies) {
        record.claim_ms = 0;
    }
    record.flags |= by->loaded ? HISTORY_LOADED : 0;
    check(fwrite(&record, sizeof(record), 1, by->log) == 1, "to log");
}

static void *read_on(void *arg)
{
    reading *by = arg;

    while (!atomic_load(&stopping)) {
        for (unsigned i = 0; i < BATCH; i++) {
            const unsigned key = draw(&by->chance, 2 * HISTORY_KEYS);
            read_key(by, key / HISTORY_KEYS, key % HISTORY_KEYS, 0);
        }
        atomic_fetch_add(&database->reads[number], BATCH);
        nap(2000);
    }
    return NULL;
}

static void open_log(reading *by, const char *folder, unsigned thread)
{
    char path[256];

    by->chance = ((uint64_t)number << 32 | thread) + now_ns();
    snprintf(path, sizeof(path), "%s/reads.%u.%u", folder, number, thread);
    by->log = fopen(path, "wb");
    check(by->log != NULL, path);
    check(setvbuf(by->log, NULL, _IOFBF, LOG_BYTES) == 0, "to buffer");
}

/* --- writing -------------------------------------------------------------- */

/* Choose what to change. */
static history_write choose(uint64_t *chance)
{
    history_write one = {.accepted_ns = HISTORY_NEVER,
                         .replicated_ns = HISTORY_NEVER,
                         .cache = (uint8_t)draw(chance, HISTORY_CACHES),
                         .kind = HISTORY_KEY};
    const unsigned key = draw(chance, HISTORY_KEYS);
    const unsigned kind = draw(chance, 200);

    one.target = (uint16_t)key;
    if (kind == 0) {
        one.kind = HISTORY_ALL;
    } else if (kind < 4) {
        one.kind = HISTORY_TAG;
        one.target = (uint16_t)(key % HISTORY_TAGS);
    } else if (kind < 8) {
        one.kind = HISTORY_SHELF;
        one.target = (uint16_t)(key % HISTORY_SHELVES);
    } else if (one.cache == HISTORY_PRICES && kind < 120) {
        one.kind = HISTORY_UPDATE;
    } else if (one.cache == HISTORY_ROWS && kind < 32) {
        one.soft = 1;
    }
    return one;
}

/* Let a row have this version, or a newer one. */
static void raise_row(_Atomic uint64_t *row, uint64_t version)
{
    uint64_t old = atomic_load(row);

    while (old < version && !atomic_compare_exchange_weak(row, &old, version)) {
    }
}

static void commit(history_write *one)
{
    one->begin_ns = now_ns();
    const uint64_t version = atomic_fetch_add(&database->position, 1) + 1;
    one->version = (uint32_t)version;
    for (unsigned key = 0; key < HISTORY_KEYS; key++) {
        if (history_covers((history_kind)one->kind, one->target, key)) {
            raise_row(&database->rows[one->cache][key], version);
        }
    }
    one->end_ns = now_ns();
}

static coherd_target target_of(const history_write *one, char name[16])
{
    switch ((history_kind)one->kind) {
    case HISTORY_ALL:
        return coherd_all();
    case HISTORY_TAG:
        snprintf(name, 16, "tag%u", one->target);
        return coherd_tag(name);
    case HISTORY_SHELF:
        snprintf(name, 16, "%u/", one->target);
        return coherd_prefix(name);
    case HISTORY_KEY:
    case HISTORY_UPDATE:
        break;
    }
    name_key(one->target, name);
    return coherd_key(name);
}

static void publish(history_write *one)
{
    const coherd_publish_options how = {
        .soft = one->soft != 0,
        .wait = COHERD_WAIT_ACCEPTED,
        .timeout_ms = -1,
        .version = one->cache == HISTORY_PRICES ? one->version : 0,
    };
    const uint64_t version = one->version;
    coherd_receipt receipt = {0};
    char name[16];
    const coherd_target target = target_of(one, name);
    coherd_err err;

    if (one->kind == HISTORY_UPDATE) {
        const coherd_entry entry = {target.data, target.len, &version,
                                    sizeof(version)};
        err = coherd_cache_update(caches[one->cache], &entry, &how, &receipt);
    } else {
        err = coherd_cache_invalidate(caches[one->cache], &target, 1, &how,
                                      &receipt);
    }
    check_err(err, "to publish");
    one->accepted_ns = now_ns();
    one->origin = receipt.origin;
}

static void *write_on(void *arg)
{
    uint64_t chance = ((uint64_t)number << 40) + now_ns();
    unsigned count = 0;

    (void)arg;
    while (!atomic_load(&halted) && count < WRITES_MAX) {
        history_write one = choose(&chance);
        commit(&one);
        if (draw(&chance, 16) == 0) {
            nap(draw(&chance, 5000)); /* others may publish first */
        }
        publish(&one);
        writes[count++] = one;
        atomic_store(&write_count, count);
        atomic_fetch_add(&database->writes[number], 1);
        nap(draw(&chance, 16000));
    }
    return NULL;
}

/* Note of each write when it had left the window.  The last round begins when
 * there is no writer any more. */
static void *flush_on(void *arg)
{
    unsigned noted = 0;
    bool last;

    (void)arg;
    do {
        last = atomic_load(&stopping);
        const unsigned count = atomic_load(&write_count);
        check_err(coherd_flush(client, -1), "to flush");
        const uint64_t at_ns = now_ns();
        while (noted < count) {
            writes[noted++].replicated_ns = at_ns;
        }
        nap(1000);
    } while (!last);
    return NULL;
}

static void save_writes(const char *folder)
{
    const unsigned count = atomic_load(&write_count);
    char path[256];

    snprintf(path, sizeof(path), "%s/writes.%u", folder, number);
    FILE *log = fopen(path, "wb");
    check(log != NULL, path);
    check(fwrite(writes, sizeof(writes[0]), count, log) == count &&
              fclose(log) == 0,
          "to save");
}

/* --- main ----------------------------------------------------------------- */

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

/* Wait until all that was accepted before now has been applied here, by what
 * the library says, and read everything once. */
static void settle(reading *by)
{
    const uint64_t since_ns = now_ns();

    for (;;) {
        const uint64_t at_ns = now_ns();
        const uint64_t claim_ms = coherd_staleness(client);
        if (claim_ms < (at_ns - since_ns) / HISTORY_MS) {
            break;
        }
        nap(1000);
    }
    for (unsigned key = 0; key < 2 * HISTORY_KEYS; key++) {
        read_key(by, key / HISTORY_KEYS, key % HISTORY_KEYS, HISTORY_FINAL);
    }
}

static void obey(reading *by, pthread_t writer)
{
    char line[64];
    bool joined = false;

    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (strcmp(line, "halt\n") == 0) {
            atomic_store(&halted, true);
            joined = pthread_join(writer, NULL) == 0;
            check_err(coherd_flush(client, -1), "to flush");
            say("halted");
        } else if (strcmp(line, "settle\n") == 0) {
            settle(by);
            say("settled");
        } else {
            break;
        }
    }
    atomic_store(&halted, true);
    if (!joined) {
        pthread_join(writer, NULL);
    }
}

static void run(const char *folder)
{
    pthread_t writer;
    pthread_t flusher;
    pthread_t readers[READERS];
    reading by[HISTORY_THREADS];

    for (unsigned i = 0; i < HISTORY_THREADS; i++) {
        open_log(&by[i], folder, i);
    }
    for (unsigned i = 0; i < READERS; i++) {
        check(pthread_create(&readers[i], NULL, read_on, &by[i]) == 0, "read");
    }
    check(pthread_create(&writer, NULL, write_on, NULL) == 0, "write");
    check(pthread_create(&flusher, NULL, flush_on, NULL) == 0, "flush");
    say("running");
    obey(&by[READERS], writer);
    atomic_store(&stopping, true);
    for (unsigned i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
    }
    pthread_join(flusher, NULL);
    for (unsigned i = 0; i < HISTORY_THREADS; i++) {
        check(fclose(by[i].log) == 0, "to save");
    }
}

static void open_all(const char *socket, const char *folder, int64_t bound_ms)
{
    const coherd_options options = {.socket = socket};
    /* Half of the instances have to evict. */
    const coherd_cache_options how = {
        .entries_max = number % 2 == 0 ? HISTORY_KEYS * 3 / 4 : 0,
        .stale_ms = HISTORY_STALE_MS,
        .max_staleness_ms = bound_ms,
    };
    char path[256];

    snprintf(path, sizeof(path), "%s/database", folder);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    check(fd >= 0, path);
    database = mmap(NULL, sizeof(*database), PROT_READ | PROT_WRITE, MAP_SHARED,
                    fd, 0);
    check(database != MAP_FAILED, "to map the database");
    close(fd);
    writes = calloc(WRITES_MAX, sizeof(writes[0]));
    check(writes != NULL, "memory");
    check_err(coherd_open(&options, &client), "to open");
    for (unsigned i = 0; i < HISTORY_CACHES; i++) {
        check_err(coherd_cache_open(client, topics[i], &how, &caches[i]),
                  "to open a cache");
    }
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"bound", required_argument, NULL, 'b'},
        {"lie", no_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    int64_t bound_ms = 0;
    int option;

    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case 'b':
            bound_ms = strtoll(optarg, NULL, 10);
            break;
        case 'l':
            lies = true;
            break;
        default:
            return 2;
        }
    }
    if (argc - optind != 3) {
        return 2;
    }
    const char *folder = argv[optind + 1];
    number = (unsigned)strtoul(argv[optind + 2], NULL, 10);
    check(number < HISTORY_INSTANCES_MAX, "no such instance");
    open_all(argv[optind], folder, bound_ms);
    run(folder);
    save_writes(folder);
    for (unsigned i = 0; i < HISTORY_CACHES; i++) {
        coherd_cache_close(&caches[i]);
    }
    check_err(coherd_close(&client), "to close");
    munmap(database, sizeof(*database));
    free(writes);
    return 0;
}
