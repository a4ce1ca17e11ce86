/* lib.h - what a coherd_client is made of, for the files of client/ alone.
 *
 * The protocol is proto/session/client.h, without threads or sockets.  Around
 * it lie one mutex and the descriptors.  Two roles exist:
 *
 *   the I/O role   reads, connects, disconnects, runs the timer and calls the
 *                  application.  In threaded mode the background thread has it
 *                  for good; in polled mode coherd_dispatch or a waiting call
 *                  takes it by setting io_busy.
 *   everybody      may write to the socket, under the mutex, because a publish
 *                  should not wait for another thread to wake up.  Who fails
 *                  to write leaves it to the I/O role to find out why.
 *
 * The mutex is never held while the application's callbacks run.
 *
 * fork() copies all of this in the middle of anything.  A child trusts only
 * what is fixed at coherd_open, the descriptors, and the list of topics, which
 * are written in an order that makes each moment's copy good; see fork.c.
 */
#ifndef CHD_CLIENT_LIB_H
#define CHD_CLIENT_LIB_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/coherd.h"
#include "proto/session/again.h"
#include "proto/session/client.h"
#include "proto/session/fill.h"
#include "proto/wire/frame.h"

/* One recv takes so much, and one turn of the I/O role so many of them. */
#define CHD_READ_BYTES ((size_t)64 * 1024)
#define CHD_READS_MAX 8

#define CHD_IN_BYTES (2 * (CHD_FRAME_BYTES_MAX + CHD_FRAME_PREFIX_BYTES))

/* What waiting calls in polled mode keep for the next dispatch. */
#define CHD_KEPT_BYTES (4 * CHD_SESSION_WINDOW_BYTES)

#define CHD_WHY_BYTES 384

/* Longest wait for a receipt unless the caller says otherwise. */
#define CHD_RECEIPT_TIMEOUT_MS 5000

/* A subscription, in a form that a forked child can rely on. */
typedef struct chd_topic {
    chd_match match;
    size_t len;
    uint8_t text[CHD_TOPIC_BYTES_MAX];
} chd_topic;

typedef enum chd_outcome {
    CHD_PENDING,
    CHD_DONE,    /* the receipt or report is here, or err says why not */
    CHD_REFUSED, /* it was taken out of the window              */
    CHD_FAILED,  /* no memory to keep the report                */
} chd_outcome;

/* A call that waits for a receipt or a report; lives on its stack, or on the
 * heap if it has an on_receipt. */
typedef struct chd_waiter {
    struct chd_waiter *next;
    uint64_t request;
    chd_outcome outcome;
    coherd_receipt receipt;
    uint8_t *report; /* a copy of the message, to be freed by the call */
    size_t report_len;
    coherd_wait wait;
    coherd_err err;
    bool accepted; /* receipt has the event                          */
    bool applies;  /* waits for something that this client is to do  */
    bool awaited;  /* done once the application has what was kept    */
    bool who;      /* the time-out is over, and WHO was asked        */
    uint64_t ask;  /* the engine's question; 0: none                 */
    uint64_t deadline_ns;
    void (*on_receipt)(coherd_client *client, const coherd_receipt *receipt,
                       coherd_err err, void *arg);
    void *arg;
} chd_waiter;

/* Why there is no connection, or that there is one. */
typedef struct chd_why {
    bool connected;
    coherd_err reason;
    int sys_errno;
    uint64_t node;
    uint64_t refused;
    char text[CHD_WHY_BYTES];
} chd_why;

struct coherd_client {
    /* Fixed at coherd_open. */
    coherd_options options; /* its texts are in the two arrays below */
    struct sockaddr_un address;
    char name[CHD_NAME_BYTES_MAX + 1];
    size_t window_bytes;
    uint8_t *in;   /* CHD_IN_BYTES */
    uint8_t *kept; /* CHD_KEPT_BYTES; polled mode only */

    /* Whose handle this is: see fork.c. */
    _Atomic uint32_t *owner;
    _Atomic uint32_t owner_here; /* when there is no page that fork wipes */
    bool owner_is_page;
    _Atomic uint32_t generation; /* counts the forks that lie behind us */

    /* Read by a forked child at any moment. */
    _Atomic int socket_fd;
    _Atomic int epoll_fd;
    _Atomic int timer_fd;
    _Atomic int event_fd;
    _Atomic(chd_topic *) *topics; /* CHD_SESSION_SUBSCRIPTIONS_MAX */
    _Atomic uint32_t topic_count;

