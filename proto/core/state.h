/* state.h - what a core is made of, for the files of proto/core alone.
 *
 * Each input has its file: listed.c, control.c (hello, ping, goodbye),
 * events.c (events and beacons), local.c (sessions).  turn.c runs what is due,
 * deliver.c sends what has gathered.
 */
#ifndef CHD_PROTO_CORE_STATE_H
#define CHD_PROTO_CORE_STATE_H

#include "proto/base/hlc.h"
#include "proto/base/prng.h"
#include "proto/core/confirm.h"
#include "proto/core/core.h"
#include "proto/core/forgotten.h"
#include "proto/core/hold.h"
#include "proto/core/horizon.h"
#include "proto/core/log.h"
#include "proto/core/pace.h"
#include "proto/core/peer.h"
#include "proto/core/published.h"
#include "proto/core/repair.h"
#include "proto/core/vector.h"
#include "proto/session/route.h"
#include "proto/wire/applied.h"
#include "proto/wire/repair.h"

/* Once events up to seq are replicated, so is everything up to request. */
typedef struct chd_mark_seq {
    uint64_t request;
    uint64_t seq;
} chd_mark_seq;

/* How soon a session has to know what is replicated. */
typedef enum chd_haste {
    CHD_HASTE_NONE, /* all of it is     */
    CHD_HASTE_UNASKED,
    CHD_HASTE_ASKED, /* somebody waits */
} chd_haste;

/* The sidecar's end of one session. */
typedef struct chd_session {
    bool open;
    bool greeted;           /* HELLO was answered by WELCOME                 */
    bool resuming;          /* subscriptions are being resumed: not yet read */
    bool receipt_due;       /* receipt is still to be sent                   */
    bool mark_due;          /* and its replication to be waited for          */
    chd_reset_reason reset; /* a RESET of everything is due; 0: none         */
    uint64_t client;
    uint64_t pid;
    chd_log_cursor cursor;  /* where in the log to go on                     */
    uint64_t position;      /* last one used in the session's stream         */
    uint64_t sent_bytes;    /* of EVENTS and RESET                           */
    uint64_t applied_bytes; /* of those, what the application has behind it  */
    uint64_t delivered;     /* events                                        */
    chd_local_receipt receipt;
    uint64_t unreceipted; /* bytes of PUBLISH since the last one           */
    uint64_t prompted_ns; /* when APPLIED was last asked for; 0: never     */
    chd_haste haste;
    uint32_t mark_count; /* what is not replicated yet, ascending        */
    chd_mark_seq marks[CHD_REPLICATION_MARKS_MAX];
    chd_name name;          /* as it said in HELLO                            */
    uint64_t bound_ns;      /* it serves nothing staler; 0: it may            */
    uint64_t fresh_sent_ns; /* when it was last told to be fresh, or opened  */
    chd_applied passed;     /* applied.c                                      */
    bool fresh_due;         /* FRESH is to be sent when                      */
    uint64_t fresh_number;  /* the cursor has come to this number:           */
    uint64_t fresh_c0;      /* at this time on the application's clock       */
    uint64_t fresh_ns;      /* it had all that was accepted before this      */
} chd_session;

/* Somebody says that an origin has events up to seq. */
typedef struct chd_claim {
    uint64_t origin;
    uint64_t seq;
    uint64_t holder; /* node id of who says so                            */
    bool certain;    /* what is missing cannot be on its way any more     */
} chd_claim;

struct chd_core {
    const chd_mem *mem;
    chd_core_config config; /* its texts point into the names below */
    chd_name cluster;
    chd_name name;
    chd_name region;
    chd_name release;
    chd_prng prng;
    chd_stats stats;
    chd_now now; /* of the step that runs */
    uint64_t started_ns;
    uint64_t turned_ns; /* when the last turn ended */

    chd_log *log;
    chd_vector *vector;
    chd_position *positions; /* scratch: the vector written out */
    chd_peers peers;
    chd_route *route;
    chd_published *published;
    chd_session *sessions;
    uint32_t session_high; /* sessions at and above were never used       */
    uint32_t session_count;
    uint32_t session_turn; /* who is served first in the next turn        */
    uint64_t reset_number; /* in the log: who stopped reading before it has
                              missed a RESET                             */
    uint8_t *record;       /* scratch: CHD_RECORD_BYTES_MAX               */
    uint8_t *names;        /* scratch: CHD_NAMES_BYTES_MAX                */

