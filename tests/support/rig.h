/* rig.h - one core on the bench: feed it messages, look at what it does.
 *
 * The core is node RIG_NODE of cluster "test" at [fd00::1]:7420, with a log of
 * the smallest size.  Time stands still until rig_pass.
 */
#ifndef CHD_TESTS_SUPPORT_RIG_H
#define CHD_TESTS_SUPPORT_RIG_H

#include "proto/core/core.h"
#include "proto/wire/applied.h"
#include "proto/wire/repair.h"

#define RIG_NODE UINT64_C(0x1001)
#define RIG_PORT 7420
#define RIG_CLIENT 5 /* of the sessions that greet */
#define RIG_EVENTS_MAX 4096

typedef struct rig {
    chd_core *core;
    chd_out *out; /* of the last step */
    chd_now now;
    size_t traces[CHD_TRACE_COUNT]; /* how often each was told */
    size_t actions[CHD_ACT_STOPPED + 1];
    /* of the last one of its kind, copied */
    uint8_t sent[CHD_FRAME_BYTES_MAX]; /* to a session           */
    size_t sent_len;
    size_t prompts;           /* PROMPT that any session was sent */
    uint64_t replicated;      /* request of the last REPLICATED          */
    uint32_t dialled;         /* the peer                                */
    uint64_t broadcast_first; /* of the last EVENTS              */
    uint64_t broadcast_last;
    size_t said[CHD_MESH_TYPE_LAST + 1]; /* control messages, by type     */
    uint32_t said_to; /* the peer, of the last SEND          */
    chd_mesh_fetch fetch;
    chd_mesh_repair repair; /* its records lie in repair_bytes     */
    chd_mesh_lost lost;     /* its topics lie in lost_bytes        */
    uint8_t repair_bytes[CHD_FRAME_BYTES_MAX];
    uint8_t lost_bytes[CHD_FRAME_BYTES_MAX];
    chd_mesh_want want;              /* the last WANT                       */
    chd_mesh_applied applied;        /* the last APPLIED; its names lie in  */
    uint8_t applied_bytes[2048];     /* these bytes                         */
    chd_mesh_ping pong;              /* the last PONG                       */
    uint64_t vector_t0;              /* of the last VECTOR                  */
    uint64_t acknowledged;           /* of the last ACK                     */
    uint64_t events[RIG_EVENTS_MAX]; /* the first that sessions were sent   */
    size_t event_count;
    uint64_t stream_bytes; /* of EVENTS and RESET, to all sessions      */
    size_t fresh;          /* FRESH messages that sessions were sent    */
    uint64_t fresh_c0;
    uint64_t fresh_age_ns;
    size_t resets[CHD_RESET_JOINED + 1]; /* sent to sessions, by reason */
    uint64_t reset_next;  /* how far the stream had come at the last one    */
    uint32_t reset_count; /* topics that the last one named, 0: all         */
    uint8_t reset_topic[CHD_TOPIC_BYTES_MAX]; /* the first of them          */
    size_t reset_topic_len;
} rig;

/* Return the configuration of RIG_NODE. */
chd_core_config rig_config(void);

/* Return [fd00::number]:7420. */
chd_endpoint rig_endpoint(uint8_t number);

/* Make a rig, which allocates through tests/support/heap.h. */
rig *rig_new(const chd_core_config *config);
void rig_free(rig *bench);

/* Run one step and note its actions. */
void rig_feed(rig *bench, const chd_input *input);
void rig_turn(rig *bench);

/* Let time pass, then run a turn. */
void rig_pass(rig *bench, uint64_t ns);

/* Feed a message of the mesh. */
void rig_control(rig *bench, uint32_t peer, chd_bytes message);
void rig_broadcast(rig *bench, chd_bytes message);

/* Return the header of a message of another node. */
chd_mesh_header rig_header(uint64_t node, chd_mesh_type type);

/* Write messages of other nodes into buf, which has CHD_FRAME_BYTES_MAX. */
chd_bytes rig_hello(uint8_t *buf, uint64_t node, chd_mesh_type type,
                    uint8_t number, uint64_t head);
