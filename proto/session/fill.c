/* fill.c - two tables of places: floors and demands.
 *
 * Each is an array of buckets, each bucket a few places and a rest.  A hash
 * belongs to one bucket.  What has to leave its place, the oldest floor or the
 * demand that ends first, is added to the bucket's rest, which counts for
 * everything that belongs to the bucket.
 *
 * Prefixes are floors like keys, of a hash over the prefix; a key is looked up
 * once for each length that a prefix had.  There is room for a few lengths.
 * The one that was used longest ago leaves, and what is lost with it is
 * answered by the floor of everything.
 */
#include "proto/session/fill.h"

#include "proto/base/hash.h"

#define BUCKET_PLACES 7 /* with the rest: two cache lines */

typedef struct bucket {
    uint64_t rest;
    uint64_t hash[BUCKET_PLACES];
    uint64_t position[BUCKET_PLACES]; /* 0: the place is free */
} bucket;

typedef struct demand {
    uint64_t hash;
    uint64_t version;
    uint64_t until_ns; /* 0: the place is free */
} demand;

typedef struct demands {
    demand rest; /* its hash means nothing */
    demand place[BUCKET_PLACES];
} demands;

typedef struct length {
    uint64_t used; /* position of the newest floor; 0: the place is free */
    demand most;   /* what is demanded of one of them at most            */
    size_t len;
} length;

struct chd_fills {
    const chd_mem *mem;
    chd_fills_config config;
    uint64_t position;   /* of the last thing applied               */
    uint64_t hlc;        /* the latest of all that was applied      */
    uint64_t everything; /* floor of everything                     */
    uint64_t demand_ns;  /* the last demand of all ends then        */
    demand all;          /* of everything, for what left its table  */
    bucket *floors;
    demands *demanded;
    length lengths[CHD_FILL_PREFIX_LENGTHS_MAX];
    size_t length_count; /* places up to here were used             */

    uint64_t *subscribed; /* hashes, open addressing; 0: free       */
    size_t subscribed_mask;
    uint32_t prefix_counts[CHD_TOPIC_BYTES_MAX + 1]; /* by length   */
    uint32_t prefix_count;
};

static bool is_power_of_two(uint32_t count)
{
    return count > 0 && (count & (count - 1)) == 0;
}

static bool config_is_valid(const chd_fills_config *config)
{
    return config->floor_count >= 8 &&
           config->floor_count <= CHD_FILL_FLOORS_MAX &&
           is_power_of_two(config->floor_count) && config->demand_count >= 8 &&
           config->demand_count <= CHD_FILL_DEMANDS_MAX &&
           is_power_of_two(config->demand_count) &&
           config->subscription_count_max > 0 &&
           config->subscription_count_max <= CHD_SESSION_SUBSCRIPTIONS_MAX;
}

chd_err chd_fills_new(const chd_fills_config *config, const chd_mem *mem,
                      chd_fills **fills)
{
    size_t slots = 2;

    *fills = NULL;
    if (!config_is_valid(config)) {
        return CHD_ELIMIT;
    }
    chd_fills *made = chd_zalloc(mem, 1, sizeof(*made));
    if (made == NULL) {
        return CHD_ENOMEM;
    }
    while (slots < (size_t)config->subscription_count_max * 2) {
        slots *= 2;
    }
    made->mem = mem;
    made->config = *config;
    made->position = 1; /* tickets count from 1: a zeroed one is none */
    made->floors = chd_zalloc(mem, config->floor_count / 8, sizeof(bucket));
    made->demanded = chd_zalloc(mem, config->demand_count / 8, sizeof(demands));
    made->subscribed = chd_zalloc(mem, slots, sizeof(made->subscribed[0]));
    made->subscribed_mask = slots - 1;
    if (made->floors == NULL || made->demanded == NULL ||
        made->subscribed == NULL) {
        chd_fills_destroy(&made);
        return CHD_ENOMEM;
    }
    *fills = made;
    return CHD_OK;
}