    uint64_t head; /* last sequence number assigned here           */
    uint64_t sent; /* last sequence number broadcast               */
    chd_log_cursor sent_cursor; /* in the log, behind it                  */
    uint64_t unsent_bytes;      /* of own records behind it               */
    uint64_t behind_bytes;      /* of all records behind it               */
    uint64_t hlc;

    chd_repair *repairs;   /* CHD_REPAIRS_MAX */
    uint32_t repair_count; /* open ones */
    chd_hold hold;
    chd_pace pace;
    chd_confirms *confirms;
    chd_horizon horizon;
    uint64_t held_back_ns; /* since when the pace holds back; NEVER: open */
    uint64_t replicated;   /* up to where own events are with one more    */
    uint64_t hurry_due_ns; /* when to ask a member, as publishers wait    */
    uint64_t hurry_wait_ns;
    chd_haste haste;     /* of the last turn                            */
    uint32_t hurry_turn; /* which member                                */
    uint64_t repair_due_ns;
    uint64_t vector_due_ns; /* when vectors may be compared again         */
    uint64_t serve_ns;      /* when the budget was filled                 */
    uint64_t serve_budget;  /* bytes that may be answered                 */

    chd_node_state state;
    bool degraded;
    bool left; /* said goodbye; nothing follows              */
    bool listed_once;
    bool peers_changed;     /* look at the peers at this turn's end       */
    bool more;              /* there was no room for all that is due      */
    uint64_t peers_due_ns;  /* when to look at the peers next             */
    uint64_t beacon_due_ns; /* of each, sent or spared                      */
    uint64_t beacon_head;   /* what the last one said                       */
    uint32_t beacons_alike; /* that were due since that was new             */
    uint64_t drain_due_ns;  /* when draining ends at the latest           */
    uint64_t dns_count;
    uint64_t surplus; /* listed addresses that the table has no room for */
    uint64_t dns_answer_ns;
    chd_dns_outcome dns_outcome;
    uint64_t malformed_told_ns; /* of senders that could not be read      */
    uint64_t malformed_count;
    uint64_t foreign_told_ns;
    uint64_t foreign_count;
    uint64_t refused_told_ns; /* of nodes that are not in the table       */
    uint64_t full_told_ns;
    uint64_t conflict_told_ns;
    uint64_t claimant; /* who claimed an address where another answers    */
    uint64_t claimed_ns;
};

/* How often the same complaint about the same peer is told. */
#define CHD_TELL_INTERVAL (60 * CHD_SECOND)

/* A PING or PONG with the longest cluster name, and a REFUSE with its text. */
#define CHD_PING_BYTES_MAX (128 + CHD_NAME_BYTES_MAX)
#define CHD_REFUSE_BYTES_MAX (128 + CHD_NAME_BYTES_MAX + CHD_TEXT_BYTES_MAX)

/* An APPLIED with all its names. */
#define CHD_APPLIED_BYTES_MAX                                                  \
    (128 + CHD_NAME_BYTES_MAX + CHD_LACKING_MAX * (CHD_NAME_BYTES_MAX + 2))

/* The topics that one RESET names, each with its match and length. */
#define CHD_NAMES_BYTES_MAX (CHD_RESET_TOPICS_MAX * (CHD_TOPIC_BYTES_MAX + 3))

/* A link that brought nothing for this many ping intervals is silent. */
#define CHD_SILENT_PINGS 5

/* While beacons say nothing new, one of so many goes out. */
#define CHD_BEACON_REST 4

/* Inputs, one function each; step.c dispatches. */
void chd_core_on_listed(chd_core *core, const chd_input *input, chd_out *out);
void chd_core_on_broadcast(chd_core *core, chd_bytes message, chd_out *out);
void chd_core_on_control(chd_core *core, const chd_input *input, chd_out *out);
void chd_core_on_session_open(chd_core *core, uint32_t index);
void chd_core_on_session_message(chd_core *core, uint32_t index,
                                 chd_bytes bytes, chd_out *out);
void chd_core_on_session_closed(chd_core *core, uint32_t index, chd_out *out);
void chd_core_on_drain(chd_core *core, chd_out *out);
void chd_core_on_turn_end(chd_core *core, chd_out *out);

