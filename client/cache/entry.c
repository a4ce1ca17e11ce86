/* entry.c - entries: one block for the value, the key and the bytes, one for
 * the labels. */
#include <stdlib.h>

#include "client/cache/cache.h"

/* What the allocator adds to a block, about. */
#define BLOCK_OVERHEAD 16

static size_t aligned(size_t size)
{
    const size_t unit = _Alignof(max_align_t);
    return (size + unit - 1) / unit * unit;
}

chd_entry *chd_entry_new(const void *key, size_t key_len, const void *data,
                         size_t len)
{
    const size_t data_at = aligned(sizeof(chd_entry) + key_len);

    if (len > SIZE_MAX / 2) {
        return NULL;
    }
    const size_t size = data_at + len;
    chd_entry *entry = malloc(size);
    if (entry == NULL) {
        return NULL;
    }
    uint8_t *bytes = (uint8_t *)entry + data_at;
    *entry = (chd_entry){
        .shown = {.data = bytes, .len = len},
        .size = size + BLOCK_OVERHEAD,
        .key_len = (uint16_t)key_len,
        .expires_ms = CHD_NEVER_NS,
    };
    atomic_init(&entry->refs, 1);
    memcpy(entry->key, key, key_len);
    if (data != NULL && len > 0) {
        memcpy(bytes, data, len);
    }
    return entry;
}

uint64_t chd_tag_hash(uint64_t seed, const void *tag, size_t len)
{
    return chd_hash(~seed, chd_bytes_of(tag, len));
}

static bool add_labels(chd_entry *entry, size_t count)
{
    if (count == 0) {
        return true;
    }
    entry->labels = calloc(count, sizeof(entry->labels[0]));
    if (entry->labels == NULL) {
        return false;
    }
    entry->label_count = (uint32_t)count;
    entry->size += count * sizeof(entry->labels[0]) + BLOCK_OVERHEAD;
    for (size_t i = 0; i < count; i++) {
        entry->labels[i].entry = entry;
    }
    return true;
}

bool chd_entry_label(chd_entry *entry, uint64_t seed, const coherd_target *tags,
                     size_t count)
{
    if (!add_labels(entry, count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        entry->labels[i].hash = chd_tag_hash(seed, tags[i].data, tags[i].len);
    }
    return true;
}

bool chd_entry_label_like(chd_entry *entry, const chd_entry *other)
{
    if (!add_labels(entry, other->label_count)) {
        return false;
    }
    for (uint32_t i = 0; i < other->label_count; i++) {
        entry->labels[i].hash = other->labels[i].hash;
    }
    return true;
}

void chd_entry_retain(chd_entry *entry)
{
    (void)atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
}

void chd_entry_release(chd_entry *entry)
{
    /* Whoever frees it must see what the others did to it. */
    if (atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) == 1) {
        free(entry->labels);
        free(entry);
    }
}

coherd_value *coherd_value_retain(coherd_value *value)
{
    chd_entry_retain((chd_entry *)(void *)value);
    return value;
}

void coherd_value_release(coherd_value **value)
{
    if (value != NULL && *value != NULL) {
        chd_entry_release((chd_entry *)(void *)*value);
        *value = NULL;
    }
}
