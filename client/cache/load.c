/* load.c - loading: one at a time for each key, and guarded.
 *
 *   1. A miss takes a ticket and lists a flight.  Others who miss the same key
 *      wait for it, unless it was detached: something that covers the key was
 *      applied since it took off.
 *   2. The loader runs without any lock.
 *   3. With the shard's mutex held, the ticket is asked and the entry put in.
 *      An invalidation raises its floor first and then takes this mutex, so
 *      either the ticket is refused or the invalidation finds the entry.
 *   4. Whoever waited gets a reference to the result, stored or not.
 */
#include <errno.h>
#include <stdlib.h>

#include "client/cache/cache.h"

/* --- what a loader fills in ----------------------------------------------- */

coherd_err coherd_load_value(coherd_load *load, const void *data, size_t len)
{
    if (load == NULL || (data == NULL && len > 0)) {
        return COHERD_ERR_INVALID;
    }
    chd_entry *entry = chd_entry_new(load->key, load->key_len, data, len);
    if (entry == NULL) {
        return COHERD_ERR_NOMEM;
    }
    if (load->entry != NULL) {
        chd_entry_release(load->entry);
    }
    load->entry = entry;
    return COHERD_OK;
}

static coherd_err add_tag(coherd_load *load, const void *tag, size_t len)
{
    if (tag == NULL || len == 0 || len > COHERD_TARGET_BYTES_MAX) {
        return COHERD_ERR_INVALID;
    }
    if (load->tag_count == load->tag_cap) {
        const size_t cap = load->tag_cap == 0 ? 8 : 2 * load->tag_cap;
        coherd_target *tags = realloc(load->tags, cap * sizeof(tags[0]));
        if (tags == NULL) {
            return COHERD_ERR_NOMEM;
        }
        load->tags = tags;
        load->tag_cap = cap;
    }
    void *copy = malloc(len);
    if (copy == NULL) {
        return COHERD_ERR_NOMEM;
    }
    memcpy(copy, tag, len);
    load->tags[load->tag_count++] = coherd_tag_n(copy, len);
    return COHERD_OK;
}

coherd_err coherd_load_tag(coherd_load *load, const void *tag, size_t tag_len)
{
    if (load == NULL) {
        return COHERD_ERR_INVALID;
    }
    const coherd_err err = add_tag(load, tag, tag_len);
    load->spoiled = load->spoiled || err != COHERD_OK;
    return err;
}

void coherd_load_version(coherd_load *load, uint64_t version)
{
    load->version = version;
}

void coherd_load_ttl(coherd_load *load, uint64_t ttl_ms)
{
    load->ttl_ms = ttl_ms;
    load->has_ttl = true;
}

static void clear(coherd_load *load)
{
    for (size_t i = 0; i < load->tag_count; i++) {
        free((void *)load->tags[i].data);
    }
    free(load->tags);
}

/* --- storing -------------------------------------------------------------- */

static uint64_t expiry_ms(const coherd_cache *cache, const coherd_load *load,
                          bool missing, uint64_t hash)
{
    int64_t ttl_ms =
        missing ? cache->options.missing_ttl_ms : cache->options.ttl_ms;

    if (load->has_ttl) {
        ttl_ms = load->ttl_ms > INT64_MAX ? INT64_MAX : (int64_t)load->ttl_ms;
        if (ttl_ms == 0) {
            return 0;
        }
    } else if (missing && ttl_ms < 0) {
        return 0;
    }
    return chd_cache_expiry_ms(ttl_ms, hash);
}

/* Turn what the loader said into an entry; NULL: out of memory. */
static chd_entry *entry_of(const coherd_cache *cache, coherd_load *load,
                           uint64_t hash)
{
    chd_entry *entry = load->entry;

    load->entry = NULL;
    if (entry == NULL) {
        entry = chd_entry_new(load->key, load->key_len, NULL, 0);
        if (entry == NULL) {
            return NULL;
        }
        entry->missing = true;
    }
    entry->hash = hash;
    entry->shown.version = load->version;
    if (!chd_entry_label(entry, cache->seed, load->tags, load->tag_count)) {
        load->spoiled = true;
    }
    entry->expires_ms = expiry_ms(cache, load, entry->missing, hash);
    return entry;
}

