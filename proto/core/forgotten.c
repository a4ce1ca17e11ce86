#include "proto/core/forgotten.h"

#include "proto/base/hash.h"
#include "proto/base/limits.h"

/* Topics remembered, over all origins, and slots to find them in. */
#define TOPICS_MAX CHD_FORGOTTEN_TOPICS_MAX
#define TOPIC_SLOTS (2 * TOPICS_MAX)
#define ORIGIN_SLOTS (2 * CHD_ORIGINS_MAX)
_Static_assert((TOPIC_SLOTS & (TOPIC_SLOTS - 1)) == 0, "slots are masked");
_Static_assert((ORIGIN_SLOTS & (ORIGIN_SLOTS - 1)) == 0, "slots are masked");

typedef struct topic_slot {
    uint64_t origin; /* 0: empty */
    uint64_t topic_hash;
    uint64_t seq;   /* the last one evicted */
    uint64_t count; /* when that was        */
    uint8_t len;
    uint8_t text[CHD_TOPIC_BYTES_MAX];
} topic_slot;

typedef struct origin_slot {
    uint64_t origin;    /* 0: empty */
    uint64_t seq;       /* the last one evicted                */
    uint64_t count;     /* when something of it was            */
    uint64_t all_seq;   /* up to here its topics are not known */
    uint64_t all_count; /* when they were last forgotten       */
} origin_slot;

struct chd_forgotten {
    const chd_mem *mem;
    topic_slot *topics;
    origin_slot *origins;
    uint32_t topic_count;
    uint32_t origin_count;
    uint64_t count;      /* of changes                                     */
    uint64_t lost_seq;   /* highest of origins that had no room themselves */
    uint64_t lost_count; /* when one of them lost its place                */
};

chd_err chd_forgotten_new(const chd_mem *mem, chd_forgotten **forgotten)
{
    chd_forgotten *made = chd_zalloc(mem, 1, sizeof(*made));

    *forgotten = NULL;
    if (made == NULL) {
        return CHD_ENOMEM;
    }
    made->mem = mem;
    made->topics = chd_zalloc(mem, TOPIC_SLOTS, sizeof(topic_slot));
    made->origins = chd_zalloc(mem, ORIGIN_SLOTS, sizeof(origin_slot));
    if (made->topics == NULL || made->origins == NULL) {
        chd_forgotten_destroy(&made);
        return CHD_ENOMEM;
    }
    *forgotten = made;
    return CHD_OK;
}

void chd_forgotten_destroy(chd_forgotten **forgotten)
{
    if (*forgotten == NULL) {
        return;
    }
    const chd_mem *mem = (*forgotten)->mem;
    chd_free(mem, (*forgotten)->topics);
    chd_free(mem, (*forgotten)->origins);
    chd_free(mem, *forgotten);
    *forgotten = NULL;
}

static origin_slot *origin_at(const chd_forgotten *f, uint64_t origin)
{
    size_t i = (size_t)chd_mix64(origin) & (ORIGIN_SLOTS - 1);
    while (f->origins[i].origin != 0 && f->origins[i].origin != origin) {
        i = (i + 1) & (ORIGIN_SLOTS - 1);
    }
    return &f->origins[i];
}

static topic_slot *topic_at(const chd_forgotten *f,
                            const chd_forgotten_entry *entry)
{
    size_t i = (size_t)chd_mix64(entry->origin ^ entry->topic_hash) &
               (TOPIC_SLOTS - 1);
    for (;; i = (i + 1) & (TOPIC_SLOTS - 1)) {
        const topic_slot *slot = &f->topics[i];
        if (slot->origin == 0 ||
            (slot->origin == entry->origin &&
             chd_bytes_equal(chd_bytes_of(slot->text, slot->len),
                             entry->topic))) {
            return &f->topics[i];
        }
    }
}

