/* coherd_cache.h - a cache that stays coherent by itself, for one topic.
 *
 *     static int load(coherd_load *load, const void *key, size_t key_len,
 *                     void *arg)
 *     {
 *         struct row row;
 *         if (my_database_read(arg, key, key_len, &row) != 0) {
 *             return EIO;                  // not cached, told by errno
 *         }
 *         if (row.exists) {                // else: remembered as missing
 *             coherd_load_tag(load, row.author, strlen(row.author));
 *             coherd_load_value(load, row.json, row.json_len);
 *         }
 *         return 0;
 *     }
 *
 *     coherd_cache *cache;
 *     coherd_cache_open(client, "episodes", NULL, &cache);
 *
 *     coherd_value *value;
 *     if (coherd_cache_get_or_load(cache, "51", 2, load, db, &value) ==
 *         COHERD_OK) {
 *         send(fd, value->data, value->len, 0);
 *         coherd_value_release(&value);
 *     }
 *
 *     // after the database transaction is committed:
 *     coherd_target changed = coherd_key("51");
 *     coherd_cache_invalidate(cache, &changed, 1, NULL, NULL);
 *
 * What it does for you:
 *
 *   - what any instance invalidates or updates in the topic is dropped, marked
 *     stale or replaced here, before your own callbacks run;
 *   - a load that was overtaken by an invalidation is not stored (coherd.h,
 *     guarded fills), nor is one from a source that lags behind;
 *   - while one caller loads a key, others wait for it and share the result;
 *   - what is invalidated softly is served until one caller has loaded it anew;
 *   - memory is bounded; what is asked for once makes way for what is asked
 *     for often.
 *
 * Only coherd_cache_invalidate and coherd_cache_update publish.  Nothing that
 * the cache does by itself (storing, evicting, expiring) ever does.
 *
 * Values are bytes, copied once when they are loaded, and handed out by
 * reference: reading one copies nothing and holds no lock.
 *
 * Rules for units, errors, threads and blocking are those of coherd.h.  No
 * function but coherd_cache_get_or_load waits for anything.  In a forked child
 * a cache is empty, as its client is new; one that was forked inside a loader
 * must not return from it but exec or _exit.
 */
#ifndef COHERD_CACHE_H
#define COHERD_CACHE_H

#include "coherd.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct coherd_cache coherd_cache;

/* A loaded value.  Nobody changes it; it lives until it is released. */
typedef struct coherd_value {
    const void *data; /* not NUL-terminated; aligned for any type */
    size_t len;
    uint64_t version; /* as the loader said; 0: none              */
} coherd_value;

/* Take one more reference to a value. */
COHERD_API coherd_value *coherd_value_retain(coherd_value *value);

/* Give a reference back; any thread may, also after coherd_cache_close.
 *
 * Owns:   *value is consumed and set to NULL.  Safe on NULL, and twice.
 */
COHERD_API void coherd_value_release(coherd_value **value);

/* What a RESET does: events may have been missed, but which is not known. */
typedef enum coherd_on_reset {
    COHERD_RESET_DROPS = 0, /* everything cached for the topic goes         */
    COHERD_RESET_SOFT = 1   /* it is marked stale, as by a soft
                               invalidation: the source is not asked for
                               everything at once, but entries that did
                               change are served for up to stale_ms more    */
} coherd_on_reset;

/* Start with all zeros; everything left 0 has a sensible default. */
typedef struct coherd_cache_options {
    /* Memory for entries, their keys and tags; 0: 64 MiB.
     *
     * It is divided, as entries_max is, among as many shards, 1, 2, 4 and so
     * on up to 64, as leave each 512 KiB and 256 entries: with these defaults
     * 64, of 1 MiB each.  A value that is larger than that, its key, its tags
     * and some 150 bytes included, is handed out but never stored. */
    size_t bytes_max;

    /* Entries; 0: 1048576. */
    size_t entries_max;

    /* How long a value is served; a tenth of it, at random, is taken off so
     * that what was loaded together is not loaded again together.  It is what
     * bounds staleness when all else fails.  0: one hour.  Negative: for
     * ever. */
    int64_t ttl_ms;

    /* How long it is remembered that a key does not exist.  0: 5000.
     * Negative: not at all. */
    int64_t missing_ttl_ms;

    /* How long a value that is marked stale is served while it is loaded
     * anew, or if that fails.  0: 10000.  Negative: not at all. */
    int64_t stale_ms;

    /* What is cached counts as missing while this client may be further
     * behind than so, and nobody joins a load that began longer ago.  0: no
     * bound: without a connection the cache goes on serving what it has until
     * its time to live ends. */
    int64_t max_staleness_ms;

    coherd_on_reset on_reset;

    /* An update drops the entry, instead of replacing its value: for caches
     * whose values are not what is published. */
    bool updates_drop;

    uint64_t reserved[8]; /* 0 */
} coherd_cache_options;

/* Open a cache for a topic, and subscribe the client to it.  Several caches
 * may be open for one topic.  options may be NULL.
 *
 * Owns:   on COHERD_OK, *cache belongs to the caller: coherd_cache_close
 *         before coherd_close of its client.
 * Errors: COHERD_ERR_INVALID, COHERD_ERR_NOMEM; those of coherd_subscribe.
 */
COHERD_API coherd_err coherd_cache_open(coherd_client *client,
                                        const char *topic,
                                        const coherd_cache_options *options,
                                        coherd_cache **cache);

/* Close a cache.  Must be the last call on it; no other may be under way.
 * The client stays subscribed: coherd_unsubscribe ends that.  Ending it while
 * the cache is open empties the cache, and nothing is stored any more.
 *
 * Owns:   *cache is consumed and set to NULL.  Safe on NULL, and twice.
 */
