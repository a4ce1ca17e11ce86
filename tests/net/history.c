/* history.c - verifies what the instances of reader.c have recorded against
 * the history of their model database:
 *
 *     history FOLDER
 *
 *   invented  a read returns a version that was committed, for its key;
 *   future    and not after the read had ended;
 *   claim     it misses nothing that was accepted before its staleness claim
 *             reaches back to;
 *   soft      what was invalidated softly may be missed as long as a stale
 *             entry is served, counted from when it was applied here;
 *   bound     an instance with max_staleness_ms never misses what was accepted
 *             longer ago than that;
 *   final     when all was quiet, a read returns the newest version.
 *
 * Nothing promises that the versions that one reader sees of a key never go
 * back (a stale entry may be served by another thread after the load that
 * was not stored), so that is counted only.
 *
 * FOLDER/faults says what the test did, in lines:
 *
 *   bound INSTANCE MS          it was opened with max_staleness_ms
 *   died ORIGIN NS             this sidecar was killed, not before NS.  What it
 *                              had accepted and not replicated by then counts
 *                              from its replication on: only both of sidecar
 *                              and application are promised to keep it
 *   apart FROM TO INSTANCES ORIGINS
 *                              these instances (a mask) had given up these
 *                              sidecars (hex, divided by commas) for a time
 *                              within FROM..TO: claims that reach back to
 *                              that time do not speak of what those accepted
 *
 * It prints one JSON object.  Status 1: there are violations.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/net/history.h"

#define VIOLATIONS_TOLD 8
#define RULES_MAX 64
#define ORIGINS_MAX 16
#define BUCKETS 65536u /* milliseconds that are told apart */

/* How late the coarse clock of a cache may be, and how long before a link was
 * cut something may have been under way on it. */
#define TICK_NS (20 * HISTORY_MS)
#define FLIGHT_NS (500 * HISTORY_MS)

/* --- faults --------------------------------------------------------------- */

typedef struct apart {
    uint64_t from_ns;
    uint64_t to_ns;
    unsigned instances;
    uint64_t origins[ORIGINS_MAX];
    unsigned origin_count;
} apart;

typedef struct death {
    uint64_t origin;
    uint64_t at_ns;
} death;

static uint64_t bounds_ns[HISTORY_INSTANCES_MAX]; /* 0: none */
static apart aparts[RULES_MAX];
static unsigned apart_count;
static death deaths[RULES_MAX];
static unsigned death_count;

static void fail(const char *what, const char *about)
{
    fprintf(stderr, "history: %s: %s\n", what, about);
    exit(2);
}

static void parse_origins(apart *rule, const char *text)
{
    while (text != NULL) {
        if (rule->origin_count == ORIGINS_MAX) {
            fail("too many origins", text);
        }
        rule->origins[rule->origin_count++] = strtoull(text, NULL, 16);
        text = strchr(text, ',');
        text = text == NULL ? NULL : text + 1;
    }
}

static void parse_fault(const char *line)
{
    char origins[ORIGINS_MAX * 20];
    unsigned instance;
    uint64_t ms;
    apart rule = {0};
    death one;

    if (death_count == RULES_MAX || apart_count == RULES_MAX) {
        fail("too many faults", line);
    }
    if (sscanf(line, "bound %u %" SCNu64, &instance, &ms) == 2 &&
        instance < HISTORY_INSTANCES_MAX) {
        bounds_ns[instance] = ms * HISTORY_MS;
    } else if (sscanf(line, "died %" SCNx64 " %" SCNu64, &one.origin,
                      &one.at_ns) == 2) {
        deaths[death_count++] = one;
    } else if (sscanf(line, "apart %" SCNu64 " %" SCNu64 " %x %319s",
                      &rule.from_ns, &rule.to_ns, &rule.instances,
                      origins) == 4) {
        parse_origins(&rule, origins);
        aparts[apart_count++] = rule;
    } else {
        fail("not understood", line);
    }
}

static void read_faults(const char *folder)
{
    char path[256];
    char line[512];

    snprintf(path, sizeof(path), "%s/faults", folder);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        parse_fault(line);
    }
    fclose(file);
}

/* --- what was written ----------------------------------------------------- */

/* A commit, as one key sees it. */
typedef struct commit {
    uint32_t version;
    bool soft;
    uint64_t begin_ns;
    uint64_t accepted_ns; /* counts from here on */
    uint64_t origin;
    uint64_t hard_ns; /* the first acceptance of this and all newer hard ones */
    uint64_t soft_ns; /* ... of the soft ones */
} commit;

/* The commits of a key, by version. */
typedef struct row {
    commit *commits;
    size_t count;
    size_t cap;
} row;

