/* horizon.h - the nodes that count for how fresh this node is.
 *
 * A node counts from the moment that it said hello here, or that a member says
 * to hear it, until it said goodbye and its last event is here, or until it is
 * dead and settled: everything that any member has of it is here, too.
 */
#ifndef CHD_PROTO_CORE_HORIZON_H
#define CHD_PROTO_CORE_HORIZON_H

#include "proto/base/err.h"
#include "proto/base/fresh.h"
#include "proto/base/mem.h"
#include "proto/core/index.h"
#include "proto/core/peer.h"

typedef enum chd_counting {
    CHD_COUNTING_NOT, /* it left, or is settled; known in case it returns */
    CHD_COUNTING_ALIVE,
    CHD_COUNTING_LEFT, /* it said goodbye; its last events are missing     */
    CHD_COUNTING_DEAD, /* nobody hears it; it is to be settled             */
} chd_counting;

typedef struct chd_counted {
    uint64_t node; /* node id; 0: this place is free */
    chd_counting state;
    chd_endpoint endpoint; /* where it answered; port 0: nowhere            */
    chd_name name;         /* as it said in HELLO                           */
    uint64_t refuses_ns;   /* its sessions serve nothing staler, whoever is
                              silent; 0: they may                           */
    chd_fresh fresh;       /* we have what it accepted; our clock             */
    uint64_t since_ns;    /* how fresh we were when we met, or it returned: what
                          it accepted before does not count as missed       */
    uint64_t alive_ns;    /* when it was last heard by anybody               */
    uint64_t dead_ns;     /* only a later sign of life counts                */
    uint64_t last;        /* LEFT: its last event; DEAD: the highest claimed */
    uint64_t answered_ns; /* when we asked what it last answered by VECTOR   */
    uint64_t asked_ns;    /* when it was last asked for VECTOR               */
} chd_counted;

typedef struct chd_horizon {
    const chd_mem *mem;
    chd_counted *all; /* CHD_COUNTED_MAX entries                        */
    chd_index by_node;
    uint32_t high;       /* entries at and above were never used           */
    uint32_t dead;       /* entries in state DEAD                          */
    uint32_t turn;       /* whom to ask next                               */
    uint64_t digest;     /* of the nodes that are ALIVE, this one included */
    uint64_t due_ns;     /* when to look again                             */
    uint64_t refused_ns; /* since when a node found no place; 0: all did   */
    uint64_t met_at_ns;  /* when it was found out ...                      */
    uint64_t met_ns;     /* ... from when on a node counts that is met then */
    uint64_t changes;    /* of who counts, and how                         */
} chd_horizon;

/* Prepare a table in which only self counts.  Errors: CHD_ENOMEM */
chd_err chd_horizon_init(chd_horizon *horizon, uint64_t self,
                         const chd_mem *mem) CHD_MUST_USE;
void chd_horizon_fini(chd_horizon *horizon);

/* Find a node; NULL when it is not known. */
chd_counted *chd_horizon_find(const chd_horizon *horizon, uint64_t node);

/* Add a node that is not known yet: it counts from this time on.  NULL when
 * there is no room, which holds freshness back. */
chd_counted *chd_horizon_add(chd_horizon *horizon, uint64_t node,
                             uint64_t since_ns);

/* Note that there is room again, if so, for nodes that found none. */
void chd_horizon_forgive(chd_horizon *horizon);

/* Change whether and how a node counts. */
void chd_horizon_set(chd_horizon *horizon, chd_counted *counted,
                     chd_counting state);

#endif
