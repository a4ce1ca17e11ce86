/* client.h - the application's end of the session protocol, without sockets,
 * clocks or threads.  PROTOCOL 4.
 *
 * The caller owns the connection.  It
 *
 *   1. asks chd_client_tick what to do at a time: connect, drop, or nothing,
 *      and again at chd_client_deadline_ns;
 *   2. tells the outcome with chd_client_connected or _disconnected;
 *   3. writes what chd_client_output returns, as much as the socket takes, and
 *      tells how much it was with chd_client_written;
 *   4. passes each message that arrived to chd_client_receive, does what the
 *      delivery says, and tells chd_client_applied when the application has
 *      dealt with EVENTS or RESET.  What was received counts as given: it has
 *      to reach the application, once, even if the connection is lost before;
 *   5. drops the connection when chd_client_receive fails.
 *
 * Subscriptions and publishes may be made at any time; they wait until a
 * connection is welcomed.  A publish stays in the window until it is replicated
 * (with a sidecar that does not tell: until its receipt), and is sent again
 * after a reconnect.  Subscriptions are made again, too.  If it is the same
 * sidecar and its log still has what was missed, they go on where they stopped;
 * otherwise each is answered by a RESET.
 *
 * Given the same config and the same calls, a client does the same, byte for
 * byte; tests/sim depends on that.
 *
 * Units:  every time is nanoseconds on the caller's monotonic clock.
 * Owns:   a chd_client owns all its memory, fixed at chd_client_new.
 * Thread: not thread-safe; two clients share nothing.
 */
#ifndef CHD_PROTO_SESSION_CLIENT_H
#define CHD_PROTO_SESSION_CLIENT_H

#include "proto/base/clock.h"
#include "proto/base/fresh.h"
#include "proto/base/mem.h"
#include "proto/wire/local.h"

/* Reconnecting: full jitter below a cap that doubles.  After a refusal the
 * delay is between half of the longest and the longest. */
#define CHD_RECONNECT_MIN_NS (50 * CHD_MS)
#define CHD_RECONNECT_MAX_NS (2 * CHD_SECOND)

/* The lease: a connection is dead when nothing answered a PING for this many
 * intervals and at least this long.  It is also how long WELCOME may take. */
#define CHD_LEASE_PINGS 4
#define CHD_LEASE_MIN_NS (5 * CHD_SECOND)

typedef struct chd_client chd_client;

typedef struct chd_client_config {
    uint64_t seed;        /* for jitter and hashing                          */
    uint64_t client;      /* random, never 0; the same across reconnects     */
    uint64_t pid;         /* for people                                      */
    chd_bytes name;       /* text up to CHD_NAME_BYTES_MAX; copied           */
    uint64_t version_min; /* CHD_PROTOCOL_MIN                                */
    uint64_t version_max; /* CHD_PROTOCOL_MAX, >= version_min                */
    size_t window_bytes;  /* CHD_OUTBOX_BYTES_MIN..CHD_OUTBOX_BYTES_MAX      */
    uint32_t subscription_count_max; /* 1..CHD_SESSION_SUBSCRIPTIONS_MAX     */
    uint64_t bound_ms; /* the application serves nothing staler; 0: it may */
} chd_client_config;

typedef enum chd_client_todo {
    CHD_CLIENT_WAIT,    /* nothing until the deadline                      */
    CHD_CLIENT_CONNECT, /* connect, then tell _connected or _disconnected  */
    CHD_CLIENT_DROP,    /* the other side is dead: close, tell
                           _disconnected                                   */
} chd_client_todo;

typedef enum chd_delivery_kind {
    CHD_DELIVERY_NONE,       /* nothing that concerns the application       */
    CHD_DELIVERY_WELCOME,    /* attached                                    */
    CHD_DELIVERY_EVENTS,     /* walk the records, then chd_client_applied   */
    CHD_DELIVERY_RESET,      /* tell the application, then ..._applied      */
    CHD_DELIVERY_RECEIPT,    /* everything up to its request is accepted    */
    CHD_DELIVERY_REPLICATED, /* everything up to its request is safe,
                                and out of the window                    */
    CHD_DELIVERY_REPORT,     /* answers every STATUS up to its request      */
    CHD_DELIVERY_ERROR,      /* refused; the sidecar closes                 */
    CHD_DELIVERY_GOODBYE,    /* the sidecar is going away and closes        */
    CHD_DELIVERY_CONFIRMED,  /* answers the question of its request         */
    CHD_DELIVERY_AWAITED,    /* the same, once what came before is applied  */
} chd_delivery_kind;

/* How far into a connection's stream something lies. */
typedef struct chd_mark {
    uint64_t connection;
    uint64_t position;
    uint64_t bytes;
} chd_mark;

typedef struct chd_delivery {
    chd_delivery_kind kind;
    chd_local local;  /* the message; borrows from the bytes received     */
    chd_mark mark;    /* EVENTS, RESET: for chd_client_applied            */
    uint64_t refused; /* WELCOME: publishes taken out of the window because
                         the sidecar does not accept payloads so large    */
} chd_delivery;

