/* local.h - the messages between an application and its sidecar.  PROTOCOL 4.
 *
 * On the Unix stream socket each message is preceded by its length, four bytes
 * in network order (frame.h).  A message is one array, [type, ...]; fields
 * after those listed are skipped.  Topics, names and texts are str, addresses,
 * targets and values bin, degraded, listed, hears_us, more and resumed are
 * booleans, the others
 * unsigned integers; sequence numbers, heads and positions go up to
 * CHD_SEQ_MAX.  Fields in braces may be missing, and are 0 or false then.
 *
 * Owns:   decoded messages borrow from the bytes they were read from.
 */
#ifndef CHD_PROTO_WIRE_LOCAL_H
#define CHD_PROTO_WIRE_LOCAL_H

#include "proto/wire/event.h"
#include "proto/wire/mesh.h"

typedef enum chd_local_type {
    /* from the application */
    CHD_LOCAL_HELLO = 1,       /* see chd_local_hello                    */
    CHD_LOCAL_SUBSCRIBE = 2,   /* [[match, topic, match, topic, ...]]    */
    CHD_LOCAL_UNSUBSCRIBE = 3, /* [[match, topic, ...]]                  */
    CHD_LOCAL_PUBLISH = 4,     /* [request, wait, [item...], {number}]   */
    CHD_LOCAL_APPLIED = 5,     /* [position, bytes]                      */
    CHD_LOCAL_PING = 6,        /* [c0]                                   */
    CHD_LOCAL_STATUS = 7,      /* [request]                              */
    CHD_LOCAL_BYE = 8,         /* []                                     */
    CHD_LOCAL_RESUME = 9,      /* [[match, topic, ...], more]            */
    CHD_LOCAL_CONFIRM = 10,    /* [request, origin, seq]                 */
    CHD_LOCAL_WHO = 11,        /* [request]                              */
    CHD_LOCAL_AWAIT = 12,      /* [request, origin, seq]                 */
    /* from the sidecar */
    CHD_LOCAL_WELCOME = 33,    /* see chd_local_welcome                       */
    CHD_LOCAL_RECEIPT = 34,    /* [request, origin, seq]                      */
    CHD_LOCAL_EVENTS = 35,     /* [position, origin, [record...], {next}]     */
    CHD_LOCAL_RESET = 36,      /* [position, reason, [match, topic, ...],
                                {next}]                                    */
    CHD_LOCAL_PONG = 37,       /* [c0, position, {next}]                      */
    CHD_LOCAL_REPORT = 38,     /* [request, node, [member...]], see below     */
    CHD_LOCAL_ERROR = 39,      /* [code, text]; the sidecar closes after it   */
    CHD_LOCAL_GOODBYE = 40,    /* [] the sidecar is going away                */
    CHD_LOCAL_REPLICATED = 41, /* [request]                                */
    CHD_LOCAL_FRESH = 42,      /* [c0, age]                                */
    CHD_LOCAL_CONFIRMED = 43,  /* see chd_local_confirmed                   */
    CHD_LOCAL_AWAITED = 44,    /* [request]                                */
    CHD_LOCAL_PROMPT = 45,     /* [] APPLIED is wanted without delay       */
} chd_local_type;

/* The highest type that this release knows. */
#define CHD_LOCAL_TYPE_LAST CHD_LOCAL_PROMPT

/* Why a session must drop what it cached for the topics named. */
typedef enum chd_reset_reason {
    CHD_RESET_SUBSCRIBED = 1, /* the subscription begins here               */
    CHD_RESET_LOST = 2,       /* events of a peer were lost beyond repair   */
    CHD_RESET_SLOW = 3,       /* this session fell behind the log           */
    CHD_RESET_JOINED = 4,     /* a member's earlier events are not known    */
} chd_reset_reason;

/* Codes of ERROR. */
typedef enum chd_local_error {
    CHD_LOCAL_ERR_MALFORMED = 1, /* the message could not be read         */
    CHD_LOCAL_ERR_VERSION = 2,   /* no common version                     */
    CHD_LOCAL_ERR_STATE = 3,     /* HELLO must come first, and once       */
    CHD_LOCAL_ERR_LIMIT = 4,     /* too many sessions or subscriptions    */
    CHD_LOCAL_ERR_INVALID = 5,   /* a topic, target or payload is refused */
    CHD_LOCAL_ERR_STUCK = 6,     /* answers are not being read            */
} chd_local_error;

/* [version_min, version_max, client, name, pid, {node, next, bound}] */
typedef struct chd_local_hello {
    uint64_t version_min;
    uint64_t version_max;
    uint64_t client; /* random, the same across reconnects */
    chd_bytes name;  /* text, up to CHD_NAME_BYTES_MAX     */
    uint64_t pid;
    uint64_t node;     /* of the sidecar whose stream is to go on, ...    */
    uint64_t next;     /* ... where the application's last message ended;
                      both 0: there is nothing to resume              */
    uint64_t bound_ms; /* the application serves nothing that may be staler;
                          0: it may                                     */
} chd_local_hello;

