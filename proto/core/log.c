#include "proto/core/log.h"

#include "proto/base/hash.h"
#include "proto/core/forgotten.h"
#include "proto/core/index.h"
#include "proto/core/recent.h"

#define NONE UINT32_MAX

/* Pages hold the largest record and are a multiple of this. */
#define PAGE_UNIT ((size_t)64 * 1024)

/* Merge two neighbours when what lives in both fits this share of a page, so
 * that each merge wins at least a quarter of a page for what it copies. */
#define MERGE_NUMERATOR 3
#define MERGE_DENOMINATOR 4

/* The table of sequence numbers takes this share of the log, a slot for 64
 * bytes.  Entries take at least 96: it is never more than three fifths full. */
#define SEQS_SHARE 8
#define ENTRY_BYTES_MIN ((size_t)96)

/* What is known of subjects takes this share: 16,384 of them in the default
 * log.  A table that the processor cannot keep at hand costs more than all the
 * rest of an entry. */
#define SUBJECTS_SHARE 256

/* So far ahead the processor fetches memory that will be written: what it holds
 * was last looked at when the log was full before, and is in no cache. */
#define APPEND_AHEAD 4096

/* What is read was written a while ago: others came between. */
#define READ_AHEAD 768

/* Pages of more topics and origins than this are walked when they are evicted,
 * and those of more origins also when somebody looks for anything. */
#define STRANDS_MAX 8u

/* Entries are aligned to eight bytes.  A reference is the offset in all pages
 * together, in units of eight bytes, plus one. */
#define REF_BYTES 8u

typedef struct header {
    uint32_t size; /* of the entry with this header, a multiple of 8 */
    uint32_t record_len;
    uint64_t number;
    uint64_t origin;
    uint64_t seq;
    uint64_t topic_hash;
    uint64_t subject_hash;
    uint16_t topic_at; /* offsets within the record */
    uint16_t subject_at;
    uint16_t subject_len;
    uint8_t topic_len;
    uint8_t flags;
} header;

#define DEAD 1u  /* superseded or evicted */
#define QUIET 2u /* a repetition          */

_Static_assert(sizeof(header) == 56, "the cost of an entry is documented");

/* What a page holds, or held, of one origin and topic, or of one origin. */
typedef struct strand {
    uint64_t origin;
    uint64_t topic_hash;
    uint64_t first; /* sequence numbers between these */
    uint64_t last;
    uint32_t offset; /* of an entry with the topic */
    uint32_t live;   /* entries */
} strand;

typedef struct page {
    uint64_t stamp; /* changes whenever entries move; 0: the page is free */
    uint64_t first; /* no entry has a lower number                        */
    uint64_t end;   /* nor one as high                                    */
    uint32_t used;  /* bytes */
    uint32_t live;  /* bytes */
    uint32_t live_count;
    uint32_t indexed;      /* bytes whose entries by_seq knows            */
    uint32_t strand_count; /* above STRANDS_MAX: too many, nothing is known */
    bool mixed;            /* a strand has all topics of its origin       */
    uint32_t next;         /* in the order of entries, or of free pages   */
    uint32_t prev;
    strand strands[STRANDS_MAX];
} page;

struct chd_log {
    const chd_mem *mem;
    uint8_t *memory;
    page *pages;
    chd_index by_seq;      /* of pages that somebody looked for something in */
    chd_recent by_subject; /* the last ones that have one */
    chd_forgotten *forgotten;
    size_t page_bytes;
    size_t capacity;
    size_t live;
    size_t count;
    uint32_t page_count;
    uint32_t head; /* oldest page, NONE when empty */
    uint32_t tail;
    uint32_t free;
    uint64_t end;
    uint64_t evicted; /* number behind the newest entry evicted */
    uint64_t stamp;
};

size_t chd_log_cost(size_t record_len)
{
    const size_t size = (sizeof(header) + record_len + 7) & ~(size_t)7;
    return size < ENTRY_BYTES_MIN ? ENTRY_BYTES_MIN : size;
}