    /* Read by everybody at any moment: staleness.c. */
    _Atomic uint64_t horizon_ns; /* 0: not known */

    /* Under the mutex from here on. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    chd_client *engine;
    pthread_t thread;
    bool thread_runs;
    bool closing;
    uint32_t waiting_calls;
    bool io_busy;
    bool dispatching;   /* io_busy, by coherd_dispatch            */
    uint32_t io_claims; /* dispatches that want the I/O role      */
    bool in_callback;
    pthread_t callback_thread;

    size_t in_begin;
    size_t in_end;
    bool writable_wanted; /* EPOLLOUT is being watched            */
    bool write_failed;    /* the I/O role has to look at it       */
    bool event_raised;    /* event_fd is readable                 */
    uint64_t timer_ns;    /* when timer_fd becomes readable       */
    uint64_t flush_ns;    /* when it writes what was published      */
    uint64_t writes_ns;   /* up to when writes are spent: a burst */

    chd_why why;      /* as the application was told last         */
    chd_why farewell; /* what the sidecar said before it closed   */
    chd_waiter *receipt_waiters;
    chd_waiter *report_waiters;
    uint32_t later_count; /* of those with an on_receipt           */
    bool receipts_due;    /* some of them are left to a dispatch   */
    uint64_t last_request;
    uint64_t room; /* counts what makes room in the window */

    bool staleness_within; /* the bound, as the application was told last   */
    bool staleness_kept;   /* that is to be told by the next dispatch       */

    size_t kept_begin;
    size_t kept_end;
    chd_mark kept_mark; /* of the last message that was to be kept       */
    bool kept_lost;     /* they became too much: owe a RESET of all      */
    chd_mark kept_lost_mark;

    chd_again *again; /* for the I/O role                                */
    bool again_held;  /* only coherd_dispatch may call the application   */

    /* Under a mutex of its own, which is taken last and held for nothing
     * else: fills should not wait for I/O. */
    pthread_mutex_t floors_mutex;
    chd_fills *fills;
    bool fills_begun;     /* once at least */
    _Atomic bool hearing; /* connected: what happens is heard of */

    /* Taken after the client's mutex, before any of a cache's. */
    pthread_mutex_t caches_mutex;
    struct coherd_cache *caches;
    atomic_bool caches_made; /* one at least, now or before */
};

/* --- client.c ------------------------------------------------------------- */

/* Begin and end a public call: notice a fork, take the mutex.
 *
 * Errors: COHERD_ERR_SYSTEM, COHERD_ERR_NOMEM: the mutex is not held.
 */
coherd_err chd_lib_enter(coherd_client *client);
/* See chd_lib_enter. */
void chd_lib_leave(coherd_client *client, int saved_errno);

/* Make the engine, with a fresh id. Errors: as chd_lib_enter. */
coherd_err chd_lib_make_engine(coherd_client *client);

/* Make the mutex and the condition. Errors: COHERD_ERR_NOMEM. */
coherd_err chd_lib_make_locks(coherd_client *client);

/* Return the monotonic time. */
uint64_t chd_lib_now_ns(void);

/* Return fresh random bits, never 0. */
uint64_t chd_lib_random(void);

/* --- fork.c --------------------------------------------------------------- */

/* Tell whether this process is a child that has not taken the handle over. */
bool chd_lib_is_child(coherd_client *client);

/* Prepare the page that fork wipes; without it process ids are compared. */
void chd_lib_owner_init(coherd_client *client);
/* Give the page back. */
void chd_lib_owner_fini(coherd_client *client);

/* Take the handle over in a child: a new client with the same subscriptions.
 *
 * Errors: COHERD_ERR_SYSTEM, COHERD_ERR_NOMEM: the next call tries again.
 */
coherd_err chd_lib_take_over(coherd_client *client);

/* Close all descriptors without a word on the wire. */
void chd_lib_abandon_descriptors(coherd_client *client);

/* --- topics.c ------------------------------------------------------------- */

/* List a subscription that the engine has accepted as a new one.
 *
 * Errors: COHERD_ERR_NOMEM.
 */
coherd_err chd_topics_add(coherd_client *client, const chd_filter *filter);

/* Take one off the list. */
void chd_topics_remove(coherd_client *client, const chd_filter *filter);

/* Free the whole list. */
void chd_topics_clear(coherd_client *client);

/* --- transport.c ---------------------------------------------------------- */