chd_bytes rig_vector(uint8_t *buf, uint64_t node, uint8_t number,
                     const chd_position *positions, uint32_t count);
chd_bytes rig_ping(uint8_t *buf, uint64_t node, chd_mesh_type type);
/* PING or PONG that says this. */
chd_bytes rig_say_ping(uint8_t *buf, uint64_t node, chd_mesh_type type,
                       const chd_mesh_ping *ping);
/* ACK of origin's events. */
chd_bytes rig_ack(uint8_t *buf, uint64_t node, uint64_t origin,
                  uint64_t received);
/* PONG to a PING of t0: head is broadcast, accepted is accepted. */
chd_bytes rig_pong(uint8_t *buf, uint64_t node, uint64_t t0, uint64_t head,
                   uint64_t accepted);
chd_bytes rig_head(uint8_t *buf, uint64_t node, chd_mesh_type type,
                   uint64_t head);
/* Invalidations of topic "t", first to last. */
chd_bytes rig_events(uint8_t *buf, uint64_t node, uint64_t first,
                     uint64_t last);

/* The same as messages, which wait for their turn and stay in the log. */
chd_bytes rig_messages(uint8_t *buf, uint64_t node, uint64_t first,
                       uint64_t last);

/* node has origin's invalidations first..last, and no more, and sends them. */
chd_bytes rig_repair(uint8_t *buf, uint64_t node, uint64_t origin,
                     uint64_t first, uint64_t last);

/* Introduce a node and let its beacon come: it is a live member. */
void rig_join(rig *bench, uint64_t node, uint8_t number);

/* Discovery lists [fd00::2], [fd00::3] and so on, so many of them. */
void rig_list(rig *bench, uint8_t count);

/* WANT, and APPLIED with the name of one session or none. */
chd_bytes rig_want(uint8_t *buf, uint64_t node, const chd_mesh_want *want);
chd_bytes rig_say_applied(uint8_t *buf, uint64_t node,
                          const chd_mesh_applied *applied, const char *lacking);

/* Open a session; greet; subscribe to all topics. */
void rig_open(rig *bench, uint32_t session);
void rig_greet(rig *bench, uint32_t session);
void rig_subscribe(rig *bench, uint32_t session);

/* Open a session that greets so; the versions are ours. */
void rig_greet_as(rig *bench, uint32_t session, const chd_local_hello *hello);
/* A session that has greeted subscribes to this. */
void rig_subscribe_to(rig *bench, uint32_t session, const chd_filter *filter);
/* Its connection is gone. */
void rig_close(rig *bench, uint32_t session);

/* A session comes back, from so far in the stream of a node.  Return whether
 * WELCOME said resumed. */
bool rig_resume(rig *bench, uint32_t session, uint64_t node, uint64_t next);
/* What it had subscribed to: a filter, or NULL, and whether more follow. */
void rig_resume_topic(rig *bench, uint32_t session, const chd_filter *filter,
                      bool more);

/* Feed a message of a session, or publish count items of bytes each. */
void rig_say(rig *bench, uint32_t session, chd_bytes message);
void rig_publish(rig *bench, uint32_t session, uint32_t count, size_t bytes);

/* A session sends PING. */
void rig_session_ping(rig *bench, uint32_t session, uint64_t c0);
/* It has applied everything up to position, so many bytes. */
void rig_applied(rig *bench, uint32_t session, uint64_t position,
                 uint64_t bytes);

/* It sends CONFIRM or AWAIT; or WHO, about what it has asked. */
void rig_ask(rig *bench, uint32_t session, chd_local_type type,
             const chd_local_ask *asked);
void rig_ask_who(rig *bench, uint32_t session, uint64_t request);

/* Return how much has been received of a member, UINT64_MAX when it is none. */
uint64_t rig_received(const rig *bench, uint64_t node);

/* Decode what was sent to a session last. */
chd_local rig_heard(const rig *bench);

#endif