COHERD_API void coherd_cache_close(coherd_cache **cache);

/* Look a key up, 1 to 1024 bytes.
 *
 * Owns:   on COHERD_OK, *value belongs to the caller: coherd_value_release.
 * Errors: COHERD_ERR_NOT_CACHED; COHERD_ERR_NOT_FOUND (it is known not to
 *         exist), COHERD_ERR_INVALID.
 */
COHERD_API coherd_err coherd_cache_get(coherd_cache *cache, const void *key,
                                       size_t key_len, coherd_value **value);

/* --- loading -------------------------------------------------------------- */

/* What a loader fills in; valid until it returns. */
typedef struct coherd_load coherd_load;

/* Read the source for key.  Runs in the thread that asked, without any lock,
 * once at a time for each key of a cache.  It must come to an end.
 *
 * Returns 0, or a number of your own that is not: the load failed.  0 without
 * a value means that there is no such entry.
 */
typedef int coherd_loader(coherd_load *load, const void *key, size_t key_len,
                          void *arg);

/* Set the value; bytes are copied.  len may be 0.  A second call replaces it.
 *
 * Errors: COHERD_ERR_NOMEM, COHERD_ERR_INVALID.
 */
COHERD_API coherd_err coherd_load_value(coherd_load *load, const void *data,
                                        size_t len);

/* Add a tag, 1 to 1024 bytes: an invalidation of the tag covers this entry.
 * Missing entries may have tags, too.
 *
 * Errors: COHERD_ERR_NOMEM, COHERD_ERR_INVALID.  After them the value is used
 *         but not stored.
 */
COHERD_API coherd_err coherd_load_tag(coherd_load *load, const void *tag,
                                      size_t tag_len);

/* Say at which version the source was read; see coherd_fill_end. */
COHERD_API void coherd_load_version(coherd_load *load, uint64_t version);

/* Give this entry a time to live of its own; 0: do not store it. */
COHERD_API void coherd_load_ttl(coherd_load *load, uint64_t ttl_ms);

/* Look a key up, and call loader if it is not there.
 *
 * A value is returned even when it may not be stored, because it was
 * invalidated while it was loaded or there is no connection: it is as fresh as
 * the call.  Whoever calls after an invalidation was applied here never gets
 * what a load brings that began before it.
 *
 * Blocking: for the loader; for that of another thread that loads the same
 *           key.
 * Owns:   as coherd_cache_get.
 * Errors: COHERD_ERR_NOT_FOUND  there is no such entry;
 *         COHERD_ERR_LOADER     the loader failed, and nothing stale may be
 *                               served: errno is what it returned;
 *         COHERD_ERR_MODE       inside a callback, or inside the loader of the
 *                               same key;
 *         COHERD_ERR_INVALID, COHERD_ERR_NOMEM; COHERD_ERR_SYSTEM (after fork).
 */
COHERD_API coherd_err coherd_cache_get_or_load(coherd_cache *cache,
                                               const void *key, size_t key_len,
                                               coherd_loader *loader, void *arg,
                                               coherd_value **value);

/* --- changing ------------------------------------------------------------- */

/* coherd_invalidate for the topic of the cache, applied in this cache before
 * it is published: what this thread reads next is not what was there before.
 * It is applied again when it comes back from the sidecar. */
COHERD_API coherd_err coherd_cache_invalidate(
    coherd_cache *cache, const coherd_target *targets, size_t count,
    const coherd_publish_options *options, coherd_receipt *receipt);

/* coherd_update for the topic of the cache.  Instances that have the key
 * cached replace its value; others do not store it.  Here the entry is dropped
 * at once, so the update does not store it either when it comes back: the key
 * is not cached here until it is loaded again.  If that was before the update
 * came back, it replaces what was loaded.
 *
 * The newest value wins: by options->version, if both values have one, else by
 * hybrid logical clock, which tells who published last and not who committed
 * last.  Where several instances change a key, give each change a version,
 * invalidations too, and let the loader tell it: a value then never gives way
 * to an older one. */
COHERD_API coherd_err coherd_cache_update(coherd_cache *cache,
                                          const coherd_entry *entry,
                                          const coherd_publish_options *options,
                                          coherd_receipt *receipt);

/* --- looking -------------------------------------------------------------- */

/* Counted since the cache was opened, except for the last two. */
typedef struct coherd_cache_stats {
    uint64_t hits;    /* served, missing and stale ones included            */
    uint64_t misses;  /* not there, expired, or the staleness bound passed  */
    uint64_t stale;   /* of the hits: marked stale                          */
    uint64_t shared;  /* misses that shared the load of another thread      */
    uint64_t loads;   /* calls of a loader                                  */
    uint64_t failed;  /* of them: that returned a failure                   */
    uint64_t stored;  /* loads that were stored                             */
    uint64_t refused; /* loads that were not: invalidated meanwhile         */
    uint64_t old;     /* ...: older than the version that is demanded       */
    uint64_t unheard; /* ...: no connection or subscription                 */
    uint64_t keys;    /* entries dropped or marked stale by key             */
    uint64_t tags;    /* ... by tag                                         */
    uint64_t prefixes;
    uint64_t all;     /* ... by an invalidation of the whole topic          */
    uint64_t resets;  /* ... by RESET                                       */
    uint64_t updates; /* entries replaced or dropped by an update           */
    uint64_t evicted; /* dropped to make room                               */
    uint64_t expired; /* found too old when they were asked for             */
    uint64_t entries; /* now                                                */
    uint64_t bytes;   /* now                                                */
    uint64_t reserved[8];
} coherd_cache_stats;

/* Add up the counters. */
COHERD_API void coherd_cache_read_stats(coherd_cache *cache,
                                        coherd_cache_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