void chd_fills_destroy(chd_fills **fills)
{
    chd_fills *gone = *fills;

    if (gone == NULL) {
        return;
    }
    const chd_mem *mem = gone->mem;
    chd_free(mem, gone->floors);
    chd_free(mem, gone->demanded);
    chd_free(mem, gone->subscribed);
    chd_free(mem, gone);
    *fills = NULL;
}

/* --- names of floors ------------------------------------------------------ */

static uint64_t topic_hash(const chd_fills *fills, chd_bytes topic)
{
    return chd_hash(fills->config.seed, topic);
}

/* A target in a topic.  ALL is the topic itself. */
static uint64_t target_hash(uint64_t topic, chd_target_kind kind,
                            chd_bytes target)
{
    return kind == CHD_TARGET_ALL ? topic
                                  : chd_hash(topic + (uint64_t)kind, target);
}

/* --- floors --------------------------------------------------------------- */

static bucket *bucket_of(const chd_fills *fills, uint64_t hash)
{
    return &fills->floors[hash & (fills->config.floor_count / 8 - 1)];
}

/* Raise one floor to the present position. */
static void raise_floor(chd_fills *fills, uint64_t hash)
{
    bucket *in = bucket_of(fills, hash);
    size_t at = 0;

    for (size_t i = 0; i < BUCKET_PLACES; i++) {
        if (in->hash[i] == hash && in->position[i] > 0) {
            in->position[i] = fills->position;
            return;
        }
        if (in->position[i] < in->position[at]) {
            at = i;
        }
    }
    in->rest = chd_max_u64(in->rest, in->position[at]);
    in->hash[at] = hash;
    in->position[at] = fills->position;
}

static uint64_t floor_of(const chd_fills *fills, uint64_t hash)
{
    const bucket *in = bucket_of(fills, hash);

    for (size_t i = 0; i < BUCKET_PLACES; i++) {
        if (in->hash[i] == hash && in->position[i] > 0) {
            return in->position[i];
        }
    }
    return in->rest;
}

/* --- demands -------------------------------------------------------------- */

static void demand_more(demand *of, uint64_t version, uint64_t until_ns)
{
    of->version = chd_max_u64(of->version, version);
    of->until_ns = chd_max_u64(of->until_ns, until_ns);
}

static demands *demands_of(const chd_fills *fills, uint64_t hash)
{
    /* Other bits than those that choose the bucket of floors. */
    return &fills
                ->demanded[(hash >> 32) & (fills->config.demand_count / 8 - 1)];
}

static void demand_version(chd_fills *fills, uint64_t now_ns, uint64_t hash,
                           uint64_t version)
{
    const uint64_t until_ns = chd_after(now_ns, fills->config.lag_max_ns);
    demands *in = demands_of(fills, hash);
    demand *to = &in->place[0];

    fills->demand_ns = chd_max_u64(fills->demand_ns, until_ns);
    for (size_t i = 0; i < BUCKET_PLACES; i++) {
        demand *place = &in->place[i];
        if (place->hash == hash && place->until_ns > now_ns) {
            demand_more(place, version, until_ns);
            return;
        }
        if (place->until_ns < to->until_ns) {
            to = place;
        }
    }
    if (to->until_ns > now_ns) {
        if (in->rest.until_ns <= now_ns) {
            in->rest.version = 0;
        }
        demand_more(&in->rest, to->version, to->until_ns);
    }
    *to = (demand){hash, version, until_ns};
}

static bool satisfies(const demand *of, uint64_t now_ns, uint64_t version)
{
    return of->until_ns <= now_ns || version >= of->version;
}

static bool has_version(const chd_fills *fills, uint64_t now_ns, uint64_t hash,
                        uint64_t version)
{
    const demands *in = demands_of(fills, hash);

    if (!satisfies(&in->rest, now_ns, version)) {
        return false;
    }
    for (size_t i = 0; i < BUCKET_PLACES; i++) {
        if (in->place[i].hash == hash &&
            !satisfies(&in->place[i], now_ns, version)) {
            return false;
        }
    }
    return true;
}

/* --- lengths of prefixes -------------------------------------------------- */

