/* cache.c - opening, closing, looking up, and what the client calls. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "client/cache/cache.h"

#define BYTES_MAX_DEFAULT ((size_t)64 * 1024 * 1024)
#define ENTRIES_MAX_DEFAULT ((size_t)1024 * 1024)
#define TTL_MS_DEFAULT 3600000
#define MISSING_TTL_MS_DEFAULT 5000
#define STALE_MS_DEFAULT 10000

/* A shard is not worth its lock below this. */
#define SHARD_BYTES_MIN ((size_t)512 * 1024)
#define SHARD_ENTRIES_MIN 256

uint64_t chd_cache_now_ms(void)
{
    struct timespec now;

    /* As exact as a tick of the kernel, and a quarter of the price. */
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / CHD_MS;
}

uint64_t chd_cache_expiry_ms(int64_t ttl_ms, uint64_t hash)
{
    const uint64_t now_ms = chd_cache_now_ms();

    if (ttl_ms < 0) {
        return CHD_NEVER_NS;
    }
    const uint64_t ttl = (uint64_t)ttl_ms;
    return chd_after(now_ms, ttl - chd_mix64(hash + now_ms) % (ttl / 10 + 1));
}

/* --- opening and closing -------------------------------------------------- */

static coherd_err set_options(coherd_cache *cache,
                              const coherd_cache_options *given)
{
    coherd_cache_options *options = &cache->options;

    for (size_t i = 0; i < CHD_COUNT(given->reserved); i++) {
        if (given->reserved[i] != 0) {
            return COHERD_ERR_INVALID;
        }
    }
    if ((given->on_reset != COHERD_RESET_DROPS &&
         given->on_reset != COHERD_RESET_SOFT) ||
        given->max_staleness_ms < 0) {
        return COHERD_ERR_INVALID;
    }
    *options = *given;
    if (options->bytes_max == 0) {
        options->bytes_max = BYTES_MAX_DEFAULT;
    }
    if (options->entries_max == 0) {
        options->entries_max = ENTRIES_MAX_DEFAULT;
    }
    if (options->ttl_ms == 0) {
        options->ttl_ms = TTL_MS_DEFAULT;
    }
    if (options->missing_ttl_ms == 0) {
        options->missing_ttl_ms = MISSING_TTL_MS_DEFAULT;
    }
    if (options->stale_ms == 0) {
        options->stale_ms = STALE_MS_DEFAULT;
    }
    return COHERD_OK;
}

static coherd_err make_shards(coherd_cache *cache)
{
    const coherd_cache_options *options = &cache->options;
    size_t count = 1;

    while (count < CHD_CACHE_SHARDS_MAX &&
           options->bytes_max / (2 * count) >= SHARD_BYTES_MIN &&
           options->entries_max / (2 * count) >= SHARD_ENTRIES_MIN) {
        count *= 2;
    }
    cache->shards =
        aligned_alloc(_Alignof(chd_shard), count * sizeof(chd_shard));
    if (cache->shards == NULL) {
        return COHERD_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        if (!chd_shard_init(&cache->shards[i], options->bytes_max / count,
                            options->entries_max / count)) {
            cache->shard_mask = i - 1;
            return COHERD_ERR_NOMEM;
        }
        cache->shard_mask = i;
    }
    return COHERD_OK;
}

static void dispose(coherd_cache *cache)
{
    /* The mask of no shards at all is SIZE_MAX: the sum is 0. */
    const size_t count = cache->shards == NULL ? 0 : cache->shard_mask + 1;

    for (size_t i = 0; i < count; i++) {
        chd_shard_fini(&cache->shards[i]);
    }
    free(cache->shards);
    free(cache);
}

static void attach(coherd_cache *cache)
{
    coherd_client *client = cache->client;

    pthread_mutex_lock(&client->caches_mutex);
    cache->next = client->caches;
    client->caches = cache;
    atomic_store(&client->caches_made, true);
    pthread_mutex_unlock(&client->caches_mutex);
}

static void detach(coherd_cache *cache)
{
    coherd_client *client = cache->client;
    coherd_cache **link = &client->caches;

    pthread_mutex_lock(&client->caches_mutex);
    while (*link != cache) {
        link = &(*link)->next;
    }
    *link = cache->next;
    pthread_mutex_unlock(&client->caches_mutex);
}

coherd_err chd_cache_come_in(const coherd_cache *cache)
{
    const int saved = errno;

    if (!chd_lib_is_child(cache->client)) {
        return COHERD_OK;
    }
    const coherd_err err = chd_lib_enter(cache->client);
    if (err == COHERD_OK) {
        chd_lib_leave(cache->client, saved);
    }
    return err;
}