/* No room: every topic of every origin counts as touched from now on. */
static void widen(chd_forgotten *f)
{
    memset(f->topics, 0, TOPIC_SLOTS * sizeof(topic_slot));
    f->topic_count = 0;
    for (size_t i = 0; i < ORIGIN_SLOTS; i++) {
        f->origins[i].all_seq = f->origins[i].seq;
        f->origins[i].all_count = f->origins[i].count;
    }
}

/* More origins than are remembered: keep one number that stands for all. */
static void widen_origins(chd_forgotten *f)
{
    widen(f);
    for (size_t i = 0; i < ORIGIN_SLOTS; i++) {
        f->lost_seq = chd_max_u64(f->lost_seq, f->origins[i].seq);
    }
    memset(f->origins, 0, ORIGIN_SLOTS * sizeof(origin_slot));
    f->origin_count = 0;
    f->lost_count = f->count;
}

static origin_slot *add_origin(chd_forgotten *f, uint64_t id)
{
    origin_slot *origin = origin_at(f, id);

    if (origin->origin == 0 && f->origin_count == CHD_ORIGINS_MAX) {
        widen_origins(f);
        origin = origin_at(f, id);
    }
    if (origin->origin == 0) {
        *origin = (origin_slot){
            .origin = id,
            .all_seq = f->lost_seq,
            .all_count = f->lost_count,
        };
        f->origin_count++;
    }
    origin->count = ++f->count;
    return origin;
}

void chd_forgotten_skip(chd_forgotten *f, uint64_t id, uint64_t seq)
{
    origin_slot *origin = add_origin(f, id);

    origin->seq = chd_max_u64(origin->seq, seq);
    origin->all_seq = chd_max_u64(origin->all_seq, seq);
    origin->all_count = origin->count;
}

void chd_forgotten_add(chd_forgotten *f, const chd_forgotten_entry *entry)
{
    origin_slot *origin = add_origin(f, entry->origin);
    origin->seq = chd_max_u64(origin->seq, entry->seq);

    topic_slot *topic = topic_at(f, entry);
    if (topic->origin == 0) {
        if (f->topic_count == TOPICS_MAX) {
            widen(f);
            return;
        }
        topic->origin = entry->origin;
        topic->topic_hash = entry->topic_hash;
        topic->len = (uint8_t)entry->topic.len;
        memcpy(topic->text, entry->topic.ptr, entry->topic.len);
        f->topic_count++;
    }
    topic->seq = chd_max_u64(topic->seq, entry->seq);
    topic->count = origin->count;
}

uint64_t chd_forgotten_seq(const chd_forgotten *f, uint64_t origin)
{
    const origin_slot *slot = origin_at(f, origin);
    return slot->origin == 0 ? f->lost_seq
                             : chd_max_u64(slot->seq, f->lost_seq);
}

uint64_t chd_forgotten_count(const chd_forgotten *f, uint64_t origin)
{
    const origin_slot *slot = origin_at(f, origin);
    return slot->origin == 0 ? f->lost_count
                             : chd_max_u64(slot->count, f->lost_count);
}

bool chd_forgotten_all(const chd_forgotten *f, const chd_forgotten_query *query)
{
    const origin_slot *slot = origin_at(f, query->origin);

    return (query->first <= f->lost_seq && query->since < f->lost_count) ||
           (slot->origin != 0 && query->first <= slot->all_seq &&
            query->since < slot->all_count);
}

static bool is_touched(const topic_slot *slot, const chd_forgotten_query *query)
{
    return slot->origin == query->origin && slot->seq >= query->first &&
           slot->count > query->since;
}

bool chd_forgotten_next(const chd_forgotten *f,
                        const chd_forgotten_query *query, uint32_t *at,
                        chd_bytes *topic)
{
    for (; *at < TOPIC_SLOTS; (*at)++) {
        const topic_slot *slot = &f->topics[*at];
        if (is_touched(slot, query)) {
            *topic = chd_bytes_of(slot->text, slot->len);
            (*at)++;
            return true;
        }
    }
    return false;
}