/* [version, node, node_name, region, cluster, session, window_bytes,
 *  payload_max, ping_interval_ms, {resumed, features}] */
typedef struct chd_local_welcome {
    uint64_t version;
    uint64_t node; /* node id; another one than before: the sidecar restarted */
    chd_bytes node_name;
    chd_bytes region;
    chd_bytes cluster;
    uint64_t session;
    uint64_t window_bytes; /* of PUBLISH messages without their RECEIPT */
    uint64_t payload_max;  /* limits.payload                            */
    uint64_t ping_interval_ms;
    bool resumed;      /* the stream goes on at HELLO's next: RESUME follows */
    uint64_t features; /* CHD_FEATURE_*; unknown bits are ignored           */
} chd_local_welcome;

/* Each PUBLISH is answered by REPLICATED as well, some time after RECEIPT. */
#define CHD_FEATURE_REPLICATED 1u
/* CONFIRM, WHO and AWAIT are answered. */
#define CHD_FEATURE_CONFIRMED 4u
/* APPLIED may wait until it is due, or PROMPT asks for it. */
#define CHD_FEATURE_PROMPTS 8u

typedef struct chd_local_list {
    uint32_t count;
    chd_bytes encoded;
} chd_local_list;

/* What a publisher waits for. */
typedef enum chd_wait {
    CHD_WAIT_NONE = 0,     /* a later RECEIPT may stand for this one too */
    CHD_WAIT_ACCEPTED = 1, /* this request gets a RECEIPT of its own     */
} chd_wait;

typedef struct chd_local_publish {
    uint64_t request;     /* ascending within a session; returned in RECEIPT */
    uint64_t wait;        /* chd_wait; what is not known counts as ACCEPTED  */
    chd_local_list items; /* walk with chd_local_item_next                   */
    uint64_t number;      /* of the first item, among all that the client ever
                             published: ascending by one; 0: not told        */
} chd_local_publish;

/* Subscriptions that go on without a RESET, after WELCOME said resumed. */
typedef struct chd_local_resume {
    chd_local_list filters;
    bool more; /* another RESUME follows; nothing is delivered before */
} chd_local_resume;

/* Every request of this session up to this one is accepted. */
typedef struct chd_local_receipt {
    uint64_t request;
    uint64_t origin; /* node id of the sidecar                   */
    uint64_t seq;    /* of the last event that the request made, or of a
                        later one when it was accepted before            */
} chd_local_receipt;

typedef struct chd_local_events {
    uint64_t position; /* in the session's stream, of the first record */
    uint64_t origin;
    chd_local_list records; /* walk with chd_mesh_record_next */
    uint64_t next; /* where in the sidecar's log the stream goes on behind
                      this message; 0: it cannot be resumed here        */
    uint64_t hlc;  /* the latest of its invalidations and updates; not
                      written                                           */
    bool demands;  /* some event has a version or comes again; likewise */
} chd_local_events;

typedef struct chd_local_reset {
    uint64_t position;
    uint64_t reason;        /* chd_reset_reason, or one we do not know */
    chd_local_list filters; /* none: every topic; chd_local_filter_next */
    uint64_t next;          /* as in EVENTS                             */
} chd_local_reset;

/* CONFIRM: tell when every session of every member has applied the event.
 * AWAIT: tell when this session has, in its stream. */
typedef struct chd_local_ask {
    uint64_t request; /* the application's own number, returned */
    uint64_t origin;
    uint64_t seq; /* at least 1 */
} chd_local_ask;

/* Why CONFIRMED was sent. */
typedef enum chd_confirm_outcome {
    CHD_CONFIRM_DONE = 0,    /* nobody is missing any more               */
    CHD_CONFIRM_MISSING = 1, /* it is the answer to WHO; nothing follows */
    CHD_CONFIRM_REFUSED = 2, /* too many wait already; nothing follows   */
} chd_confirm_outcome;

/* [request, outcome, total, applied, gone, refusing, [missing...]] */
typedef struct chd_local_confirmed {
    uint64_t request;
    uint64_t outcome;  /* chd_confirm_outcome, or one we do not know       */
    uint64_t total;    /* members when it was asked, the sidecar included  */
    uint64_t applied;  /* of those: their sessions have applied it         */
    uint64_t gone;     /* they left or died while they were waited for     */
    uint64_t refusing; /* some of their sessions have not applied it, but
                           serve nothing until they have                    */
    chd_local_list missing; /* up to CHD_MISSING_MAX; walk with
                               chd_local_missing_next                       */
} chd_local_confirmed;