/* Return the place of a length, its own or the one used longest ago. */
static length *place_of(chd_fills *fills, size_t len)
{
    length *oldest = &fills->lengths[0];

    for (size_t i = 0; i < fills->length_count; i++) {
        length *place = &fills->lengths[i];
        if (place->len == len) {
            return place;
        }
        if (place->used < oldest->used) {
            oldest = place;
        }
    }
    return fills->length_count < CHD_FILL_PREFIX_LENGTHS_MAX
               ? &fills->lengths[fills->length_count++]
               : oldest;
}

static void note_length(chd_fills *fills, uint64_t now_ns,
                        const chd_event *event)
{
    length *place = place_of(fills, event->target.len);

    if (place->used > 0 && place->len != event->target.len) {
        /* Nobody will look these floors up again. */
        fills->everything = chd_max_u64(fills->everything, place->used);
        if (fills->all.until_ns <= now_ns) {
            fills->all.version = 0;
        }
        demand_more(&fills->all, place->most.version, place->most.until_ns);
        place->most = (demand){0};
    }
    place->len = event->target.len;
    place->used = fills->position;
    if (event->version > 0) {
        demand_more(&place->most, event->version,
                    chd_after(now_ns, fills->config.lag_max_ns));
    }
}

/* --- what happens --------------------------------------------------------- */

void chd_fills_event(chd_fills *fills, uint64_t now_ns, const chd_event *event)
{
    if (event->kind == CHD_KIND_MESSAGE) {
        return;
    }
    const uint64_t hash = target_hash(topic_hash(fills, event->topic),
                                      event->target_kind, event->target);

    fills->position++;
    fills->hlc = chd_max_u64(fills->hlc, event->hlc);
    if (event->target_kind == CHD_TARGET_PREFIX) {
        note_length(fills, now_ns, event);
    }
    raise_floor(fills, hash);
    if (event->version > 0) {
        demand_version(fills, now_ns, hash, event->version);
    }
}

void chd_fills_passed(chd_fills *fills, uint64_t hlc)
{
    fills->hlc = chd_max_u64(fills->hlc, hlc);
}

void chd_fills_reset(chd_fills *fills, const chd_filter *filter)
{
    fills->position++;
    if (filter != NULL && filter->match == CHD_MATCH_EXACT) {
        raise_floor(fills, topic_hash(fills, filter->topic));
    } else {
        /* Topics of a prefix are not told apart: such a RESET is rare. */
        fills->everything = fills->position;
    }
}

/* --- subscriptions -------------------------------------------------------- */

static uint64_t filter_hash(const chd_fills *fills, chd_match match,
                            chd_bytes topic)
{
    const uint64_t hash = topic_hash(fills, topic);
    return (match == CHD_MATCH_EXACT ? hash : chd_mix64(hash)) | 1;
}

/* Return the slot of a hash, or the free one where it would stand. */
static size_t slot_of(const chd_fills *fills, uint64_t hash)
{
    size_t at = (hash >> 1) & fills->subscribed_mask;

    while (fills->subscribed[at] != 0 && fills->subscribed[at] != hash) {
        at = (at + 1) & fills->subscribed_mask;
    }
    return at;
}

void chd_fills_subscribed(chd_fills *fills, const chd_filter *filter)
{
    const uint64_t hash = filter_hash(fills, filter->match, filter->topic);
    const size_t at = slot_of(fills, hash);

    if (fills->subscribed[at] == 0) {
        fills->subscribed[at] = hash;
        if (filter->match == CHD_MATCH_PREFIX) {
            fills->prefix_counts[filter->topic.len]++;
            fills->prefix_count++;
        }
    }
}

void chd_fills_unsubscribed(chd_fills *fills, const chd_filter *filter)
{
    const uint64_t hash = filter_hash(fills, filter->match, filter->topic);
    size_t at = slot_of(fills, hash);

    if (fills->subscribed[at] == 0) {
        return;
    }
    if (filter->match == CHD_MATCH_PREFIX) {
        fills->prefix_counts[filter->topic.len]--;
        fills->prefix_count--;
    }
    /* Close the gap: what stands behind it may belong before it. */
    fills->subscribed[at] = 0;
    for (;;) {
        at = (at + 1) & fills->subscribed_mask;
        const uint64_t moved = fills->subscribed[at];
        if (moved == 0) {
            break;
        }
        fills->subscribed[at] = 0;
        fills->subscribed[slot_of(fills, moved)] = moved;
    }
    /* What happens from here on is not heard. */
    chd_fills_reset(fills, filter);
}