/* members.c: what becomes of a peer. */

/* The node behind peer introduced itself. */
void chd_core_member_hello(chd_core *core, chd_peer *peer,
                           const chd_mesh_header *header,
                           const chd_mesh_hello *hello, chd_out *out);
/* Ping a member that has just pinged us, if that is due before long. */
void chd_core_ping_back(chd_core *core, chd_peer *peer, chd_out *out);
/* Something arrived from the node. */
void chd_core_member_heard(chd_core *core, chd_peer *peer, bool on_events,
                           chd_out *out);
/* Nobody is known behind the address any more. */
void chd_core_member_gone(chd_core *core, chd_peer *peer);
/* The node behind peer and this one have nothing to say to each other. */
void chd_core_member_refused(chd_core *core, chd_peer *peer, chd_out *out);
/* Tell whether the node behind peer can be taken to be there. */
bool chd_core_member_answers(const chd_peer *peer);
/* The address behind peer is this node's own. */
void chd_core_member_self(chd_core *core, chd_peer *peer, chd_out *out);
/* Take the address off the table, too. */
void chd_core_peer_drop(chd_core *core, chd_peer *peer, chd_out *out);
/* Dial, ping, give up: whatever is due for each peer.  Sets peers_due_ns. */
void chd_core_members_turn(chd_core *core, chd_out *out);
/* Judge readiness and degradation. */
void chd_core_judge(chd_core *core, chd_out *out);
/* Count members that said hello and did not leave, and what is missing. */
void chd_core_count_members(const chd_core *core, uint64_t *members,
                            uint64_t *missing);

/* control.c: write HELLO or WELCOME, with the vector for who is not known yet:
 * members compare theirs by PING and PONG. */
void chd_core_pack_hello(chd_core *core, chd_mesh_type type, bool known,
                         chd_pack *pack);

/* events.c */

/* Begin to follow an origin that nothing was known of, behind what it is known
 * to have sent.  What that was is unknown here, so caches that exist are
 * reset. */
void chd_core_follow(chd_core *core, const chd_claim *claim, chd_out *out);
/* Deliver an event that was not received before.  in_order: nothing of its
 * origin is missing before it, so it may stand for older ones in the log. */
void chd_core_accept(chd_core *core, uint64_t origin, const chd_event *event,
                     chd_bytes record, bool in_order);
/* Deliver what waited for the gap to close. */
void chd_core_replay(chd_core *core, chd_repair *repair, chd_out *out);
/* Deliver what waits up to upto, and let the stream go on from there: what is
 * missing before it is superseded, or a RESET answered for it. */
void chd_core_take_waiting(chd_core *core, chd_repair *repair, uint64_t upto,
                           chd_out *out);
/* Deliver an event that nothing has to come before any more; false when that
 * was done before. */
bool chd_core_take(chd_core *core, chd_repair *repair, const chd_event *event,
                   chd_bytes record);

/* repair.c */
chd_repair *chd_core_repair_of(chd_core *core, uint64_t origin);
/* Note what somebody says to exist; NULL when nothing is missing, the origin is
 * not followed, or no place is left to repair it now. */
chd_repair *chd_core_claim(chd_core *core, const chd_claim *claim);
/* There is one more who can be asked: do not wait with what nobody was asked
 * for. */
void chd_core_repairs_hurry(chd_core *core);
/* End the repairs of origins that the vector had no room for any more. */
void chd_core_repairs_forget(chd_core *core);
/* Move the position to the end of the answers, if that is certain.  Returns
 * whether all that their sender had is here. */
bool chd_core_repair_close(chd_core *core, chd_repair *repair);
void chd_core_repair_settle(chd_core *core, chd_repair *repair, chd_out *out);
void chd_core_repairs_turn(chd_core *core, chd_out *out);
chd_err chd_core_on_repair(chd_core *core, const chd_mesh_header *header,
                           chd_scan *scan, uint32_t fields, chd_out *out);
chd_err chd_core_on_lost(chd_core *core, const chd_mesh_header *header,
                         chd_scan *scan, uint32_t fields, chd_out *out);

/* serve.c */
chd_err chd_core_on_fetch(chd_core *core, const chd_mesh_header *header,
                          uint64_t route, chd_scan *scan, uint32_t fields,
                          chd_out *out);

/* pacing.c */