static void plan(chd_log *log, size_t bytes, size_t record_max)
{
    const size_t tables = bytes / SEQS_SHARE + bytes / SUBJECTS_SHARE;

    log->page_bytes =
        (chd_log_cost(record_max) + PAGE_UNIT - 1) & ~(size_t)(PAGE_UNIT - 1);
    log->page_count =
        (uint32_t)((bytes - tables) / (log->page_bytes + sizeof(page)));
    log->capacity = log->page_count * (log->page_bytes + sizeof(page)) + tables;
}

static void free_all_pages(chd_log *log)
{
    log->head = NONE;
    log->tail = NONE;
    log->free = 0;
    for (uint32_t i = 0; i < log->page_count; i++) {
        log->pages[i].next = i + 1 < log->page_count ? i + 1 : NONE;
    }
}

chd_err chd_log_new(size_t bytes, size_t record_max, const chd_mem *mem,
                    chd_log **log)
{
    const size_t seqs = bytes / SEQS_SHARE / sizeof(chd_index_slot);
    const size_t subjects = bytes / SUBJECTS_SHARE / sizeof(chd_recent_place);
    chd_log *made = chd_zalloc(mem, 1, sizeof(*made));

    *log = NULL;
    if (made == NULL) {
        return CHD_ENOMEM;
    }
    made->mem = mem;
    plan(made, bytes, record_max);
    CHD_ASSERT(made->page_count >= 4);
    made->memory = chd_zalloc(mem, made->page_count, made->page_bytes);
    made->pages = chd_zalloc(mem, made->page_count, sizeof(page));
    if (made->memory == NULL || made->pages == NULL ||
        chd_index_new(seqs, true, mem, &made->by_seq) != CHD_OK ||
        chd_recent_new(subjects, mem, &made->by_subject) != CHD_OK ||
        chd_forgotten_new(mem, &made->forgotten) != CHD_OK) {
        chd_log_destroy(&made);
        return CHD_ENOMEM;
    }
    free_all_pages(made);
    *log = made;
    return CHD_OK;
}

void chd_log_destroy(chd_log **log)
{
    if (*log == NULL) {
        return;
    }
    const chd_mem *mem = (*log)->mem;
    chd_forgotten_destroy(&(*log)->forgotten);
    chd_free(mem, (*log)->memory);
    chd_free(mem, (*log)->pages);
    chd_index_destroy(mem, &(*log)->by_seq);
    chd_recent_destroy(mem, &(*log)->by_subject);
    chd_free(mem, *log);
    *log = NULL;
}

/* --- entries and their references ----------------------------------------- */

static header *at(const chd_log *log, uint32_t page_index, uint32_t offset)
{
    return (header *)(void *)(log->memory + page_index * log->page_bytes +
                              offset);
}

static uint32_t ref_of(const chd_log *log, const header *entry)
{
    return (uint32_t)(((const uint8_t *)entry - log->memory) / REF_BYTES) + 1;
}

static header *of_ref(const chd_log *log, uint32_t ref)
{
    return (header *)(void *)(log->memory + (size_t)(ref - 1) * REF_BYTES);
}

static uint32_t page_of(const chd_log *log, const header *entry)
{
    const size_t offset = (size_t)((const uint8_t *)entry - log->memory);
    return (uint32_t)(offset / log->page_bytes);
}

static const uint8_t *record_of(const header *entry)
{
    return (const uint8_t *)entry + sizeof(*entry);
}

static void show(const header *entry, chd_log_entry *shown)
{
    const uint8_t *record = record_of(entry);

    shown->origin = entry->origin;
    shown->seq = entry->seq;
    shown->topic_hash = entry->topic_hash;
    shown->subject_hash = entry->subject_hash;
    shown->topic = chd_bytes_of(record + entry->topic_at, entry->topic_len);
    shown->subject =
        chd_bytes_of(record + entry->subject_at, entry->subject_len);
    shown->record = chd_bytes_of(record, entry->record_len);
    shown->quiet = (entry->flags & QUIET) != 0;
}

/* What an origin numbered one after the other are neighbours; which is first
 * varies, for only some of each row may stay. */
static uint32_t seq_hash(uint64_t origin, uint64_t seq)
{
    const uint64_t hash = chd_mix64(origin ^ (seq / (CHD_INDEX_NEAR + 1)));
    return ((uint32_t)hash & ~CHD_INDEX_NEAR) |
           ((uint32_t)(seq + hash) & CHD_INDEX_NEAR);
}