static row rows[HISTORY_CACHES][HISTORY_KEYS];
static uint64_t write_count;

/* Map a file of whole records; returns their number, 0 also without one. */
static size_t map(const char *path, size_t size, const void **records)
{
    struct stat facts;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return 0;
    }
    if (fstat(fd, &facts) != 0 || (size_t)facts.st_size % size != 0) {
        fail("not whole", path);
    }
    const size_t bytes = (size_t)facts.st_size;
    if (bytes > 0) {
        void *found = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (found == MAP_FAILED) {
            fail("cannot be mapped", path);
        }
        *records = found;
    }
    close(fd);
    return bytes / size;
}

static void unmap(const void *records, size_t bytes)
{
    if (bytes > 0) {
        munmap((void *)records, bytes);
    }
}

static void add_commit(row *to, const commit *one)
{
    if (to->count == to->cap) {
        to->cap = to->cap == 0 ? 64 : 2 * to->cap;
        to->commits = realloc(to->commits, to->cap * sizeof(commit));
        if (to->commits == NULL) {
            fail("no memory", "commits");
        }
    }
    to->commits[to->count++] = *one;
}

static uint64_t counts_from(const history_write *one)
{
    for (unsigned i = 0; i < death_count; i++) {
        if (deaths[i].origin == one->origin &&
            one->replicated_ns > deaths[i].at_ns) {
            return one->replicated_ns;
        }
    }
    return one->accepted_ns;
}

static void add_write(const history_write *one)
{
    const commit made = {.version = one->version,
                         .soft = one->soft != 0,
                         .begin_ns = one->begin_ns,
                         .accepted_ns = counts_from(one),
                         .origin = one->origin};

    if (one->cache >= HISTORY_CACHES) {
        fail("a write is wrong", "cache");
    }
    write_count++;
    for (unsigned key = 0; key < HISTORY_KEYS; key++) {
        if (history_covers((history_kind)one->kind, one->target, key)) {
            add_commit(&rows[one->cache][key], &made);
        }
    }
}

static int compare(const void *a, const void *b)
{
    const commit *one = a;
    const commit *other = b;

    return (one->version > other->version) - (one->version < other->version);
}

static uint64_t min_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void order(row *of)
{
    uint64_t hard_ns = HISTORY_NEVER;
    uint64_t soft_ns = HISTORY_NEVER;

    if (of->count > 0) {
        qsort(of->commits, of->count, sizeof(commit), compare);
    }
    for (size_t i = of->count; i-- > 0;) {
        commit *one = &of->commits[i];
        if (one->soft) {
            soft_ns = min_of(soft_ns, one->accepted_ns);
        } else {
            hard_ns = min_of(hard_ns, one->accepted_ns);
        }
        one->hard_ns = hard_ns;
        one->soft_ns = soft_ns;
    }
}

static void read_writes(const char *folder)
{
    char path[256];

    for (unsigned i = 0; i < HISTORY_INSTANCES_MAX; i++) {
        const void *records = NULL;
        snprintf(path, sizeof(path), "%s/writes.%u", folder, i);
        const size_t count = map(path, sizeof(history_write), &records);
        const history_write *all = records;
        for (size_t n = 0; n < count; n++) {
            add_write(&all[n]);
        }
        unmap(records, count * sizeof(history_write));
    }
    for (unsigned i = 0; i < HISTORY_CACHES * HISTORY_KEYS; i++) {
        order(&rows[i / HISTORY_KEYS][i % HISTORY_KEYS]);
    }
}

