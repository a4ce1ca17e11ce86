/* inbuf.h - the beginning of a message that has not arrived as a whole.
 *
 * One scratch buffer serves all streams; a stream owns memory only while part
 * of a message waits for the rest.
 *
 * Owns:   its memory; given back as soon as nothing waits and it was large.
 */
#ifndef CHD_BROKER_INBUF_H
#define CHD_BROKER_INBUF_H

#include <sys/types.h>

#include "proto/base/bytes.h"

/* What one read asks for. */
#define CHD_INBUF_READ ((size_t)64 * 1024)

/* A rest up to this is copied in front of the next read.  A longer one stays
 * where it is, or trickling one large message in byte by byte would cost a
 * large copy per byte. */
#define CHD_INBUF_REST ((size_t)16 * 1024)

#define CHD_INBUF_SCRATCH (CHD_INBUF_REST + CHD_INBUF_READ)

typedef struct chd_inbuf {
    uint8_t *bytes;
    size_t len;
    size_t cap;
} chd_inbuf;

/* Read once from fd, and point *stream at what waited and what came, in
 * scratch or in buf.  Returns what read returned, with its errno; *stream is
 * set only if that is above 0. */
ssize_t chd_inbuf_read(chd_inbuf *buf, int fd,
                       uint8_t scratch[CHD_INBUF_SCRATCH], chd_bytes *stream);

/* Return what waits. */
chd_bytes chd_inbuf_waiting(const chd_inbuf *buf);

/* Keep rest, the end of the last *stream, and nothing else. */
void chd_inbuf_keep(chd_inbuf *buf, chd_bytes rest);

/* Forget everything and give the memory back. */
void chd_inbuf_fini(chd_inbuf *buf);

#endif
