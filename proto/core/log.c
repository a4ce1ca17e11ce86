#include "proto/core/log.h"

/* What precedes each record in the ring.  Entries are aligned to eight bytes
 * and never wrap: the rest of the ring before a wrap is one entry without a
 * record. */
typedef struct log_header {
    uint32_t size;       /* of the whole entry, header and padding included */
    uint32_t record_len; /* 0: filler before the wrap                       */
    uint64_t origin;
    uint64_t seq;
    uint64_t topic_hash;
    uint32_t topic_at; /* offset of the topic within the record             */
    uint32_t topic_len;
} log_header;

_Static_assert(sizeof(log_header) == CHD_LOG_ENTRY_BYTES,
               "the cost of an entry is documented");

struct chd_log {
    const chd_mem *mem;
    uint8_t *ring;
    size_t cap;
    uint64_t oldest;
    uint64_t end;
};

chd_err chd_log_new(size_t bytes, const chd_mem *mem, chd_log **log)
{
    chd_log *made = chd_zalloc(mem, 1, sizeof(*made));

    *log = NULL;
    if (made == NULL) {
        return CHD_ENOMEM;
    }
    made->mem = mem;
    made->cap = bytes & ~(size_t)7;
    made->ring = chd_zalloc(mem, made->cap, 1);
    if (made->ring == NULL) {
        chd_log_destroy(&made);
        return CHD_ENOMEM;
    }
    *log = made;
    return CHD_OK;
}

void chd_log_destroy(chd_log **log)
{
    if (*log == NULL) {
        return;
    }
    const chd_mem *mem = (*log)->mem;
    chd_free(mem, (*log)->ring);
    chd_free(mem, *log);
    *log = NULL;
}

static uint8_t *slot_at(const chd_log *log, uint64_t position)
{
    return log->ring + (size_t)(position % log->cap);
}

static log_header header_at(const chd_log *log, uint64_t position)
{
    log_header header;
    memcpy(&header, slot_at(log, position), sizeof(header));
    return header;
}

/* The space up to the end of the ring may be shorter than a header; a filler
 * is then implied and not written. */
static size_t size_at(const chd_log *log, uint64_t position)
{
    const size_t left = log->cap - (size_t)(position % log->cap);
    return left < sizeof(log_header) ? left : header_at(log, position).size;
}

static void make_room(chd_log *log, size_t size)
{
    while (log->end + size - log->oldest > log->cap) {
        log->oldest += size_at(log, log->oldest);
    }
}

static void skip_to_wrap(chd_log *log, size_t left)
{
    make_room(log, left);
    if (left >= sizeof(log_header)) {
        const log_header filler = {.size = (uint32_t)left};
        memcpy(slot_at(log, log->end), &filler, sizeof(filler));
    }
    log->end += left;
}

void chd_log_append(chd_log *log, const chd_log_entry *entry)
{
    const size_t size =
        (sizeof(log_header) + entry->record.len + 7) & ~(size_t)7;
    const size_t left = log->cap - (size_t)(log->end % log->cap);

    CHD_ASSERT(entry->record.len > 0);
    CHD_ASSERT(size < log->cap / 2);
    CHD_ASSERT(entry->topic.ptr >= entry->record.ptr);
    CHD_ASSERT(entry->topic.ptr + entry->topic.len <=
               entry->record.ptr + entry->record.len);
    if (left < size) {
        skip_to_wrap(log, left);
    }
    make_room(log, size);

    const log_header header = {
        .size = (uint32_t)size,
        .record_len = (uint32_t)entry->record.len,
        .origin = entry->origin,
        .seq = entry->seq,
        .topic_hash = entry->topic_hash,
        .topic_at = (uint32_t)(entry->topic.ptr - entry->record.ptr),
        .topic_len = (uint32_t)entry->topic.len,
    };
    uint8_t *slot = slot_at(log, log->end);
    memcpy(slot, &header, sizeof(header));
    memcpy(slot + sizeof(header), entry->record.ptr, entry->record.len);
    log->end += size;
}

uint64_t chd_log_oldest(const chd_log *log)
{
    return log->oldest;
}

uint64_t chd_log_end(const chd_log *log)
{
    return log->end;
}

static bool is_filler(const chd_log *log, uint64_t position)
{
    const size_t left = log->cap - (size_t)(position % log->cap);
    return left < sizeof(log_header) ||
           header_at(log, position).record_len == 0;
}

bool chd_log_read(const chd_log *log, uint64_t *position, chd_log_entry *entry)
{
    CHD_ASSERT(*position >= log->oldest && *position <= log->end);
    if (*position < log->end && is_filler(log, *position)) {
        *position += size_at(log, *position);
    }
    if (*position == log->end) {
        return false;
    }

    const log_header header = header_at(log, *position);
    const uint8_t *record = slot_at(log, *position) + sizeof(header);
    entry->origin = header.origin;
    entry->seq = header.seq;
    entry->topic_hash = header.topic_hash;
    entry->record = chd_bytes_of(record, header.record_len);
    entry->topic = chd_bytes_of(record + header.topic_at, header.topic_len);
    *position += header.size;
    return true;
}