/* Make the epoll, timer and event descriptors. Errors: COHERD_ERR_SYSTEM. */
coherd_err chd_transport_open(coherd_client *client);

/* Connect; 0 or an errno. */
int chd_transport_connect(coherd_client *client);

/* End the connection, also for whoever else holds the descriptor. */
void chd_transport_disconnect(coherd_client *client);

/* Write what the engine has, as far as the socket takes it. */
void chd_transport_flush(coherd_client *client);
/* Write what was published; or in a burst leave it to the background thread,
 * which is at it in a moment, so that many calls share a write. */
void chd_transport_flush_published(coherd_client *client);

typedef enum chd_read {
    CHD_READ_SOME,
    CHD_READ_ALL, /* and there is no more for now     */
    CHD_READ_END, /* errno is 0 or tells what happened */
} chd_read;

/* Read once into the buffer. */
chd_read chd_transport_read(coherd_client *client);

/* Make coherd_fd readable when the engine's deadline comes. */
void chd_transport_arm(coherd_client *client);

/* Make coherd_fd readable now, or take that back. */
void chd_transport_raise(coherd_client *client);
/* See chd_transport_raise. */
void chd_transport_lower(coherd_client *client);

/* Forget a descriptor's number and close it; -1 is none. */
void chd_fd_close(_Atomic int *fd);

/* --- dispatch.c ----------------------------------------------------------- */

/* Do what is due, with the I/O role and the mutex.  keep: leave what is for
 * the application to the next coherd_dispatch.
 *
 * Returns false when this is a child that was forked inside a callback: the
 * mutex is not held, and nothing may be touched any more.
 */
bool chd_dispatch_turn(coherd_client *client, bool keep);

/* What the background thread runs; arg is the client. */
void *chd_dispatch_thread(void *arg);

/* Do what coherd_dispatch does, with the mutex.  Return as above. */
bool chd_dispatch_once(coherd_client *client, coherd_err *err);

/* --- confirm.c ------------------------------------------------------------ */

/* Something arrived that waiters wait for. */
void chd_confirm_receipt(coherd_client *client,
                         const chd_local_receipt *receipt);
void chd_confirm_replicated(coherd_client *client);
void chd_confirm_answer(coherd_client *client,
                        const chd_local_confirmed *confirmed);
void chd_confirm_awaited(coherd_client *client, uint64_t request);
/* The application has been given all that was kept for it. */
void chd_confirm_caught_up(coherd_client *client);

/* Wait, with the mutex held, until the waiter has what it waits for or its
 * deadline.  Returns false when this is a child now: nothing may be touched. */
bool chd_confirm_wait(coherd_client *client, chd_waiter *waiter,
                      coherd_err *err);

/* Make a waiter whose on_receipt will be called; NULL: too many, or no memory.
 */
chd_waiter *chd_confirm_later(coherd_client *client);

/* Free one that is in no list, and all that are. */
void chd_confirm_never(coherd_client *client, chd_waiter *waiter);
void chd_confirm_clear(coherd_client *client);

/* Call on_receipt for those who have their answer or waited too long.  Return
 * and keep as for chd_dispatch_turn. */
bool chd_confirm_turn(coherd_client *client, bool keep);

/* Return when the next one will have waited too long. */
uint64_t chd_confirm_deadline_ns(const coherd_client *client);

/* --- publish.c ------------------------------------------------------------ */

/* Return what coherd_invalidate and coherd_update would refuse at once. */
coherd_err chd_publish_check_invalidate(const char *topic,
                                        const coherd_target *targets,
                                        size_t count,
                                        const coherd_publish_options *options);
coherd_err chd_publish_check_update(const char *topic,
                                    const coherd_entry *entry,
                                    const coherd_publish_options *options);

/* --- deliver.c ------------------------------------------------------------ */

/* Call the application, or keep what is for it.  Return as above. */
bool chd_deliver_message(coherd_client *client, const chd_local *local,
                         chd_bytes message, const chd_mark *mark, bool keep);
/* The same for the state of the connection. */
bool chd_deliver_why(coherd_client *client, const chd_why *why, bool keep);

/* Call the application with what is due to be applied again. */
bool chd_deliver_again(coherd_client *client);

/* Call the application with everything that was kept. */
bool chd_deliver_kept(coherd_client *client);

/* Call on_receipt. Return as above. */
bool chd_deliver_receipt(coherd_client *client, const chd_waiter *waiter);

