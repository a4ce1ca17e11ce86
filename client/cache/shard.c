/* shard.c - one shard: the table, the tags, and what is evicted.
 *
 * Eviction is S3-FIFO (Yang, Zhang, Qiu, Yue and Rashmi, FIFO Queues are All
 * You Need for Cache Eviction, SOSP 2023):
 *
 *   - a new entry goes into a small queue with a tenth of the room;
 *   - at its end, one that was used more than once moves to the main queue,
 *     the others leave, and their hash is remembered as a ghost;
 *   - what comes back while it is a ghost goes to the main queue at once;
 *   - at the end of the main queue, what was used since its last turn gets
 *     another one, the others leave.
 *
 * A hit only counts to three: nothing is moved, as it would be in LRU.  Room
 * is counted in bytes here, and entries.
 */
#include <stdlib.h>

#include "client/cache/cache.h"

#define CHAINS_MIN 64
#define SMALL_PART 10 /* the small queue has a tenth */

bool chd_shard_init(chd_shard *shard, size_t bytes_max, size_t entries_max)
{
    *shard = (chd_shard){.bytes_max = bytes_max, .entries_max = entries_max};
    shard->chain_mask = shard->tag_mask = shard->ghost_mask = CHAINS_MIN - 1;
    shard->chains = calloc(CHAINS_MIN, sizeof(void *));
    shard->tags = calloc(CHAINS_MIN, sizeof(void *));
    shard->ghosts = calloc(CHAINS_MIN, sizeof(shard->ghosts[0]));
    shard->ghost_at = 1; /* no. 0 marks places that were never used */
    if (shard->chains == NULL || shard->tags == NULL || shard->ghosts == NULL ||
        pthread_mutex_init(&shard->mutex, NULL) != 0) {
        free((void *)shard->chains);
        free((void *)shard->tags);
        free(shard->ghosts);
        return false;
    }
    return true;
}

void chd_shard_fini(chd_shard *shard)
{
    for (size_t i = 0; i <= shard->chain_mask; i++) {
        while (shard->chains[i] != NULL) {
            chd_entry *entry = shard->chains[i];
            shard->chains[i] = entry->next;
            chd_entry_release(entry);
        }
    }
    free((void *)shard->chains);
    free((void *)shard->tags);
    free(shard->ghosts);
    pthread_mutex_destroy(&shard->mutex);
}

static size_t count_of(const chd_shard *shard)
{
    return shard->queues[0].count + shard->queues[1].count;
}

static size_t bytes_of(const chd_shard *shard)
{
    return shard->queues[0].bytes + shard->queues[1].bytes;
}

/* --- the table ------------------------------------------------------------ */

chd_entry *chd_shard_find(const chd_shard *shard, uint64_t hash,
                          const void *key, size_t key_len)
{
    chd_entry *entry = shard->chains[hash & shard->chain_mask];

    while (entry != NULL && (entry->hash != hash || entry->key_len != key_len ||
                             memcmp(entry->key, key, key_len) != 0)) {
        entry = entry->next;
    }
    return entry;
}

/* Twice as many chains; without memory they just become longer. */
static void grow_chains(chd_shard *shard)
{
    const size_t mask = 2 * shard->chain_mask + 1;
    chd_entry **chains = calloc(mask + 1, sizeof(void *));
    chd_ghost *ghosts = calloc(mask + 1, sizeof(ghosts[0]));

    if (chains == NULL || ghosts == NULL) {
        free((void *)chains);
        free(ghosts);
        return;
    }
    for (size_t i = 0; i <= shard->chain_mask; i++) {
        while (shard->chains[i] != NULL) {
            chd_entry *entry = shard->chains[i];
            shard->chains[i] = entry->next;
            entry->next = chains[entry->hash & mask];
            chains[entry->hash & mask] = entry;
        }
    }
    free((void *)shard->chains);
    free(shard->ghosts); /* what they remembered is only a hint */
    shard->chains = chains;
    shard->chain_mask = mask;
    shard->ghosts = ghosts;
    shard->ghost_mask = mask;
}

/* --- labels --------------------------------------------------------------- */

static void list_label(chd_label **head, chd_label *label)
{
    label->next = *head;
    label->link = head;
    if (label->next != NULL) {
        label->next->link = &label->next;
    }
    *head = label;
}

static void grow_tags(chd_shard *shard)
{
    const size_t mask = 2 * shard->tag_mask + 1;
    chd_label **tags = calloc(mask + 1, sizeof(void *));

    if (tags == NULL) {
        return;
    }
    for (size_t i = 0; i <= shard->tag_mask; i++) {
        while (shard->tags[i] != NULL) {
            chd_label *label = shard->tags[i];
            shard->tags[i] = label->next;
            list_label(&tags[label->hash & mask], label);
        }
    }
    free((void *)shard->tags);
    shard->tags = tags;
    shard->tag_mask = mask;
}

static void list_labels(chd_shard *shard, chd_entry *entry)
{
    for (uint32_t i = 0; i < entry->label_count; i++) {
        chd_label *label = &entry->labels[i];
        list_label(&shard->tags[label->hash & shard->tag_mask], label);
    }
    shard->tag_count += entry->label_count;
    if (shard->tag_count > shard->tag_mask) {
        grow_tags(shard);
    }
}

static void unlist_labels(chd_shard *shard, chd_entry *entry)
{
    for (uint32_t i = 0; i < entry->label_count; i++) {
        chd_label *label = &entry->labels[i];
        *label->link = label->next;
        if (label->next != NULL) {
            label->next->link = label->link;
        }
    }
    shard->tag_count -= entry->label_count;
}

