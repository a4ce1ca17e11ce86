#include "proto/session/client_subs.h"

#include "proto/base/hash.h"

#define USED 1u   /* in the table, in a hash chain       */
#define WANTED 2u /* the application is subscribed       */
#define TOLD 4u   /* this connection knows of it         */
#define QUEUED 8u /* in the to-tell queue                */
#define ANEW 16u  /* removed and added again while TOLD  */
#define HELD 32u  /* begun on an earlier connection, and not told yet    */

/* A slot whose end the sidecar is yet to hear of is still in use. */
#define SLOTS_PER_SUBSCRIPTION 2

struct chd_sub {
    uint32_t chain_next; /* slot number + 1; of the free list when not USED */
    uint32_t queue_next;
    uint32_t queue_prev;
    uint32_t told_in; /* TOLD: by which message of this connection; 0: it
                         had begun before                                  */
    uint8_t flags;
    uint8_t match;
    uint8_t topic_len;
    uint8_t topic[CHD_TOPIC_BYTES_MAX];
};

chd_err chd_subs_init(chd_subs *subs, const chd_mem *mem, uint32_t cap,
                      uint64_t seed)
{
    uint32_t head_count = 1;

    if (cap == 0 || cap > CHD_SESSION_SUBSCRIPTIONS_MAX) {
        return CHD_ELIMIT;
    }
    while (head_count < cap) {
        head_count *= 2;
    }
    *subs = (chd_subs){.cap = cap, .head_mask = head_count - 1, .seed = seed};
    subs->slots =
        chd_zalloc(mem, (size_t)SLOTS_PER_SUBSCRIPTION * cap, sizeof(chd_sub));
    subs->heads = chd_zalloc(mem, head_count, sizeof(uint32_t));
    return subs->slots == NULL || subs->heads == NULL ? CHD_ENOMEM : CHD_OK;
}

void chd_subs_fini(chd_subs *subs, const chd_mem *mem)
{
    chd_free(mem, subs->slots);
    chd_free(mem, subs->heads);
    *subs = (chd_subs){0};
}

static chd_sub *slot_of(const chd_subs *subs, uint32_t link)
{
    return &subs->slots[link - 1];
}

static chd_filter filter_of(const chd_sub *slot)
{
    return (chd_filter){(chd_match)slot->match,
                        chd_bytes_of(slot->topic, slot->topic_len)};
}

static uint32_t *head_of(const chd_subs *subs, const chd_filter *filter)
{
    const uint64_t hash =
        chd_hash(subs->seed + (uint64_t)filter->match, filter->topic);
    return &subs->heads[(uint32_t)hash & subs->head_mask];
}

static uint32_t find(const chd_subs *subs, const chd_filter *filter)
{
    uint32_t link = *head_of(subs, filter);

    while (link != 0) {
        const chd_filter other = filter_of(slot_of(subs, link));
        if (other.match == filter->match &&
            chd_bytes_equal(other.topic, filter->topic)) {
            return link;
        }
        link = slot_of(subs, link)->chain_next;
    }
    return 0;
}

static void enqueue(chd_subs *subs, uint32_t link)
{
    chd_sub *slot = slot_of(subs, link);

    if (slot->flags & QUEUED) {
        return;
    }
    slot->flags |= QUEUED;
    slot->queue_next = 0;
    slot->queue_prev = subs->tell_first == 0 ? 0 : subs->tell_last;
    if (slot->queue_prev == 0) {
        subs->tell_first = link;
    } else {
        slot_of(subs, slot->queue_prev)->queue_next = link;
    }
    subs->tell_last = link;
}

static void dequeue(chd_subs *subs, uint32_t link)
{
    chd_sub *slot = slot_of(subs, link);

    if (slot->queue_prev == 0) {
        subs->tell_first = slot->queue_next;
    } else {
        slot_of(subs, slot->queue_prev)->queue_next = slot->queue_next;
    }
    if (slot->queue_next == 0) {
        subs->tell_last = slot->queue_prev;
    } else {
        slot_of(subs, slot->queue_next)->queue_prev = slot->queue_prev;
    }
    slot->flags &= (uint8_t)~QUEUED;
}

static uint32_t take_slot(chd_subs *subs)
{
    const uint32_t link = subs->free_first;

    if (link != 0) {
        subs->free_first = slot_of(subs, link)->chain_next;
        return link;
    }
    if (subs->used_max == SLOTS_PER_SUBSCRIPTION * subs->cap) {
        return 0;
    }
    return ++subs->used_max;
}

static void release_slot(chd_subs *subs, uint32_t link)
{
    chd_sub *slot = slot_of(subs, link);
    const chd_filter filter = filter_of(slot);
    uint32_t *at = head_of(subs, &filter);

    while (*at != link) {
        at = &slot_of(subs, *at)->chain_next;
    }
    *at = slot->chain_next;
    slot->flags = 0;
    slot->chain_next = subs->free_first;
    subs->free_first = link;
}

