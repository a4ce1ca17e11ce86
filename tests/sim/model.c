#include "tests/sim/model.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/hash.h"

#define TAGS 3

uint32_t sim_name_find(const sim_names *names, chd_bytes text)
{
    for (uint32_t i = 0; i < names->count; i++) {
        if (chd_bytes_equal(chd_bytes_str(names->text[i]), text)) {
            return i;
        }
    }
    return UINT32_MAX;
}

uint32_t sim_name_number(sim_names *names, const char *text)
{
    const uint32_t found = sim_name_find(names, chd_bytes_str(text));

    if (found != UINT32_MAX) {
        return found;
    }
    CHD_ASSERT(names->count < SIM_KEYS_MAX);
    (void)snprintf(names->text[names->count], SIM_NAME_BYTES, "%s", text);
    return names->count++;
}

bool sim_target_covers(const sim_model *model, chd_target_kind kind,
                       chd_bytes target, uint32_t key)
{
    const chd_bytes name = chd_bytes_str(model->keys.text[key]);
    char tag[SIM_NAME_BYTES];

    switch (kind) {
    case CHD_TARGET_KEY:
        return chd_bytes_equal(name, target);
    case CHD_TARGET_TAG:
        (void)snprintf(tag, sizeof(tag), "tag-%u", (unsigned)(key % TAGS));
        return chd_bytes_equal(chd_bytes_str(tag), target);
    case CHD_TARGET_PREFIX:
        return chd_bytes_starts_with(name, target);
    case CHD_TARGET_ALL:
        return true;
    case CHD_TARGET_NONE:
        return false;
    }
    return false;
}

uint32_t sim_model_write(sim_model *model, const sim_item *item)
{
    uint32_t version = 0;

    for (uint32_t key = 0; key < model->keys.count; key++) {
        if (sim_target_covers(model, item->target_kind,
                              chd_bytes_str(item->target), key)) {
            version = ++model->versions[item->topic][key];
        }
    }
    return version;
}

chd_event sim_item_event(const sim_model *model, const sim_item *item,
                         uint8_t *value)
{
    chd_event event = {
        .kind = item->kind,
        .target_kind = item->target_kind,
        .flags = item->soft ? CHD_FLAG_SOFT : 0,
        .topic = chd_bytes_str(model->topics.text[item->topic]),
        .target = chd_bytes_str(item->target),
    };
    size_t len = 0;

    if (item->kind == CHD_KIND_UPDATE) {
        memcpy(value, &item->version, sizeof(item->version));
        len = sizeof(item->version);
    } else if (item->kind == CHD_KIND_MESSAGE) {
        len = item->bytes < 8 ? 8 : item->bytes;
        memset(value, '.', len);
        memcpy(value, &item->number, 8);
    }
    event.value = chd_bytes_of(value, len);
    return event;
}

uint32_t sim_update_version(chd_bytes value)
{
    uint32_t version = 0;

    if (value.len == sizeof(version)) {
        memcpy(&version, value.ptr, sizeof(version));
    }
    return version;
}

uint64_t sim_event_hash(const chd_event *event)
{
    uint64_t hash =
        chd_mix64((uint64_t)event->flags << 16 | (uint64_t)event->kind << 8 |
                  (uint64_t)event->target_kind);

    hash = chd_hash(hash, event->topic);
    hash = chd_hash(hash, event->target);
    /* What tells one payload from another is at its front. */
    return chd_hash(
        hash + event->value.len,
        chd_bytes_of(event->value.ptr, chd_min_size(event->value.len, 64)));
}
