/* mesh.h - the links to peers: ZeroMQ, and nothing but ZeroMQ.
 *
 * Three sockets.  PUB is bound and sends events; SUB is connected to the PUB
 * of every peer and subscribed to everything, once: filters of our own could
 * be lost in libzmq, and a filtered stream has gaps by definition.  One ROUTER
 * for control is bound and also connected to the ROUTER of every peer.
 *
 * A route is how an answer finds its way back through the ROUTER.  Peers who
 * dialled us have an id that libzmq drew, a zero byte and 32 bits; the route
 * is those 32 bits.  For each of our own dials we draw an id of eight bytes:
 * the top bit set, 47 random bits, and the peer; the route is that number.  An
 * id is never used twice: libzmq aborts when it meets one again.
 *
 * ZMQ_FD tells that something happened, not that something can be read, and
 * any call on a socket may use up the news.  So before each sleep the loop
 * asks chd_mesh_io_settle, which asks those sockets that have news or were
 * called; to receive until nothing is left is to have asked.  All are asked
 * every CHD_MESH_TOUCH_MS, and the loop sleeps no longer: libzmq frees pipes
 * and renews subscriptions only within calls on the socket.
 *
 * Thread: the loop's alone; libzmq has an I/O thread of its own.
 */
#ifndef CHD_BROKER_MESH_H
#define CHD_BROKER_MESH_H

#include "broker/feed.h"
#include "broker/log.h"
#include "broker/poll.h"

#define CHD_MESH_TOUCH_MS 100

typedef struct chd_mesh_io chd_mesh_io;

typedef struct chd_mesh_io_options {
    chd_endpoint bind;   /* events here, control on the next port */
    uint32_t peer_count; /* of CHD_ACT_DIAL: peers are below this */
    chd_poll *poll;
    chd_feed feed;
    chd_logger *logger;
    chd_tally *tally;
} chd_mesh_io_options;

/* Create and bind the sockets.  False when that fails: the log says why.
 *
 * Owns:   on true, *mesh belongs to the caller: chd_mesh_io_destroy.  What
 *         options points to must outlive it.
 */
bool chd_mesh_io_new(const chd_mesh_io_options *options, chd_mesh_io **mesh);

/* Close the sockets and end libzmq.  Broadcasts that are not sent yet get half
 * a second.
 *
 * Owns:   *mesh is consumed and set to NULL.  Safe on NULL, and twice.
 */
void chd_mesh_io_destroy(chd_mesh_io **mesh);

/* Feed what has arrived, within a budget. */
void chd_mesh_io_receive(chd_mesh_io *mesh);

/* Tell whether more has arrived, so that the loop must not sleep. */
bool chd_mesh_io_settle(chd_mesh_io *mesh, chd_now now);

/* Carry out actions of the core.  The three that send return false when
 * libzmq has no room or the receiver is gone. */
bool chd_mesh_io_broadcast(chd_mesh_io *mesh, chd_bytes bytes);
bool chd_mesh_io_send(chd_mesh_io *mesh, uint32_t peer, chd_bytes bytes);
bool chd_mesh_io_reply(chd_mesh_io *mesh, uint64_t route, chd_bytes bytes);
void chd_mesh_io_dial(chd_mesh_io *mesh, uint32_t peer,
                      const chd_endpoint *endpoint);
void chd_mesh_io_hang_up(chd_mesh_io *mesh, uint32_t peer);

#endif