chd_err chd_subs_add(chd_subs *subs, const chd_filter *filter)
{
    uint32_t link = find(subs, filter);

    if (link != 0) {
        chd_sub *slot = slot_of(subs, link);
        if (!(slot->flags & WANTED) && subs->count == subs->cap) {
            return CHD_EFULL;
        }
        if (!(slot->flags & WANTED)) {
            /* The sidecar is yet to hear that it ended.  It has to hear both,
             * so that the new subscription begins with its RESET. */
            slot->flags |= WANTED | ANEW;
            subs->count++;
        }
        return CHD_OK;
    }
    link = subs->count < subs->cap ? take_slot(subs) : 0;
    if (link == 0) {
        return CHD_EFULL;
    }

    chd_sub *slot = slot_of(subs, link);
    uint32_t *head = head_of(subs, filter);
    slot->flags = USED | WANTED;
    slot->match = (uint8_t)filter->match;
    slot->topic_len = (uint8_t)filter->topic.len;
    if (filter->topic.len > 0) {
        memcpy(slot->topic, filter->topic.ptr, filter->topic.len);
    }
    slot->chain_next = *head;
    *head = link;
    subs->count++;
    enqueue(subs, link);
    return CHD_OK;
}

bool chd_subs_remove(chd_subs *subs, const chd_filter *filter)
{
    const uint32_t link = find(subs, filter);

    if (link == 0 || !(slot_of(subs, link)->flags & WANTED)) {
        return false;
    }
    slot_of(subs, link)->flags &= (uint8_t) ~(WANTED | ANEW);
    subs->count--;
    if (slot_of(subs, link)->flags & TOLD) {
        enqueue(subs, link);
    } else {
        dequeue(subs, link);
        release_slot(subs, link);
    }
    return true;
}

/* What a slot is on the next connection. */
static void forget(const chd_subs *subs, chd_sub *slot)
{
    const bool begun = (slot->flags & TOLD) && !(slot->flags & ANEW) &&
                       slot->told_in <= subs->confirmed;

    slot->flags &= USED | WANTED | HELD;
    if (begun) {
        slot->flags |= HELD;
    }
}

static void enqueue_all(chd_subs *subs, uint32_t held)
{
    for (uint32_t link = 1; link <= subs->used_max; link++) {
        const chd_sub *slot = slot_of(subs, link);
        if ((slot->flags & USED) && (slot->flags & HELD) == held) {
            enqueue(subs, link);
        }
    }
}

void chd_subs_forget_told(chd_subs *subs)
{
    subs->tell_first = 0;
    for (uint32_t link = 1; link <= subs->used_max; link++) {
        chd_sub *slot = slot_of(subs, link);
        if (!(slot->flags & USED)) {
            continue;
        }
        forget(subs, slot);
        if (!(slot->flags & WANTED)) {
            release_slot(subs, link);
        }
    }
    enqueue_all(subs, HELD);
    enqueue_all(subs, 0);
    subs->told = 0;
    subs->confirmed = 0;
}

void chd_subs_confirm(chd_subs *subs)
{
    if (subs->confirmed < subs->told) {
        subs->confirmed++;
    }
}

bool chd_subs_has_held(const chd_subs *subs)
{
    return subs->tell_first != 0 &&
           (slot_of(subs, subs->tell_first)->flags & HELD);
}

void chd_subs_drop_held(chd_subs *subs)
{
    for (uint32_t link = 1; link <= subs->used_max; link++) {
        slot_of(subs, link)->flags &= (uint8_t)~HELD;
    }
}

uint32_t chd_subs_tell_held(chd_subs *subs, uint32_t max, chd_filter *held)
{
    uint32_t count = 0;

    while (count < max && chd_subs_has_held(subs)) {
        const uint32_t link = subs->tell_first;
        chd_sub *slot = slot_of(subs, link);
        dequeue(subs, link);
        held[count++] = filter_of(slot);
        slot->flags = USED | WANTED | TOLD;
        slot->told_in = 0;
    }
    return count;
}

bool chd_subs_has_untold(const chd_subs *subs)
{
    return subs->tell_first != 0;
}

void chd_subs_tell(chd_subs *subs, uint32_t max, chd_filter *less,
                   uint32_t *less_count, chd_filter *more, uint32_t *more_count)
{
    *less_count = 0;
    *more_count = 0;
    CHD_ASSERT(!chd_subs_has_held(subs));
    for (uint32_t i = 0; i < max && subs->tell_first != 0; i++) {
        const uint32_t link = subs->tell_first;
        chd_sub *slot = slot_of(subs, link);
        const bool wanted = slot->flags & WANTED;
        const bool told = slot->flags & TOLD;
        const bool anew = slot->flags & ANEW;

        dequeue(subs, link);
        if (told && (!wanted || anew)) {
            less[(*less_count)++] = filter_of(slot);
        }
        if (wanted && (!told || anew)) {
            more[(*more_count)++] = filter_of(slot);
        }
        if (wanted) {
            slot->flags = USED | WANTED | TOLD;
            slot->told_in = subs->told + 1;
        } else {
            /* Released slots keep their text until they are used again. */
            release_slot(subs, link);
        }
    }
    if (*more_count > 0) {
        subs->told++;
    }
}