void chd_fills_start_over(chd_fills *fills)
{
    for (size_t i = 0; i <= fills->subscribed_mask; i++) {
        fills->subscribed[i] = 0;
    }
    memset(fills->prefix_counts, 0, sizeof(fills->prefix_counts));
    fills->prefix_count = 0;
    chd_fills_reset(fills, NULL);
}

static bool is_subscribed(const chd_fills *fills, chd_bytes topic,
                          uint64_t hash)
{
    if (fills->subscribed[slot_of(fills, hash | 1)] != 0) {
        return true;
    }
    for (size_t len = 0; fills->prefix_count > 0 && len <= topic.len; len++) {
        const chd_bytes prefix = {topic.ptr, len};
        if (fills->prefix_counts[len] > 0 &&
            fills->subscribed[slot_of(
                fills, filter_hash(fills, CHD_MATCH_PREFIX, prefix))] != 0) {
            return true;
        }
    }
    return false;
}

/* --- filling -------------------------------------------------------------- */

bool chd_fills_begin(const chd_fills *fills, chd_bytes topic, chd_bytes key,
                     chd_fill *fill)
{
    const uint64_t hash = topic_hash(fills, topic);

    if (!is_subscribed(fills, topic, hash)) {
        return false;
    }
    *fill = (chd_fill){
        .position = fills->position,
        .hlc = fills->hlc,
        .topic = hash,
        .key_hash = target_hash(hash, CHD_TARGET_KEY, key),
        .key = key,
    };
    return true;
}

/* Whether one thing that covers the value lets it pass. */
static chd_fill_answer check(const chd_fills *fills, uint64_t now_ns,
                             const chd_fill *fill, uint64_t hash,
                             uint64_t version)
{
    if (floor_of(fills, hash) > fill->position) {
        return CHD_FILL_STALE;
    }
    return fills->demand_ns > now_ns &&
                   !has_version(fills, now_ns, hash, version)
               ? CHD_FILL_VERSION
               : CHD_FILL_ADMIT;
}

static chd_fill_answer check_prefixes(const chd_fills *fills, uint64_t now_ns,
                                      const chd_fill *fill, uint64_t version)
{
    chd_fill_answer answer = CHD_FILL_ADMIT;

    for (size_t i = 0; i < fills->length_count && answer == CHD_FILL_ADMIT;
         i++) {
        const length *place = &fills->lengths[i];
        if (place->len > fill->key.len ||
            (place->used <= fill->position && place->most.until_ns <= now_ns)) {
            continue;
        }
        const chd_bytes prefix = {fill->key.ptr, place->len};
        answer =
            check(fills, now_ns, fill,
                  target_hash(fill->topic, CHD_TARGET_PREFIX, prefix), version);
    }
    return answer;
}

chd_fill_answer chd_fills_end(const chd_fills *fills, uint64_t now_ns,
                              const chd_fill *fill, const chd_loaded *loaded)
{
    chd_fill_answer answer;

    if (fills->everything > fill->position) {
        return CHD_FILL_STALE;
    }
    if (!satisfies(&fills->all, now_ns, loaded->version)) {
        return CHD_FILL_VERSION;
    }
    answer = check(fills, now_ns, fill, fill->topic, loaded->version);
    if (answer == CHD_FILL_ADMIT) {
        answer = check(fills, now_ns, fill, fill->key_hash, loaded->version);
    }
    if (answer == CHD_FILL_ADMIT) {
        answer = check_prefixes(fills, now_ns, fill, loaded->version);
    }
    for (size_t i = 0; i < loaded->tag_count && answer == CHD_FILL_ADMIT; i++) {
        answer =
            check(fills, now_ns, fill,
                  target_hash(fill->topic, CHD_TARGET_TAG, loaded->tags[i]),
                  loaded->version);
    }
    return answer;
}

bool chd_fills_has_demands(const chd_fills *fills)
{
    return fills->demand_ns > 0;
}
