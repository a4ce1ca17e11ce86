/* cache.h - what a coherd_cache is made of, for the files of client/cache
 * alone.
 *
 * Keys belong to shards by their hash.  A shard is a hash table, two queues
 * and a table of tags under one mutex; shards know nothing of each other.
 *
 * An entry is one block: what users see of the value, the key, the bytes.  The
 * table holds one reference to it, each user one.  What users may look at (the
 * value) never changes; the rest is under the shard's mutex, but for the count
 * of references.
 *
 * Locks, in the order in which they are taken: the client's mutex, its
 * caches_mutex, a shard's mutex, the client's floors_mutex.  No loader runs
 * under any of them.
 */
#ifndef CHD_CLIENT_CACHE_CACHE_H
#define CHD_CLIENT_CACHE_CACHE_H

#include "client/coherd_cache.h"
#include "client/lib.h"
#include "proto/base/hash.h"
#include "proto/base/prng.h"

#define CHD_CACHE_SHARDS_MAX 64
#define CHD_USES_MAX 3 /* what entries count to */

typedef struct chd_entry chd_entry;

/* That an entry carries a tag: a link in the shard's list for the tag. */
typedef struct chd_label {
    uint64_t hash;
    chd_entry *entry;
    struct chd_label *next;
    struct chd_label **link; /* what points to this one; NULL: not listed */
} chd_label;

typedef enum chd_queue_name {
    CHD_QUEUE_SMALL,
    CHD_QUEUE_MAIN,
} chd_queue_name;

/* What a hit looks at comes first; the key stands behind the struct. */
struct chd_entry {
    coherd_value shown; /* first: users see a pointer to this */
    uint64_t hash;
    chd_entry *next;     /* in the hash chain                       */
    uint64_t expires_ms; /* CHD_NEVER_NS: never                     */
    _Atomic uint32_t refs;
    uint16_t key_len;
    uint8_t uses; /* 0..3, since it came or was passed over  */
    uint8_t queue;
    bool missing; /* the source has no such key              */
    bool stale;
    bool updated; /* its value came with an update           */
    uint32_t label_count;
    chd_label *labels;
    size_t size;      /* what it costs in all                    */
    uint64_t hlc;     /* every event up to here is known to it   */
    uint64_t wanted;  /* an older update may not take its place  */
    chd_entry *newer; /* in the queue                            */
    chd_entry *older;
    uint8_t key[];
};

typedef struct chd_queue {
    chd_entry *newest;
    chd_entry *oldest;
    size_t bytes;
    size_t count;
} chd_queue;

/* A key that was evicted from the small queue. */
typedef struct chd_ghost {
    uint32_t mark; /* of the hash */
    uint32_t at;   /* number of the eviction */
} chd_ghost;

/* A load under way.  Whoever asks for the key joins it, until something that
 * covers the key is applied. */
typedef struct chd_flight {
    struct chd_flight *next;
    uint64_t hash;
    const void *key; /* of the caller who loads */
    size_t key_len;
    uint64_t began_ns;
    pthread_t owner;
    pthread_cond_t landed;
    uint32_t waiting;
    bool listed;
    bool done;
    chd_entry *result; /* each waiter takes a reference */
    coherd_err err;
    int cause;
} chd_flight;

typedef struct chd_shard {
    _Alignas(64) pthread_mutex_t mutex;
    chd_entry **chains;
    size_t chain_mask;
    chd_label **tags;
    size_t tag_mask;
    size_t tag_count;
    chd_queue queues[2];
    chd_ghost *ghosts;
    size_t ghost_mask;
    uint32_t ghost_at;
    size_t bytes_max;
    size_t entries_max;
    chd_flight *flights;
    coherd_cache_stats stats;
} chd_shard;

struct coherd_cache {
    coherd_client *client;
    coherd_cache *next; /* of the client's, under its caches_mutex */
    coherd_cache_options options;
    uint64_t seed;
    size_t topic_len;
    char topic[COHERD_TOPIC_BYTES_MAX + 1];
    size_t shard_mask;
    chd_shard *shards;
};