/* Tell whether something was kept that the application was not given. */
bool chd_deliver_has_events(const coherd_client *client);

/* Tell whether the next dispatch has something to do. */
bool chd_deliver_has_kept(const coherd_client *client);

/* Tell that the bound of staleness was crossed.  Return as above. */
bool chd_deliver_staleness(coherd_client *client, bool exceeded);

/* --- fill.c --------------------------------------------------------------- */

/* Make the floors and the list of what is applied again.
 *
 * Errors: COHERD_ERR_NOMEM.
 */
coherd_err chd_floors_open(coherd_client *client);
/* Free them; also when they were not made. */
void chd_floors_close(coherd_client *client);

/* Raise the floors of an EVENTS or RESET message, before the application is
 * told of it, and list what is to be applied again. */
void chd_floors_message(coherd_client *client, const chd_local *local);

/* Raise the floors of an event that is applied again. */
void chd_floors_again(coherd_client *client, const chd_repeat *repeat);

/* Raise the floor of everything. */
void chd_floors_reset(coherd_client *client);

/* Note that what happens is heard of from now on, or not any more. */
void chd_floors_hearing(coherd_client *client, bool hearing);

/* Note a subscription that was made or ended. */
void chd_floors_subscribed(coherd_client *client, const chd_filter *filter,
                           bool subscribed);

/* Raise the floor of an event that this process is about to publish. */
void chd_floors_own(coherd_client *client, const coherd_event *event);

/* What is behind coherd_fill_begin and coherd_fill_end, for a caller who has
 * checked the arguments and the process. */
coherd_err chd_floors_begin(coherd_client *client, const char *topic,
                            size_t topic_len, const void *key, size_t key_len,
                            chd_fill *fill);
/* See chd_floors_begin. */
coherd_err chd_floors_end(coherd_client *client, const chd_fill *fill,
                          const coherd_fill_options *options);

/* Begin anew in a forked child. Errors: COHERD_ERR_NOMEM. */
coherd_err chd_floors_start_over(coherd_client *client);

/* Return when something is to be applied again, if the caller's kind of turn
 * may do that. */
uint64_t chd_floors_deadline_ns(const coherd_client *client);

/* --- cache/cache.c -------------------------------------------------------- */

/* Apply an event to the caches of its topic. */
void chd_caches_event(coherd_client *client, const coherd_event *event);

/* Apply a RESET of what the filter matches, NULL: of everything. */
void chd_caches_reset(coherd_client *client, const chd_filter *filter);

/* Tell whether a cache is open. */
bool chd_caches_any(coherd_client *client);

/* Empty all caches in a forked child. Errors: COHERD_ERR_NOMEM. */
coherd_err chd_caches_start_over(coherd_client *client);

/* --- staleness.c ---------------------------------------------------------- */

/* Let readers know of the engine's horizon. */
void chd_staleness_publish(coherd_client *client);

/* The same, and tell the application when its bound was crossed.  Return and
 * keep as for chd_dispatch_turn. */
bool chd_staleness_turn(coherd_client *client, bool keep);

/* Return when the bound will be crossed if nothing arrives. */
uint64_t chd_staleness_deadline_ns(const coherd_client *client);

/* --- wait.c --------------------------------------------------------------- */

typedef bool chd_done_fn(coherd_client *client, const void *arg);

/* Tell whether the caller stands inside a callback of this client. */
bool chd_wait_is_callback(const coherd_client *client);

/* Wait with the mutex held until done or until the deadline.
 *
 * Errors: COHERD_ERR_TIMEOUT, COHERD_ERR_CLOSED.
 */
coherd_err chd_wait_until(coherd_client *client, uint64_t deadline_ns,
                          chd_done_fn *done, const void *arg);

/* The same for a waiter, running callbacks as coherd_dispatch does; for polled
 * mode.  Returns false when this is a child now. */
bool chd_wait_dispatching(coherd_client *client, uint64_t deadline_ns,
                          const chd_waiter *waiter, coherd_err *err);

/* Return the time at which timeout_ms is over; negative: never. */
uint64_t chd_wait_deadline_ns(int timeout_ms);

/* Put a waiter into a list of the client's. */
void chd_waiter_add(chd_waiter **list, chd_waiter *waiter);

/* Take it out again. */
void chd_waiter_remove(chd_waiter **list, chd_waiter *waiter);

/* Tell whether a waiter has its answer: for chd_wait_until. */
bool chd_waiter_is_done(coherd_client *client, const void *waiter);

#endif
