#include "proto/wire/usual.h"

/* The formats that a usual event consists of. */
enum {
    RECORD = 0x9a, /* an array of ten, up to client and number */
    ITEM = 0x96,   /* an array of six                          */
    FIXINT_END = 0x80,
    FIXSTR = 0xa0,
    BIN8 = 0xc4,
    UINT8 = 0xcc,
    UINT16 = 0xcd,
    UINT32 = 0xce,
    UINT64 = 0xcf,
};

/* What stands before a short text, and a key with the empty value behind it. */
#define FIXSTR_LEN 0x1f
#define BIN8_LEN 0xff
#define KEY_HEAD 3
#define VALUE_BYTES 2
#define NUMBER_BYTES 9

#define READ_AHEAD 1024

/* No usual event is longer.  Where so much is left, no other end is looked
 * for; a number may touch what is behind it, within these. */
#define USUAL_BYTES_MAX                                                        \
    ((size_t)(1 + 4 * NUMBER_BYTES + 2 + 1 + FIXSTR_LEN + KEY_HEAD +           \
              BIN8_LEN + VALUE_BYTES))

/* Read a number behind its format.  The widths are written out so that the
 * processor, which foresees the format, need not wait for what it reads to know
 * where the next value is. */
CHD_INLINED const uint8_t *wide_at(const uint8_t *at, uint64_t *number)
{
    const uint64_t word = chd_load64(at + 1);

    switch (*at) {
    case UINT64:
        *number = word;
        return at + 9;
    case UINT32:
        *number = word >> 32;
        return at + 5;
    case UINT16:
        *number = word >> 48;
        return at + 3;
    default:
        *number = word >> 56;
        return at + 2;
    }
}

/* Each of these reads at, of which nothing is known, and returns what is behind
 * it; NULL when it is unusual.  roomy, a constant: end is far away. */

CHD_INLINED const uint8_t *number_at(const uint8_t *at, const uint8_t *end,
                                     bool roomy, uint64_t *number)
{
    if (!roomy && at == end) {
        return NULL;
    }
    if (*at < FIXINT_END) {
        *number = *at;
        return at + 1;
    }
    if (*at < UINT8 || *at > UINT64) {
        return NULL;
    }
    if (roomy) {
        return wide_at(at, number);
    }
    const size_t width = (size_t)1 << (*at - UINT8);
    if ((size_t)(end - ++at) < width) {
        return NULL;
    }
    *number = 0;
    for (size_t i = 0; i < width; i++) {
        *number = *number << 8 | at[i];
    }
    return at + width;
}

/* Kind and flags. */
CHD_INLINED const uint8_t *kind_at(const uint8_t *at, const uint8_t *end,
                                   bool roomy, chd_event *event)
{
    if ((!roomy && end - at < 2) || at[0] != CHD_KIND_INVALIDATE ||
        at[1] >= FIXINT_END) {
        return NULL;
    }
    event->kind = CHD_KIND_INVALIDATE;
    event->flags = at[1];
    return at + 2;
}

