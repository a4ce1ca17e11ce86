#include "proto/session/client_outbox.h"

#include "proto/wire/frame.h"

/* An item around its texts: array header, kind, flags, target kind, version,
 * again, and the headers of topic, target and value. */
#define ITEM_OVERHEAD_MAX 40

/* The frame prefix and everything of PUBLISH around its items. */
#define PUBLISH_OVERHEAD_MAX 32

/* The number behind the items; there is room for it as long as a message is
 * open, however full the window is. */
#define NUMBER_BYTES_MAX 9

chd_err chd_outbox_init(chd_outbox *box, const chd_mem *mem, size_t limit)
{
    if (limit < CHD_OUTBOX_BYTES_MIN || limit > CHD_OUTBOX_BYTES_MAX) {
        return CHD_ELIMIT;
    }
    *box = (chd_outbox){.limit = limit, .number_next = 1};
    box->buf = chd_zalloc(mem, 2, limit);
    return box->buf == NULL ? CHD_ENOMEM : CHD_OK;
}

void chd_outbox_fini(chd_outbox *box, const chd_mem *mem)
{
    chd_free(mem, box->buf);
    *box = (chd_outbox){0};
}

/* Return the end of the message that begins at at. */
static size_t message_end(const chd_outbox *box, size_t at)
{
    const uint8_t *prefix = box->buf + at;
    const size_t len = (size_t)prefix[0] << 24 | (size_t)prefix[1] << 16 |
                       (size_t)prefix[2] << 8 | (size_t)prefix[3];
    return at + CHD_FRAME_PREFIX_BYTES + len;
}

static chd_bytes message_at(const chd_outbox *box, size_t at)
{
    const size_t from = at + CHD_FRAME_PREFIX_BYTES;
    return chd_bytes_of(box->buf + from, message_end(box, at) - from);
}

static uint64_t request_at(const chd_outbox *box, size_t at)
{
    chd_scan scan;
    chd_scan_init(&scan, message_at(box, at));
    (void)chd_scan_array(&scan, UINT32_MAX);
    (void)chd_scan_uint(&scan, UINT64_MAX);
    return chd_scan_uint(&scan, UINT64_MAX);
}

/* --- writing -------------------------------------------------------------- */

/* Let items be written at the end, from behind len bytes of a message that
 * begins at at; false when there is no room for more. */
static bool pack_from(chd_outbox *box, size_t at, size_t len)
{
    const size_t room = box->limit - (at - box->begin);
    const size_t around = CHD_FRAME_PREFIX_BYTES + NUMBER_BYTES_MAX;

    if (room <= around + len) {
        return false;
    }
    chd_pack_init(&box->pack, box->buf + at + CHD_FRAME_PREFIX_BYTES,
                  room - around);
    box->pack.len = len;
    return true;
}

static void frame_open(chd_outbox *box)
{
    box->frame = (chd_outbox_frame){.at = box->end, .plain = true};
    if (!pack_from(box, box->end, 0)) {
        chd_pack_init(&box->pack, box->buf, 0);
        box->pack.overflow = true;
        return;
    }
    box->request_last++;
    box->frame.array_at =
        chd_local_publish_open(&box->pack, box->request_last, box->wait);
}

/* Go on with the last message; false when it is complete. */
static bool frame_continue(chd_outbox *box)
{
    const chd_outbox_frame *last = &box->frame;

    if (box->wait != CHD_WAIT_NONE || !box->open_ended ||
        box->sent > last->at || last->count == CHD_PUBLISH_ITEMS_MAX ||
        last->len >= CHD_BATCH_BYTES || !pack_from(box, last->at, last->len)) {
        return false;
    }
    box->number_next -= last->count;
    box->frame.shared = true;
    return true;
}

static void frame_close(chd_outbox *box)
{
    chd_outbox_frame *frame = &box->frame;

    frame->len = box->pack.len;
    box->pack.cap += NUMBER_BYTES_MAX;
    chd_local_publish_close(&box->pack, frame->array_at, frame->count,
                            box->number_next);
    CHD_ASSERT(!box->pack.overflow);
    box->number_next += frame->count;
    chd_frame_put_length(box->buf + frame->at, box->pack.len);
    box->end = frame->at + CHD_FRAME_PREFIX_BYTES + box->pack.len;
}

static void move_to_front(chd_outbox *box)
{
    const size_t by = box->begin;
    memmove(box->buf, box->buf + by, box->end - by);
    box->begin = 0;
    box->end -= by;
    box->taken -= by;
    box->sent -= by;
    box->edge -= by;
    box->frame.at -= by;
}

void chd_outbox_open(chd_outbox *box, chd_wait wait)
{
    /* From here to commit the free part of the window must be contiguous. */
    if (box->begin > box->limit) {
        move_to_front(box);
    }
    box->wait = wait;
    box->end_before = box->end;
    box->request_before = box->request_last;
    box->number_before = box->number_next;
    box->frame_before = box->frame;
    box->continues = frame_continue(box);
    if (!box->continues) {
        frame_open(box);
    }
}

