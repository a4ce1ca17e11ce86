#include "proto/core/vector.h"

#include "proto/base/hash.h"
#include "proto/base/limits.h"

/* Twice as many slots as origins keep probing short. */
#define SLOTS (2 * CHD_ORIGINS_MAX)
_Static_assert((SLOTS & (SLOTS - 1)) == 0, "slots are masked");

struct chd_vector {
    const chd_mem *mem;
    chd_origin *slots; /* open addressing, linear probing; id 0 is empty */
    uint32_t count;
    uint64_t digest;
};

chd_err chd_vector_new(const chd_mem *mem, chd_vector **vector)
{
    chd_vector *made = chd_zalloc(mem, 1, sizeof(*made));

    *vector = NULL;
    if (made == NULL) {
        return CHD_ENOMEM;
    }
    made->mem = mem;
    made->slots = chd_zalloc(mem, SLOTS, sizeof(chd_origin));
    if (made->slots == NULL) {
        chd_vector_destroy(&made);
        return CHD_ENOMEM;
    }
    *vector = made;
    return CHD_OK;
}

void chd_vector_destroy(chd_vector **vector)
{
    if (*vector == NULL) {
        return;
    }
    const chd_mem *mem = (*vector)->mem;
    chd_free(mem, (*vector)->slots);
    chd_free(mem, *vector);
    *vector = NULL;
}

static size_t home_of(uint64_t id)
{
    return (size_t)chd_mix64(id) & (SLOTS - 1);
}

static size_t slot_of(const chd_vector *vector, uint64_t id)
{
    size_t i = home_of(id);
    while (vector->slots[i].id != 0 && vector->slots[i].id != id) {
        i = (i + 1) & (SLOTS - 1);
    }
    return i;
}

static uint64_t digest_of(const chd_origin *origin)
{
    return origin->received == 0
               ? 0
               : chd_mix64(origin->id ^ chd_mix64(origin->received));
}

const chd_origin *chd_vector_find(const chd_vector *vector, uint64_t id)
{
    const chd_origin *found = &vector->slots[slot_of(vector, id)];
    return found->id == id && id != 0 ? found : NULL;
}

/* Close the hole at i by moving back what probed past it (Knuth, The Art of
 * Computer Programming 3, 6.4, algorithm R). */
static void remove_slot(chd_vector *vector, size_t i)
{
    vector->digest ^= digest_of(&vector->slots[i]);
    vector->count--;
    size_t hole = i;
    for (size_t j = (i + 1) & (SLOTS - 1); vector->slots[j].id != 0;
         j = (j + 1) & (SLOTS - 1)) {
        const size_t home = home_of(vector->slots[j].id);
        if (((j - home) & (SLOTS - 1)) >= ((j - hole) & (SLOTS - 1))) {
            vector->slots[hole] = vector->slots[j];
            hole = j;
        }
    }
    memset(&vector->slots[hole], 0, sizeof(vector->slots[hole]));
}

static void forget_most_silent(chd_vector *vector)
{
    size_t oldest = SLOTS;
    for (size_t i = 0; i < SLOTS; i++) {
        if (vector->slots[i].id != 0 &&
            (oldest == SLOTS ||
             vector->slots[i].seen_ns < vector->slots[oldest].seen_ns)) {
            oldest = i;
        }
    }
    CHD_ASSERT(oldest != SLOTS);
    remove_slot(vector, oldest);
}

bool chd_vector_is_full(const chd_vector *vector)
{
    return vector->count == CHD_ORIGINS_MAX;
}

void chd_vector_add(chd_vector *vector, uint64_t id, uint64_t received,
                    uint64_t now_ns)
{
    CHD_ASSERT(id != 0);
    if (chd_vector_is_full(vector)) {
        forget_most_silent(vector);
    }
    chd_origin *slot = &vector->slots[slot_of(vector, id)];
    CHD_ASSERT(slot->id == 0);
    *slot = (chd_origin){.id = id, .received = received, .seen_ns = now_ns};
    vector->count++;
    vector->digest ^= digest_of(slot);
}

void chd_vector_touch(chd_vector *vector, uint64_t id, uint64_t now_ns)
{
    chd_origin *slot = &vector->slots[slot_of(vector, id)];

    if (id != 0 && slot->id == id && slot->seen_ns < now_ns) {
        slot->seen_ns = now_ns;
    }
}

void chd_vector_leave(chd_vector *vector, uint64_t id)
{
    chd_origin *slot = &vector->slots[slot_of(vector, id)];

    if (id != 0 && slot->id == id) {
        slot->left = true;
    }
}

void chd_vector_advance(chd_vector *vector, uint64_t id, uint64_t received)
{
    chd_origin *slot = &vector->slots[slot_of(vector, id)];
    CHD_ASSERT(slot->id == id);
    if (received > slot->received) {
        vector->digest ^= digest_of(slot);
        slot->received = received;
        vector->digest ^= digest_of(slot);
    }
}

chd_fit chd_vector_fit(uint64_t received, uint64_t first, uint64_t last)
{
    CHD_ASSERT(first >= 1 && first <= last);
    if (last <= received) {
        return CHD_FIT_DUPLICATE;
    }
    return first - 1 > received ? CHD_FIT_GAP : CHD_FIT_NEXT;
}

uint64_t chd_vector_digest(const chd_vector *vector)
{
    return vector->digest;
}

uint32_t chd_vector_positions(const chd_vector *vector,
                              chd_position positions[CHD_ORIGINS_MAX])
{
    uint32_t count = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        const chd_origin *origin = &vector->slots[i];
        if (origin->id != 0 && origin->received > 0) {
            positions[count++] = (chd_position){origin->id, origin->received};
        }
    }
    return count;
}
