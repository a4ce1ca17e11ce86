/* resolver.h - one poll of DNS: a few questions, asked at once, over one
 * c-ares channel that lives as long as the poll.
 *
 * A fresh channel reads resolv.conf again and has a fresh source port, so that
 * neither a changed configuration nor a name server that died behind a NAT can
 * hold the daemon.  c-ares calls back within its own functions; what it brings
 * is only copied there and looked at later, by the caller, at its own time.
 *
 * Units:  TTLs are seconds.
 * Thread: the loop's alone.
 */
#ifndef CHD_BROKER_RESOLVER_H
#define CHD_BROKER_RESOLVER_H

#include "broker/endpoints.h"
#include "broker/poll.h"
#include "proto/wire/local.h"

/* 253 bytes, the final dot, and NUL. */
#define CHD_DNS_NAME_MAX 256

typedef enum chd_record {
    CHD_RECORD_AAAA,
    CHD_RECORD_A,
    CHD_RECORD_SRV,
} chd_record;

typedef struct chd_dns_target {
    char name[CHD_DNS_NAME_MAX];
    uint16_t port;
} chd_dns_target;

typedef struct chd_question {
    char name[CHD_DNS_NAME_MAX]; /* with the final dot                   */
    chd_record record;
    uint16_t port;    /* of the endpoints                                */
    size_t owner;     /* the caller's                                    */
    bool followed_up; /* the caller's                                    */
    bool answered;    /* the rest is set                                 */
    chd_dns_outcome outcome; /* ANSWER, EMPTY or UNKNOWN                 */
    const char *reason;      /* why not ANSWER, static                   */
    uint32_t ttl;            /* the shortest, UINT32_MAX without answer  */
    chd_endpoints endpoints; /* AAAA, A                                  */
    chd_dns_target *targets; /* SRV                                      */
    size_t target_count;
} chd_question;

typedef struct chd_resolver_options {
    const char *servers; /* as in discovery.servers; empty: resolv.conf */
    bool over_tcp;
} chd_resolver_options;

typedef struct chd_resolver chd_resolver;

/* Start a poll.  What cannot be set up shows as questions without answer.
 *
 * Owns:   *resolver belongs to the caller: chd_resolver_destroy.
 */
void chd_resolver_new(const chd_resolver_options *options, chd_poll *poll,
                      chd_resolver **resolver);

/* End the poll.
 *
 * Owns:   *resolver is consumed and set to NULL.  Safe on NULL, and twice.
 */
void chd_resolver_destroy(chd_resolver **resolver);

/* Ask for the records of name, exactly as it is: no search domains.  Ignored
 * when there are too many questions already. */
void chd_resolver_ask(chd_resolver *resolver, const char *name,
                      chd_record record, uint16_t port, size_t owner);

/* Repeat or give up what has waited long enough. */
void chd_resolver_tick(chd_resolver *resolver, chd_now now);

/* Return when the next tick is due. */
uint64_t chd_resolver_deadline_ns(const chd_resolver *resolver, chd_now now);

/* Give up on every question that has no answer yet. */
void chd_resolver_give_up(chd_resolver *resolver);

/* Return the question with this index, NULL behind the last. */
chd_question *chd_resolver_question(chd_resolver *resolver, size_t index);

#endif
