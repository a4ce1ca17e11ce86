/* client_outbox.h - the publisher window: PUBLISH messages kept until they are
 * known to be replicated, or, with a sidecar that does not tell, accepted.
 *
 * The messages lie framed and in order in one buffer, so that the window is at
 * the same time what is written to the socket.  After a connection was lost
 * everything in it is sent again from the start.
 *
 * The buffer is twice the window.  What is live is moved to its front when
 * more than a window has been given back behind it, so each byte is moved at
 * most once on average, and nothing ever wraps around.
 *
 * Owns:   a chd_outbox owns its buffer, fixed at chd_outbox_init.
 * Thread: not thread-safe.
 */
#ifndef CHD_PROTO_SESSION_CLIENT_OUTBOX_H
#define CHD_PROTO_SESSION_CLIENT_OUTBOX_H

#include "proto/base/mem.h"
#include "proto/wire/local.h"

/* The window holds at least one payload of the default limit. */
#define CHD_OUTBOX_BYTES_MIN (2 * CHD_PAYLOAD_BYTES_DEFAULT)
#define CHD_OUTBOX_BYTES_MAX (64 * 1024 * 1024)

/* A message that is being written, or the last one that was. */
typedef struct chd_outbox_frame {
    size_t at;       /* in the buffer */
    size_t array_at; /* of its items, in the message */
    size_t len;      /* up to behind the last item */
    uint32_t count;  /* of items */
    bool shared;     /* between publishes */
    bool plain;      /* invalidations alone */
} chd_outbox_frame;

typedef struct chd_outbox {
    uint8_t *buf;
    size_t limit; /* bytes that may be live; the buffer has twice as many */
    size_t begin; /* first live byte                                      */
    size_t taken; /* the sidecar has accepted what lies before it         */
    size_t end;   /* behind the last one                                  */
    size_t sent;  /* written to the connection up to here                 */
    size_t edge;  /* end of the message that sent lies in, or sent        */
    size_t value_bytes_max; /* no value in the window is longer           */
    uint64_t request_last;  /* number of the newest message               */
    uint64_t number_next;   /* of the next item: ascending for ever       */
    bool keeps; /* messages stay until they are replicated                */
    /* the publish that is being written */
    chd_pack pack;
    chd_wait wait;
    chd_outbox_frame frame;
    bool open_ended; /* more items may be added to the last message */
    bool continues;  /* the publish did so: this is what it was before */
    chd_outbox_frame frame_before;
    size_t end_before;
    uint64_t request_before;
    uint64_t number_before;
} chd_outbox;

/* Make an empty window of limit bytes.
 *
 * Errors: CHD_ELIMIT   limit is outside CHD_OUTBOX_BYTES_MIN.._MAX;
 *         CHD_ENOMEM.
 */
chd_err chd_outbox_init(chd_outbox *box, const chd_mem *mem, size_t limit)
    CHD_MUST_USE;

/* Free the buffer. */
void chd_outbox_fini(chd_outbox *box, const chd_mem *mem);

/* Write a publish: open, add each item, commit; or give it up with abort.
 * Long ones are split into several messages; invalidations that nobody
 * waits for share one, as long as nothing of it was written to the connection.
 *
 * Errors: CHD_ENOSPACE  the window is full for now;
 *         CHD_ELIMIT    even an empty window would be too small.
 *         After an error nothing may follow but abort.
 */
void chd_outbox_open(chd_outbox *box, chd_wait wait);
chd_err chd_outbox_add(chd_outbox *box, const chd_event *item) CHD_MUST_USE;
uint64_t chd_outbox_commit(chd_outbox *box);
void chd_outbox_abort(chd_outbox *box);

/* Return what to write next, as long as at most peer_window bytes are under
 * way without a receipt; a single longer message travels alone. */
chd_bytes chd_outbox_output(const chd_outbox *box, uint64_t peer_window);

/* Return the rest of a message of which the beginning is written, or nothing.
 */
chd_bytes chd_outbox_rest(const chd_outbox *box);

/* Tell that len bytes of what output or rest returned are written. */
void chd_outbox_written(chd_outbox *box, size_t len);

/* Begin anew on another connection. */
void chd_outbox_rewind(chd_outbox *box);

/* Say whether receipts give messages back, or only replication does. */
void chd_outbox_keep(chd_outbox *box, bool until_replicated);

/* Every message up to request is accepted, or replicated.
 *
 * Errors: CHD_ERANGE  it covers something that was not sent, or not accepted.
 */
chd_err chd_outbox_receipt(chd_outbox *box, uint64_t request) CHD_MUST_USE;
chd_err chd_outbox_replicated(chd_outbox *box, uint64_t request) CHD_MUST_USE;

#define CHD_OUTBOX_EMPTY UINT64_MAX

/* Return the number of the oldest message, or CHD_OUTBOX_EMPTY. */
uint64_t chd_outbox_oldest(const chd_outbox *box);

/* Tell whether the message with this number is still in the window. */
bool chd_outbox_holds(const chd_outbox *box, uint64_t request);

/* Remove the messages with a value above payload_max, which the sidecar would
 * refuse again and again.  Only after rewind.  Returns how many there were. */
uint64_t chd_outbox_drop_larger(chd_outbox *box, uint64_t payload_max);

/* Return how many bytes are live. */
static inline size_t chd_outbox_bytes(const chd_outbox *box)
{
    return box->end - box->begin;
}

#endif
