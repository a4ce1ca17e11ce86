#include "proto/session/route.h"

#include "proto/base/hash.h"
#include "proto/base/limits.h"

#define NONE UINT32_MAX
#define BUCKETS (2 * CHD_SUBSCRIPTIONS_MAX)
_Static_assert((BUCKETS & (BUCKETS - 1)) == 0, "buckets are masked");

typedef struct subscription {
    uint64_t key;         /* hash of session, match and topic        */
    uint32_t bucket_next; /* chain of the bucket, or of free entries */
    uint32_t session_next;
    uint32_t session_prev;
    uint32_t session;
    uint8_t match;
    uint8_t topic_len;
    uint8_t topic[CHD_TOPIC_BYTES_MAX];
} subscription;

/* What the session was last asked about: mostly it is asked again. */
typedef struct verdict {
    uint64_t topic_hash;
    bool wanted;
    uint8_t topic_len; /* 0: there is none */
    uint8_t topic[CHD_TOPIC_BYTES_MAX];
} verdict;

typedef struct session_subscriptions {
    verdict last;
    uint32_t first; /* index + 1, so that zeroed memory means none */
    uint32_t count;
    uint32_t prefix_count;
    /* How many prefix subscriptions of each length there are. */
    uint16_t length_count[CHD_TOPIC_BYTES_MAX + 1];
} session_subscriptions;

struct chd_route {
    const chd_mem *mem;
    uint64_t seed;
    subscription *entries;
    uint32_t *buckets; /* index + 1, so that zeroed memory means empty */
    session_subscriptions *sessions;
    uint32_t count;
    uint32_t free_first; /* NONE: take the next never used one */
    uint32_t used;       /* entries ever used                  */
};

chd_err chd_route_new(uint64_t seed, uint32_t session_count, const chd_mem *mem,
                      chd_route **route)
{
    chd_route *made = chd_zalloc(mem, 1, sizeof(*made));

    *route = NULL;
    if (made == NULL) {
        return CHD_ENOMEM;
    }
    made->mem = mem;
    made->seed = seed;
    made->free_first = NONE;
    made->entries =
        chd_zalloc(mem, CHD_SUBSCRIPTIONS_MAX, sizeof(subscription));
    made->buckets = chd_zalloc(mem, BUCKETS, sizeof(uint32_t));
    made->sessions =
        chd_zalloc(mem, session_count, sizeof(session_subscriptions));
    if (made->entries == NULL || made->buckets == NULL ||
        made->sessions == NULL) {
        chd_route_destroy(&made);
        return CHD_ENOMEM;
    }
    *route = made;
    return CHD_OK;
}

void chd_route_destroy(chd_route **route)
{
    if (*route == NULL) {
        return;
    }
    const chd_mem *mem = (*route)->mem;
    chd_free(mem, (*route)->entries);
    chd_free(mem, (*route)->buckets);
    chd_free(mem, (*route)->sessions);
    chd_free(mem, *route);
    *route = NULL;
}

uint64_t chd_route_hash(const chd_route *route, chd_bytes topic)
{
    return chd_hash(route->seed, topic);
}

static uint64_t key_of(uint64_t topic_hash, uint32_t session, chd_match match)
{
    return chd_mix64(topic_hash + ((uint64_t)session << 1) + (uint64_t)match);
}

static uint32_t *bucket_of(const chd_route *route, uint64_t key)
{
    return &route->buckets[key & (BUCKETS - 1)];
}

static uint32_t find(const chd_route *route, uint32_t session,
                     uint64_t topic_hash, const chd_filter *filter)
{
    const uint64_t key = key_of(topic_hash, session, filter->match);
    uint32_t i = *bucket_of(route, key);

    while (i != 0) {
        const subscription *entry = &route->entries[i - 1];
        if (entry->key == key && entry->session == session &&
            entry->match == (uint8_t)filter->match &&
            chd_bytes_equal(chd_bytes_of(entry->topic, entry->topic_len),
                            filter->topic)) {
            return i - 1;
        }
        i = entry->bucket_next;
    }
    return NONE;
}

static uint32_t take_entry(chd_route *route)
{
    if (route->free_first != NONE) {
        const uint32_t i = route->free_first;
        route->free_first = route->entries[i].bucket_next;
        return i;
    }
    return route->used++;
}

static void link_to_session(chd_route *route, uint32_t session, uint32_t i)
{
    session_subscriptions *own = &route->sessions[session];
    subscription *entry = &route->entries[i];

    entry->session_prev = 0;
    entry->session_next = own->first;
    if (own->first != 0) {
        route->entries[own->first - 1].session_prev = i + 1;
    }
    own->last.topic_len = 0;
    own->first = i + 1;
    own->count++;
    if (entry->match == CHD_MATCH_PREFIX) {
        own->prefix_count++;
        own->length_count[entry->topic_len]++;
    }
}

