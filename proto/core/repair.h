/* repair.h - what is missing, and whom we asked for it.
 *
 * A repair exists for an origin from the moment that a sequence number beyond
 * its position was heard of until everything up to there was received, or
 * answered by a RESET.  There are never more than CHD_REPAIRS_MAX; what finds
 * no place is claimed again by the next beacon or vector.
 */
#ifndef CHD_PROTO_CORE_REPAIR_H
#define CHD_PROTO_CORE_REPAIR_H

#include "proto/core/window.h"

/* How many members are asked, and how often, before one that says that its log
 * has something no more is believed. */
#define CHD_LOST_OPINIONS 4
#define CHD_LOST_ROUNDS 3

typedef struct chd_repair {
    uint64_t origin;   /* node id; 0: this place is free                   */
    chd_window window; /* what was received beyond the position            */
    uint64_t claimed;  /* highest number anybody claims to exist           */
    uint64_t holder;   /* node id of who claimed it                        */
    uint64_t asked;    /* node id of who is to answer; 0: nobody yet       */
    uint64_t stream;   /* its answers have covered everything up to here   */
    uint64_t upto;     /* and were asked for up to here                     */
    uint64_t held;     /* up to where the sender of the last had everything */
    uint64_t due_ns;   /* when to ask, or to ask again                     */
    uint64_t started_ns;
    uint32_t tries;      /* questions without progress                       */
    uint32_t lost_round; /* how often everybody was asked whether it is lost */
    uint32_t lost_told;  /* members that were asked in this round            */
    uint64_t lost_by[CHD_LOST_OPINIONS];
    uint64_t lost_upto; /* a RESET answered for what left the log up to here */
    uint64_t teller;    /* node id of whoever's word counted                 */
    uint64_t told;      /* by its last LOST                                  */
    bool holes;         /* superseded events are missing in the answers:
                            the position waits for the end of the stream     */
    bool is_gap;        /* somebody was certain, and it is counted         */
    bool mixed;         /* such answers came from more than one member      */
} chd_repair;

#endif
