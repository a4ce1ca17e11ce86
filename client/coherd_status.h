/* coherd_status.h - how the sidecar stands and who is there.  Part of
 * coherd.h, which includes it.
 */
#ifndef COHERD_STATUS_H
#define COHERD_STATUS_H

#include "coherd.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum coherd_node_state {
    COHERD_NODE_STARTING = 0, /* has not met all listed peers yet           */
    COHERD_NODE_READY = 1,
    COHERD_NODE_DRAINING = 2 /* is leaving                                  */
} coherd_node_state;

typedef enum coherd_member_state {
    COHERD_MEMBER_LISTED = 0,  /* listed, nothing heard yet                 */
    COHERD_MEMBER_JOINING = 1, /* said hello, its events do not arrive yet  */
    COHERD_MEMBER_LIVE = 2,
    COHERD_MEMBER_SILENT = 3, /* was live, nothing heard for a while        */
    COHERD_MEMBER_REFUSED = 4 /* other version or cluster                   */
} coherd_member_state;

typedef enum coherd_dns {
    COHERD_DNS_NONE = 0,   /* no names are configured, or no poll has ended */
    COHERD_DNS_ANSWER = 1, /* addresses came back                           */
    COHERD_DNS_EMPTY = 2,  /* no such name, or no address                   */
    COHERD_DNS_UNKNOWN = 3 /* no usable answer; the last good one is kept   */
} coherd_dns;

/* Texts end with NUL and are never NULL; they may be empty. */
typedef struct coherd_node_info {
    uint64_t node; /* node id */
    const char *name;
    const char *region;
    const char *cluster;
    const char *release; /* version of coherd               */
    const char *address; /* "fdaa::3", without port         */
    uint16_t port;
    coherd_node_state state;
    bool degraded; /* listed peers are missing              */
    uint64_t uptime_ms;
    uint64_t head; /* events of this node so far            */
    uint64_t sessions;
    uint64_t subscriptions;
    uint64_t published; /* events accepted from sessions    */
    uint64_t received;  /* events accepted from peers       */
    uint64_t delivered; /* events handed to sessions        */
    uint64_t resets;    /* RESETs handed to sessions        */
    uint64_t lost;      /* events known to be lost          */
    uint64_t log_bytes;
    coherd_dns dns;
    uint64_t dns_age_ms;   /* since the last answer           */
    uint64_t dns_count;    /* addresses in it                 */
    uint64_t staleness_ms; /* everything accepted in the mesh before that is
                              here, rounded up; COHERD_STALENESS_UNKNOWN   */
    uint64_t held_by;      /* node id that the staleness is due to; 0: none */
} coherd_node_info;

typedef struct coherd_member_info {
    uint64_t node; /* 0 until it said hello */
    const char *name;
    const char *region;
    const char *release;
    const char *address;
    uint16_t port;
    coherd_member_state state;
    bool listed;   /* by DNS or as a static peer             */
    bool hears_us; /* it says that our events reach it       */
    uint64_t rtt_us;
    uint64_t received; /* up to here its events have arrived */
    uint64_t silent_ms;
    uint64_t age_ms; /* everything that it accepted before that is here,
                        rounded up; COHERD_STALENESS_UNKNOWN             */
    bool counts;     /* for how fresh the sidecar is                     */
} coherd_member_info;

typedef struct coherd_status_report {
    coherd_node_info node; /* the sidecar itself */
    size_t member_count;
    const coherd_member_info *members; /* the others */
} coherd_status_report;

/* Ask the sidecar how it stands and who is there.
 *
 * Blocking: for timeout_ms; negative: for ever.
 * Owns:   on COHERD_OK, *report belongs to the caller: coherd_status_free.
 * Errors: COHERD_ERR_DISCONNECTED  not connected by the end of timeout_ms;
 *         COHERD_ERR_TIMEOUT       connected, but no answer;
 *         COHERD_ERR_MODE (inside a callback), COHERD_ERR_CLOSED,
 *         COHERD_ERR_NOMEM, COHERD_ERR_SYSTEM.
 */
COHERD_API coherd_err coherd_status(coherd_client *client, int timeout_ms,
                                    coherd_status_report **report);

/* Owns:   report is freed; NULL is allowed. */
COHERD_API void coherd_status_free(coherd_status_report *report);

#ifdef __cplusplus
}
#endif

#endif
