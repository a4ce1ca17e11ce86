#include "broker/inbuf.h"

#include <unistd.h>

#define CAP_MIN ((size_t)4096)

/* Make room for cap bytes in all. */
static void reserve(chd_inbuf *buf, size_t cap)
{
    size_t larger = buf->cap < CAP_MIN ? CAP_MIN : buf->cap;

    if (cap <= buf->cap) {
        return;
    }
    while (larger < cap) {
        larger *= 2;
    }
    buf->bytes = realloc(buf->bytes, larger);
    CHD_ASSERT(buf->bytes != NULL);
    buf->cap = larger;
}

ssize_t chd_inbuf_read(chd_inbuf *buf, int fd,
                       uint8_t scratch[CHD_INBUF_SCRATCH], chd_bytes *stream)
{
    uint8_t *base = scratch;
    size_t room = CHD_INBUF_READ;

    if (buf->len > CHD_INBUF_REST) {
        reserve(buf, buf->len + 1);
        base = buf->bytes;
        room = buf->cap - buf->len;
    } else if (buf->len > 0) {
        memcpy(base, buf->bytes, buf->len);
    }
    const ssize_t got = read(fd, base + buf->len, room);
    if (got > 0) {
        *stream = (chd_bytes){base, buf->len + (size_t)got};
    }
    return got;
}

chd_bytes chd_inbuf_waiting(const chd_inbuf *buf)
{
    return (chd_bytes){buf->bytes, buf->len};
}

void chd_inbuf_keep(chd_inbuf *buf, chd_bytes rest)
{
    if (rest.len == 0) {
        buf->len = 0;
        if (buf->cap > CAP_MIN) {
            chd_inbuf_fini(buf);
        }
        return;
    }
    const bool is_own = buf->bytes != NULL && rest.ptr >= buf->bytes &&
                        rest.ptr < buf->bytes + buf->cap;
    if (!is_own) {
        reserve(buf, rest.len);
    }
    CHD_ASSERT(buf->bytes != NULL);
    memmove(buf->bytes, rest.ptr, rest.len);
    buf->len = rest.len;
}

void chd_inbuf_fini(chd_inbuf *buf)
{
    free(buf->bytes);
    *buf = (chd_inbuf){0};
}
