/* link.h - the mesh between nodes, as ZeroMQ behaves over TCP.
 *
 * A dial makes two connections, for events and for control.  Each connects by
 * itself, again and again, and says nothing of it.  What is sent on control
 * before it is up waits; what is broadcast before the subscription arrived is
 * lost.  Messages arrive in order, or a whole stretch of them not at all: when
 * a connection breaks, or when a queue is full.  A host that vanished leaves
 * connections that look well for a while.
 *
 * The faults LOSS, DUP and REORDER go beyond what ZeroMQ does.
 */
#ifndef CHD_TESTS_SIM_LINK_H
#define CHD_TESTS_SIM_LINK_H

#include "proto/core/core.h"
#include "tests/sim/options.h"

typedef struct sim_world sim_world;
typedef struct sim_node sim_node;
typedef struct sim_conn sim_conn;

/* Bytes under way to several receivers. */
typedef struct sim_blob {
    uint32_t refs;
    size_t len;
    uint8_t bytes[];
} sim_blob;

typedef struct sim_packet {
    struct sim_packet *next;
    uint64_t arrives_ns; /* CHD_NEVER_NS: waits for the connection or path */
    sim_blob *blob;
} sim_packet;

/* One direction of a connection. */
typedef struct sim_lane {
    sim_packet *first; /* by time of arrival                        */
    uint32_t count;    /* sent and not yet fed to the core          */
    uint64_t last_ns;  /* latest arrival                            */
} sim_lane;

struct sim_conn {
    sim_world *world;
    uint64_t id;
    bool events;         /* else control                                 */
    bool open;           /* dialled, and not hung up                     */
    bool up;             /* connected; for events: subscribed            */
    bool half_open;      /* up, but the other host is gone               */
    bool overdue;        /* breaks at a time that is in the agenda       */
    uint32_t peer;       /* the owner's number for it                    */
    uint32_t generation; /* of the connection                       */
    uint64_t attempt;    /* the newest one                          */
    chd_endpoint endpoint;
    sim_node *owner; /* who dialled                                 */
    uint32_t owner_life;
    sim_node *target; /* who answered last                          */
    uint32_t target_life;
    uint64_t retry_ns;
    sim_lane out; /* from owner to target; control only     */
    sim_lane in;
};

/* What has arrived at a node and waits for its turn. */
typedef struct sim_arrival {
    struct sim_arrival *next;
    sim_conn *conn;
    sim_lane *lane;
    uint64_t route;
    bool dialled; /* on a connection of the node's own */
    sim_blob *blob;
} sim_arrival;

/* Actions of a node's core.  The senders return false when there is no room or
 * nobody there.  Whoever misses a broadcast of events has had a loss. */
void sim_link_dial(sim_node *node, uint32_t peer, const chd_endpoint *endpoint);
void sim_link_hang_up(sim_node *node, uint32_t peer);
bool sim_link_send(sim_node *node, uint32_t peer, chd_bytes bytes);
bool sim_link_reply(sim_node *node, uint64_t route, chd_bytes bytes);
void sim_link_broadcast(sim_node *node, chd_bytes bytes, bool is_events);

/* How a process ends.  In order: all that was sent arrives.  With its kernel
 * alive: the others are told.  Else they find out, sooner or later. */
typedef enum sim_end {
    SIM_END_ORDER,
    SIM_END_KILL,
    SIM_END_CRASH,
} sim_end;

/* A node's process ended. */
void sim_link_node_ended(sim_node *node, sim_end end);

/* A node started where others may still hold connections to its address. */
void sim_link_node_started(sim_node *node);

/* A connection ends and, while it is dialled, connects again by itself. */
void sim_conn_break(sim_conn *conn);

/* Reset every connection between two nodes. */
void sim_link_cut(sim_world *world, const sim_node *a, const sim_node *b);

/* Block what goes from one node to another until a time. */
void sim_link_block(sim_world *world, const sim_node *from, const sim_node *to,
                    uint64_t until_ns);

/* Lift every blockade. */
void sim_link_heal(sim_world *world);

/* Tell whether a node has one link, no more and no less, on which the events of
 * another reach it. */
bool sim_link_hears(const sim_node *node, const sim_node *other);

/* Return who runs at an address, or NULL. */
sim_node *sim_link_node_at(const sim_world *world,
                           const chd_endpoint *endpoint);

/* Tell whether bytes can go from one node to another now. */
bool sim_link_path(const sim_world *world, const sim_node *from,
                   const sim_node *to);

/* Give an arrival back when it was fed, or thrown away. */
void sim_arrival_done(sim_arrival *arrival);

/* Free all connections. */
void sim_link_fini(sim_world *world);

#endif