/* [node, name, session]: who is missing: a member, or a session of it. */
typedef struct chd_missing {
    uint64_t node;
    chd_bytes name;    /* of the node                               */
    chd_bytes session; /* as it said in HELLO; empty: not known     */
} chd_missing;

/* How a node stands, in the order of the encoded array. */
typedef enum chd_node_state {
    CHD_NODE_STARTING = 0,
    CHD_NODE_READY = 1,
    CHD_NODE_DRAINING = 2,
} chd_node_state;

typedef enum chd_member_state {
    CHD_MEMBER_LISTED = 0,  /* listed, nothing heard yet               */
    CHD_MEMBER_JOINING = 1, /* said hello, its events link is not live */
    CHD_MEMBER_LIVE = 2,
    CHD_MEMBER_SILENT = 3,  /* was live, nothing heard for a while     */
    CHD_MEMBER_REFUSED = 4, /* version or cluster do not match         */
} chd_member_state;

typedef enum chd_dns_outcome {
    CHD_DNS_NONE = 0,    /* no names are configured, or no poll has ended */
    CHD_DNS_ANSWER = 1,  /* addresses came back                           */
    CHD_DNS_EMPTY = 2,   /* the name exists without addresses, or not     */
    CHD_DNS_UNKNOWN = 3, /* no usable answer; the last good set is kept   */
} chd_dns_outcome;

/* REPORT's second field:
 * [node, name, region, cluster, release, address, port, state, degraded,
 *  uptime_ms, head, sessions, subscriptions, published, received, delivered,
 *  resets, lost, log_bytes, dns_outcome, dns_age_ms, dns_count, staleness_ms,
 *  held_by] */
typedef struct chd_node_report {
    uint64_t node;
    chd_bytes name;
    chd_bytes region;
    chd_bytes cluster;
    chd_bytes release; /* of coherd itself, for example "0.1.0" */
    chd_endpoint endpoint;
    uint64_t state; /* chd_node_state */
    bool degraded;
    uint64_t uptime_ms;
    uint64_t head;
    uint64_t sessions;
    uint64_t subscriptions;
    uint64_t published; /* events accepted from sessions here           */
    uint64_t received;  /* events accepted from peers                   */
    uint64_t delivered; /* events handed to sessions                    */
    uint64_t resets;    /* RESETs handed to sessions                    */
    uint64_t lost;      /* events known to be lost, answered by a RESET */
    uint64_t log_bytes;
    uint64_t dns_outcome;  /* chd_dns_outcome of the last poll        */
    uint64_t dns_age_ms;   /* since the last answer; 0 without names  */
    uint64_t dns_count;    /* addresses in the last good answers      */
    uint64_t staleness_ms; /* all accepted before that is here, rounded up;
                              UINT64_MAX: not known                       */
    uint64_t held_by;      /* the node that it is due to; 0: none         */
} chd_node_report;

/* [node, name, region, release, address, port, state, listed, hears_us,
 *  rtt_us, received, silent_ms, age_ms, counts] */
typedef struct chd_member_report {
    uint64_t node; /* 0 until it said hello */
    chd_bytes name;
    chd_bytes region;
    chd_bytes release;
    chd_endpoint endpoint;
    uint64_t state; /* chd_member_state */
    bool listed;    /* by DNS or as a static peer          */
    bool hears_us;  /* it says that our events reach it    */
    uint64_t rtt_us;
    uint64_t received; /* up to where its events are here     */
    uint64_t silent_ms;
    uint64_t age_ms; /* everything it accepted before that is here, rounded
                        up; UINT64_MAX: not known                        */
    bool counts;     /* for how fresh the node is                        */
} chd_member_report;

typedef struct chd_local_report {
    uint64_t request;
    chd_node_report node;
    chd_local_list members; /* walk with chd_local_member_next */
} chd_local_report;

typedef struct chd_local_error_msg {
    uint64_t code;  /* chd_local_error, or one we do not know */
    chd_bytes text; /* up to CHD_TEXT_BYTES_MAX               */
} chd_local_error_msg;