/* From the topic to the value. */
CHD_INLINED const uint8_t *key_at(const uint8_t *at, const uint8_t *end,
                                  bool roomy, chd_event *event)
{
    if ((!roomy && at == end) || (*at & ~FIXSTR_LEN) != FIXSTR) {
        return NULL;
    }
    event->topic = chd_bytes_of(at + 1, *at & FIXSTR_LEN);
    at++;
    if (!roomy && (size_t)(end - at) < event->topic.len + KEY_HEAD) {
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
    if (!roomy && (size_t)(end - at) < event->target.len + VALUE_BYTES) {
        return NULL;
    }
    at += event->target.len;
    if (at[0] != BIN8 || at[1] != 0 || !chd_text_is_valid(event->topic)) {
        return NULL;
    }
    event->value = chd_bytes_of(at + VALUE_BYTES, 0);
    return at + VALUE_BYTES;
}

CHD_INLINED bool read_record(chd_scan *scan, bool roomy, chd_event *event)
{
    const uint8_t *end = scan->end;
    const uint8_t *at = scan->at + 1;

    if (roomy) {
        /* Another processor wrote the message, and this one looks no further
         * than to the end of a page by itself. */
        CHD_PREFETCH(at + READ_AHEAD);
        CHD_PREFETCH(at + READ_AHEAD + CHD_LINE_BYTES);
    }
    if ((at = number_at(at, end, roomy, &event->seq)) == NULL ||
        (at = kind_at(at, end, roomy, event)) == NULL ||
        (at = number_at(at, end, roomy, &event->hlc)) == NULL ||
        (at = key_at(at, end, roomy, event)) == NULL ||
        (at = number_at(at, end, roomy, &event->client)) == NULL ||
        (at = number_at(at, end, roomy, &event->number)) == NULL ||
        event->seq == 0 || event->seq > CHD_SEQ_MAX ||
        event->number > CHD_SEQ_MAX) {
        return false;
    }
    event->version = 0;
    event->again_ms = 0;
    scan->at = at;
    return true;
}

bool chd_usual_record(chd_scan *scan, chd_event *event)
{
    const size_t left = chd_scan_left(scan);

    if (left == 0 || *scan->at != RECORD) {
        return false;
    }
    return left >= USUAL_BYTES_MAX ? read_record(scan, true, event)
                                   : read_record(scan, false, event);
}

CHD_INLINED bool read_item(chd_scan *scan, bool roomy, chd_event *item)
{
    const uint8_t *end = scan->end;
    const uint8_t *at = scan->at + 1;

    if ((at = kind_at(at, end, roomy, item)) == NULL ||
        (at = key_at(at, end, roomy, item)) == NULL) {
        return false;
    }
    item->seq = item->hlc = 0;
    item->client = item->number = 0;
    item->version = item->again_ms = 0;
    scan->at = at;
    return true;
}

bool chd_usual_item(chd_scan *scan, chd_event *item)
{
    const size_t left = chd_scan_left(scan);

    if (left == 0 || *scan->at != ITEM) {
        return false;
    }
    return left >= USUAL_BYTES_MAX ? read_item(scan, true, item)
                                   : read_item(scan, false, item);
}

/* --- writing -------------------------------------------------------------- */

/* Each returns what is behind what it wrote. */

static uint8_t *put_number(uint8_t *at, uint64_t number)
{
    if (number < FIXINT_END) {
        *at = (uint8_t)number;
        return at + 1;
    }
    const int shift =
        (number > UINT8_MAX) + (number > UINT16_MAX) + (number > UINT32_MAX);
    const size_t width = (size_t)1 << shift;
    *at = (uint8_t)(UINT8 + shift);
    chd_store64(at + 1, number << (64 - 8 * width));
    return at + 1 + width;
}

static uint8_t *put_kind(uint8_t *at, const chd_event *event)
{
    at[0] = CHD_KIND_INVALIDATE;
    at[1] = (uint8_t)event->flags;
    return at + 2;
}

/* From the topic to the value. */
static uint8_t *put_key(uint8_t *at, const chd_event *event)
{
    *at++ = (uint8_t)(FIXSTR | event->topic.len);
    memcpy(at, event->topic.ptr, event->topic.len);
    at += event->topic.len;
    at[0] = CHD_TARGET_KEY;
    at[1] = BIN8;
    at[2] = (uint8_t)event->target.len;
    at += KEY_HEAD;
    memcpy(at, event->target.ptr, event->target.len);
    at += event->target.len;
    at[0] = BIN8;
    at[1] = 0;
    return at + VALUE_BYTES;
}

static bool is_usual(const chd_event *event)
{
    return event->kind == CHD_KIND_INVALIDATE && event->flags < FIXINT_END &&
           event->target_kind == CHD_TARGET_KEY && event->topic.len > 0 &&
           event->topic.len <= FIXSTR_LEN && event->target.len > 0 &&
           event->target.len <= BIN8_LEN && event->value.len == 0 &&
           event->version == 0 && event->again_ms == 0;
}

static bool has_room(const chd_pack *pack)
{
    return !pack->overflow && pack->cap - pack->len >= USUAL_BYTES_MAX;
}

bool chd_usual_place(chd_pack *pack, chd_event *event)
{
    if (!has_room(pack) || event->number == 0 || !is_usual(event)) {
        return false;
    }
    uint8_t *at = pack->buf + pack->len;
    *at++ = RECORD;
    at = put_number(at, event->seq);
    at = put_kind(at, event);
    at = put_number(at, event->hlc);
    uint8_t *topic = at + 1;
    at = put_key(at, event);
    event->topic.ptr = topic;
    event->target.ptr = topic + event->topic.len + KEY_HEAD;
    event->value.ptr = at;
    at = put_number(at, event->client);
    at = put_number(at, event->number);
    pack->len = (size_t)(at - pack->buf);
    return true;
}

bool chd_usual_pack_item(chd_pack *pack, const chd_event *item)
{
    if (!has_room(pack) || !is_usual(item)) {
        return false;
    }
    uint8_t *at = pack->buf + pack->len;
    *at++ = ITEM;
    at = put_kind(at, item);
    at = put_key(at, item);
    pack->len = (size_t)(at - pack->buf);
    return true;
}
