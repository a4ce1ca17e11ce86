/* admin.h - health checks and metrics over HTTP.
 *
 *   GET /healthz   200 while the loop turns
 *   GET /readyz    200 when the node is ready, else 503
 *   GET /metrics   see metrics.h
 *
 * libmicrohttpd has no thread of its own here: its epoll descriptor is one
 * among the loop's, and it runs in the loop's turns.
 *
 * Thread: the loop's alone.
 */
#ifndef CHD_BROKER_ADMIN_H
#define CHD_BROKER_ADMIN_H

#include "broker/log.h"
#include "broker/poll.h"

typedef struct chd_admin chd_admin;

/* What the answers are made of. */
typedef struct chd_admin_source {
    /* Write a word or a line; return whether the node is ready. */
    bool (*write_ready)(void *arg, chd_writer *writer);
    void (*write_metrics)(void *arg, chd_writer *writer);
    void *arg;
} chd_admin_source;

typedef struct chd_admin_options {
    const char *address; /* as in admin.address, not empty */
    chd_admin_source source;
    chd_poll *poll;
    chd_logger *logger;
    chd_tally *tally;
} chd_admin_options;

/* Bind and serve.  False when that fails: the log says why.
 *
 * Owns:   on true, *admin belongs to the caller: chd_admin_destroy.  What
 *         options points to must outlive it, the address aside.
 */
bool chd_admin_new(const chd_admin_options *options, chd_admin **admin);

/* Owns:   *admin is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_admin_destroy(chd_admin **admin);

/* Answer what has arrived, and close what has timed out. */
void chd_admin_tick(chd_admin *admin, chd_now now);

/* Return when the next tick is due. */
uint64_t chd_admin_deadline_ns(const chd_admin *admin);

#endif
