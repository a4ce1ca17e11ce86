/* outbuf.h - bytes that wait to be written to a stream socket.
 *
 * Owns:   its memory; given back when it is large and little was in it.
 */
#ifndef CHD_BROKER_OUTBUF_H
#define CHD_BROKER_OUTBUF_H

#include "proto/base/bytes.h"

typedef struct chd_outbuf {
    uint8_t *bytes;
    size_t cap;
    size_t from; /* what waits is from..to */
    size_t to;
} chd_outbuf;

typedef enum chd_outbuf_state {
    CHD_OUTBUF_EMPTY,
    CHD_OUTBUF_BLOCKED, /* the socket takes no more for now */
    CHD_OUTBUF_BROKEN,  /* nobody will ever read it         */
} chd_outbuf_state;

/* Return how many bytes wait. */
static inline size_t chd_outbuf_len(const chd_outbuf *buf)
{
    return buf->to - buf->from;
}

/* Append a message as a frame, its length first.  The caller bounds it. */
void chd_outbuf_frame(chd_outbuf *buf, chd_bytes message);

/* Write as much as the socket takes; *written is how much that was. */
chd_outbuf_state chd_outbuf_flush(chd_outbuf *buf, int fd, uint64_t *written);

/* Forget everything and give the memory back. */
void chd_outbuf_fini(chd_outbuf *buf);

#endif