static uint32_t recent_hash(uint64_t subject_hash)
{
    return (uint32_t)(subject_hash >> 32);
}

static bool is_live(const header *entry)
{
    return (entry->flags & DEAD) == 0;
}

/* --- what is known of a page ---------------------------------------------- */

/* Make the entries of a page findable that are not yet. */
static void index_page(chd_log *log, uint32_t index)
{
    page *home = &log->pages[index];

    while (home->indexed < home->used) {
        const header *entry = at(log, index, home->indexed);
        if (is_live(entry)) {
            chd_index_add(&log->by_seq, seq_hash(entry->origin, entry->seq),
                          ref_of(log, entry));
        }
        home->indexed += entry->size;
    }
}

static void unindex_page(chd_log *log, uint32_t index)
{
    page *home = &log->pages[index];

    for (uint32_t offset = 0; offset < home->indexed;) {
        const header *entry = at(log, index, offset);
        if (is_live(entry)) {
            chd_index_remove(&log->by_seq, seq_hash(entry->origin, entry->seq),
                             ref_of(log, entry));
        }
        offset += entry->size;
    }
    home->indexed = 0;
}

/* The strand of an entry, or NULL. */
static strand *strand_of(page *home, const header *entry)
{
    if (home->strand_count <= STRANDS_MAX) {
        for (uint32_t i = home->strand_count; i-- > 0;) {
            strand *known = &home->strands[i];
            if (known->origin == entry->origin &&
                (known->topic_hash == entry->topic_hash || home->mixed)) {
                return known;
            }
        }
    }
    return NULL;
}

/* Let each strand have all topics of its origin, so that there is room. */
static void mix_topics(page *home)
{
    strand *all = home->strands;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < home->strand_count; i++) {
        uint32_t same = 0;
        while (same < kept && all[same].origin != all[i].origin) {
            same++;
        }
        if (same == kept) {
            all[kept++] = all[i];
        } else {
            all[same].first = chd_min_u64(all[same].first, all[i].first);
            all[same].last = chd_max_u64(all[same].last, all[i].last);
            all[same].live += all[i].live;
        }
    }
    home->strand_count = kept;
    home->mixed = true;
}

static void note_strand(page *home, const header *entry, uint32_t offset)
{
    strand *known = strand_of(home, entry);

    if (known == NULL && home->strand_count == STRANDS_MAX && !home->mixed) {
        mix_topics(home);
        known = strand_of(home, entry);
    }
    if (known != NULL) {
        known->first = chd_min_u64(known->first, entry->seq);
        known->last = chd_max_u64(known->last, entry->seq);
        known->live++;
    } else if (home->strand_count < STRANDS_MAX) {
        home->strands[home->strand_count++] = (strand){
            .origin = entry->origin,
            .topic_hash = entry->topic_hash,
            .first = entry->seq,
            .last = entry->seq,
            .offset = offset,
            .live = 1,
        };
    } else {
        home->strand_count = STRANDS_MAX + 1;
    }
}

static bool may_hold(const page *home, uint64_t origin, uint64_t first,
                     uint64_t last)
{
    if (home->strand_count > STRANDS_MAX) {
        return true;
    }
    for (uint32_t i = 0; i < home->strand_count; i++) {
        const strand *known = &home->strands[i];
        if (known->origin == origin && known->first <= last &&
            known->last >= first) {
            return true;
        }
    }
    return false;
}

/* Note that entries of a topic, one of them at offset, are evicted up to seq.
 */
static void forget(chd_log *log, const header *entry, uint64_t seq)
{
    const chd_forgotten_entry gone = {
        .origin = entry->origin,
        .seq = seq,
        .topic_hash = entry->topic_hash,
        .topic =
            chd_bytes_of(record_of(entry) + entry->topic_at, entry->topic_len),
    };
    chd_forgotten_add(log->forgotten, &gone);
}