struct coherd_load {
    const void *key;
    size_t key_len;
    chd_entry *entry; /* with the value, NULL: none so far */
    coherd_target *tags;
    size_t tag_count;
    size_t tag_cap;
    uint64_t version;
    uint64_t ttl_ms;
    bool has_ttl;
    bool spoiled; /* a tag is missing: it may not be stored */
};

/* --- entry.c -------------------------------------------------------------- */

/* Make an entry with one reference; data may be NULL for len bytes that are
 * to be filled in.  NULL: out of memory. */
chd_entry *chd_entry_new(const void *key, size_t key_len, const void *data,
                         size_t len);

/* Give it labels for these tags; false when out of memory. */
bool chd_entry_label(chd_entry *entry, uint64_t seed, const coherd_target *tags,
                     size_t count);

/* Give it the labels of another one; false when out of memory. */
bool chd_entry_label_like(chd_entry *entry, const chd_entry *other);

/* Take a reference, or give one back. */
void chd_entry_retain(chd_entry *entry);
/* See chd_entry_retain. */
void chd_entry_release(chd_entry *entry);

/* Return the hash of a tag. */
uint64_t chd_tag_hash(uint64_t seed, const void *tag, size_t len);

/* --- shard.c: with the shard's mutex held --------------------------------- */

/* Make an empty shard; false when out of memory. */
bool chd_shard_init(chd_shard *shard, size_t bytes_max, size_t entries_max);

/* Free it and give its references back. */
void chd_shard_fini(chd_shard *shard);

/* Find an entry, or NULL. */
chd_entry *chd_shard_find(const chd_shard *shard, uint64_t hash,
                          const void *key, size_t key_len);

/* Put an entry in, and evict what is too much.  Takes over the caller's
 * reference; what stood under the key goes.  False when it is larger than the
 * shard or there is no memory: nothing changed. */
bool chd_shard_put(chd_shard *shard, chd_entry *entry);

/* Take an entry out and give its reference back. */
void chd_shard_remove(chd_shard *shard, chd_entry *entry);

/* Return the first label of a tag, or NULL; the others are behind it, among
 * labels of other tags. */
chd_label *chd_shard_tag(const chd_shard *shard, uint64_t hash);

/* --- apply.c -------------------------------------------------------------- */

/* Apply an event, or the RESET of everything, to one cache. */
void chd_cache_apply(coherd_cache *cache, const coherd_event *event);
/* See chd_cache_apply. */
void chd_cache_apply_reset(coherd_cache *cache);

/* --- cache.c -------------------------------------------------------------- */

/* Return the time that expiry counts in; it may lie some ms back. */
uint64_t chd_cache_now_ms(void);

/* Tell whether the client may be further behind than max_staleness_ms. */
bool chd_cache_is_too_stale(const coherd_cache *cache);

/* Return what somebody else has loaded since chd_cache_take found nothing good
 * for this key, with a reference for the caller, or NULL. */
chd_entry *chd_cache_look_again(const coherd_cache *cache,
                                const chd_shard *shard,
                                const chd_flight *wanted);

/* Return when an entry expires: its time to live less a random part; negative:
 * never. */
uint64_t chd_cache_expiry_ms(int64_t ttl_ms, uint64_t hash);

/* Turn an entry with a reference for the caller into what a lookup returns. */
coherd_err chd_cache_hand_out(chd_entry *entry, coherd_value **value);

/* Return the shard of a hash. */
static inline chd_shard *chd_shard_of(const coherd_cache *cache, uint64_t hash)
{
    /* The low bits choose the chain. */
    return &cache->shards[(hash >> 48) & cache->shard_mask];
}

/* Return the hash of a key. */
static inline uint64_t chd_key_hash(const coherd_cache *cache, const void *key,
                                    size_t key_len)
{
    return chd_hash(cache->seed, chd_bytes_of(key, key_len));
}

/* Take what may be served for a key, with the shard's mutex held: the entry
 * with a reference for the caller, or NULL.  *reload: it is stale. */
chd_entry *chd_cache_take(coherd_cache *cache, chd_shard *shard, uint64_t hash,
                          const void *key, size_t key_len, bool *reload);

/* Let a forked child take the client over, and with it this cache. Errors:
 * those of a client after fork. */
coherd_err chd_cache_come_in(const coherd_cache *cache);

#endif
