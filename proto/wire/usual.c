#include "proto/wire/usual.h"

/* The formats that a usual event consists of. */
enum {
    RECORD = 0x9a, /* an array of ten, up to client and number */
    ITEM = 0x96,   /* an array of six                          */
    FIXINT_END = 0x80,
    FIXSTR = 0xa0,
    BIN8 = 0xc4,
    UINT8 = 0xcc,
    UINT64 = 0xcf,
};

/* What stands before a short text, and a key with the empty value behind it. */
#define FIXSTR_LEN 0x1f
#define KEY_HEAD 3
#define VALUE_BYTES 2

/* Each of these reads at, of which nothing is known, and returns what is behind
 * it; NULL when it is unusual, or already was. */

static const uint8_t *number_at(const uint8_t *at, const uint8_t *end,
                                uint64_t *number)
{
    if (at == NULL || at == end) {
        return NULL;
    }
    if (*at < FIXINT_END) {
        *number = *at;
        return at + 1;
    }
    if (*at < UINT8 || *at > UINT64) {
        return NULL;
    }
    const size_t width = (size_t)1 << (*at - UINT8);
    const size_t left = (size_t)(end - ++at);
    if (left < width) {
        return NULL;
    }
    if (left >= sizeof(*number)) {
        *number = chd_load64(at) >> (64 - 8 * width);
        return at + width;
    }
    *number = 0;
    for (size_t i = 0; i < width; i++) {
        *number = *number << 8 | at[i];
    }
    return at + width;
}

/* Kind and flags. */
static const uint8_t *kind_at(const uint8_t *at, const uint8_t *end,
                              chd_event *event)
{
    if (at == NULL || end - at < 2 || at[0] != CHD_KIND_INVALIDATE ||
        at[1] >= FIXINT_END) {
        return NULL;
    }
    event->kind = CHD_KIND_INVALIDATE;
    event->flags = at[1];
    return at + 2;
}

/* From the topic to the value. */
static const uint8_t *key_at(const uint8_t *at, const uint8_t *end,
                             chd_event *event)
{
    if (at == NULL || at == end || (*at & ~FIXSTR_LEN) != FIXSTR) {
        return NULL;
    }
    event->topic = chd_bytes_of(at + 1, *at & FIXSTR_LEN);
    at++;
    if ((size_t)(end - at) < event->topic.len + KEY_HEAD) {
        return NULL;
    }
    at += event->topic.len;
    if (event->topic.len == 0 || at[0] != CHD_TARGET_KEY || at[1] != BIN8 ||
        at[2] == 0) {
        return NULL;
    }
    event->target_kind = CHD_TARGET_KEY;
    event->target = chd_bytes_of(at + KEY_HEAD, at[2]);
    at += KEY_HEAD;
    if ((size_t)(end - at) < event->target.len + VALUE_BYTES) {
        return NULL;
    }
    at += event->target.len;
    if (at[0] != BIN8 || at[1] != 0 || !chd_text_is_valid(event->topic)) {
        return NULL;
    }
    event->value = chd_bytes_of(at + VALUE_BYTES, 0);
    return at + VALUE_BYTES;
}

bool chd_usual_record(chd_scan *scan, chd_event *event)
{
    const uint8_t *end = scan->end;
    const uint8_t *at = scan->at;

    if (at == end || *at != RECORD) {
        return false;
    }
    at = number_at(at + 1, end, &event->seq);
    at = kind_at(at, end, event);
    at = number_at(at, end, &event->hlc);
    at = key_at(at, end, event);
    at = number_at(at, end, &event->client);
    at = number_at(at, end, &event->number);
    if (at == NULL || event->seq == 0 || event->seq > CHD_SEQ_MAX ||
        event->number > CHD_SEQ_MAX) {
        return false;
    }
    event->version = 0;
    event->again_ms = 0;
    scan->at = at;
    return true;
}

bool chd_usual_item(chd_scan *scan, chd_event *item)
{
    const uint8_t *end = scan->end;
    const uint8_t *at = scan->at;

    if (at == end || *at != ITEM) {
        return false;
    }
    at = key_at(kind_at(at + 1, end, item), end, item);
    if (at == NULL) {
        return false;
    }
    item->seq = item->hlc = 0;
    item->client = item->number = 0;
    item->version = item->again_ms = 0;
    scan->at = at;
    return true;
}