chd_err chd_outbox_add(chd_outbox *box, const chd_event *item)
{
    const size_t item_max = ITEM_OVERHEAD_MAX + item->topic.len +
                            item->target.len + item->value.len;

    if (item_max + PUBLISH_OVERHEAD_MAX > CHD_FRAME_BYTES_MAX) {
        return CHD_ELIMIT;
    }
    /* A payload that is refused takes its whole message along. */
    const bool is_plain = item->kind == CHD_KIND_INVALIDATE;
    if (box->frame.count > 0 && !box->pack.overflow &&
        ((box->frame.shared && !is_plain) ||
         box->frame.count == CHD_PUBLISH_ITEMS_MAX ||
         box->pack.len + item_max > CHD_BATCH_BYTES)) {
        frame_close(box);
        frame_open(box);
    }
    chd_local_publish_add(&box->pack, item);
    if (box->pack.overflow) {
        const size_t to = box->frame.at + box->pack.len;
        const size_t used = to < box->end_before ? 0 : to - box->end_before;
        const bool never = box->begin == box->end_before ||
                           used + item_max + PUBLISH_OVERHEAD_MAX > box->limit;
        return never ? CHD_ELIMIT : CHD_ENOSPACE;
    }
    box->frame.count++;
    box->frame.plain &= is_plain;
    if (item->value.len > box->value_bytes_max) {
        box->value_bytes_max = item->value.len;
    }
    return CHD_OK;
}

uint64_t chd_outbox_commit(chd_outbox *box)
{
    CHD_ASSERT(!box->pack.overflow && box->frame.count > 0);
    frame_close(box);
    box->open_ended = box->wait == CHD_WAIT_NONE && box->frame.plain;
    return box->request_last;
}

void chd_outbox_abort(chd_outbox *box)
{
    box->end = box->end_before;
    box->request_last = box->request_before;
    box->number_next = box->number_before;
    box->open_ended = box->continues;
    if (box->continues) {
        box->frame = box->frame_before;
        box->number_next -= box->frame.count;
        CHD_ASSERT(pack_from(box, box->frame.at, box->frame.len));
        frame_close(box);
        CHD_ASSERT(box->end == box->end_before);
    }
}

/* --- sending -------------------------------------------------------------- */

chd_bytes chd_outbox_output(const chd_outbox *box, uint64_t peer_window)
{
    size_t until = box->edge;

    if (box->end - box->taken <= peer_window) {
        until = box->end;
    }
    while (until < box->end) {
        const size_t next = message_end(box, until);
        if (next - box->taken > peer_window && until > box->taken) {
            break;
        }
        until = next;
    }
    return chd_bytes_of(box->buf + box->sent, until - box->sent);
}

chd_bytes chd_outbox_rest(const chd_outbox *box)
{
    return chd_bytes_of(box->buf + box->sent, box->edge - box->sent);
}

void chd_outbox_written(chd_outbox *box, size_t len)
{
    CHD_ASSERT(len <= box->end - box->sent);
    box->sent += len;
    while (box->edge < box->sent) {
        box->edge = message_end(box, box->edge);
    }
}

void chd_outbox_rewind(chd_outbox *box)
{
    box->taken = box->begin;
    box->sent = box->begin;
    box->edge = box->begin;
    box->open_ended = false; /* it may have been accepted as it is */
}

void chd_outbox_keep(chd_outbox *box, bool until_replicated)
{
    box->keeps = until_replicated;
}

/* Give back what lies before at. */
static void give_back(chd_outbox *box, size_t at)
{
    box->begin = at;
    if (box->begin == box->end) {
        /* Stay in the pages that are touched already. */
        box->begin = box->taken = box->end = box->sent = box->edge = 0;
        box->value_bytes_max = 0;
        box->open_ended = false;
    }
}

chd_err chd_outbox_receipt(chd_outbox *box, uint64_t request)
{
    if (request > box->request_last) {
        return CHD_ERANGE;
    }
    while (box->taken < box->end && request_at(box, box->taken) <= request) {
        const size_t next = message_end(box, box->taken);
        if (next > box->sent) {
            return CHD_ERANGE;
        }
        box->taken = next;
    }
    if (!box->keeps) {
        give_back(box, box->taken);
    }
    return CHD_OK;
}

chd_err chd_outbox_replicated(chd_outbox *box, uint64_t request)
{
    size_t at = box->begin;

    if (request > box->request_last) {
        return CHD_ERANGE;
    }
    while (at < box->end && request_at(box, at) <= request) {
        at = message_end(box, at);
        if (at > box->taken) {
            return CHD_ERANGE;
        }
    }
    give_back(box, at);
    return CHD_OK;
}

uint64_t chd_outbox_oldest(const chd_outbox *box)
{
    return box->begin < box->end ? request_at(box, box->begin)
                                 : CHD_OUTBOX_EMPTY;
}

bool chd_outbox_holds(const chd_outbox *box, uint64_t request)
{
    for (size_t at = box->begin; at < box->end; at = message_end(box, at)) {
        const uint64_t number = request_at(box, at);
        if (number >= request) {
            return number == request;
        }
    }
    return false;
}

static bool has_larger(chd_bytes message, uint64_t payload_max)
{
    chd_local local;
    chd_event item;

    if (chd_local_scan(message, &local) != CHD_OK) {
        return true;
    }
    while (chd_local_item_next(&local.u.publish.items, &item)) {
        if (item.value.len > payload_max) {
            return true;
        }
    }
    return false;
}

uint64_t chd_outbox_drop_larger(chd_outbox *box, uint64_t payload_max)
{
    uint64_t dropped = 0;
    size_t keep_at = box->begin;

    if (box->value_bytes_max <= payload_max) {
        return 0;
    }
    for (size_t at = box->begin, next; at < box->end; at = next) {
        next = message_end(box, at);
        if (has_larger(message_at(box, at), payload_max)) {
            dropped++;
            continue;
        }
        memmove(box->buf + keep_at, box->buf + at, next - at);
        keep_at += next - at;
    }
    box->end = keep_at;
    box->value_bytes_max = (size_t)payload_max;
    return dropped;
}