coherd_err coherd_cache_open(coherd_client *client, const char *topic,
                             const coherd_cache_options *options,
                             coherd_cache **cache)
{
    static const coherd_cache_options defaults;
    const int saved = errno;

    if (client == NULL || topic == NULL || cache == NULL) {
        return COHERD_ERR_INVALID;
    }
    const size_t len = strnlen(topic, CHD_TOPIC_BYTES_MAX + 1);
    if (len == 0 || len > CHD_TOPIC_BYTES_MAX) {
        return COHERD_ERR_INVALID;
    }
    coherd_cache *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        errno = saved;
        return COHERD_ERR_NOMEM;
    }
    made->client = client;
    made->seed = chd_lib_random();
    made->topic_len = len;
    memcpy(made->topic, topic, len);
    coherd_err err = set_options(made, options == NULL ? &defaults : options);
    if (err == COHERD_OK) {
        err = make_shards(made);
    }
    if (err != COHERD_OK) {
        dispose(made);
        errno = saved;
        return err;
    }
    err = chd_cache_come_in(made);
    if (err != COHERD_OK) {
        const int cause = errno;
        dispose(made);
        errno = cause;
        return err;
    }
    /* Attached first: the first RESET may come before the call returns. */
    attach(made);
    err = coherd_subscribe(client, topic);
    if (err != COHERD_OK) {
        const int cause = errno;
        detach(made);
        dispose(made);
        errno = cause;
        return err;
    }
    *cache = made;
    return COHERD_OK;
}

void coherd_cache_close(coherd_cache **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    coherd_cache *cache = *handle;
    /* In a child whose client cannot be taken over, it stays. */
    if (chd_cache_come_in(cache) == COHERD_OK) {
        detach(cache);
        dispose(cache);
    }
    *handle = NULL;
}

/* --- looking up ----------------------------------------------------------- */

bool chd_cache_is_too_stale(const coherd_cache *cache)
{
    const int64_t most_ms = cache->options.max_staleness_ms;
    return most_ms > 0 && coherd_staleness(cache->client) > (uint64_t)most_ms;
}

chd_entry *chd_cache_take(coherd_cache *cache, chd_shard *shard, uint64_t hash,
                          const void *key, size_t key_len, bool *reload)
{
    chd_entry *entry = chd_shard_find(shard, hash, key, key_len);

    if (entry != NULL && entry->expires_ms != CHD_NEVER_NS &&
        chd_cache_now_ms() >= entry->expires_ms) {
        shard->stats.expired++;
        chd_shard_remove(shard, entry);
        entry = NULL;
    }
    if (entry == NULL || chd_cache_is_too_stale(cache)) {
        shard->stats.misses++;
        return NULL;
    }
    if (entry->uses < CHD_USES_MAX) {
        entry->uses++;
    }
    shard->stats.hits++;
    shard->stats.stale += entry->stale;
    *reload = entry->stale;
    chd_entry_retain(entry);
    return entry;
}

chd_entry *chd_cache_look_again(const coherd_cache *cache,
                                const chd_shard *shard,
                                const chd_flight *wanted)
{
    chd_entry *entry =
        chd_shard_find(shard, wanted->hash, wanted->key, wanted->key_len);

    if (entry == NULL || entry->stale || chd_cache_is_too_stale(cache) ||
        chd_cache_now_ms() >= entry->expires_ms) {
        return NULL;
    }
    chd_entry_retain(entry);
    return entry;
}

coherd_err chd_cache_hand_out(chd_entry *entry, coherd_value **value)
{
    if (entry->missing) {
        chd_entry_release(entry);
        return COHERD_ERR_NOT_FOUND;
    }
    *value = &entry->shown;
    return COHERD_OK;
}

coherd_err coherd_cache_get(coherd_cache *cache, const void *key,
                            size_t key_len, coherd_value **value)
{
    bool reload;

    if (cache == NULL || key == NULL || key_len == 0 ||
        key_len > COHERD_TARGET_BYTES_MAX || value == NULL) {
        return COHERD_ERR_INVALID;
    }
    const coherd_err err = chd_cache_come_in(cache);
    if (err != COHERD_OK) {
        return err;
    }
    const uint64_t hash = chd_key_hash(cache, key, key_len);
    chd_shard *shard = chd_shard_of(cache, hash);
    pthread_mutex_lock(&shard->mutex);
    chd_entry *entry =
        chd_cache_take(cache, shard, hash, key, key_len, &reload);
    pthread_mutex_unlock(&shard->mutex);
    return entry == NULL ? COHERD_ERR_NOT_CACHED
                         : chd_cache_hand_out(entry, value);
}

/* --- changing ------------------------------------------------------------- */

/* Apply what this process is about to publish, in this cache. */
static void apply_here(coherd_cache *cache, const coherd_target *target,
                       const coherd_publish_options *options)
{
    const coherd_event event = {
        .kind = COHERD_INVALIDATE,
        .topic = cache->topic,
        .topic_len = cache->topic_len,
        .target = *target,
        .soft = options != NULL && options->soft,
        .version = options == NULL ? 0 : options->version,
    };

    chd_floors_own(cache->client, &event);
    chd_cache_apply(cache, &event);
}