static void forget_page(chd_log *log, uint32_t index)
{
    const page *home = &log->pages[index];

    if (!home->mixed) {
        for (uint32_t i = 0; i < home->strand_count; i++) {
            const strand *gone = &home->strands[i];
            if (gone->live > 0) {
                forget(log, at(log, index, gone->offset), gone->last);
            }
        }
        return;
    }
    for (uint32_t offset = 0; offset < home->used;) {
        const header *entry = at(log, index, offset);
        if (is_live(entry)) {
            forget(log, entry, entry->seq);
        }
        offset += entry->size;
    }
}

/* --- pages ---------------------------------------------------------------- */

static void free_page(chd_log *log, uint32_t index)
{
    page *freed = &log->pages[index];

    if (freed->prev != NONE) {
        log->pages[freed->prev].next = freed->next;
    } else {
        log->head = freed->next;
    }
    if (freed->next != NONE) {
        log->pages[freed->next].prev = freed->prev;
    } else {
        log->tail = freed->prev;
    }
    *freed = (page){.next = log->free};
    log->free = index;
}

static void add_page(chd_log *log)
{
    const uint32_t index = log->free;
    page *added = &log->pages[index];

    CHD_ASSERT(index != NONE);
    log->free = added->next;
    *added = (page){
        .stamp = ++log->stamp,
        .first = log->end,
        .next = NONE,
        .prev = log->tail,
    };
    if (log->tail != NONE) {
        log->pages[log->tail].next = index;
    } else {
        log->head = index;
    }
    log->tail = index;
}

static void evict_page(chd_log *log, uint32_t index)
{
    const page *home = &log->pages[index];
    const uint32_t begin = ref_of(log, at(log, index, 0));

    unindex_page(log, index);
    chd_recent_forget(&log->by_subject, begin,
                      begin + (uint32_t)(log->page_bytes / REF_BYTES));
    forget_page(log, index);
    log->evicted = chd_max_u64(log->evicted, home->end);
    log->live -= home->live;
    log->count -= home->live_count;
    free_page(log, index);
}

/* Move the live entries of page from behind those of page to, which may be the
 * same page. */
static void move_live(chd_log *log, uint32_t from, uint32_t to, uint32_t used)
{
    const uint32_t end = log->pages[from].used;
    page *home = &log->pages[to];
    uint32_t kept = used;

    for (uint32_t offset = 0; offset < end;) {
        const header *entry = at(log, from, offset);
        const uint32_t size = entry->size;
        header *target = at(log, to, kept);
        const bool moves = is_live(entry);
        if (moves && entry->subject_hash != 0) {
            chd_recent_move(&log->by_subject, recent_hash(entry->subject_hash),
                            ref_of(log, entry), ref_of(log, target));
        }
        if (moves) {
            memmove(target, entry, size);
            note_strand(home, target, kept);
            kept += size;
            home->live_count++;
        }
        offset += size;
    }
    home->used = kept;
    home->live = kept;
}

static void merge(chd_log *log, uint32_t index)
{
    page *home = &log->pages[index];
    const uint32_t next = home->next;

    unindex_page(log, index);
    unindex_page(log, next);
    home->strand_count = 0;
    home->mixed = false;
    home->live_count = 0;
    move_live(log, index, index, 0);
    move_live(log, next, index, home->used);
    home->end = log->pages[next].end;
    home->stamp = ++log->stamp;
    free_page(log, next);
}

/* The pair of neighbours that is cheapest to merge, or NONE.  The tail is
 * left alone: what is in it is young and may be superseded yet. */
static uint32_t find_pair(const chd_log *log)
{
    size_t least = log->page_bytes / MERGE_DENOMINATOR * MERGE_NUMERATOR + 1;
    uint32_t best = NONE;

    for (uint32_t i = log->head; i != NONE; i = log->pages[i].next) {
        const uint32_t next = log->pages[i].next;
        if (next == NONE || next == log->tail) {
            break;
        }
        const size_t live = (size_t)log->pages[i].live + log->pages[next].live;
        if (live < least) {
            least = live;
            best = i;
        }
    }
    return best;
}

static void make_page(chd_log *log)
{
    if (log->free == NONE) {
        const uint32_t pair = find_pair(log);
        if (pair != NONE) {
            merge(log, pair);
        } else {
            evict_page(log, log->head);
        }
    }
    add_page(log);
}

/* --- append --------------------------------------------------------------- */