static void unlink_from_session(chd_route *route, const subscription *entry)
{
    session_subscriptions *own = &route->sessions[entry->session];

    if (entry->session_prev != 0) {
        route->entries[entry->session_prev - 1].session_next =
            entry->session_next;
    } else {
        own->first = entry->session_next;
    }
    if (entry->session_next != 0) {
        route->entries[entry->session_next - 1].session_prev =
            entry->session_prev;
    }
    own->last.topic_len = 0;
    own->count--;
    if (entry->match == CHD_MATCH_PREFIX) {
        own->prefix_count--;
        own->length_count[entry->topic_len]--;
    }
}

chd_err chd_route_add(chd_route *route, uint32_t session,
                      const chd_filter *filter)
{
    const uint64_t hash = chd_route_hash(route, filter->topic);

    CHD_ASSERT(filter->topic.len <= CHD_TOPIC_BYTES_MAX);
    if (find(route, session, hash, filter) != NONE) {
        return CHD_OK;
    }
    if (route->count == CHD_SUBSCRIPTIONS_MAX ||
        route->sessions[session].count == CHD_SESSION_SUBSCRIPTIONS_MAX) {
        return CHD_EFULL;
    }

    const uint32_t i = take_entry(route);
    subscription *entry = &route->entries[i];
    entry->key = key_of(hash, session, filter->match);
    entry->session = session;
    entry->match = (uint8_t)filter->match;
    entry->topic_len = (uint8_t)filter->topic.len;
    if (filter->topic.len > 0) {
        memcpy(entry->topic, filter->topic.ptr, filter->topic.len);
    }
    uint32_t *bucket = bucket_of(route, entry->key);
    entry->bucket_next = *bucket;
    *bucket = i + 1;
    link_to_session(route, session, i);
    route->count++;
    return CHD_OK;
}

static void remove_entry(chd_route *route, uint32_t i)
{
    subscription *entry = &route->entries[i];
    uint32_t *link = bucket_of(route, entry->key);

    while (*link != i + 1) {
        link = &route->entries[*link - 1].bucket_next;
    }
    *link = entry->bucket_next;
    unlink_from_session(route, entry);
    entry->bucket_next = route->free_first;
    route->free_first = i;
    route->count--;
}

void chd_route_remove(chd_route *route, uint32_t session,
                      const chd_filter *filter)
{
    const uint64_t hash = chd_route_hash(route, filter->topic);
    const uint32_t i = find(route, session, hash, filter);

    if (i != NONE) {
        remove_entry(route, i);
    }
}

void chd_route_clear(chd_route *route, uint32_t session)
{
    while (route->sessions[session].first != 0) {
        remove_entry(route, route->sessions[session].first - 1);
    }
}

static bool wants_by_prefix(const chd_route *route, uint32_t session,
                            chd_bytes topic)
{
    const session_subscriptions *own = &route->sessions[session];
    uint32_t left = own->prefix_count;

    for (size_t len = 0; len <= topic.len && left > 0; len++) {
        if (own->length_count[len] == 0) {
            continue;
        }
        left -= own->length_count[len];
        const chd_filter filter = {CHD_MATCH_PREFIX, {topic.ptr, len}};
        const uint64_t hash = chd_route_hash(route, filter.topic);
        if (find(route, session, hash, &filter) != NONE) {
            return true;
        }
    }
    return false;
}

static bool judge(const chd_route *route, uint32_t session, uint64_t topic_hash,
                  chd_bytes topic)
{
    const chd_filter exact = {CHD_MATCH_EXACT, topic};

    return find(route, session, topic_hash, &exact) != NONE ||
           (route->sessions[session].prefix_count > 0 &&
            wants_by_prefix(route, session, topic));
}

bool chd_route_wants(const chd_route *route, uint32_t session,
                     uint64_t topic_hash, chd_bytes topic)
{
    session_subscriptions *own = &route->sessions[session];
    verdict *last = &own->last;

    if (own->count == 0) {
        return false;
    }
    if (topic_hash != last->topic_hash ||
        !chd_bytes_equal(topic, chd_bytes_of(last->topic, last->topic_len))) {
        last->topic_hash = topic_hash;
        last->topic_len = (uint8_t)topic.len;
        memcpy(last->topic, topic.ptr, topic.len);
        last->wanted = judge(route, session, topic_hash, topic);
    }
    return last->wanted;
}

uint32_t chd_route_session_count(const chd_route *route, uint32_t session)
{
    return route->sessions[session].count;
}

uint32_t chd_route_count(const chd_route *route)
{
    return route->count;
}