/* Return the number of commits of a key up to this version. */
static size_t count_up_to(const row *of, uint32_t version)
{
    size_t low = 0;
    size_t high = of->count;

    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (of->commits[middle].version <= version) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* --- what is counted ------------------------------------------------------ */

typedef struct span {
    uint64_t count;
    uint64_t most;
    uint64_t buckets[BUCKETS];
} span;

static struct {
    uint64_t reads;
    uint64_t hits;
    uint64_t finals;
    uint64_t unknown; /* claims: "not known" */
    uint64_t stale;   /* reads that missed what was accepted before */
    uint64_t excused; /* ... more than they claimed, see apart */
    uint64_t back;    /* older than what the reader saw before */
    uint64_t violations;
    uint64_t worst_ns; /* real staleness */
    span claim;
    span slack; /* claim - real staleness */
} sums;

static void note(span *of, uint64_t ms)
{
    of->count++;
    of->most = ms > of->most ? ms : of->most;
    of->buckets[min_of(ms, BUCKETS - 1)]++;
}

static uint64_t part(const span *of, unsigned percent)
{
    const uint64_t wanted = (of->count * percent + 99) / 100;
    uint64_t seen = 0;

    for (unsigned ms = 0; ms < BUCKETS; ms++) {
        seen += of->buckets[ms];
        if (seen >= wanted) {
            return ms;
        }
    }
    return of->most;
}

/* --- what was read -------------------------------------------------------- */

/* One thread's journal, and what its instance had said before. */
typedef struct journal {
    unsigned instance;
    unsigned thread;
    const history_read *reads;
    size_t count;
} journal;

static journal journals[HISTORY_INSTANCES_MAX][HISTORY_THREADS];

/* A read, with what it is judged by. */
typedef struct judged {
    const journal *in;
    const history_read *read;
    const row *of;
    size_t next; /* the first commit that it does not know */
} judged;

static void refuse(const judged *one, const char *rule, const commit *missed)
{
    if (sums.violations++ >= VIOLATIONS_TOLD) {
        return;
    }
    const history_read *read = one->read;
    fprintf(stderr,
            "history: %s: read %zu of thread %u of instance %u, of %s %u at "
            "%" PRIu64 " ns, claimed %" PRId64 " ms, returned version %" PRIu32,
            rule, (size_t)(read - one->in->reads), one->in->thread,
            one->in->instance, read->cache == HISTORY_ROWS ? "row" : "price",
            read->key, read->at_ns,
            read->claim_ms == HISTORY_CLAIM_UNKNOWN ? -1
                                                    : (int64_t)read->claim_ms,
            read->version);
    if (missed != NULL) {
        fprintf(stderr,
                "; version %" PRIu32 " of %016" PRIx64
                " was accepted %.3f ms before",
                missed->version, missed->origin,
                ((double)read->at_ns - (double)missed->accepted_ns) / 1e6);
    }
    fprintf(stderr, "\n");
}

static bool is_excused(unsigned instance, uint64_t reach_ns,
                       const commit *missed)
{
    for (unsigned i = 0; i < apart_count; i++) {
        const apart *rule = &aparts[i];
        if ((rule->instances >> instance & 1) == 0 ||
            reach_ns < rule->from_ns || reach_ns > rule->to_ns ||
            missed->accepted_ns + FLIGHT_NS < rule->from_ns) {
            continue;
        }
        for (unsigned k = 0; k < rule->origin_count; k++) {
            if (rule->origins[k] == missed->origin) {
                return true;
            }
        }
    }
    return false;
}

/* Return a commit that a read should know, because it was accepted before
 * reach_ns; NULL: none. */
static const commit *missed_before(const judged *one, uint64_t reach_ns,
                                   bool soft)
{
    bool excused = false;

    if (one->next == one->of->count) {
        return NULL;
    }
    const commit *first = &one->of->commits[one->next];
    if ((soft ? first->soft_ns : first->hard_ns) >= reach_ns) {
        return NULL;
    }
    for (size_t i = one->next; i < one->of->count; i++) {
        const commit *other = &one->of->commits[i];
        if (other->soft != soft || other->accepted_ns >= reach_ns) {
            continue;
        }
        if (!is_excused(one->in->instance, reach_ns, other)) {
            return other;
        }
        excused = true;
    }
    sums.excused += excused;
    return NULL;
}

static void judge_claim(const judged *one)
{
    const history_read *read = one->read;
    const uint64_t real_ns =
        one->next == one->of->count ||
                one->of->commits[one->next].hard_ns >= read->at_ns
            ? 0
            : read->at_ns - one->of->commits[one->next].hard_ns;

    sums.stale += real_ns > 0;
    sums.worst_ns = real_ns > sums.worst_ns ? real_ns : sums.worst_ns;
    if (read->claim_ms == HISTORY_CLAIM_UNKNOWN) {
        sums.unknown++;
        return;
    }
    const uint64_t claim_ns = read->claim_ms * HISTORY_MS;
    note(&sums.claim, read->claim_ms);
    if (claim_ns >= real_ns) {
        note(&sums.slack, (claim_ns - real_ns) / HISTORY_MS);
        return;
    }
    const commit *missed = missed_before(one, read->at_ns - claim_ns, false);
    if (missed != NULL) {
        refuse(one, "claim", missed);
    }
}

/* applied_ns: up to where all was applied when a stale entry could last have
 * been marked that still may be served. */
static void judge_soft(const judged *one, uint64_t applied_ns)
{
    const commit *missed = missed_before(one, applied_ns, true);

    if (missed != NULL) {
        refuse(one, "soft", missed);
    }
}

static void judge_bound(const judged *one)
{
    const uint64_t bound_ns = bounds_ns[one->in->instance];
    const history_read *read = one->read;

    if (bound_ns == 0 || bound_ns > read->at_ns) {
        return;
    }
    const commit *missed = missed_before(one, read->at_ns - bound_ns, false);
    if (missed != NULL) {
        refuse(one, "bound", missed);
    }
}

static void judge(const journal *in, const history_read *read,
                  uint64_t applied_ns)
{
    if (read->cache >= HISTORY_CACHES || read->key >= HISTORY_KEYS) {
        fail("a read is wrong", "key");
    }
    judged one = {in, read, &rows[read->cache][read->key], 0};

    sums.reads++;
    sums.hits += (read->flags & HISTORY_LOADED) == 0;
    one.next = count_up_to(one.of, read->version);
    if (read->version != 0) {
        const commit *known =
            one.next == 0 ? NULL : &one.of->commits[one.next - 1];
        if (known == NULL || known->version != read->version) {
            refuse(&one, "invented", NULL);
            return;
        }
        if (known->begin_ns > read->end_ns) {
            refuse(&one, "future", NULL);
            return;
        }
    }
    if ((read->flags & HISTORY_FINAL) != 0) {
        sums.finals++;
        if (one.next < one.of->count) {
            refuse(&one, "final", &one.of->commits[one.of->count - 1]);
            return;
        }
    }
    judge_claim(&one);
    judge_soft(&one, applied_ns);
    judge_bound(&one);
}

/* Judge one thread's reads.  What its instance had applied is what this thread
 * was told: the others were told the same. */
static void judge_journal(const journal *in)
{
    static uint32_t seen[HISTORY_CACHES][HISTORY_KEYS];
    const uint64_t ago_ns = HISTORY_STALE_MS * HISTORY_MS + TICK_NS;
    uint64_t applied_ns = 0;
    size_t told = 0;

    memset(seen, 0, sizeof(seen));
    for (size_t i = 0; i < in->count; i++) {
        const history_read *read = &in->reads[i];
        for (; in->reads[told].end_ns + ago_ns < read->at_ns; told++) {
            const history_read *then = &in->reads[told];
            const uint64_t claim_ns = then->claim_ms * HISTORY_MS;
            if (then->claim_ms != HISTORY_CLAIM_UNKNOWN &&
                then->at_ns - claim_ns > applied_ns) {
                applied_ns = then->at_ns - claim_ns;
            }
        }
        judge(in, read, applied_ns);
        uint32_t *last = &seen[read->cache][read->key];
        sums.back += read->version < *last;
        *last = read->version;
    }
}

static void read_journals(const char *folder)
{
    char path[256];

    for (unsigned i = 0; i < HISTORY_INSTANCES_MAX * HISTORY_THREADS; i++) {
        const unsigned instance = i / HISTORY_THREADS;
        const unsigned thread = i % HISTORY_THREADS;
        const void *records = NULL;
        snprintf(path, sizeof(path), "%s/reads.%u.%u", folder, instance,
                 thread);
        journal *one = &journals[instance][thread];
        one->instance = instance;
        one->thread = thread;
        one->count = map(path, sizeof(history_read), &records);
        one->reads = records;
        judge_journal(one);
        unmap(records, one->count * sizeof(history_read));
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "history FOLDER\n");
        return 2;
    }
    read_faults(argv[1]);
    read_writes(argv[1]);
    read_journals(argv[1]);
    printf("{\"reads\": %" PRIu64 ", \"writes\": %" PRIu64
           ", \"hits\": %" PRIu64 ", \"finals\": %" PRIu64
           ", \"unknown\": %" PRIu64 ", \"stale\": %" PRIu64
           ", \"excused\": %" PRIu64 ", \"back\": %" PRIu64
           ", \"violations\": %" PRIu64 ", \"worst_ms\": %.3f",
           sums.reads, write_count, sums.hits, sums.finals, sums.unknown,
           sums.stale, sums.excused, sums.back, sums.violations,
           (double)sums.worst_ns / 1e6);
    printf(", \"claim_median\": %" PRIu64 ", \"claim_p99\": %" PRIu64
           ", \"claim_most\": %" PRIu64 ", \"slack_median\": %" PRIu64
           ", \"slack_p99\": %" PRIu64 "}\n",
           part(&sums.claim, 50), part(&sums.claim, 99), sums.claim.most,
           part(&sums.slack, 50), part(&sums.slack, 99));
    for (unsigned i = 0; i < HISTORY_CACHES * HISTORY_KEYS; i++) {
        free(rows[i / HISTORY_KEYS][i % HISTORY_KEYS].commits);
    }
    return sums.violations > 0 ? 1 : 0;
}
