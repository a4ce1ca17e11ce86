/* apply.c - what happens in the topic, applied to the shards.
 *
 * A key concerns one shard; a tag, a prefix or the topic all of them, one
 * after the other, each for as long as it takes to walk what it has.  The
 * floors of fills were raised before, so that no fill can store in a shard
 * behind our back what was to be dropped from it.
 */
#include "client/cache/cache.h"

/* What an event does to each entry that it covers. */
typedef struct effect {
    coherd_cache *cache;
    const coherd_event *event; /* NULL: a RESET */
    bool soft;
    uint64_t stale_until_ms;
} effect;

/* Drop one entry, or mark it stale.  Returns whether it had not been stale. */
static bool hit(const effect *with, chd_shard *shard, chd_entry *entry)
{
    if (!with->soft || entry->missing || with->stale_until_ms == 0) {
        chd_shard_remove(shard, entry);
        return true;
    }
    if (with->event != NULL) {
        entry->hlc = chd_max_u64(entry->hlc, with->event->hlc);
        entry->wanted = chd_max_u64(entry->wanted, with->event->version);
    } else {
        entry->wanted = UINT64_MAX; /* what was missed may be newer still */
    }
    entry->updated = false;
    if (entry->stale) {
        return false; /* what was too old to be served stays that */
    }
    entry->stale = true;
    entry->expires_ms = chd_min_u64(entry->expires_ms, with->stale_until_ms);
    return true;
}

/* Let nobody join a load that began before. */
static void detach_flights(chd_shard *shard, const coherd_target *key,
                           uint64_t hash)
{
    chd_flight **link = &shard->flights;

    while (*link != NULL) {
        chd_flight *flight = *link;
        if (key == NULL ||
            (flight->hash == hash && flight->key_len == key->len &&
             memcmp(flight->key, key->data, key->len) == 0)) {
            *link = flight->next;
            flight->listed = false;
        } else {
            link = &flight->next;
        }
    }
}

/* --- one kind of target each ---------------------------------------------- */

static void apply_key(const effect *with)
{
    const coherd_target *target = &with->event->target;
    const uint64_t hash = chd_key_hash(with->cache, target->data, target->len);
    chd_shard *shard = chd_shard_of(with->cache, hash);

    pthread_mutex_lock(&shard->mutex);
    detach_flights(shard, target, hash);
    chd_entry *entry = chd_shard_find(shard, hash, target->data, target->len);
    if (entry != NULL) {
        shard->stats.keys += hit(with, shard, entry);
    }
    pthread_mutex_unlock(&shard->mutex);
}

static void apply_tag(const effect *with, chd_shard *shard)
{
    const coherd_target *target = &with->event->target;
    const uint64_t hash =
        chd_tag_hash(with->cache->seed, target->data, target->len);
    chd_label *label = chd_shard_tag(shard, hash);

    while (label != NULL) {
        chd_entry *entry = label->entry;
        chd_label *next = label->next;
        if (label->hash == hash) {
            /* All labels of the entry go with it. */
            while (next != NULL && next->entry == entry) {
                next = next->next;
            }
            shard->stats.tags += hit(with, shard, entry);
        }
        label = next;
    }
}

static void apply_to_all(const effect *with, chd_shard *shard)
{
    const bool by_prefix =
        with->event != NULL && with->event->target.kind == COHERD_TARGET_PREFIX;
    uint64_t *count = with->event == NULL ? &shard->stats.resets
                      : by_prefix         ? &shard->stats.prefixes
                                          : &shard->stats.all;
    const chd_bytes prefix = by_prefix ? chd_bytes_of(with->event->target.data,
                                                      with->event->target.len)
                                       : chd_bytes_of(NULL, 0);

    for (int i = 0; i < 2; i++) {
        chd_entry *entry = shard->queues[i].oldest;
        while (entry != NULL) {
            chd_entry *next = entry->newer;
            if (chd_bytes_starts_with(chd_bytes_of(entry->key, entry->key_len),
                                      prefix)) {
                *count += hit(with, shard, entry);
            }
            entry = next;
        }
    }
}

