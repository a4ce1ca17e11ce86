/* out.h - what the core wants done: a bounded list of actions.
 *
 * Owns:   a chd_out owns the bytes that its actions point to, until it is
 *         cleared.
 * Errors: none.  Steps that could produce much ask for room first and go on
 *         at the next turn; a single answer always fits an empty list.
 */
#ifndef CHD_PROTO_CORE_OUT_H
#define CHD_PROTO_CORE_OUT_H

#include "proto/base/mem.h"
#include "proto/wire/mesh.h"

typedef enum chd_trace_code {
#define X(code, level, name, a, b) CHD_TRACE_##code,
#include "proto/core/trace.def"
#undef X
    CHD_TRACE_COUNT
} chd_trace_code;

typedef enum chd_level {
    CHD_LEVEL_ERROR = 0,  /* a person must act       */
    CHD_LEVEL_WARN = 1,   /* a person may need to    */
    CHD_LEVEL_NOTICE = 2, /* state changed           */
    CHD_LEVEL_INFO = 3,
    CHD_LEVEL_DEBUG = 4,
} chd_level;

typedef struct chd_trace {
    chd_trace_code code;
    uint64_t node;         /* the peer's node id, or 0   */
    chd_endpoint endpoint; /* the peer's address; port 0: none */
    uint64_t a;
    uint64_t b;
    chd_bytes text; /* may be empty; untrusted, print it escaped */
} chd_trace;

typedef enum chd_action_kind {
    CHD_ACT_BROADCAST,    /* bytes on the PUB socket */
    CHD_ACT_DIAL,         /* connect events and control of peer at endpoint */
    CHD_ACT_HANG_UP,      /* disconnect both; drop what waits for peer */
    CHD_ACT_SEND,         /* bytes to peer, on the control link dialled to it */
    CHD_ACT_REPLY,        /* bytes back on the control route they came from */
    CHD_ACT_SESSION_SEND, /* bytes (one message, unframed) to session */
    CHD_ACT_SESSION_CLOSE, /* close session once what was sent is written */
    CHD_ACT_TRACE,         /* tell: log it */
    CHD_ACT_STOPPED,       /* draining is complete: the process may exit */
} chd_action_kind;

typedef struct chd_action {
    chd_action_kind kind;
    uint32_t peer;         /* DIAL, HANG_UP, SEND: below CHD_PEERS_MAX    */
    uint32_t session;      /* SESSION_*: as in the input that opened it   */
    uint64_t route;        /* REPLY: as in the input with the message     */
    chd_endpoint endpoint; /* DIAL                                        */
    chd_bytes bytes;       /* what to send                                */
    chd_trace trace;       /* TRACE                                       */
} chd_action;

#define CHD_OUT_ACTIONS_MAX 4096
#define CHD_OUT_BYTES_MAX ((size_t)4 * CHD_FRAME_BYTES_MAX)

typedef struct chd_out {
    const chd_mem *mem;
    chd_action *actions;
    uint8_t *arena;
    size_t count; /* of actions      */
    size_t used;  /* bytes of arena  */
} chd_out;

/* Create an empty list.
 *
 * Owns:   on CHD_OK, *out belongs to the caller: chd_out_destroy.
 * Errors: CHD_ENOMEM  *out is NULL.
 */
chd_err chd_out_new(const chd_mem *mem, chd_out **out) CHD_MUST_USE;

/* Owns:   *out is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_out_destroy(chd_out **out);

/* Forget all actions and their bytes. */
void chd_out_clear(chd_out *out);

/* Tell whether actions more actions with bytes more bytes fit. */
bool chd_out_has_room(const chd_out *out, size_t actions, size_t bytes);

/* Start writing the next message into the arena; at most bytes_max of it is
 * offered. */
chd_pack chd_out_pack(chd_out *out, size_t bytes_max);

/* Keep what was packed and return it; nothing is kept after an overflow
 * (asserted: sizes are computed from limits.h). */
chd_bytes chd_out_keep(chd_out *out, const chd_pack *pack);

/* Append an action; asserts that there is room. */
chd_action *chd_out_add(chd_out *out, chd_action_kind kind);

/* What traces leave free for a message that matters. */
#define CHD_OUT_ACTIONS_RESERVE 1024
#define CHD_OUT_BYTES_RESERVE ((size_t)128 * 1024)

/* Append a trace unless the list is nearly full: telling is never worth
 * failing. */
void chd_out_trace(chd_out *out, const chd_trace *trace);

/* Return the table's entries for a trace code. */
const char *chd_trace_name(chd_trace_code code);
chd_level chd_trace_level(chd_trace_code code);
const char *chd_trace_field_a(chd_trace_code code);
const char *chd_trace_field_b(chd_trace_code code);

#endif
