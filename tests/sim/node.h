/* node.h - a machine and the sidecar that may run on it: the shell around a
 * chd_core, with its turns, its sessions and its clock.
 */
#ifndef CHD_TESTS_SIM_NODE_H
#define CHD_TESTS_SIM_NODE_H

#include "tests/sim/link.h"
#include "tests/sim/stream.h"

#define SIM_SESSIONS_MAX 16
#define SIM_PEERS_MAX 1024
#define SIM_ORIGINS_MAX 4096
#define SIM_NODE_PORT 7420

/* What a story may want to be different. */
typedef struct sim_node_setup {
    const char *cluster;     /* "test" when NULL          */
    uint64_t version;        /* 0: this release's         */
    uint32_t peer_count_max; /* 0: enough for the nodes   */
    chd_endpoint announce;   /* port 0: its address       */
} sim_node_setup;

struct sim_node {
    sim_world *world;
    uint32_t number; /* 1 and up */
    char name[16];
    sim_node_setup setup;
    chd_endpoint endpoint;
    chd_endpoint alias; /* port 0: none */

    bool running;
    bool frozen;
    bool stopped; /* draining is complete */
    uint32_t peer_count_max;
    uint32_t life; /* counts starts */
    uint64_t id;
    chd_core *core;
    chd_out *out;
    uint64_t clock_at_ns; /* its clock's reading at the start of the life */
    uint64_t started_ns;
    int64_t drift_ppm;
    uint64_t wall_offset_ms;

    uint64_t wake_ns; /* when the next turn is due */
    uint64_t wake_token;
    uint64_t frozen_until_ns;
    bool poll_due;
    bool drain_due;
    uint64_t drained_ns; /* when it was asked to leave */
    uint64_t poll_token;
    chd_endpoint listed[2 * SIM_NODES_MAX]; /* the last good answer */
    size_t listed_count;
    sim_arrival *arrivals; /* first */
    sim_arrival **arrivals_end;
    uint32_t refused; /* sends refused since the last step */

    sim_conn *events[SIM_PEERS_MAX]; /* what it dialled, by peer */
    sim_conn *control[SIM_PEERS_MAX];
    sim_conn **subscribers; /* whose events links are up */
    uint32_t subscriber_count;
    uint32_t subscriber_cap;
    sim_stream *waiting; /* to be accepted */
    sim_stream *sessions[SIM_SESSIONS_MAX];

    /* for the oracles */
    uint64_t thawed_ns;     /* when last; 0: never */
    uint64_t log_bytes_max; /* as seen once a second                */
    uint64_t losses;    /* of events on their way to it, or before it heard */
    uint64_t greetings; /* HELLO and WELCOME that it was fed, and origins
                            that it met */
    uint64_t met[SIM_ORIGINS_MAX / 64];   /* bits, by origin in the ledger */
    uint64_t greeted_ns[SIM_ORIGINS_MAX]; /* when an origin said HELLO or
                                             WELCOME first; 0: never */
    uint64_t turn_second;                 /* which virtual second is counted */
    uint32_t idle_turns; /* turns in it that nothing but a deadline caused */
    uint64_t gaps;       /* it found by the end of its last turn */
    uint64_t dead_gaps;  /* it found that it lacks what a dead node said */
};

/* Make a machine with its address; nothing runs on it. */
sim_node *sim_node_new(sim_world *world, uint32_t number);
void sim_node_free(sim_node *node);

/* Start a sidecar on it. */
void sim_node_start(sim_node *node);

/* End it, in one way or another. */
void sim_node_end(sim_node *node, sim_end end);

/* Ask it to leave. */
void sim_node_drain(sim_node *node);

/* Tell whether it is leaving, or about to. */
bool sim_node_is_leaving(const sim_node *node);

/* Tell whether it accepted what it did not send yet. */
bool sim_node_holds_back(const sim_node *node);

/* Let it stand still until a time. */
void sim_node_freeze(sim_node *node, uint64_t until_ns);

/* Something is there for its next turn; or the next turn is due at a time. */
void sim_node_wake(sim_node *node);
void sim_node_wake_at(sim_node *node, uint64_t at_ns);

/* A message has arrived.  Takes it over. */
void sim_node_arrive(sim_node *node, sim_arrival *arrival);

/* Read its clock, and return when it will show a time. */
chd_now sim_node_clock(const sim_node *node);
uint64_t sim_node_when(const sim_node *node, uint64_t clock_ns);

/* Run a turn, when token is the newest. */
void sim_node_turn(void *who, uint64_t token);

/* Tell whether the node's machine has an address. */
bool sim_node_answers(const sim_node *node, const chd_endpoint *endpoint);

#endif
