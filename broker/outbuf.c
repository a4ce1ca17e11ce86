#include "broker/outbuf.h"

#include <errno.h>
#include <sys/socket.h>

#include "proto/wire/frame.h"

#define CAP_MIN ((size_t)4096)
#define CAP_KEPT ((size_t)64 * 1024)

/* Make room for len more bytes behind what waits. */
static void reserve(chd_outbuf *buf, size_t len)
{
    const size_t waiting = chd_outbuf_len(buf);

    if (buf->cap - buf->to >= len) {
        return;
    }
    /* Moving what waits costs as much as it is long, so only when at least as
     * much again is free in front of it. */
    if (buf->from >= waiting && buf->cap - waiting >= len) {
        memmove(buf->bytes, buf->bytes + buf->from, waiting);
    } else {
        size_t cap = buf->cap < CAP_MIN ? CAP_MIN : buf->cap;
        while (cap - waiting < len) {
            cap *= 2;
        }
        uint8_t *bytes = malloc(cap);
        CHD_ASSERT(bytes != NULL);
        if (waiting > 0) {
            memcpy(bytes, buf->bytes + buf->from, waiting);
        }
        free(buf->bytes);
        buf->bytes = bytes;
        buf->cap = cap;
    }
    buf->from = 0;
    buf->to = waiting;
}

void chd_outbuf_frame(chd_outbuf *buf, chd_bytes message)
{
    reserve(buf, CHD_FRAME_PREFIX_BYTES + message.len);
    chd_frame_put_length(buf->bytes + buf->to, message.len);
    memcpy(buf->bytes + buf->to + CHD_FRAME_PREFIX_BYTES, message.ptr,
           message.len);
    buf->to += CHD_FRAME_PREFIX_BYTES + message.len;
}

chd_outbuf_state chd_outbuf_flush(chd_outbuf *buf, int fd, uint64_t *written)
{
    *written = 0;
    while (chd_outbuf_len(buf) > 0) {
        const ssize_t sent =
            send(fd, buf->bytes + buf->from, chd_outbuf_len(buf),
                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return errno == EAGAIN ? CHD_OUTBUF_BLOCKED : CHD_OUTBUF_BROKEN;
        }
        buf->from += (size_t)sent;
        *written += (uint64_t)sent;
    }
    /* A burst that goes on will need it again at once. */
    if (buf->cap > CAP_KEPT && buf->to <= buf->cap / 8) {
        chd_outbuf_fini(buf);
    }
    buf->from = 0;
    buf->to = 0;
    return CHD_OUTBUF_EMPTY;
}

void chd_outbuf_fini(chd_outbuf *buf)
{
    free(buf->bytes);
    *buf = (chd_outbuf){0};
}
