/* client_asks.h - questions about events that wait for their answer: CONFIRM,
 * and AWAIT.  They are asked again on each connection.
 *
 * Owns:   nothing but its own fixed memory.
 */
#ifndef CHD_PROTO_SESSION_CLIENT_ASKS_H
#define CHD_PROTO_SESSION_CLIENT_ASKS_H

#include "proto/wire/local.h"

typedef struct chd_asked {
    bool used;
    bool told;     /* on this connection */
    bool who;      /* is to be answered now, with who is missing */
    bool who_told; /* on this connection */
    bool dropped;  /* its answer does not matter any more */
    chd_local_type type;
    chd_local_ask ask;
} chd_asked;

typedef struct chd_asks {
    chd_asked all[CHD_CLIENT_ASKS_MAX];
    uint32_t high;   /* entries at and above were never used */
    uint32_t untold; /* messages that are to be said         */
    uint64_t last;   /* number of the newest                 */
} chd_asks;

/* Questions told at once. */
#define CHD_ASKS_TELL_MAX 32

/* Take a question in; returns its number, 0: too many wait. */
uint64_t chd_asks_add(chd_asks *asks, chd_local_type type, uint64_t origin,
                      uint64_t seq);

/* Let a question be answered now. */
void chd_asks_who(chd_asks *asks, uint64_t request);

/* Forget a question that was answered, or does not matter any more; false when
 * there is none of that number. */
bool chd_asks_end(chd_asks *asks, uint64_t request);

/* Nobody waits for the answer any more.  WHO lets the sidecar forget it. */
void chd_asks_drop(chd_asks *asks, uint64_t request);

/* All have to be told anew. */
void chd_asks_rewind(chd_asks *asks);

/* Write the next message; false when there is none. */
bool chd_asks_pack(chd_asks *asks, chd_pack *pack);

#endif