/* A member says up to where it has our events. */
void chd_core_acknowledged(chd_core *core, chd_peer *peer, uint64_t received,
                           chd_out *out);
/* Say so of its events, every so many bytes. */
void chd_core_acknowledge(chd_core *core, chd_peer *peer, size_t bytes,
                          chd_out *out);
/* Tell whether the slowest healthy member can take another message. */
bool chd_core_may_send(chd_core *core, chd_out *out);
/* Find out up to where this node's events are with one more member. */
void chd_core_judge_replicated(chd_core *core);
/* Ask a member how far it is, if publishers have waited for a while. */
void chd_core_hurry(chd_core *core);
/* Note how they wait, and whether some of it was reported now. */
void chd_core_hurry_later(chd_core *core, chd_haste haste, bool progress);

/* applied.c: up to where the sessions here have applied an origin's events. */

/* An entry of the log has left it, as a later one stands for it, which has just
 * been appended; who has not read the one has to read the other. */
void chd_core_superseded(chd_core *core, uint64_t number);
/* Note what sessions have yet to read, so that it is not lost to them. */
void chd_core_watch(chd_core *core);
/* A session goes on that may not have applied what it was given. */
void chd_core_wants_doubt(chd_core *core);
/* Tell whether a session has not applied everything before number in the log,
 * and may serve what it has nevertheless. */
bool chd_core_session_lacks(const chd_core *core, uint32_t index,
                            uint64_t number);
/* Find out up to where, at least up to seq; NULL when there is no room to
 * remember that. */
chd_want *chd_core_want(chd_core *core, uint64_t origin, uint64_t seq);
/* Return what is remembered of an origin, or NULL. */
chd_want *chd_core_want_of(const chd_core *core, uint64_t origin);
void chd_core_wants_turn(chd_core *core, chd_out *out);
chd_err chd_core_on_want(chd_core *core, const chd_mesh_header *header,
                         uint64_t route, chd_scan *scan, uint32_t fields,
                         chd_out *out);
/* After how long all sessions here refuse to serve, come what may; 0: never. */
uint64_t chd_core_refuses_ms(const chd_core *core);
void chd_core_awaits_turn(chd_core *core, chd_out *out);
/* A session asks to be told when it has applied an event; false when there is
 * no room for that. */
bool chd_core_on_await(chd_core *core, uint32_t index,
                       const chd_local_ask *ask);
/* It does not wait any more. */
void chd_core_await_end(chd_core *core, uint32_t index, uint64_t request);

/* confirm.c: sessions that wait until an event is applied everywhere. */

/* Errors: CHD_ENOMEM */
chd_err chd_core_confirms_new(chd_core *core) CHD_MUST_USE;
void chd_core_confirms_destroy(chd_core *core);
void chd_core_confirms_turn(chd_core *core, chd_out *out);
/* The session is over. */
void chd_core_confirms_end(chd_core *core, uint32_t index);
chd_err chd_core_on_applied(chd_core *core, const chd_mesh_header *header,
                            chd_scan *scan, uint32_t fields);
/* A session asks to be told when everybody has; false when there is no room.
 */
bool chd_core_on_confirm(chd_core *core, uint32_t index,
                         const chd_local_ask *ask);
/* And who has not. */
void chd_core_on_who(chd_core *core, uint32_t index, uint64_t request);
/* Say that there was no room. */
void chd_core_refuse_ask(const chd_local_ask *ask, uint32_t index,
                         chd_out *out);

/* freshness.c */

/* Somebody heard a node at a time, on our clock. */
void chd_core_alive(chd_core *core, uint64_t node, uint64_t when_ns);
/* It answers at an address, with a name. */
void chd_core_met_at(chd_core *core, uint64_t node,
                     const chd_endpoint *endpoint, const chd_name *name);
/* It says after how long its sessions refuse to serve. */
void chd_core_refuses(chd_core *core, uint64_t node, uint64_t refuses_ms);
/* It said goodbye behind its event head. */
void chd_core_left(chd_core *core, uint64_t node, uint64_t head);
/* Another process answers in its place. */
void chd_core_died(chd_core *core, uint64_t node);
/* Whoever has the node's events up to a number has all that it accepted before
 * a time. */
void chd_core_promised(chd_core *core, uint64_t node,
                       const chd_promise *promise);
