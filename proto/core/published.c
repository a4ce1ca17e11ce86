#include "proto/core/published.h"

#include "proto/base/hash.h"

/* A client has its place in one of WAYS slots, which its id tells. */
#define WAYS 8
#define SETS (CHD_PUBLISHERS_MAX / WAYS)
_Static_assert((SETS & (SETS - 1)) == 0, "sets are masked");

/* All numbers from first to last. */
typedef struct range {
    uint64_t first;
    uint64_t last;
} range;

typedef struct publisher {
    uint64_t client;
    uint64_t used;     /* when, in uses of the table; 0: the slot is free */
    uint64_t accepted; /* here, up to this number                         */
    uint32_t count;    /* of ranges, which ascend and do not touch        */
    range ranges[CHD_PUBLISHED_RANGES_MAX];
} publisher;

struct chd_published {
    const chd_mem *mem;
    publisher *slots; /* CHD_PUBLISHERS_MAX, by sets */
    publisher *last;  /* that was used, or NULL      */
    uint64_t seed;
    uint64_t uses;
};

chd_err chd_published_new(uint64_t seed, const chd_mem *mem,
                          chd_published **table)
{
    chd_published *made = chd_zalloc(mem, 1, sizeof(*made));

    *table = NULL;
    if (made == NULL) {
        return CHD_ENOMEM;
    }
    *made = (chd_published){.mem = mem, .seed = seed};
    made->slots = chd_zalloc(mem, CHD_PUBLISHERS_MAX, sizeof(publisher));
    if (made->slots == NULL) {
        chd_published_destroy(&made);
        return CHD_ENOMEM;
    }
    *table = made;
    return CHD_OK;
}

void chd_published_destroy(chd_published **table)
{
    if (*table == NULL) {
        return;
    }
    const chd_mem *mem = (*table)->mem;
    chd_free(mem, (*table)->slots);
    chd_free(mem, *table);
    *table = NULL;
}

static publisher *set_of(const chd_published *table, uint64_t client)
{
    const uint64_t hash = chd_mix64(client ^ table->seed);
    return &table->slots[(hash & (SETS - 1)) * WAYS];
}

static publisher *find(const chd_published *table, uint64_t client)
{
    publisher *set = set_of(table, client);

    for (uint32_t i = 0; i < WAYS; i++) {
        if (set[i].used != 0 && set[i].client == client) {
            return &set[i];
        }
    }
    return NULL;
}

/* The client's slot, or that of whoever was quiet for longest. */
static publisher *take(chd_published *table, uint64_t client)
{
    publisher *slot = table->last;

    if (slot == NULL || slot->client != client) {
        slot = find(table, client);
    }
    if (slot == NULL) {
        publisher *set = set_of(table, client);
        slot = set;
        for (uint32_t i = 1; i < WAYS; i++) {
            slot = set[i].used < slot->used ? &set[i] : slot;
        }
        *slot = (publisher){.client = client};
    }
    slot->used = ++table->uses;
    table->last = slot;
    return slot;
}

static void remove_range(publisher *slot, uint32_t i)
{
    slot->count--;
    memmove(&slot->ranges[i], &slot->ranges[i + 1],
            (slot->count - i) * sizeof(range));
}

/* Begin a range before the i-th.  Without room the lowest one is forgotten:
 * who publishes again does so with the newest numbers. */
static void insert_range(publisher *slot, uint32_t i, uint64_t number)
{
    if (slot->count == CHD_PUBLISHED_RANGES_MAX) {
        if (i == 0) {
            return;
        }
        remove_range(slot, 0);
        i--;
    }
    memmove(&slot->ranges[i + 1], &slot->ranges[i],
            (slot->count - i) * sizeof(range));
    slot->ranges[i] = (range){number, number};
    slot->count++;
}

static void add(publisher *slot, uint32_t i, uint64_t number)
{
    range *ranges = slot->ranges;
    const bool touches_below = i > 0 && ranges[i - 1].last + 1 == number;
    const bool touches_above = i < slot->count && ranges[i].first == number + 1;

    if (touches_below && touches_above) {
        ranges[i - 1].last = ranges[i].last;
        remove_range(slot, i);
    } else if (touches_below) {
        ranges[i - 1].last = number;
    } else if (touches_above) {
        ranges[i].first = number;
    } else {
        insert_range(slot, i, number);
    }
}

bool chd_published_note(chd_published *table, uint64_t client, uint64_t number)
{
    uint32_t i;

    if (number == 0) {
        return true;
    }
    publisher *slot = take(table, client);
    /* Mostly it is the newest one. */
    for (i = slot->count; i > 0 && slot->ranges[i - 1].last >= number; i--) {
    }
    if (i < slot->count && slot->ranges[i].first <= number) {
        return false;
    }
    add(slot, i, number);
    return true;
}

void chd_published_accept(chd_published *table, uint64_t client,
                          uint64_t number)
{
    publisher *slot = take(table, client);
    slot->accepted = chd_max_u64(slot->accepted, number);
}

uint64_t chd_published_accepted(const chd_published *table, uint64_t client)
{
    const publisher *slot = find(table, client);
    return slot == NULL ? 0 : slot->accepted;
}