/* Put an entry in if its ticket allows it, with the shard's mutex held. */
static void store(coherd_cache *cache, chd_shard *shard, const chd_fill *fill,
                  const coherd_load *load, chd_entry *entry, bool detached)
{
    const coherd_fill_options how = {.tags = load->tags,
                                     .tag_count = load->tag_count,
                                     .version = load->version};

    if (load->spoiled || entry->expires_ms == 0) {
        return;
    }
    /* Whoever could not join this load may have brought a newer value: never
     * replace that by this one. */
    if (detached && chd_shard_find(shard, entry->hash, entry->key,
                                   entry->key_len) != NULL) {
        shard->stats.refused++;
        return;
    }
    switch (chd_floors_end(cache->client, fill, &how)) {
    case COHERD_OK:
        entry->hlc = fill->hlc;
        chd_entry_retain(entry);
        if (chd_shard_put(shard, entry)) {
            shard->stats.stored++;
        } else {
            chd_entry_release(entry);
        }
        break;
    case COHERD_ERR_STALE_FILL:
        shard->stats.refused++;
        break;
    case COHERD_ERR_OLD_VERSION:
        shard->stats.old++;
        break;
    default:
        shard->stats.unheard++;
        break;
    }
}

/* --- flights -------------------------------------------------------------- */

static chd_flight *find_flight(const chd_shard *shard, uint64_t hash,
                               const void *key, size_t key_len)
{
    chd_flight *flight = shard->flights;

    while (flight != NULL &&
           (flight->hash != hash || flight->key_len != key_len ||
            memcmp(flight->key, key, key_len) != 0)) {
        flight = flight->next;
    }
    return flight;
}

static void unlist(chd_shard *shard, chd_flight *flight)
{
    chd_flight **link = &shard->flights;

    if (!flight->listed) {
        return;
    }
    while (*link != flight) {
        link = &(*link)->next;
    }
    *link = flight->next;
    flight->listed = false;
}

/* Wait for another's flight, with the shard's mutex held, and take a reference
 * to what it brought. */
static coherd_err join(chd_shard *shard, chd_flight *flight, chd_entry **entry,
                       int *cause)
{
    if (pthread_equal(flight->owner, pthread_self())) {
        return COHERD_ERR_MODE;
    }
    shard->stats.shared++;
    flight->waiting++;
    while (!flight->done) {
        pthread_cond_wait(&flight->landed, &shard->mutex);
    }
    const coherd_err err = flight->err;
    *cause = flight->cause;
    *entry = flight->result;
    if (*entry != NULL) {
        chd_entry_retain(*entry);
    }
    if (--flight->waiting == 0) {
        pthread_cond_broadcast(&flight->landed);
    }
    return err;
}

/* Call the loader; the shard's mutex is not held. */
static void fly(const coherd_cache *cache, chd_flight *flight,
                coherd_load *load, coherd_loader *loader, void *arg)
{
    flight->cause = loader(load, flight->key, flight->key_len, arg);
    if (flight->cause != 0) {
        flight->err = COHERD_ERR_LOADER;
    } else {
        flight->result = entry_of(cache, load, flight->hash);
        flight->err = flight->result == NULL ? COHERD_ERR_NOMEM : COHERD_OK;
    }
    if (load->entry != NULL) {
        chd_entry_release(load->entry);
    }
}

/* Load a key that is not there, with the shard's mutex held before and after.
 * The result is a reference for the caller. */
static coherd_err lead(coherd_cache *cache, chd_shard *shard,
                       chd_flight *flight, coherd_loader *loader, void *arg)
{
    coherd_load load = {.key = flight->key, .key_len = flight->key_len};
    chd_fill fill;

    flight->owner = pthread_self();
    flight->began_ns = chd_lib_now_ns();
    pthread_cond_init(&flight->landed, NULL);
    flight->next = shard->flights;
    flight->listed = true;
    shard->flights = flight;
    shard->stats.loads++;
    const coherd_err begun =
        chd_floors_begin(cache->client, cache->topic, cache->topic_len,
                         flight->key, flight->key_len, &fill);
    pthread_mutex_unlock(&shard->mutex);

    fly(cache, flight, &load, loader, arg);

    pthread_mutex_lock(&shard->mutex);
    shard->stats.failed += flight->cause != 0;
    if (flight->result != NULL && begun == COHERD_OK) {
        store(cache, shard, &fill, &load, flight->result, !flight->listed);
    } else if (flight->result != NULL) {
        shard->stats.unheard++;
    }
    unlist(shard, flight);
    flight->done = true;
    pthread_cond_broadcast(&flight->landed);
    while (flight->waiting > 0) {
        pthread_cond_wait(&flight->landed, &shard->mutex);
    }
    clear(&load);
    pthread_cond_destroy(&flight->landed);
    return flight->err;
}

