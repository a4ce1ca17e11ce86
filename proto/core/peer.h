/* peer.h - the table of peers: addresses that are listed or that said hello,
 * and what is known of the node behind each.
 *
 * Identity is the node id, never the address.  A peer is an address that we
 * dial; the node behind it may be unknown yet, may be replaced by another, and
 * may be reachable at two addresses (an alias) or be this very node (self).
 */
#ifndef CHD_PROTO_CORE_PEER_H
#define CHD_PROTO_CORE_PEER_H

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "proto/core/index.h"
#include "proto/wire/local.h"

typedef struct chd_name {
    uint8_t len;
    uint8_t text[CHD_NAME_BYTES_MAX];
} chd_name;

typedef struct chd_peer {
    bool used;
    bool listed;   /* by DNS or configuration now                     */
    bool dialled;  /* the transport was told to connect               */
    bool up;       /* the link showed to be up since it was dialled   */
    bool self;     /* this node itself answers at the address         */
    bool alias;    /* a node that is dialled at another address, too  */
    bool leaving;  /* it said goodbye; what it sent may be on its way */
    bool hears_us; /* it says that our PUB socket reaches it          */
    bool deaf;     /* it was reported that it does not hear us        */
    chd_member_state state;
    chd_endpoint endpoint;
    uint64_t node; /* 0: nobody answered yet; set by chd_peers_meet     */
    chd_name name; /* of the node, as the next   */
    chd_name region;
    chd_name release;
    uint64_t route;   /* by which it said HELLO     */
    uint64_t version; /* that both sides speak      */
    uint64_t head;    /* highest sequence it claims */
    uint64_t acknowledged_ns;
    uint64_t acknowledged; /* up to where it has our events */
    uint64_t answered;     /* the same, as told by PONG or ACK           */
    uint64_t rtt_ns;
    uint64_t doubted_ns;      /* when another claimed the address; 0: never  */
    uint64_t added_ns;        /* since when it is expected to answer     */
    uint64_t unlisted_ns;     /* when the listing ended                  */
    uint64_t heard_ns;        /* anything from it, on either channel     */
    uint64_t events_heard_ns; /* on the SUB socket                       */
    uint64_t hears_us_ns;     /* when it last said that it hears us      */
    uint64_t left_ns;         /* when it said goodbye                    */
    uint64_t dial_due_ns;     /* when to dial (again) without an answer  */
    uint64_t ping_due_ns;
    uint64_t pinged_ns;
    uint64_t up_ns;            /* when the link last showed to be up       */
    uint64_t unacked_bytes;    /* of its events that we did not acknowledge */
    uint32_t unacked_messages; /* likewise */
    bool lagging;          /* does not count for the pace until it caught up */
    uint64_t hello_due_ns; /* when HELLO may be repeated               */
    uint32_t attempts;     /* dials since its events came              */
    uint32_t differs;      /* answers in a row with another digest     */
    uint64_t differed_ns;  /* when the last one was counted            */
    uint64_t malformed_told_ns;
    uint64_t malformed_count; /* since it was last told */
} chd_peer;

typedef struct chd_peers {
    const chd_mem *mem;
    chd_peer *all; /* count_max entries; look at .used     */
    uint32_t high; /* entries at and above were never used */
    uint32_t low;  /* entries below are all used           */
    uint32_t count;
    uint32_t count_max;
    bool aliases_due; /* addresses of aliases are to be tried again */
    chd_index by_endpoint;
    chd_index by_node; /* of those that have one */
} chd_peers;

/* Prepare an empty table.
 *
 * Errors: CHD_ENOMEM
 */
chd_err chd_peers_init(chd_peers *peers, uint32_t count_max, const chd_mem *mem)
    CHD_MUST_USE;
void chd_peers_fini(chd_peers *peers);

/* Tell whether two addresses are the same. */
bool chd_endpoint_equal(const chd_endpoint *a, const chd_endpoint *b);

/* Find a peer by address, or by node id; NULL when there is none. */
chd_peer *chd_peers_at(const chd_peers *peers, const chd_endpoint *endpoint);
chd_peer *chd_peers_node(const chd_peers *peers, uint64_t node);

/* Add a peer that is not in the table; NULL when it is full. */
chd_peer *chd_peers_add(chd_peers *peers, const chd_endpoint *endpoint,
                        uint64_t now_ns);
void chd_peers_remove(chd_peers *peers, chd_peer *peer);

/* Note which node answers at the address, 0 for none.  Where two peers have the
 * same, either is found. */
void chd_peers_meet(chd_peers *peers, chd_peer *peer, uint64_t node);

/* Return the number by which actions and inputs name the peer. */
uint32_t chd_peers_index(const chd_peers *peers, const chd_peer *peer);

/* Store a text of at most CHD_NAME_BYTES_MAX bytes; read it back. */
void chd_name_set(chd_name *name, chd_bytes text);
chd_bytes chd_name_bytes(const chd_name *name);

#endif