chd_label *chd_shard_tag(const chd_shard *shard, uint64_t hash)
{
    return shard->tags[hash & shard->tag_mask];
}

/* --- queues --------------------------------------------------------------- */

static void push(chd_shard *shard, chd_queue_name name, chd_entry *entry)
{
    chd_queue *queue = &shard->queues[name];

    entry->queue = (uint8_t)name;
    entry->newer = NULL;
    entry->older = queue->newest;
    if (queue->newest != NULL) {
        queue->newest->newer = entry;
    } else {
        queue->oldest = entry;
    }
    queue->newest = entry;
    queue->bytes += entry->size;
    queue->count++;
}

static void pull(chd_shard *shard, chd_entry *entry)
{
    chd_queue *queue = &shard->queues[entry->queue];

    if (entry->newer != NULL) {
        entry->newer->older = entry->older;
    } else {
        queue->newest = entry->older;
    }
    if (entry->older != NULL) {
        entry->older->newer = entry->newer;
    } else {
        queue->oldest = entry->newer;
    }
    queue->bytes -= entry->size;
    queue->count--;
}

void chd_shard_remove(chd_shard *shard, chd_entry *entry)
{
    chd_entry **link = &shard->chains[entry->hash & shard->chain_mask];

    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    unlist_labels(shard, entry);
    pull(shard, entry);
    chd_entry_release(entry);
}

/* --- ghosts --------------------------------------------------------------- */

/* A hash has one of these two places. */
static chd_ghost *ghost_place(chd_shard *shard, uint64_t hash, unsigned i)
{
    return &shard->ghosts[(hash ^ i) & shard->ghost_mask];
}

static uint32_t mark_of(uint64_t hash)
{
    return (uint32_t)(hash >> 16) | 1;
}

static uint32_t age_of(const chd_shard *shard, const chd_ghost *ghost)
{
    return ghost->mark == 0 ? UINT32_MAX : shard->ghost_at - ghost->at;
}

static void remember(chd_shard *shard, uint64_t hash)
{
    chd_ghost *a = ghost_place(shard, hash, 0);
    chd_ghost *b = ghost_place(shard, hash, 1);
    chd_ghost *to = age_of(shard, a) >= age_of(shard, b) ? a : b;

    *to = (chd_ghost){mark_of(hash), shard->ghost_at++};
}

/* Tell whether a hash was evicted lately, and forget that. */
static bool was_ghost(chd_shard *shard, uint64_t hash)
{
    /* As many as the main queue has entries, of those now in the cache. */
    const size_t max = shard->queues[CHD_QUEUE_MAIN].count + 1;

    for (unsigned i = 0; i < 2; i++) {
        chd_ghost *ghost = ghost_place(shard, hash, i);
        if (ghost->mark == mark_of(hash)) {
            const bool young = age_of(shard, ghost) <= max;
            ghost->mark = 0;
            return young;
        }
    }
    return false;
}

/* --- evicting ------------------------------------------------------------- */

static void evict(chd_shard *shard, chd_entry *entry)
{
    shard->stats.evicted++;
    chd_shard_remove(shard, entry);
}

/* Look at the oldest of the small queue. */
static void turn_small(chd_shard *shard)
{
    chd_entry *entry = shard->queues[CHD_QUEUE_SMALL].oldest;

    if (entry->uses > 1) {
        entry->uses = 0;
        pull(shard, entry);
        push(shard, CHD_QUEUE_MAIN, entry);
        return;
    }
    remember(shard, entry->hash);
    evict(shard, entry);
}

/* Look at the oldest of the main queue. */
static void turn_main(chd_shard *shard)
{
    chd_entry *entry = shard->queues[CHD_QUEUE_MAIN].oldest;

    if (entry->uses > 0) {
        entry->uses--;
        pull(shard, entry);
        push(shard, CHD_QUEUE_MAIN, entry);
        return;
    }
    evict(shard, entry);
}

static bool small_is_full(const chd_shard *shard)
{
    const chd_queue *small = &shard->queues[CHD_QUEUE_SMALL];

    return small->bytes >= shard->bytes_max / SMALL_PART ||
           small->count >= shard->entries_max / SMALL_PART + 1;
}

/* Evict until size more bytes fit.  Each turn evicts, or empties the small
 * queue, or counts a use down: it ends. */
static void make_room(chd_shard *shard, size_t size)
{
    while (count_of(shard) > 0 && (bytes_of(shard) + size > shard->bytes_max ||
                                   count_of(shard) >= shard->entries_max)) {
        if (shard->queues[CHD_QUEUE_MAIN].count == 0 ||
            (shard->queues[CHD_QUEUE_SMALL].count > 0 &&
             small_is_full(shard))) {
            turn_small(shard);
        } else {
            turn_main(shard);
        }
    }
}

bool chd_shard_put(chd_shard *shard, chd_entry *entry)
{
    chd_entry *old =
        chd_shard_find(shard, entry->hash, entry->key, entry->key_len);
    chd_queue_name queue = CHD_QUEUE_SMALL;

    if (entry->size > shard->bytes_max) {
        return false;
    }
    if (old != NULL) {
        /* A new value, not a new key: it keeps its place. */
        queue = (chd_queue_name)old->queue;
        entry->uses = old->uses;
        chd_shard_remove(shard, old);
    } else if (was_ghost(shard, entry->hash)) {
        queue = CHD_QUEUE_MAIN;
    }
    make_room(shard, entry->size);
    entry->next = shard->chains[entry->hash & shard->chain_mask];
    shard->chains[entry->hash & shard->chain_mask] = entry;
    list_labels(shard, entry);
    push(shard, queue, entry);
    if (count_of(shard) > shard->chain_mask) {
        grow_chains(shard);
    }
    return true;
}
