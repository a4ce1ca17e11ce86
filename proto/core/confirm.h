/* confirm.h - who has applied what: both sides of WANT and APPLIED.
 * PROTOCOL 3.11.
 *
 * A member that is asked for an event notes the end of its log once it has
 * everything of the origin up to there.  When every session has passed that
 * number, and has said that it applied what it was sent until then, the member
 * says so.  The node that asks is one such member itself.
 */
#ifndef CHD_PROTO_CORE_CONFIRM_H
#define CHD_PROTO_CORE_CONFIRM_H

#include "proto/base/limits.h"
#include "proto/base/mem.h"
#include "proto/core/peer.h"

/* Up to where the sessions of this node have applied an origin's events, as
 * somebody wants to know it. */
typedef struct chd_want {
    bool used;
    uint64_t origin;
    uint64_t seq;      /* the highest that anybody wants            */
    uint64_t applied;  /* all sessions have, or refuse, up to here  */
    uint64_t refusing; /* sessions that refused then                */
    uint64_t pending;  /* when they have passed number, up to here; */
    uint64_t number;   /* in the log; pending 0: not known yet      */
    uint64_t asked_ns;
    uint64_t askers[(CHD_PEERS_MAX + 63) / 64]; /* bits by peer    */
} chd_want;

/* A session of another member that is missing. */
typedef struct chd_lacking {
    uint64_t node;
    chd_name session;
} chd_lacking;

/* A session waits until an event is applied everywhere. */
typedef struct chd_confirm {
    bool used;
    bool listed; /* the members that count are known */
    bool own;    /* this node's sessions have it     */
    bool who;    /* it is to be answered soon, with who is missing */
    uint32_t session;
    uint64_t request;
    uint64_t origin;
    uint64_t seq;
    uint64_t accepted_ns; /* it is ours, and was accepted before; NEVER: not */
    uint64_t total;
    uint64_t applied;
    uint64_t gone;
    uint64_t refusing;
    uint32_t left;       /* members that are not heard of yet      */
    uint32_t high;       /* entries of nodes that may be in use    */
    uint64_t changes;    /* of the horizon, when it was looked at; 0: never */
    uint64_t due_ns;     /* when they are asked again              */
    uint64_t who_due_ns; /* when it is answered, whoever has not   */
    uint32_t who_left;   /* members that could still tell          */
    uint32_t lacking_count;
    chd_lacking lacking[CHD_CONFIRM_NAMES_MAX];
    uint64_t *nodes; /* node ids, by place in the horizon; 0: not awaited */
    uint64_t away[CHD_COUNTED_MAX / 64]; /* bits: it is gone, for now     */
} chd_confirm;

#define CHD_AWAIT_UNKNOWN UINT64_MAX /* the event is not here yet */

/* A session waits until it has applied an event itself. */
typedef struct chd_await {
    bool used;
    uint32_t session;
    uint64_t request;
    uint64_t origin;
    uint64_t seq;
    uint64_t number; /* in the log, that it has to pass                     */
} chd_await;

typedef struct chd_confirms {
    chd_want wants[CHD_WANTS_MAX];
    chd_confirm all[CHD_CONFIRMS_MAX];
    chd_await awaits[CHD_AWAITS_MAX];
    uint32_t want_count; /* of those that are not applied yet  */
    uint32_t confirm_count;
    uint32_t await_count;
    uint64_t watched; /* the highest number that is to be passed      */
    uint64_t due_ns;  /* when somebody is to be asked again           */
    uint64_t *nodes;  /* those of all confirms                        */
} chd_confirms;

/* How far a session's application has come, in the log. */
typedef struct chd_applied {
    uint64_t number;      /* it has applied everything before this     */
    uint64_t owed;        /* before this is something that stands for what
                        it has not read                           */
    uint64_t reset_bytes; /* of what was sent up to the last RESET, which may
                             stand for anything before it                  */
    bool unsure; /* what it was given on an earlier connection may not be
                    applied yet                                            */
    struct {
        uint64_t number; /* and before this, once it has applied ... */
        uint64_t bytes;  /* ... so many; 0: none                     */
    } oldest, newest;
} chd_applied;

#endif