/* Any message of the local protocol. */
typedef struct chd_local {
    uint64_t type; /* chd_local_type, or one we do not know */
    union {
        chd_local_hello hello;
        chd_local_list filters; /* SUBSCRIBE, UNSUBSCRIBE */
        chd_local_publish publish;
        struct {
            uint64_t position; /* the last one applied               */
            uint64_t bytes;    /* of EVENTS and RESET messages so far,
                                  without their length prefix        */
        } applied;
        struct {
            uint64_t c0;       /* PING and PONG                            */
            uint64_t position; /* PONG: the last one sent on this session */
            uint64_t next;     /* PONG: as in EVENTS                       */
        } ping;
        struct {
            uint64_t c0;     /* of a PING                                  */
            uint64_t age_ns; /* what was sent is all that was accepted so
                                long before that PING arrived             */
        } fresh;
        uint64_t request;  /* STATUS, REPLICATED, WHO, AWAITED */
        chd_local_ask ask; /* CONFIRM, AWAIT */
        chd_local_confirmed confirmed;
        chd_local_resume resume;
        chd_local_welcome welcome;
        chd_local_receipt receipt;
        chd_local_events events;
        chd_local_reset reset;
        chd_local_report report;
        chd_local_error_msg error;
    } u;
} chd_local;

/* Read one whole message and validate every byte of it.  An unknown type is
 * not an error here: *local has the type and the receiver decides.  The items
 * of PUBLISH are checked for form; whether the payload is within the sidecar's
 * limits.payload is for the receiver.
 *
 * Errors: those of chd_scan and chd_event_scan.
 */
chd_err chd_local_scan(chd_bytes message, chd_local *local) CHD_MUST_USE;

/* Take the next element off a validated list; false at the end.  A list that
 * was never validated may abort. */
bool chd_local_filter_next(chd_local_list *list, chd_filter *filter);
bool chd_local_item_next(chd_local_list *list, chd_event *item);
bool chd_local_member_next(chd_local_list *list, chd_member_report *member);
bool chd_local_missing_next(chd_local_list *list, chd_missing *missing);

/* Write whole messages. */
void chd_local_pack_hello(chd_pack *pack, const chd_local_hello *hello);
/* type is SUBSCRIBE or UNSUBSCRIBE. */
void chd_local_pack_filters(chd_pack *pack, chd_local_type type,
                            const chd_filter *filters, uint32_t count);
void chd_local_pack_resume(chd_pack *pack, const chd_filter *filters,
                           uint32_t count, bool more);
void chd_local_pack_applied(chd_pack *pack, uint64_t position, uint64_t bytes);
void chd_local_pack_ping(chd_pack *pack, uint64_t c0);
void chd_local_pack_status(chd_pack *pack, uint64_t request);
/* type is BYE, GOODBYE or PROMPT, which have no fields. */
void chd_local_pack_bare(chd_pack *pack, chd_local_type type);
void chd_local_pack_welcome(chd_pack *pack, const chd_local_welcome *welcome);
void chd_local_pack_receipt(chd_pack *pack, const chd_local_receipt *receipt);
void chd_local_pack_replicated(chd_pack *pack, uint64_t request);
/* type is CONFIRM or AWAIT. */
void chd_local_pack_ask(chd_pack *pack, chd_local_type type,
                        const chd_local_ask *ask);
/* type is WHO or AWAITED. */
void chd_local_pack_request(chd_pack *pack, chd_local_type type,
                            uint64_t request);
/* CONFIRMED is written piecewise: open, add those who are missing, close. */
size_t chd_local_confirmed_open(chd_pack *pack,
                                const chd_local_confirmed *confirmed);
void chd_local_confirmed_add(chd_pack *pack, const chd_missing *missing);
void chd_local_confirmed_close(chd_pack *pack, size_t array_at, uint32_t count);
/* The filters are encoded already, as in a validated list. */
void chd_local_pack_reset(chd_pack *pack, const chd_local_reset *reset);
void chd_local_pack_pong(chd_pack *pack, uint64_t c0, uint64_t position,
                         uint64_t next);
void chd_local_pack_fresh(chd_pack *pack, uint64_t c0, uint64_t age_ns);
/* text is cut when it is too long. */
void chd_local_pack_error(chd_pack *pack, chd_local_error code,
                          const char *text);

/* PUBLISH is written piecewise: open, add items, close.
 *   item = [kind, flags, topic, target_kind, target, value, ...] */
size_t chd_local_publish_open(chd_pack *pack, uint64_t request, chd_wait wait);
void chd_local_publish_add(chd_pack *pack, const chd_event *item);
void chd_local_publish_close(chd_pack *pack, size_t array_at, uint32_t count,
                             uint64_t number);

/* EVENTS likewise; records are added with chd_pack_raw. */
size_t chd_local_events_open(chd_pack *pack, uint64_t position,
                             uint64_t origin);
void chd_local_events_close(chd_pack *pack, size_t array_at, uint32_t count,
                            uint64_t next);

/* REPORT likewise: open writes the node, add the members. */
size_t chd_local_report_open(chd_pack *pack, uint64_t request,
                             const chd_node_report *node);
void chd_local_report_add(chd_pack *pack, const chd_member_report *member);
void chd_local_report_close(chd_pack *pack, size_t array_at, uint32_t count);

#endif