/* Return the load that a caller may wait for, or NULL.  While the client may
 * be further behind than the bound, one that began longer ago than that may
 * bring what is older, and nothing would have told. */
static chd_flight *flight_to_join(const coherd_cache *cache, chd_shard *shard,
                                  const chd_flight *wanted)
{
    chd_flight *flight =
        find_flight(shard, wanted->hash, wanted->key, wanted->key_len);

    if (flight != NULL && chd_cache_is_too_stale(cache) &&
        chd_since(chd_lib_now_ns(), flight->began_ns) / CHD_MS >=
            (uint64_t)cache->options.max_staleness_ms) {
        unlist(shard, flight);
        return NULL;
    }
    return flight;
}

/* Load, or wait for who loads, with the shard's mutex held.  *entry is what
 * may be served meanwhile, or NULL. */
static coherd_err load(coherd_cache *cache, chd_shard *shard,
                       const chd_flight *wanted, coherd_loader *loader,
                       void *arg, chd_entry **entry)
{
    chd_entry *stale = *entry;
    chd_flight *other = flight_to_join(cache, shard, wanted);
    chd_flight flight = *wanted;
    coherd_err err = COHERD_OK;
    int cause = 0;

    if (other != NULL && stale != NULL) {
        return COHERD_OK; /* one is enough to load it anew */
    }
    *entry = chd_cache_look_again(cache, shard, wanted);
    if (*entry != NULL) {
        shard->stats.shared++;
    } else if (other != NULL) {
        err = join(shard, other, entry, &cause);
    } else {
        err = lead(cache, shard, &flight, loader, arg);
        cause = flight.cause;
        *entry = flight.result;
    }
    if (err == COHERD_ERR_LOADER && stale != NULL &&
        chd_cache_now_ms() < stale->expires_ms &&
        !chd_cache_is_too_stale(cache) &&
        chd_shard_find(shard, wanted->hash, wanted->key, wanted->key_len) ==
            stale) {
        *entry = stale;
        return COHERD_OK;
    }
    if (stale != NULL) {
        chd_entry_release(stale);
    }
    if (err == COHERD_ERR_LOADER) {
        errno = cause;
    }
    return err;
}

/* A callback may not wait for a load, which may wait for a callback.  No lock
 * of the cache is held here: the client's mutex comes before them. */
static bool is_callback(coherd_client *client)
{
    pthread_mutex_lock(&client->mutex);
    const bool inside = chd_wait_is_callback(client);
    pthread_mutex_unlock(&client->mutex);
    return inside;
}

coherd_err coherd_cache_get_or_load(coherd_cache *cache, const void *key,
                                    size_t key_len, coherd_loader *loader,
                                    void *arg, coherd_value **value)
{
    const int saved = errno;
    bool reload = false;

    if (cache == NULL || key == NULL || key_len == 0 ||
        key_len > COHERD_TARGET_BYTES_MAX || loader == NULL || value == NULL) {
        return COHERD_ERR_INVALID;
    }
    coherd_err err = chd_cache_come_in(cache);
    if (err != COHERD_OK) {
        return err;
    }
    const uint64_t hash = chd_key_hash(cache, key, key_len);
    chd_shard *shard = chd_shard_of(cache, hash);
    pthread_mutex_lock(&shard->mutex);
    chd_entry *entry =
        chd_cache_take(cache, shard, hash, key, key_len, &reload);
    pthread_mutex_unlock(&shard->mutex);
    if (entry == NULL || reload) {
        const chd_flight wanted = {
            .hash = hash, .key = key, .key_len = key_len};
        if (is_callback(cache->client)) {
            err = entry == NULL ? COHERD_ERR_MODE : COHERD_OK;
        } else {
            pthread_mutex_lock(&shard->mutex);
            err = load(cache, shard, &wanted, loader, arg, &entry);
            pthread_mutex_unlock(&shard->mutex);
        }
    }
    if (err != COHERD_ERR_LOADER) {
        errno = saved;
    }
    return err == COHERD_OK ? chd_cache_hand_out(entry, value) : err;
}