coherd_err coherd_cache_invalidate(coherd_cache *cache,
                                   const coherd_target *targets, size_t count,
                                   const coherd_publish_options *options,
                                   coherd_receipt *receipt)
{
    if (cache == NULL) {
        return COHERD_ERR_INVALID;
    }
    coherd_err err =
        chd_publish_check_invalidate(cache->topic, targets, count, options);
    if (err == COHERD_OK) {
        err = chd_cache_come_in(cache);
    }
    if (err != COHERD_OK) {
        return err;
    }
    for (size_t i = 0; i < count; i++) {
        apply_here(cache, &targets[i], options);
    }
    return coherd_invalidate(cache->client, cache->topic, targets, count,
                             options, receipt);
}

coherd_err coherd_cache_update(coherd_cache *cache, const coherd_entry *entry,
                               const coherd_publish_options *options,
                               coherd_receipt *receipt)
{
    if (cache == NULL) {
        return COHERD_ERR_INVALID;
    }
    coherd_err err = chd_publish_check_update(cache->topic, entry, options);
    if (err == COHERD_OK) {
        err = chd_cache_come_in(cache);
    }
    if (err != COHERD_OK) {
        return err;
    }
    const coherd_target key = coherd_key_n(entry->key, entry->key_len);
    apply_here(cache, &key, NULL);
    return coherd_update(cache->client, cache->topic, entry, options, receipt);
}

/* --- looking -------------------------------------------------------------- */

static void add_stats(coherd_cache_stats *sum, const chd_shard *shard)
{
    const coherd_cache_stats *one = &shard->stats;

    sum->hits += one->hits;
    sum->misses += one->misses;
    sum->stale += one->stale;
    sum->shared += one->shared;
    sum->loads += one->loads;
    sum->failed += one->failed;
    sum->stored += one->stored;
    sum->refused += one->refused;
    sum->old += one->old;
    sum->unheard += one->unheard;
    sum->keys += one->keys;
    sum->tags += one->tags;
    sum->prefixes += one->prefixes;
    sum->all += one->all;
    sum->resets += one->resets;
    sum->updates += one->updates;
    sum->evicted += one->evicted;
    sum->expired += one->expired;
    for (int i = 0; i < 2; i++) {
        sum->entries += shard->queues[i].count;
        sum->bytes += shard->queues[i].bytes;
    }
}

void coherd_cache_read_stats(coherd_cache *cache, coherd_cache_stats *stats)
{
    *stats = (coherd_cache_stats){0};
    if (chd_cache_come_in(cache) != COHERD_OK) {
        return;
    }
    for (size_t i = 0; i <= cache->shard_mask; i++) {
        pthread_mutex_lock(&cache->shards[i].mutex);
        add_stats(stats, &cache->shards[i]);
        pthread_mutex_unlock(&cache->shards[i].mutex);
    }
}

/* --- what the client calls ------------------------------------------------ */

static bool is_of(const coherd_cache *cache, const char *topic, size_t len)
{
    return cache->topic_len == len && memcmp(cache->topic, topic, len) == 0;
}

void chd_caches_event(coherd_client *client, const coherd_event *event)
{
    /* A cache that is made meanwhile has nothing in it yet. */
    if (!atomic_load(&client->caches_made)) {
        return;
    }
    pthread_mutex_lock(&client->caches_mutex);
    for (coherd_cache *c = client->caches; c != NULL; c = c->next) {
        if (is_of(c, event->topic, event->topic_len)) {
            chd_cache_apply(c, event);
        }
    }
    pthread_mutex_unlock(&client->caches_mutex);
}

void chd_caches_reset(coherd_client *client, const chd_filter *filter)
{
    pthread_mutex_lock(&client->caches_mutex);
    for (coherd_cache *c = client->caches; c != NULL; c = c->next) {
        if (filter == NULL ||
            chd_filter_matches(filter, chd_bytes_of(c->topic, c->topic_len))) {
            chd_cache_apply_reset(c);
        }
    }
    pthread_mutex_unlock(&client->caches_mutex);
}

bool chd_caches_any(coherd_client *client)
{
    pthread_mutex_lock(&client->caches_mutex);
    const bool any = client->caches != NULL;
    pthread_mutex_unlock(&client->caches_mutex);
    return any;
}

/* What the parent cached may have been copied in the middle of a change, and
 * its locks may be held for ever: the child leaves it where it is, unused. */
static coherd_err start_over(coherd_cache *cache)
{
    for (size_t i = 0; i <= cache->shard_mask; i++) {
        if (!chd_shard_init(&cache->shards[i], cache->shards[i].bytes_max,
                            cache->shards[i].entries_max)) {
            return COHERD_ERR_NOMEM;
        }
    }
    return COHERD_OK;
}

coherd_err chd_caches_start_over(coherd_client *client)
{
    coherd_err err = COHERD_OK;

    for (coherd_cache *c = client->caches; c != NULL && err == COHERD_OK;
         c = c->next) {
        err = start_over(c);
    }
    return err;
}