/* An older entry that the new one stands for, or NULL. */
static header *find_superseded(const chd_log *log, const chd_log_entry *entry)
{
    const uint32_t hash = recent_hash(entry->subject_hash);
    uint32_t place = 0;
    uint32_t ref;

    while ((ref = chd_recent_next(&log->by_subject, hash, &place)) != 0) {
        header *older = of_ref(log, ref);
        if (older->subject_hash == entry->subject_hash &&
            older->origin == entry->origin && older->seq < entry->seq &&
            chd_bytes_equal(chd_bytes_of(record_of(older) + older->subject_at,
                                         older->subject_len),
                            entry->subject)) {
            return older;
        }
    }
    return NULL;
}

/* Take an entry out of the tables and of the accounts; its bytes stay. */
static void kill(chd_log *log, uint32_t index, header *entry)
{
    page *home = &log->pages[index];
    const uint32_t ref = ref_of(log, entry);
    strand *known = strand_of(home, entry);

    if (ref - ref_of(log, at(log, index, 0)) < home->indexed / REF_BYTES) {
        chd_index_remove(&log->by_seq, seq_hash(entry->origin, entry->seq),
                         ref);
    }
    chd_recent_remove(&log->by_subject, recent_hash(entry->subject_hash), ref);
    if (known != NULL) {
        known->live--;
    }
    entry->flags |= DEAD;
    home->live -= entry->size;
    home->live_count--;
    log->live -= entry->size;
    log->count--;
}

uint64_t chd_log_supersede(chd_log *log, const chd_log_entry *entry)
{
    header *older =
        entry->subject_hash == 0 ? NULL : find_superseded(log, entry);

    if (older == NULL) {
        return UINT64_MAX;
    }
    const uint32_t index = page_of(log, older);
    const uint64_t number = older->number;
    kill(log, index, older);
    if (log->pages[index].live == 0 && index != log->tail) {
        free_page(log, index);
    }
    return number;
}

void chd_log_expect(const chd_log *log, const chd_log_entry *entry)
{
    chd_recent_expect(&log->by_subject, recent_hash(entry->subject_hash));
}

/* As many lines as a usual entry has. */
static void fetch_ahead(const chd_log *log, const uint8_t *entry, size_t offset)
{
    if (log->page_bytes - offset > APPEND_AHEAD + 3 * CHD_LINE_BYTES) {
        entry += APPEND_AHEAD;
        CHD_PREFETCH_WRITE(entry);
        CHD_PREFETCH_WRITE(entry + CHD_LINE_BYTES);
        CHD_PREFETCH_WRITE(entry + 2 * CHD_LINE_BYTES);
    }
}

void chd_log_append(chd_log *log, const chd_log_entry *entry)
{
    const size_t size = chd_log_cost(entry->record.len);

    CHD_ASSERT(entry->record.len > 0 && size <= log->page_bytes);
    CHD_ASSERT(entry->topic.ptr >= entry->record.ptr);
    CHD_ASSERT(entry->topic.ptr + entry->topic.len <=
               entry->record.ptr + entry->record.len);
    if (log->tail == NONE ||
        log->page_bytes - log->pages[log->tail].used < size) {
        make_page(log);
    }
    page *home = &log->pages[log->tail];
    header *added = at(log, log->tail, home->used);
    const bool compacts = entry->subject_hash != 0;
    *added = (header){
        .size = (uint32_t)size,
        .record_len = (uint32_t)entry->record.len,
        .number = log->end,
        .origin = entry->origin,
        .seq = entry->seq,
        .topic_hash = entry->topic_hash,
        .subject_hash = entry->subject_hash,
        .topic_at = (uint16_t)(entry->topic.ptr - entry->record.ptr),
        .topic_len = (uint8_t)entry->topic.len,
        .subject_at =
            compacts ? (uint16_t)(entry->subject.ptr - entry->record.ptr) : 0,
        .subject_len = compacts ? (uint16_t)entry->subject.len : 0,
        .flags = entry->quiet ? QUIET : 0,
    };
    memcpy((uint8_t *)added + sizeof(*added), entry->record.ptr,
           entry->record.len);
    fetch_ahead(log, (uint8_t *)added, home->used);
    if (compacts) {
        chd_recent_add(&log->by_subject, recent_hash(entry->subject_hash),
                       ref_of(log, added));
    }
    note_strand(home, added, home->used);
    home->used += (uint32_t)size;
    home->live += (uint32_t)size;
    home->live_count++;
    home->end = log->end + 1;
    log->live += size;
    log->count++;
    log->end++;
}

