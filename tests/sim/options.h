/* options.h - what a run is like: from the command line, and for the rest
 * sampled from the seed, so that each run does without some faults and
 * exaggerates others (swarm testing: Groce and others, ISSTA 2012).
 *
 * Units:  nanoseconds of virtual time.
 */
#ifndef CHD_TESTS_SIM_OPTIONS_H
#define CHD_TESTS_SIM_OPTIONS_H

#include "proto/base/clock.h"

#define SIM_NODES_MAX 512
#ifndef SIM_SEEDS_DEFAULT
#define SIM_SEEDS_DEFAULT 500
#endif
#define SIM_HWM_CALM 1000

/* X(CODE, name, what it does) */
#define SIM_FAULTS(X)                                                          \
    X(KILL, "kill", "a sidecar dies, its kernel closes the connections")       \
    X(CRASH, "crash", "a host vanishes without a word")                        \
    X(DRAIN, "drain", "a sidecar leaves in order")                             \
    X(FREEZE, "freeze", "a sidecar stands still for a while")                  \
    X(CUT, "cut", "connections break and lose what was under way")             \
    X(PARTITION, "partition", "groups of nodes cannot reach each other")       \
    X(ONEWAY, "one-way", "one direction between two nodes is blocked")         \
    X(LOSS, "loss", "single messages vanish")                                  \
    X(DUP, "dup", "messages arrive twice")                                     \
    X(REORDER, "reorder", "messages overtake each other")                      \
    X(HWM, "hwm", "queues are short and drop when full")                       \
    X(JOINER, "joiner", "subscriptions take long to arrive")                   \
    X(DNS, "dns", "answers are late, partial, empty or missing")               \
    X(SPARSE, "sparse", "only one side of a pair lists the other")             \
    X(ALIAS, "alias", "nodes are listed at two addresses")                     \
    X(MOVE, "move", "a node comes back at another's address")                  \
    X(STALL, "stall", "applications stop reading for a while")                 \
    X(APP, "app", "applications restart")                                      \
    X(UNPLUG, "unplug", "connections to sidecars break")                       \
    X(BURST, "burst", "publishes overrun logs and windows")                    \
    X(CLOCK, "clock", "clocks drift")

typedef enum sim_fault {
#define SIM_FAULT_ENUM(code, name, text) SIM_##code,
    SIM_FAULTS(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        SIM_FAULT_COUNT
} sim_fault;

/* Faults that are planted to see that the oracles notice.
 * X(CODE, name, what is planted, which oracle must notice) */
#define SIM_CANARIES(X)                                                        \
    X(NONE, "none", "nothing", "")                                             \
    X(FORGE, "forge", "a link carries an event nobody published", "invention") \
    X(SWALLOW, "swallow", "a link empties a batch, range intact", "horizon")   \
    X(TWICE, "twice", "a session gets a batch twice", "order")                 \
    X(SWAP, "swap", "a session gets a batch back to front", "order")           \
    X(DEAF, "deaf", "a cache ignores an event", "stale")                       \
    X(FLOOD, "flood", "what was sent counts as applied at once", "bound")      \
    X(BUSY, "busy", "a node's deadline has always passed", "busy")             \
    X(STORM, "storm", "a session gets its RESET twice", "storm")               \
    X(SHRUG, "shrug", "what is in a log is said to be lost", "agreement")      \
    X(TAIL, "tail", "nobody says up to where there are events", "settle")      \
    X(HOARD, "hoard", "only its origin is asked for an event", "agreement")    \
    X(FORGET, "forget", "LOST names another topic", "gap")                     \
    X(SILENCE, "silence", "a link stays down when all is healed", "settle")    \
    X(LEAK, "leak", "a link goes on losing when all is healed", "steady")      \
    X(ORPHAN, "orphan", "a RESET does not reach the application", "gap")       \
    X(RUSH, "rush", "a PONG says that nothing was accepted", "horizon")        \
    X(CHANCE, "chance", "a delay depends on the run, not the seed", "digest")

typedef enum sim_canary {
#define SIM_CANARY_ENUM(code, name, text, oracle) SIM_CANARY_##code,
    SIM_CANARIES(SIM_CANARY_ENUM)
#undef SIM_CANARY_ENUM
        SIM_CANARY_COUNT
} sim_canary;

typedef struct sim_options {
    uint64_t seed;
    uint32_t nodes;    /* 0: sampled                              */
    uint64_t fault_ns; /* length of the first phase; 0: sampled   */
    uint32_t faults;   /* bits of sim_fault                       */
    bool faults_given; /* else sampled                            */
    bool trace;        /* keep a transcript                       */
    sim_canary canary;
    /* sampled, or set by a story */
    uint32_t apps_per_node;
    uint64_t delay_ns;      /* one way                                */
    uint64_t jitter_ns;     /* on top, at most                        */
    uint64_t joiner_ns;     /* a subscription takes longer, at most   */
    uint64_t turn_delay_ns; /* from arrival to turn, at most          */
    uint32_t hwm;           /* messages in one direction of a link    */
    size_t stream_bytes;    /* of a Unix socket's buffer              */
    uint64_t ping_interval;
    uint64_t dead_after;
    bool strict;             /* partition.policy                      */
    uint64_t poll_ns;        /* between polls of DNS                  */
    uint64_t write_ns;       /* between writes of one application     */
    uint64_t fault_every_ns; /* between faults                        */
    uint32_t hostile_ppm;    /* of LOSS, DUP and REORDER each         */
    size_t payload_bytes;    /* of messages, at most                  */
} sim_options;

static inline bool sim_has(const sim_options *options, sim_fault fault)
{
    return (options->faults >> fault & 1u) != 0;
}

/* Fill in what was not given, from the seed. */
void sim_options_sample(sim_options *options);

/* Return the options of a story: no faults, no chance. */
sim_options sim_options_calm(void);

/* Read a list of fault names, "none" or "all"; false when one is unknown. */
bool sim_options_faults(const char *list, uint32_t *faults);

/* Return a canary's name, the oracle that must notice it, and the faults that
 * it needs. */
const char *sim_canary_name(sim_canary canary);
const char *sim_canary_oracle(sim_canary canary);
uint32_t sim_canary_faults(sim_canary canary);

/* Print all options as lines of text. */
void sim_options_print(const sim_options *options);

#define SIM_REPLAY_BYTES 1024

/* Write the command line that repeats the run. */
void sim_options_replay(const sim_options *options, const char *program,
                        char line[SIM_REPLAY_BYTES]);

#endif
