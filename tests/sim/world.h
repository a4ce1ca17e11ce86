/* world.h - a simulated cluster: nodes, the links between them, applications,
 * names, one virtual clock.
 *
 * One thread, one seed, no clock and no sleep: the same options give the same
 * world, action by action; the digest is the proof.
 *
 * Units:  nanoseconds of virtual time.  Nodes and applications read clocks of
 *         their own, which begin anywhere and may drift.
 * Owns:   a world owns everything in it.
 */
#ifndef CHD_TESTS_SIM_WORLD_H
#define CHD_TESTS_SIM_WORLD_H

#include "proto/base/prng.h"
#include "tests/sim/agenda.h"
#include "tests/sim/app.h"
#include "tests/sim/ledger.h"
#include "tests/sim/link.h"
#include "tests/sim/model.h"
#include "tests/sim/node.h"
#include "tests/sim/options.h"
#include "tests/sim/stream.h"
#include "tests/sim/transcript.h"

/* Which part of a run it is. */
typedef enum sim_phase {
    SIM_PHASE_FAULTS,  /* anything may happen                              */
    SIM_PHASE_HEALING, /* nothing more happens, and nobody writes          */
    SIM_PHASE_STEADY,  /* writes again, and now everything must arrive     */
    SIM_PHASE_QUIET,   /* and that was it                                  */
} sim_phase;

/* What discovery says.  Shares nothing with what is true. */
typedef struct sim_dns {
    bool listed[SIM_NODES_MAX];
    bool aliases; /* list the second addresses, too */
    bool unknown; /* no answer comes                */
    /* Whom a node can be told of: all, unless SPARSE. */
    bool sees[SIM_NODES_MAX][SIM_NODES_MAX];
} sim_dns;

struct sim_world {
    sim_options options;
    chd_prng prng;
    uint64_t now_ns;
    sim_phase phase;
    uint64_t revive_ns; /* when the last node comes back */
    sim_agenda agenda;
    sim_transcript transcript;
    sim_model model;
    sim_ledger ledger;
    sim_dns dns;
    sim_node *nodes[SIM_NODES_MAX]; /* node n is nodes[n - 1] */
    uint32_t node_count;
    sim_app *apps[SIM_APPS_MAX];
    uint32_t app_count;
    sim_conn **conns; /* all there ever were, by id */
    uint64_t conn_count;
    uint64_t conn_cap;
    uint64_t blocked_until_ns[SIM_NODES_MAX][SIM_NODES_MAX]; /* from, to */
    /* when connections between two were last cut; 0: never */
    uint64_t cut_ns[SIM_NODES_MAX][SIM_NODES_MAX];
    uint64_t item_number;
    uint64_t digest; /* of every action so far */
    uint64_t actions;
    uint32_t chance; /* SIM_CANARY_CHANCE: how many runs there were */
    bool failed;
    char oracle[16]; /* which one failed */
    char verdict[256];
};

/* Make an empty world; options are copied. */
void sim_world_init(sim_world *world, const sim_options *options);
void sim_world_fini(sim_world *world);

/* Let time pass until then, or until an oracle fails: false. */
bool sim_world_run(sim_world *world, uint64_t until_ns);

/* An oracle says no.  The first one counts. */
void sim_fail(sim_world *world, const char *oracle, const char *format, ...)
    CHD_PRINTF(3, 4);

/* Chance, all of it from the seed. */
uint64_t sim_below(sim_world *world, uint64_t bound);
uint64_t sim_between(sim_world *world, uint64_t least, uint64_t most);
bool sim_one_in(sim_world *world, uint64_t n);

/* Fold something that was done into the digest. */
void sim_digest(sim_world *world, uint64_t what, chd_bytes bytes);

#define SIM_WHO_BYTES 24

/* Print who is meant: "node-2", or "node-2.3" in its third life. */
void sim_print_node(const sim_world *world, uint64_t id,
                    char text[SIM_WHO_BYTES]);

#endif
