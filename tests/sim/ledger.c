#include "tests/sim/ledger.h"

#include "proto/base/hash.h"

void sim_ledger_start(sim_ledger *ledger, uint64_t id, uint32_t node,
                      uint32_t life)
{
    if (ledger->origin_count == ledger->origin_cap) {
        ledger->origin_cap =
            ledger->origin_cap == 0 ? 16 : 2 * ledger->origin_cap;
        ledger->origins =
            realloc(ledger->origins, ledger->origin_cap * sizeof(sim_origin));
        CHD_ASSERT(ledger->origins != NULL);
    }
    ledger->origins[ledger->origin_count++] =
        (sim_origin){.id = id, .node = node, .life = life, .alive = true};
}

void sim_ledger_end(sim_ledger *ledger, uint64_t id)
{
    sim_origin *gone = &ledger->origins[sim_ledger_find(ledger, id)];
    const uint32_t word = (gone->node - 1) / 64;
    const uint64_t bit = UINT64_C(1) << ((gone->node - 1) % 64);

    gone->alive = false;
    for (uint32_t i = 0; i < ledger->origin_count; i++) {
        sim_origin *origin = &ledger->origins[i];
        for (uint32_t n = 0; n < origin->count; n++) {
            origin->events[n].holders.bits[word] &= ~bit;
        }
    }
}

uint32_t sim_ledger_find(const sim_ledger *ledger, uint64_t id)
{
    for (uint32_t i = ledger->origin_count; i-- > 0;) {
        if (ledger->origins[i].id == id) {
            return i;
        }
    }
    return UINT32_MAX;
}

void sim_ledger_add(sim_origin *origin, const sim_known *event)
{
    if (origin->count == origin->cap) {
        origin->cap = origin->cap == 0 ? 64 : 2 * origin->cap;
        origin->events =
            realloc(origin->events, origin->cap * sizeof(sim_known));
        CHD_ASSERT(origin->events != NULL);
    }
    origin->events[origin->count++] = *event;
}

void sim_known_hold(sim_known *known, uint32_t node)
{
    known->holders.bits[(node - 1) / 64] |= UINT64_C(1) << ((node - 1) % 64);
}

bool sim_known_is_held_by(const sim_known *known, uint32_t node)
{
    return (known->holders.bits[(node - 1) / 64] >> ((node - 1) % 64) & 1) != 0;
}

bool sim_known_is_held(const sim_known *known)
{
    uint64_t any = 0;

    for (size_t i = 0; i < CHD_COUNT(known->holders.bits); i++) {
        any |= known->holders.bits[i];
    }
    return any != 0;
}

static uint64_t entry_of(uint64_t hash, uint32_t node)
{
    const uint64_t entry = chd_mix64(hash + node);
    return entry == 0 ? 1 : entry;
}

static size_t slot_of(const sim_ledger *ledger, uint64_t entry)
{
    size_t i = (size_t)entry & (ledger->published_cap - 1);

    while (ledger->published[i].entry != 0 &&
           ledger->published[i].entry != entry) {
        i = (i + 1) & (ledger->published_cap - 1);
    }
    return i;
}

static void grow_published(sim_ledger *ledger)
{
    sim_published *old = ledger->published;
    const size_t old_cap = ledger->published_cap;

    ledger->published_cap = old_cap == 0 ? 1024 : 2 * old_cap;
    ledger->published = calloc(ledger->published_cap, sizeof(sim_published));
    CHD_ASSERT(ledger->published != NULL);
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].entry != 0) {
            ledger->published[slot_of(ledger, old[i].entry)] = old[i];
        }
    }
    free(old);
}

void sim_ledger_publish(sim_ledger *ledger, uint64_t hash, uint32_t node)
{
    if (2 * ledger->published_count >= ledger->published_cap) {
        grow_published(ledger);
    }
    const uint64_t entry = entry_of(hash, node);
    sim_published *slot = &ledger->published[slot_of(ledger, entry)];
    ledger->published_count += slot->entry == 0;
    slot->entry = entry;
    slot->missing++;
}

bool sim_ledger_accept(sim_ledger *ledger, uint64_t hash, uint32_t node)
{
    if (!sim_ledger_is_published(ledger, hash, node)) {
        return false;
    }
    ledger->published[slot_of(ledger, entry_of(hash, node))].missing--;
    return true;
}

uint64_t sim_ledger_missing(const sim_ledger *ledger)
{
    uint64_t missing = 0;

    for (size_t i = 0; i < ledger->published_cap; i++) {
        if (ledger->published[i].missing > 0) {
            missing += (uint64_t)ledger->published[i].missing;
        }
    }
    return missing;
}

bool sim_ledger_is_published(const sim_ledger *ledger, uint64_t hash,
                             uint32_t node)
{
    return ledger->published_cap > 0 &&
           ledger->published[slot_of(ledger, entry_of(hash, node))].entry != 0;
}

static size_t place_of(const sim_ledger *ledger, uint64_t client,
                       uint64_t number)
{
    const size_t mask = ledger->publication_cap - 1;
    size_t i = (size_t)chd_mix64(client + chd_mix64(number)) & mask;

    while (ledger->publications[i].client != 0 &&
           (ledger->publications[i].client != client ||
            ledger->publications[i].number != number)) {
        i = (i + 1) & mask;
    }
    return i;
}

static void grow_publications(sim_ledger *ledger)
{
    sim_publication *old = ledger->publications;
    const size_t old_cap = ledger->publication_cap;

    ledger->publication_cap = old_cap == 0 ? 1024 : 2 * old_cap;
    ledger->publications =
        calloc(ledger->publication_cap, sizeof(sim_publication));
    CHD_ASSERT(ledger->publications != NULL);
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].client != 0) {
            ledger
                ->publications[place_of(ledger, old[i].client, old[i].number)] =
                old[i];
        }
    }
    free(old);
}

const sim_publication *sim_ledger_publication(const sim_ledger *ledger,
                                              uint64_t client, uint64_t number)
{
    if (ledger->publication_cap == 0 || client == 0) {
        return NULL;
    }
    const sim_publication *found =
        &ledger->publications[place_of(ledger, client, number)];
    return found->client == 0 ? NULL : found;
}

const sim_publication *sim_ledger_join(sim_ledger *ledger, uint32_t origin)
{
    sim_origin *home = &ledger->origins[origin];
    sim_known *added = &home->events[home->count - 1];

    added->twin_origin = origin;
    added->twin_seq = home->count;
    if (added->client == 0 || added->number == 0) {
        return NULL;
    }
    if (2 * ledger->publication_count >= ledger->publication_cap) {
        grow_publications(ledger);
    }
    sim_publication *first =
        &ledger->publications[place_of(ledger, added->client, added->number)];
    if (first->client == 0) {
        *first = (sim_publication){added->client, added->number, origin,
                                   home->count};
        ledger->publication_count++;
        return NULL;
    }
    sim_known *other = &ledger->origins[first->origin].events[first->seq - 1];
    added->twin_origin = other->twin_origin;
    added->twin_seq = other->twin_seq;
    other->twin_origin = origin;
    other->twin_seq = home->count;
    return first;
}

void sim_ledger_fini(sim_ledger *ledger)
{
    for (uint32_t i = 0; i < ledger->origin_count; i++) {
        free(ledger->origins[i].events);
    }
    free(ledger->origins);
    free(ledger->published);
    free(ledger->publications);
    *ledger = (sim_ledger){0};
}
