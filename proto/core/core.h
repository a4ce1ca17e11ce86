/* core.h - a node's whole protocol, without sockets, clocks or threads.
 *
 * The core is driven by inputs and answers with actions.  It reads no clock,
 * opens no socket, starts no thread, draws no entropy, and allocates only in
 * chd_core_new.  Given the same config and the same inputs it returns the same
 * actions, byte for byte; tests/sim depends on that.
 *
 * One turn of the caller's loop: feed what arrived, one input after the other,
 * then TURN_END; carry out the actions after each step; sleep until
 * chd_core_deadline_ns or until something arrives.  Batches form by
 * themselves: what one turn brought goes out as one message at its end.
 *
 * Units:  every time is nanoseconds on the caller's monotonic clock unless its
 *         name says otherwise; sizes are bytes unless the name says count.
 * Owns:   a chd_core owns all its memory, fixed at chd_core_new.
 * Thread: not thread-safe; one thread owns a core.  Two cores share nothing.
 */
#ifndef CHD_PROTO_CORE_CORE_H
#define CHD_PROTO_CORE_CORE_H

#include "proto/base/clock.h"
#include "proto/core/out.h"
#include "proto/wire/local.h"

#define CHD_PEER_NONE UINT32_MAX

typedef struct chd_core chd_core;

/* Texts are copied.  chd_core_config_init fills in the defaults. */
typedef struct chd_core_config {
    uint64_t seed; /* for jitter and hashing; from the kernel, or the test  */
    uint64_t node; /* node id: 64 random bits, new at every start, never 0  */
    chd_bytes cluster;          /* text, 1..CHD_NAME_BYTES_MAX               */
    chd_bytes name;             /* text, 1..CHD_NAME_BYTES_MAX               */
    chd_bytes region;           /* text, may be empty                        */
    chd_bytes release;          /* text, of coherd itself                    */
    chd_endpoint endpoint;      /* announced to peers; this is "self"        */
    uint64_t version_min;       /* CHD_PROTOCOL_MIN                          */
    uint64_t version_max;       /* CHD_PROTOCOL_MAX, >= version_min          */
    uint64_t ping_interval;     /* 500 ms; > 0                               */
    uint64_t join_timeout;      /* 5 s                                       */
    uint64_t dead_after;        /* 10 s; at least two ping intervals         */
    uint64_t drain_timeout;     /* 5 s: longest time DRAIN takes             */
    size_t log_bytes;           /* CHD_LOG_BYTES_MIN..CHD_LOG_BYTES_MAX      */
    size_t payload_max;         /* up to CHD_PAYLOAD_BYTES_MAX               */
    uint32_t peer_count_max;    /* 1..CHD_PEERS_MAX                          */
    uint32_t session_count_max; /* 1..CHD_SESSIONS_MAX                    */
    bool strict;    /* partition.policy: who is silent counts while listed */
    bool discovers; /* peers will be LISTED: not ready before the first    */
} chd_core_config;

typedef enum chd_input_kind {
    CHD_IN_LISTED,          /* what discovery and configuration list now   */
    CHD_IN_BROADCAST,       /* a message from the SUB socket               */
    CHD_IN_CONTROL,         /* a message from the control socket           */
    CHD_IN_BLOCKED,         /* the transport refused a SEND or REPLY       */
    CHD_IN_SESSION_OPEN,    /* an application connected                    */
    CHD_IN_SESSION_MESSAGE, /* one whole message of it, unframed           */
    CHD_IN_SESSION_CLOSED,  /* it is gone; not fed after SESSION_CLOSE     */
    CHD_IN_DRAIN,           /* leave: flush, say goodbye, then STOPPED     */
    CHD_IN_TURN_END,        /* run what is due and send what has gathered  */
} chd_input_kind;

typedef struct chd_input {
    chd_input_kind kind;
    union {
        struct {
            chd_dns_outcome outcome; /* of the poll that ended just now     */
            uint64_t dns_count; /* addresses the names have, this node too */
            const chd_endpoint *endpoints; /* the whole set, without repeats,
                                              in any order; the last good one
                                              when the outcome is UNKNOWN  */
            size_t endpoint_count;
        } listed;
        struct {
            chd_bytes bytes;
            uint64_t route; /* CONTROL: opaque, for REPLY                   */
            uint32_t peer;  /* CONTROL: whose dialled link brought it, or
                               CHD_PEER_NONE when the sender dialled us    */
        } message;
        struct {
            uint32_t session; /* chosen by the caller, unique while open,
                                 below session_count_max                  */
            chd_bytes bytes;  /* SESSION_MESSAGE                           */
        } session;
    } u;
} chd_input;

typedef struct chd_stats {
#define X(field, name, help) uint64_t field;
#include "proto/core/stats.def"
#undef X
} chd_stats;

/* Fill in every default; seed, node, cluster, name, endpoint are the caller's.
 */
void chd_core_config_init(chd_core_config *config);

/* Create a core that is starting.
 *
 * Owns:   on CHD_OK, *core belongs to the caller: chd_core_destroy.
 * Errors: CHD_ELIMIT   a config field is outside its range;
 *         CHD_ENOMEM   *core is NULL.
 */
chd_err chd_core_new(const chd_core_config *config, const chd_mem *mem,
                     chd_now now, chd_core **core) CHD_MUST_USE;

/* Owns:   *core is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_core_destroy(chd_core **core);

/* Feed one input and collect what must be done about it.  out must be empty
 * (asserted); now must not run backwards (asserted).
 *
 * Owns:   the input is borrowed for the call; the actions belong to out.
 */
void chd_core_step(chd_core *core, chd_now now, const chd_input *input,
                   chd_out *out);

/* Return when the core next needs a TURN_END, or CHD_NEVER_NS.  A time that
 * has passed means: at once, there is more to send. */
uint64_t chd_core_deadline_ns(const chd_core *core);

/* Tell whether more was published than the mesh takes at the moment: then the
 * caller should not read from sessions until it takes more. */
bool chd_core_holds_publishers(const chd_core *core);

/* Return the counters, valid as long as the core. */
const chd_stats *chd_core_stats(const chd_core *core);

/* Return since when what a node accepts counts for how fresh this node is, on
 * its clock; CHD_NEVER_NS: it does not count. */
uint64_t chd_core_counts_since(const chd_core *core, uint64_t node);

/* Describe this node; texts borrow from the core until its next step. */
void chd_core_report_node(const chd_core *core, chd_now now,
                          chd_node_report *report);

/* Describe one peer, index 0 and up; false when there is none at or after
 * *index.  On true *index is that of the peer described. */
bool chd_core_report_member(const chd_core *core, chd_now now, uint32_t *index,
                            chd_member_report *report);

#endif