/* --- reading -------------------------------------------------------------- */

uint64_t chd_log_end(const chd_log *log)
{
    return log->end;
}

uint64_t chd_log_mark(chd_log *log)
{
    return ++log->end;
}

chd_log_cursor chd_log_cursor_at_end(const chd_log *log)
{
    chd_log_cursor cursor = {.number = log->end};

    if (log->tail != NONE) {
        cursor.page = log->tail;
        cursor.offset = log->pages[log->tail].used;
        cursor.stamp = log->pages[log->tail].stamp;
    }
    return cursor;
}

bool chd_log_overran(const chd_log *log, const chd_log_cursor *cursor)
{
    return cursor->number < log->evicted;
}

/* Point the cursor's hint at the page where its number is, or would be. */
static bool locate(const chd_log *log, chd_log_cursor *cursor)
{
    uint32_t i = log->tail;

    if (cursor->stamp != 0 && log->pages[cursor->page].stamp == cursor->stamp) {
        return true;
    }
    if (i == NONE) {
        return false;
    }
    while (log->pages[i].first > cursor->number && log->pages[i].prev != NONE) {
        i = log->pages[i].prev;
    }
    cursor->page = i;
    cursor->offset = 0;
    cursor->stamp = log->pages[i].stamp;
    return true;
}

bool chd_log_read(const chd_log *log, chd_log_cursor *cursor,
                  chd_log_entry *entry)
{
    if (cursor->number >= log->end) {
        return false;
    }
    if (!locate(log, cursor)) {
        cursor->number = log->end;
        return false;
    }
    for (;;) {
        const page *here = &log->pages[cursor->page];
        while (cursor->offset < here->used) {
            const header *next = at(log, cursor->page, cursor->offset);
            cursor->offset += next->size;
            CHD_PREFETCH((const uint8_t *)next + READ_AHEAD);
            CHD_PREFETCH((const uint8_t *)next + READ_AHEAD + CHD_LINE_BYTES);
            if (is_live(next) && next->number >= cursor->number) {
                cursor->number = next->number + 1;
                show(next, entry);
                return true;
            }
        }
        if (here->next == NONE) {
            cursor->number = log->end;
            return false;
        }
        cursor->page = here->next;
        cursor->offset = 0;
        cursor->stamp = log->pages[here->next].stamp;
    }
}

void chd_log_unread(chd_log_cursor *cursor, const chd_log_entry *entry)
{
    cursor->number--;
    cursor->offset -= (uint32_t)chd_log_cost(entry->record.len);
}

void chd_log_index(chd_log *log, uint64_t origin, uint64_t first, uint64_t last)
{
    for (uint32_t i = log->head; i != NONE; i = log->pages[i].next) {
        if (log->pages[i].indexed < log->pages[i].used &&
            may_hold(&log->pages[i], origin, first, last)) {
            index_page(log, i);
        }
    }
}

bool chd_log_find(const chd_log *log, uint64_t origin, uint64_t seq,
                  chd_log_entry *entry)
{
    const uint32_t hash = seq_hash(origin, seq);
    uint32_t place = UINT32_MAX;
    uint32_t ref;

    while ((ref = chd_index_next(&log->by_seq, hash, &place)) != 0) {
        const header *found = of_ref(log, ref);
        if (found->origin == origin && found->seq == seq) {
            show(found, entry);
            return true;
        }
    }
    return false;
}

size_t chd_log_bytes(const chd_log *log)
{
    return log->live;
}

size_t chd_log_count(const chd_log *log)
{
    return log->count;
}

size_t chd_log_capacity(const chd_log *log)
{
    return log->capacity;
}

const chd_forgotten *chd_log_forgotten(const chd_log *log)
{
    return log->forgotten;
}

void chd_log_skip(chd_log *log, uint64_t origin, uint64_t seq)
{
    chd_forgotten_skip(log->forgotten, origin, seq);
}