static void apply_broadly(const effect *with)
{
    for (size_t i = 0; i <= with->cache->shard_mask; i++) {
        chd_shard *shard = &with->cache->shards[i];
        pthread_mutex_lock(&shard->mutex);
        detach_flights(shard, NULL, 0);
        if (with->event != NULL &&
            with->event->target.kind == COHERD_TARGET_TAG) {
            apply_tag(with, shard);
        } else {
            apply_to_all(with, shard);
        }
        pthread_mutex_unlock(&shard->mutex);
    }
}

/* --- updates -------------------------------------------------------------- */

static bool has_versions(const chd_entry *entry, const coherd_event *event)
{
    return entry->shown.version != 0 && event->version != 0;
}

/* Tell whether an entry knows of an update already.  Versions, where both have
 * one, say so even if who committed first published last, or published anew
 * after its sidecar had died: its clock is then newer, and its value older. */
static bool knows(const chd_entry *entry, const coherd_event *event)
{
    return has_versions(entry, event)
               ? event->version <= entry->shown.version
               : entry->updated && event->hlc <= entry->hlc;
}

/* Tell whether an update may be older than what the entry had to give way to,
 * or to know.  An entry that was loaded knows of everything that was applied
 * before the load, so an update with an older clock may be part of it or not:
 * the entry is dropped rather than guessed. */
static bool may_be_older(const chd_entry *entry, const coherd_event *event)
{
    return event->version < entry->wanted ||
           (event->hlc <= entry->hlc &&
            !(entry->updated && has_versions(entry, event)));
}

/* The newest value wins.  An entry that is not there is not made: its tags
 * would not be known. */
static void replace(coherd_cache *cache, chd_shard *shard, chd_entry *old,
                    const coherd_event *event)
{
    if (knows(old, event)) {
        return;
    }
    shard->stats.updates++;
    if (cache->options.updates_drop || may_be_older(old, event)) {
        chd_shard_remove(shard, old);
        return;
    }
    chd_entry *entry =
        chd_entry_new(old->key, old->key_len, event->value, event->value_len);
    if (entry == NULL || !chd_entry_label_like(entry, old)) {
        if (entry != NULL) {
            chd_entry_release(entry);
        }
        chd_shard_remove(shard, old);
        return;
    }
    entry->hash = old->hash;
    entry->shown.version = event->version;
    entry->updated = true;
    entry->hlc = chd_max_u64(old->hlc, event->hlc);
    entry->wanted = old->wanted;
    entry->expires_ms = chd_cache_expiry_ms(cache->options.ttl_ms, entry->hash);
    if (!chd_shard_put(shard, entry)) {
        chd_entry_release(entry);
        chd_shard_remove(shard, old);
    }
}

static void apply_update(coherd_cache *cache, const coherd_event *event)
{
    const coherd_target *target = &event->target;
    const uint64_t hash = chd_key_hash(cache, target->data, target->len);
    chd_shard *shard = chd_shard_of(cache, hash);

    pthread_mutex_lock(&shard->mutex);
    detach_flights(shard, target, hash);
    chd_entry *old = chd_shard_find(shard, hash, target->data, target->len);
    if (old != NULL) {
        replace(cache, shard, old, event);
    }
    pthread_mutex_unlock(&shard->mutex);
}

/* --- from outside --------------------------------------------------------- */

static uint64_t stale_until_ms(const coherd_cache *cache)
{
    const int64_t ms = cache->options.stale_ms;
    return ms < 0 ? 0 : chd_after(chd_cache_now_ms(), (uint64_t)ms);
}

void chd_cache_apply(coherd_cache *cache, const coherd_event *event)
{
    const effect with = {
        .cache = cache,
        .event = event,
        .soft = event->soft,
        .stale_until_ms = stale_until_ms(cache),
    };

    if (event->kind == COHERD_MESSAGE) {
        return;
    }
    if (event->kind == COHERD_UPDATE) {
        apply_update(cache, event);
    } else if (event->target.kind == COHERD_TARGET_KEY) {
        apply_key(&with);
    } else {
        apply_broadly(&with);
    }
}

void chd_cache_apply_reset(coherd_cache *cache)
{
    const effect with = {
        .cache = cache,
        .soft = cache->options.on_reset == COHERD_RESET_SOFT,
        .stale_until_ms = stale_until_ms(cache),
    };

    apply_broadly(&with);
}
