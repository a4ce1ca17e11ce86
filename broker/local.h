/* local.h - the sessions: applications connected to the Unix socket.
 *
 * Cuts each stream into messages for the core and gathers what the core sends
 * until the end of the turn, one write per session.  Memory is bounded: input
 * by one frame, output by LOCAL_OUT_STUCK.  A session that lets more than
 * LOCAL_OUT_PAUSE wait is not read from until it has caught up, and nobody is
 * while the mesh takes no more of what is published here.
 *
 * A session's slot is taken again only after its connection is closed and the
 * core knows.  Nothing is closed or forgotten while an input is being fed:
 * that waits for chd_local_io_flush and chd_local_io_reap.
 *
 * Thread: the loop's alone.
 */
#ifndef CHD_BROKER_LOCAL_H
#define CHD_BROKER_LOCAL_H

#include "broker/feed.h"
#include "broker/listen.h"
#include "broker/poll.h"

#define CHD_LOCAL_OUT_PAUSE ((size_t)256 * 1024)
#define CHD_LOCAL_OUT_STUCK ((size_t)4 * 1024 * 1024)

typedef struct chd_local_io chd_local_io;

typedef struct chd_local_io_options {
    chd_listener_options listener;
    const char *uids; /* who may connect, as a list; empty: anybody */
    uint32_t session_count;
    chd_poll *poll;
    chd_feed feed;
    chd_tally *tally;
} chd_local_io_options;

/* Open the socket.  False when that fails: the log says why.
 *
 * Owns:   on true, *local belongs to the caller: chd_local_io_destroy.  What
 *         options points to must outlive it, the texts aside.
 */
bool chd_local_io_new(const chd_local_io_options *options,
                      chd_local_io **local);

/* Close every connection and the socket; feeds nothing.
 *
 * Owns:   *local is consumed and set to NULL.  Safe on NULL, and twice.
 */
void chd_local_io_destroy(chd_local_io **local);

/* Start a turn: go on with what was put off. */
void chd_local_io_tick(chd_local_io *local, chd_now now);

/* Tell the core which sessions are gone. */
void chd_local_io_reap(chd_local_io *local);

/* Write what has gathered. */
void chd_local_io_flush(chd_local_io *local);

/* Return when the next tick is due: a time that has passed means at once. */
uint64_t chd_local_io_deadline_ns(const chd_local_io *local);

/* Close and remove the socket: no more sessions. */
void chd_local_io_stop_accepting(chd_local_io *local);

/* Carry out actions of the core on the session with this index.  One that is
 * gone already is left alone. */
void chd_local_io_send(chd_local_io *local, uint32_t index, chd_bytes bytes);
void chd_local_io_close(chd_local_io *local, uint32_t index);

#endif