/* Create a client that wants to connect at once.
 *
 * Owns:   on CHD_OK, *client belongs to the caller: chd_client_destroy.
 * Errors: CHD_ELIMIT   a config field is outside its range;
 *         CHD_ENOMEM   *client is NULL.
 */
chd_err chd_client_new(const chd_client_config *config, const chd_mem *mem,
                       uint64_t now_ns, chd_client **client) CHD_MUST_USE;

/* Owns:   *client is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_client_destroy(chd_client **client);

/* --- the connection ------------------------------------------------------- */

/* Say what to do now: a dead connection is noticed and a PING becomes due.
 * Call it when everything that has arrived was received. */
chd_client_todo chd_client_tick(chd_client *client, uint64_t now_ns);

/* Return when chd_client_tick is to be called next, or CHD_NEVER_NS. */
uint64_t chd_client_deadline_ns(const chd_client *client);

/* The connection is there. */
void chd_client_connected(chd_client *client, uint64_t now_ns);

/* It could not be made, or is gone. */
void chd_client_disconnected(chd_client *client, uint64_t now_ns);

/* Feed one whole message, without its length prefix.
 *
 * Owns:   *delivery borrows from message.
 * Errors: those of chd_local_scan; CHD_ESTATE, CHD_EVERSION, CHD_EORDER (a gap
 *         in the stream's positions), CHD_ERANGE: drop the connection.
 */
chd_err chd_client_receive(chd_client *client, uint64_t now_ns,
                           chd_bytes message, chd_delivery *delivery)
    CHD_MUST_USE;

/* Return framed bytes to write next; empty when there is nothing.
 *
 * Owns:   they borrow from the client until its next change.
 */
chd_bytes chd_client_output(chd_client *client);

/* The first len of them are written. */
void chd_client_written(chd_client *client, size_t len);

/* --- the application ------------------------------------------------------ */

/* The application has dealt with everything up to mark.  What belongs to an
 * earlier connection is ignored.  Several calls make one APPLIED. */
void chd_client_applied(chd_client *client, const chd_mark *mark);

/* Return up to when the application has applied everything that was accepted
 * anywhere in the mesh, on the caller's clock; 0 when that is not known.  How
 * long ago that is, is the session's staleness. */
uint64_t chd_client_horizon_ns(const chd_client *client);

/* Subscribe.  What is subscribed already stays so, without a new RESET.
 *
 * Errors: CHD_ETOPIC; CHD_EFULL.
 */
chd_err chd_client_subscribe(chd_client *client, const chd_filter *filter)
    CHD_MUST_USE;

/* Unsubscribe; false when it was not subscribed.  Events that are under way
 * may still arrive. */
bool chd_client_unsubscribe(chd_client *client, const chd_filter *filter);

/* Return how many subscriptions there are. */
uint32_t chd_client_subscription_count(const chd_client *client);

/* Publish: open, add each item (at least one, already checked by
 * chd_event_check), commit; or abort.  Commit returns the request number that
 * the receipt will cover.
 *
 * Errors: CHD_ENOSPACE  the window is full for now: abort, and wait;
 *         CHD_ELIMIT    it would not fit an empty window: abort.
 */
void chd_client_publish_open(chd_client *client, chd_wait wait);
chd_err chd_client_publish_add(chd_client *client, const chd_event *item)
    CHD_MUST_USE;
uint64_t chd_client_publish_commit(chd_client *client);
void chd_client_publish_abort(chd_client *client);

/* Tell whether this publish is still in the window. */
bool chd_client_is_pending(const chd_client *client, uint64_t request);

/* Return the number of the oldest publish in the window, UINT64_MAX when
 * there is none. */
uint64_t chd_client_oldest_pending(const chd_client *client);

/* Return the bytes of publishes in the window. */
size_t chd_client_pending_bytes(const chd_client *client);

/* Return how many of them are still to be written. */
size_t chd_client_unsent_bytes(const chd_client *client);

/* Ask for a REPORT; returns the request number that it will have.  Requests
 * made while one is under way may share its answer with a later one. */
uint64_t chd_client_ask_status(chd_client *client);

/* Ask for CONFIRMED, or for AWAITED: type is CONFIRM or AWAIT.  Asked again
 * after a reconnect, until it is answered or ended.  Returns the request number
 * that the answer will have; 0: too many are under way. */
uint64_t chd_client_ask(chd_client *client, chd_local_type type,
                        uint64_t origin, uint64_t seq);

/* Let CONFIRM be answered now, with who is missing. */
void chd_client_ask_who(chd_client *client, uint64_t request);

/* Do not wait for the answer any more. */
void chd_client_ask_end(chd_client *client, uint64_t request);

/* Tell whether the sidecar answers such questions; false before WELCOME. */
bool chd_client_can_ask(const chd_client *client);

/* Say goodbye: BYE is written behind what waits, nothing after it. */
void chd_client_bye(chd_client *client);

/* Tell whether the connection was welcomed and is not known to be lost. */
bool chd_client_is_attached(const chd_client *client);

/* Return the largest payload: what WELCOME said last, else the default. */
size_t chd_client_payload_max(const chd_client *client);

#endif
