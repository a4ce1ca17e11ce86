/* mesh.h - a mesh of many cores on virtual time, to be counted.
 *
 * It is the code of proto/ that runs.  The network is simpler than that of
 * tests/sim, so that thousands of nodes fit: what is sent on a link that is up
 * arrives, in order, after 1 to 4 ms; what is sent on one that is down is lost;
 * a link comes up a handshake after it was dialled.  No oracle watches: whether
 * the protocol is right is for tests/sim to find out.
 *
 * Every node's loop turns at most once in a tick.  The same seed gives the same
 * counts; only the times are those of the machine.
 */
#ifndef CHD_TESTS_BENCH_SCALE_MESH_H
#define CHD_TESTS_BENCH_SCALE_MESH_H

#include "proto/core/core.h"

#define SCALE_SLOTS 32u /* ticks that a message can be under way */
#define SCALE_TYPES 16u /* of mesh messages                      */
#define SCALE_NEVER UINT32_MAX
#define SCALE_LAST CHD_IN_TURN_END

typedef struct scale_blob {
    uint32_t refs;
    uint32_t len;
    uint8_t bytes[];
} scale_blob;

typedef struct scale_arrival {
    scale_blob *blob;
    uint64_t route;
    uint32_t peer; /* as in chd_input */
    bool control;
} scale_arrival;

typedef struct scale_lane {
    scale_arrival *all;
    uint32_t count;
    uint32_t cap;
} scale_lane;

typedef struct scale_node {
    uint32_t number; /* from 0 */
    uint64_t id;
    chd_core *core; /* NULL: not started */
    uint64_t due_ns;
    uint16_t *targets; /* by peer: number + 1 of the node there, 0: none */
    scale_lane lanes[SCALE_SLOTS];
    /* its session */
    uint64_t requests;
    uint64_t stream_bytes;
    uint64_t stream_position;
} scale_node;

/* What was counted. */
typedef struct scale_counts {
    uint64_t messages[SCALE_TYPES]; /* each copy of a broadcast is one */
    uint64_t bytes[SCALE_TYPES];
    uint64_t steps[SCALE_LAST + 1];
    uint64_t step_ns[SCALE_LAST + 1]; /* of the nodes that are timed */
    uint64_t unsent;                  /* messages on links that were down */
    uint64_t resets;
} scale_counts;

typedef struct scale_mesh {
    uint32_t count;
    uint32_t started;
    uint32_t tick_ms;
    uint64_t tick;
    uint64_t now_ms;
    uint64_t seed;
    uint32_t timed;       /* nodes of which the processor's time is taken ... */
    uint32_t timed_every; /* ... one in so many                          */
    uint64_t clock_ns;
    bool cut; /* nodes below count / 2 and the others do not hear each other */
    scale_node *nodes;
    /* By who is dialled, and who dialled: the tick from which on the link is
     * up. */
    uint32_t *up;
    chd_endpoint *endpoints;
    chd_out *out;
    scale_counts counts;
    chd_mem mem;
    uint64_t mem_bytes; /* that the cores allocated */
    uint64_t published;
} scale_mesh;

/* Make a mesh in which nobody has started. */
scale_mesh *scale_mesh_new(uint32_t count, uint64_t seed);

/* Return what one core of so many peers allocates. */
uint64_t scale_core_bytes(scale_mesh *mesh, uint32_t peers);

/* Start the next node; the names list all of them. */
void scale_start(scale_mesh *mesh);

/* Tell a node what the names list, all nodes again. */
void scale_list(scale_mesh *mesh, scale_node *node);

/* Give every node a session that is subscribed to everything. */
void scale_attach(scale_mesh *mesh);

/* Let the session of a node publish an invalidation. */
void scale_publish(scale_mesh *mesh, scale_node *node);

/* Let every session apply what it was sent. */
void scale_apply(scale_mesh *mesh);

/* Let one tick pass. */
void scale_pass(scale_mesh *mesh);

/* Part the mesh in two halves; end that. */
void scale_cut(scale_mesh *mesh);
void scale_heal(scale_mesh *mesh);

/* Return the time on everybody's clock. */
chd_now scale_now(const scale_mesh *mesh);

#endif