/* A member says up to where it has a node's events. */
void chd_core_claimed(chd_core *core, const chd_claim *claim);
/* Return up to when this node has everything, on our clock, 0 when that is not
 * known; *holder is the node that holds it back, 0: none. */
uint64_t chd_core_horizon_ns(const chd_core *core, chd_now now,
                             uint64_t *holder);
/* Return how long ago this node had everything of another one that counts;
 * UINT64_MAX: not known. */
uint64_t chd_core_age_ns(const chd_core *core, chd_now now, uint64_t node,
                         bool *counts);
/* Write VECTOR; t0 is returned, or our own when answer is set. */
void chd_core_pack_vector(chd_core *core, chd_pack *pack, uint64_t version,
                          bool answer, uint64_t t0);
/* Ask a member for its vector. */
void chd_core_ask_vector(chd_core *core, const chd_peer *peer, chd_out *out);
/* Learn from the answer how fresh a member is. */
void chd_core_take_ages(chd_core *core, uint64_t sender,
                        const chd_mesh_vector *vector);
/* Settle the dead, and ask others about whom we do not hear. */
void chd_core_freshness_turn(chd_core *core, chd_out *out);

/* gossip.c: compare vectors with a member whose digests differ. */
void chd_core_compare(chd_core *core, chd_peer *peer, const chd_mesh_ping *pong,
                      chd_out *out);
chd_err chd_core_on_vector(chd_core *core, const chd_mesh_header *header,
                           uint64_t route, chd_scan *scan, uint32_t fields,
                           chd_out *out);
/* Note every position that a member has. */
void chd_core_claim_all(chd_core *core, uint64_t holder, chd_bytes positions,
                        chd_out *out);

/* deliver.c */

/* Broadcast own events that were not sent yet, as far as there is room. */
void chd_core_flush(chd_core *core, chd_out *out);
/* Broadcast them, whatever the pace says, if so many bytes of records that are
 * about to come might push them out of the log. */
void chd_core_make_room(chd_core *core, size_t bytes, chd_out *out);
/* Return how far the stream of a session that hears this will have come, in
 * the log, as the sessions' messages carry it; 0 when that is not certain. */
uint64_t chd_core_next_of(chd_core *core, uint32_t index);
/* Confirm what the session published so far. */
void chd_core_send_receipt(chd_core *core, uint32_t index, chd_out *out);
/* Send to each session what its window takes. */
void chd_core_deliver(chd_core *core, chd_out *out);
/* A session that wants nothing old goes on behind all that the mesh has seen.
 * It never goes back to what it had: events of others may lie in the log
 * between the last own one that was sent and those that wait. */
void chd_core_skip_to_newest(const chd_core *core, chd_session *session);
/* Owe every subscribed session a RESET of everything. */
void chd_core_reset_all(chd_core *core, chd_reset_reason reason);

/* Owe a RESET of the topics that a member's log has lost. */
void chd_core_reset_topics(chd_core *core, const chd_mesh_lost *lost,
                           chd_out *out);

/* Append an event of any origin to the log; in_order as above. */
void chd_core_log(chd_core *core, uint64_t origin, const chd_event *event,
                  chd_bytes record, bool in_order);

/* The first four fields of a message of ours. */
chd_mesh_header chd_core_header(const chd_core *core, chd_mesh_type type,
                                uint64_t version);

/* The lowest version that all members speak, for broadcasts. */
uint64_t chd_core_broadcast_version(const chd_core *core);

/* Tell something about peer (NULL: about nobody). */
void chd_core_trace(chd_out *out, chd_trace_code code, const chd_peer *peer,
                    uint64_t a, uint64_t b);
void chd_core_trace_text(chd_out *out, chd_trace_code code,
                         const chd_peer *peer, uint64_t a, uint64_t b,
                         chd_bytes text);

/* Count a message that could not be read and tell it once a minute.  sender is
 * 0 when not even that could be read. */
void chd_core_malformed(chd_core *core, uint64_t sender, chd_err err,
                        size_t bytes, chd_out *out);

/* Start sending a control message: pack into the result, then pass it on. */
void chd_core_send(chd_core *core, const chd_peer *peer, const chd_pack *pack,
                   chd_out *out);
void chd_core_reply(uint64_t route, const chd_pack *pack, chd_out *out);
/* The same for a session. */
void chd_core_tell(uint32_t index, const chd_pack *pack, chd_out *out);

#endif
