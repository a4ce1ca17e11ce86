/* coherd.h - keep the caches of many application instances coherent.
 *
 * An application opens a client, subscribes to the topics that it caches, and
 * drops entries when it is told to.  Whoever changes the data invalidates.
 * The client talks to the sidecar beside it, coherd(8), over a Unix socket;
 * the sidecars of all instances talk to each other.
 *
 *     static void on_event(coherd_client *client, const coherd_event *event,
 *                          void *arg)
 *     {
 *         (void)client;
 *         if (event->target.kind == COHERD_TARGET_KEY) {
 *             my_cache_drop(arg, event->target.data, event->target.len);
 *         } else {
 *             my_cache_drop_all(arg);
 *         }
 *     }
 *     static void on_reset(coherd_client *client, const coherd_reset *reset,
 *                          void *arg)
 *     {
 *         (void)client, (void)reset;
 *         my_cache_drop_all(arg);
 *     }
 *
 *     coherd_options options = {0};
 *     options.on_event = on_event;
 *     options.on_reset = on_reset;
 *     options.arg = my_cache;
 *     coherd_client *client;
 *     if (coherd_open(&options, &client) == COHERD_OK) {
 *         coherd_subscribe(client, "episodes");
 *     }
 *
 *     // after the database transaction is committed:
 *     coherd_target changed[2] = {coherd_key("51"), coherd_tag("home")};
 *     coherd_invalidate(client, "episodes", changed, 2, NULL, NULL);
 *
 * Link with -lcoherd, or ask pkg-config for coherd.
 *
 * HOW TO HURT YOURSELF
 *
 *  1. Publish after the commit, never before or inside the transaction:
 *     another instance would load the old row again, right after it dropped
 *     it, and keep it.
 *  2. A RESET is not an error but the other half of the promise: events of the
 *     topic may have been missed, so drop everything cached for it.  One comes
 *     for each topic at first, and after a reconnect unless it is to the same
 *     sidecar and nothing was missed.  A program without on_reset
 *     serves stale entries sooner or later; coherd_open refuses to open a
 *     client that has on_event and no on_reset.
 *  3. During an interruption nothing can tell you what became stale.
 *     coherd_is_connected and on_state say when that is so; give your entries
 *     a TTL that you can live with.
 *  4. Callbacks must not block: while one runs, nothing else is delivered, and
 *     a session that does not keep up is reset.  Drop the entry and return;
 *     load it when somebody asks for it.  A callback that takes a lock which
 *     is held around a waiting call of this library is a deadlock.
 *  5. A load that began before an invalidation may end after it.  Take a
 *     ticket with coherd_fill_begin before you read the source, and store what
 *     you read only if coherd_fill_end allows it, with the lock of your cache
 *     held around both: your callbacks take the same lock to drop.  Or use the
 *     cache of coherd_cache.h, which does that.
 *  6. The client that publishes is subscribed like any other: it receives its
 *     own events, so code that writes the new value into its own cache first
 *     will see it dropped.
 *  7. COHERD_OK from a publish without waiting means: taken into this client's
 *     window, sent at once, or in a burst by the background thread 0.2 ms later
 *     (many calls share a message then), and sent again if the sidecar dies.
 *     It stays there until the sidecar has reported that one more sidecar has
 *     it, or that there is no other.  A process that exits right away takes
 *     its window with it: call coherd_flush before the end.  With
 *     COHERD_WAIT_ACCEPTED alone, the death of both the process and its
 *     sidecar within the next moments can still lose the event.
 *  8. When the sidecar dies, what is in the window is published again.  Others
 *     recognise what they had already, so updates and messages do not come
 *     twice, as far as their tables reach (docs/guarantees.md); messages that
 *     count something need an id of their own.  Invalidations may come twice.
 *  9. After fork() the parent's client goes on as if nothing had happened.  The
 *     child may use the same handle: its first call closes the inherited
 *     descriptors without a word, and starts over as a new client that has the
 *     same subscriptions, each with a RESET, and an empty window.  A child
 *     that was forked inside a callback must not return from it but exec or
 *     _exit.  A child that never calls the library and never execs keeps the
 *     parent's socket open: coherd_close in it is enough, after the caches.
 * 10. coherd_close must be the last call on its client.  It wakes calls that
 *     are waiting in other threads; it cannot protect those that begin later.
 *
 * RULES THAT HOLD FOR ALL FUNCTIONS
 *
 * Units:    sizes are bytes, without any NUL; times are milliseconds.
 * Owns:     arguments are borrowed for the call and copied where needed.  What
 *           a callback is shown is borrowed until it returns.
 * Errors:   coherd_err, COHERD_OK is 0; coherd_strerror has a sentence for
 *           each.  On an error nothing has changed unless the function says
 *           otherwise, and out-parameters are untouched, but for receipts,
 *           which are zeros after a time-out.  errno is preserved, but tells
 *           the cause after COHERD_ERR_SYSTEM.
 * Threads:  every function may be called from any thread, also inside
 *           callbacks, except where it says otherwise.
 * Blocking: no function waits for the network, the sidecar or a callback
 *           unless it says so.  A client's mutex is held for microseconds.
 * Process:  nothing here exits, prints, installs a signal handler, changes
 *           the signal mask of your threads, or raises SIGPIPE.
 */
#ifndef COHERD_H
#define COHERD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define COHERD_API __attribute__((visibility("default")))
#else
#define COHERD_API
#endif

/* Limits that do not change.  That of values is the sidecar's limits.payload,
 * 64 KiB unless its operator says otherwise. */
#define COHERD_TOPIC_BYTES_MAX 255
#define COHERD_TARGET_BYTES_MAX 1024
#define COHERD_NAME_BYTES_MAX 127
#define COHERD_SUBSCRIPTIONS_MAX 16384

/* X(name, text) */
#define COHERD_ERR_TABLE(X)                                                    \
    X(OK, "no error")                                                          \
    X(ERR_AGAIN, "nothing was published, the window is full: try again, "      \
                 "or give a timeout_ms to wait for room")                      \
    X(ERR_TIMEOUT, "it did not happen in time; what was published stays in "   \
                   "the window and is still sent")                             \
    X(ERR_INVALID, "an argument is not valid: topics and names are UTF-8 "     \
                   "without control characters, topics 1 to 255 bytes, keys "  \
                   "and tags 1 to 1024, prefixes up to 1024; reserved fields " \
                   "are 0")                                                    \
    X(ERR_TOO_LARGE, "the value is larger than the sidecar's limits.payload, " \
                     "or the call larger than the window: send a reference, "  \
                     "or fewer targets in one call")                           \
    X(ERR_NOMEM, "out of memory")                                              \
    X(ERR_SYSTEM, "a system call failed; errno says why")                      \
    X(ERR_DISCONNECTED, "there is no connection to a sidecar; the client "     \
                        "keeps trying")                                        \
    X(ERR_CLOSED, "the client was closed while this call waited")              \
    X(ERR_VERSION, "the sidecar and this library have no protocol version in " \
                   "common: upgrade the older one")                            \
    X(ERR_LIMIT, "a limit is reached: at most 16384 subscriptions per "        \
                 "client, and what the sidecar allows for all")                \
    X(ERR_MODE, "not allowed here: waiting and closing are not possible "      \
                "inside a callback, coherd_fd and coherd_dispatch only with "  \
                "COHERD_POLLED")                                               \
    X(ERR_NOT_SUBSCRIBED, "there is no such subscription to end")              \
    X(ERR_PROTOCOL, "the sidecar sent, or refused, something that should not " \
                    "occur: one of the two is broken")                         \
    X(ERR_STALE_FILL, "what was loaded may be stale, it was invalidated "      \
                      "meanwhile: do not store it")                            \
    X(ERR_OLD_VERSION, "what was loaded is older than the version that an "    \
                       "invalidation demands, its source lags behind: do not " \
                       "store it")                                             \
    X(ERR_NOT_CACHED, "the key is not in the cache")                           \
    X(ERR_NOT_FOUND, "the source has nothing under this key")                  \
    X(ERR_LOADER, "the loader failed; errno is what it returned")

typedef enum coherd_err {
#define COHERD_ERR_ENUM(name, text) COHERD_##name,
    COHERD_ERR_TABLE(COHERD_ERR_ENUM)
#undef COHERD_ERR_ENUM
        COHERD_ERR_COUNT
} coherd_err;

/* Return a sentence for err: static, never NULL. */
COHERD_API const char *coherd_strerror(coherd_err err);

/* Return the name of err, "COHERD_ERR_AGAIN": static, never NULL. */
COHERD_API const char *coherd_err_name(coherd_err err);

/* Return the version of the library, "0.1.0": static. */
COHERD_API const char *coherd_version(void);

/* --- what happens --------------------------------------------------------- */

typedef struct coherd_client coherd_client;

typedef enum coherd_kind {
    COHERD_INVALIDATE = 0, /* drop, or mark stale, what the target names    */
    COHERD_UPDATE = 1,     /* the key has a new value; drop it or store it  */
    COHERD_MESSAGE = 2     /* a plain message with a value and no target    */
} coherd_kind;

typedef enum coherd_target_kind {
    COHERD_TARGET_NONE = 0,   /* messages only                              */
    COHERD_TARGET_KEY = 1,    /* the entry with this key                    */
    COHERD_TARGET_TAG = 2,    /* all entries that carry this label          */
    COHERD_TARGET_PREFIX = 3, /* all entries whose key begins so            */
    COHERD_TARGET_ALL = 4     /* all entries of the topic                   */
} coherd_target_kind;

/* What an invalidation names inside a topic.  Keys and tags are bytes, 1 to
 * 1024; prefixes may be empty.  data is not NUL-terminated.  Use the functions
 * below to make one. */
typedef struct coherd_target {
    coherd_target_kind kind;
    const void *data;
    size_t len;
} coherd_target;

typedef struct coherd_event {
    coherd_kind kind;
    const char *topic; /* with NUL */
    size_t topic_len;
    coherd_target target;
    const void *value; /* of an update or message, not NUL-terminated       */
    size_t value_len;  /* may be 0                                          */
    bool soft;         /* mark stale and refresh when convenient            */
    uint64_t origin;   /* node id of the sidecar that accepted the event    */
    uint64_t seq;      /* its number among the events of that origin        */
    uint64_t hlc;      /* of two events of one key the larger one is newer.
                          An update that comes after an invalidation of its
                          key and is older must not be stored: it was
                          missing, and was fetched                          */
    uint64_t version;  /* see coherd_publish_options; 0: none               */
    bool again;        /* applied a second time, after again_after_ms       */
} coherd_event;

typedef enum coherd_reset_reason {
    COHERD_RESET_SUBSCRIBED = 1, /* the subscription begins (again) here    */
    COHERD_RESET_LOST = 2,       /* events were lost beyond repair          */
    COHERD_RESET_SLOW = 3,       /* this client fell behind                 */
    COHERD_RESET_JOINED = 4      /* earlier events of a member are unknown  */
} coherd_reset_reason;

/* Events may have been missed: drop everything cached for the topic.  A reason
 * of a newer release is possible; the answer is the same for all of them. */
typedef struct coherd_reset {
    const char *topic; /* with NUL; NULL: every topic                       */
    size_t topic_len;
    bool prefix; /* every topic that begins with these bytes                */
    coherd_reset_reason reason;
} coherd_reset;

/* The connection came, went, or still cannot be made (told once for each new
 * reason, not for each attempt). */
typedef struct coherd_state {
    bool connected;
    coherd_err reason; /* when not connected: COHERD_ERR_SYSTEM (sys_errno
                          tells), _DISCONNECTED, _TIMEOUT (no answer),
                          _VERSION, _LIMIT, _PROTOCOL                       */
    int sys_errno;     /* with COHERD_ERR_SYSTEM                            */
    const char *text;  /* for people, with NUL                              */
    uint64_t node;     /* when connected: another node id than before means
                          that the sidecar was restarted                    */
    uint64_t refused;  /* when connected: publishes that left the window
                          unsent because the sidecar does not take values
                          so large.  Whoever waits for one of them gets
                          COHERD_ERR_TOO_LARGE                              */
} coherd_state;

/* --- opening and closing -------------------------------------------------- */

typedef enum coherd_mode {
    COHERD_THREADED = 0, /* a background thread does I/O and callbacks      */
    COHERD_POLLED = 1    /* no thread: coherd_fd and coherd_dispatch        */
} coherd_mode;

/* Start with all zeros; everything left 0 has a sensible default. */
typedef struct coherd_options {
    /* Path of the sidecar's socket, up to 107 bytes.  NULL:
     * $COHERD_LOCAL_SOCKET, else $XDG_RUNTIME_DIR/coherd.sock for users other
     * than root who have that directory, else /run/coherd/coherd.sock. */
    const char *socket;

    /* Tells people who this is, up to 127 bytes.  NULL: the program's name. */
    const char *name;

    coherd_mode mode;

    /* Called in the background thread, or inside coherd_dispatch, one after
     * the other and without any lock held.  Each may be NULL, but on_event
     * needs on_reset. */
    void (*on_event)(coherd_client *client, const coherd_event *event,
                     void *arg);
    void (*on_reset)(coherd_client *client, const coherd_reset *reset,
                     void *arg);
    void (*on_state)(coherd_client *client, const coherd_state *state,
                     void *arg);
    void *arg;

    /* Bytes of publishes that may wait until they are replicated: 0 is 1 MiB,
     * else 128 KiB to 64 MiB. */
    size_t window_bytes;

    /* For how long a fill must show the version that an invalidation came
     * with: longer than a replica of your database ever lags.  0: 60000.
     * Negative: for ever. */
    int64_t replica_lag_max_ms;

    /* Called like the others when coherd_staleness crosses the bound, which is
     * in milliseconds, in either direction.  A client begins beyond its bound,
     * so the first call tells that it is within.  Not called for a crossing
     * that is taken back before there was time to tell.  on_staleness needs a
     * bound; 0: none. */
    uint64_t staleness_bound_ms;
    void (*on_staleness)(coherd_client *client, bool exceeded, void *arg);

    /* This program serves nothing of what it cached while coherd_staleness is
     * above the bound.  Who waits until an event is applied everywhere then
     * need not wait for it when it cannot be reached: see coherd_receipt. */
    bool fails_closed;

    uint64_t reserved[5]; /* 0 */
} coherd_options;

/* Open a client.  It connects in the background and tries for ever, so that
 * it does not matter who is started first; publishes wait in the window.
 *
 * options may be NULL, for a client that only publishes.
 *
 * Owns:   on COHERD_OK, *client belongs to the caller: coherd_close.
 * Errors: COHERD_ERR_INVALID, COHERD_ERR_NOMEM, COHERD_ERR_SYSTEM (no more
 *         descriptors or threads).
 */
COHERD_API coherd_err coherd_open(const coherd_options *options,
                                  coherd_client **client);

/* Close a client and free it.  Calls of other threads that are waiting return
 * COHERD_ERR_CLOSED first; no callback runs any more when it returns.
 * Publishes that are not replicated may be lost: see coherd_flush.
 *
 * Blocking: until a callback that is running has returned.
 * Owns:   *client is consumed and set to NULL.  Safe on NULL, and twice.
 * Errors: COHERD_ERR_MODE  called inside a callback, or a cache of it is still
 *                          open: nothing was done.
 */
COHERD_API coherd_err coherd_close(coherd_client **client);

/* Tell whether the sidecar's welcome has arrived and the connection is not
 * known to be dead.  While it is false, cached entries may be stale. */
COHERD_API bool coherd_is_connected(coherd_client *client);

/* Wait until the client is connected.
 *
 * Blocking: for timeout_ms; negative: for ever.
 * Errors: COHERD_ERR_TIMEOUT; COHERD_ERR_VERSION, COHERD_ERR_LIMIT (the
 *         time-out ended, and that was the sidecar's last word);
 *         COHERD_ERR_MODE (inside a callback), COHERD_ERR_CLOSED,
 *         COHERD_ERR_SYSTEM, COHERD_ERR_NOMEM (after fork).
 */
COHERD_API coherd_err coherd_wait_connected(coherd_client *client,
                                            int timeout_ms);

/* --- staleness ------------------------------------------------------------ */

#define COHERD_STALENESS_UNKNOWN UINT64_MAX

/* Return the client's staleness S in milliseconds, rounded up: every event
 * that any sidecar of the mesh accepted more than S ago, on a topic that this
 * client subscribes to, has been applied here: its on_event, or on_reset for
 * its topic, has returned.  COHERD_STALENESS_UNKNOWN, which is larger than
 * every bound, until the sidecar has met the mesh and said so.
 *
 * Ask before you read the entry that you want to serve, not after: what is
 * read after is at least as fresh.
 *
 * It is never too low, as long as the clock of this machine, and that of the
 * sidecar's, which is the same one, measure how long something takes; clocks of
 * different machines are not compared.  Time in which the machine is suspended
 * counts.  Nothing needs to arrive for it to grow: it does while the sidecar
 * is frozen, dead or cut off, while a callback does not return, and in polled
 * mode while nobody dispatches.
 *
 * On an idle, healthy mesh it stays below two ping intervals of the sidecars.
 *
 * "The mesh" is every sidecar that ours has met, or that one which it hears
 * says to hear, until it said goodbye, or is dead and all that others had of it
 * is here.  One that falls silent holds freshness back.  After how long it is
 * dead is for partition.policy, see coherd.conf(5): with "available" after
 * member.dead_after, so that two halves of a mesh that cannot reach each other
 * look fresh again to their own applications; with "strict" not as long as it
 * is listed.
 *
 * A topic counts from the RESET on that begins its subscription
 * (COHERD_RESET_SUBSCRIBED): what was accepted before is not known, and the
 * cache for it is empty then.
 *
 * A child after fork() inherits the value, which grows until the child has a
 * connection of its own.
 *
 * Threads:  any, also inside callbacks; takes no lock.
 * Blocking: never; no system call: one atomic load and one reading of
 *           CLOCK_BOOTTIME.
 */
COHERD_API uint64_t coherd_staleness(coherd_client *client);

/* --- hearing -------------------------------------------------------------- */

/* Hear of everything in topic, 1 to 255 bytes.  on_reset for the topic comes
 * first, then its events.  A repeated call changes nothing.
 *
 * Errors: COHERD_ERR_INVALID, COHERD_ERR_LIMIT; COHERD_ERR_SYSTEM,
 *         COHERD_ERR_NOMEM.
 */
COHERD_API coherd_err coherd_subscribe(coherd_client *client,
                                       const char *topic);

/* The same for every topic that begins with prefix, 0 to 255 bytes; the empty
 * prefix means every topic. */
COHERD_API coherd_err coherd_subscribe_prefix(coherd_client *client,
                                              const char *prefix);

/* Stop hearing of topic.  What is under way may still be delivered.
 *
 * Errors: COHERD_ERR_NOT_SUBSCRIBED; COHERD_ERR_SYSTEM, COHERD_ERR_NOMEM
 *         (after fork).
 */
COHERD_API coherd_err coherd_unsubscribe(coherd_client *client,
                                         const char *topic);
/* The same for a prefix. */
COHERD_API coherd_err coherd_unsubscribe_prefix(coherd_client *client,
                                                const char *prefix);

/* --- publishing ----------------------------------------------------------- */

typedef enum coherd_wait {
    COHERD_WAIT_NONE = 0,     /* return when it stands in the window         */
    COHERD_WAIT_ACCEPTED = 1, /* return when the sidecar has accepted it    */
    COHERD_WAIT_REPLICATED = 2, /* ... when one more sidecar has it, or
                                   there is no other that is live: it may be
                                   nowhere else when ours is alone, or the
                                   only peer is silent                      */
    COHERD_WAIT_APPLIED = 3     /* ... when every client of every sidecar has
                               applied it: its callback has returned, for
                               this event or for a RESET instead; clients
                               that did not subscribe to it have passed it.
                               In polled mode a call that waits for this
                               runs this client's callbacks                 */
} coherd_wait;

/* Who has not applied an event. */
typedef struct coherd_missing {
    uint64_t node; /* node id of the sidecar                                */
    char name[COHERD_NAME_BYTES_MAX + 1];    /* of the sidecar; may be ""   */
    char session[COHERD_NAME_BYTES_MAX + 1]; /* a client of it, by its name;
                                                "": the sidecar itself, or it
                                                does not say                */
} coherd_missing;

#define COHERD_MISSING_MAX 16

/* Names the last event that a call made.  Zeros unless it was waited for.
 *
 * The rest is for COHERD_WAIT_APPLIED.  Sidecars are counted: those that count
 * for how fresh ours is (see coherd_staleness), and ours, at the moment when
 * it had accepted the event.  of is the sum of the five below. */
typedef struct coherd_receipt {
    uint64_t origin;
    uint64_t seq;
    uint32_t of;
    uint32_t applied;
    uint32_t gone;     /* said goodbye, or are taken for dead               */
    uint32_t refusing; /* have clients that have not applied it and serve
                          nothing until they have: options.fails_closed     */
    uint32_t missing;  /* 0 with COHERD_OK                                  */
    uint32_t named_count; /* of those named here; there may be more         */
    coherd_missing named[COHERD_MISSING_MAX];
} coherd_receipt;

/* Start with all zeros. */
typedef struct coherd_publish_options {
    bool soft; /* invalidations: mark stale instead of dropping             */
    coherd_wait wait;

    /* How long the call may take, waiting for room in the window and for the
     * receipt.  0: with COHERD_WAIT_NONE it never waits, else 5000.
     * Negative: without limit.  To hear who is missing may take another 250
     * ms. */
    int timeout_ms;

    /* Invalidations only, up to 3600000: every instance applies it once more
     * after so many milliseconds.  For sources that lag behind the commit and
     * have no versions.  0: no. */
    int again_after_ms;

    /* Invalidations and updates: what is stored for the targets afterwards
     * must have been read at this version or a newer one: see
     * coherd_fill_end.  Larger is newer: the row's version, or the position
     * of the database's log.  0: none. */
    uint64_t version;

    /* Do not block: call this in the place of the other callbacks when what
     * wait says has happened, or with the error that the call would have
     * returned.  Not for COHERD_WAIT_NONE; the call returns COHERD_ERR_LIMIT
     * when 128 are outstanding.  Not called any more after coherd_close, nor
     * in a child after fork. */
    void (*on_receipt)(coherd_client *client, const coherd_receipt *receipt,
                       coherd_err err, void *arg);
    void *on_receipt_arg;

    uint64_t reserved[2]; /* 0 */
} coherd_publish_options;

/* An update: the key, 1 to 1024 bytes, and its new value. */
typedef struct coherd_entry {
    const void *key;
    size_t key_len;
    const void *value;
    size_t value_len;
} coherd_entry;

/* Invalidate the targets, one event each, all in this call or none.  count is
 * at least 1.  options and receipt may be NULL.
 *
 * Blocking: not by default; else up to options->timeout_ms.
 * Errors: COHERD_ERR_AGAIN    there was no room: nothing was published;
 *         COHERD_ERR_TIMEOUT  published, but what wait says did not happen in
 *                             time; it is still going to be sent.  If it was
 *                             accepted, *receipt has it, and who is missing;
 *         COHERD_ERR_LIMIT    published, but too many wait at this sidecar;
 *         COHERD_ERR_VERSION  published, but the sidecar is of a release that
 *                             cannot tell what is applied;
 *         COHERD_ERR_INVALID, COHERD_ERR_TOO_LARGE; COHERD_ERR_MODE (waiting
 *         inside a callback); COHERD_ERR_CLOSED (it may or may not have been
 *         sent); COHERD_ERR_SYSTEM, COHERD_ERR_NOMEM (after fork).
 */
COHERD_API coherd_err coherd_invalidate(coherd_client *client,
                                        const char *topic,
                                        const coherd_target *targets,
                                        size_t count,
                                        const coherd_publish_options *options,
                                        coherd_receipt *receipt);

/* Publish the new value of a key.  Blocking and errors as above. */
COHERD_API coherd_err coherd_update(coherd_client *client, const char *topic,
                                    const coherd_entry *entry,
                                    const coherd_publish_options *options,
                                    coherd_receipt *receipt);

/* Publish a plain message.  Blocking and errors as above. */
COHERD_API coherd_err coherd_publish(coherd_client *client, const char *topic,
                                     const void *value, size_t value_len,
                                     const coherd_publish_options *options,
                                     coherd_receipt *receipt);

/* Wait until everything published so far has left the window: it is accepted
 * and replicated, which means that one more sidecar has it or that there is no
 * other, or it is too large for the sidecar (coherd_state tells).  A sidecar
 * of an older release does not tell what is replicated; accepted is all then.
 *
 * Blocking: for timeout_ms; negative: for ever.  With other sidecars it takes
 *           some 50 ms and a round trip to one of them.
 * Errors: COHERD_ERR_TIMEOUT, COHERD_ERR_MODE (inside a callback),
 *         COHERD_ERR_CLOSED, COHERD_ERR_SYSTEM, COHERD_ERR_NOMEM.
 */
COHERD_API coherd_err coherd_flush(coherd_client *client, int timeout_ms);

/* --- reading your own writes ---------------------------------------------- */

/* Names an event; put it into a cookie or header, and another instance can wait
 * for it. */
typedef struct coherd_token {
    uint64_t origin;
    uint64_t seq;
} coherd_token;

/* "0123456789abcdef-2a", with NUL. */
#define COHERD_TOKEN_BYTES_MAX 34

/* Return the token of a receipt. */
static inline coherd_token coherd_token_of(const coherd_receipt *receipt)
{
    coherd_token token;
    token.origin = receipt->origin;
    token.seq = receipt->seq;
    return token;
}

/* Write a token as text of hexadecimal digits and one hyphen. */
COHERD_API void coherd_token_print(const coherd_token *token,
                                   char text[COHERD_TOKEN_BYTES_MAX]);

/* Read it again; the text may come from anybody.
 *
 * Errors: COHERD_ERR_INVALID
 */
COHERD_API coherd_err coherd_token_parse(const char *text, coherd_token *token);

/* Wait until this client has applied the event: its callback has returned, for
 * the event or for a RESET instead, if it subscribes to it.  In polled mode the
 * call runs callbacks, as coherd_dispatch does.  An origin that this sidecar
 * has not met is waited for.
 *
 * Blocking: for timeout_ms; negative: for ever.
 * Errors: COHERD_ERR_TIMEOUT; COHERD_ERR_LIMIT (too many wait at this sidecar),
 *         COHERD_ERR_VERSION (the sidecar cannot tell), COHERD_ERR_INVALID,
 *         COHERD_ERR_MODE (inside a callback), COHERD_ERR_CLOSED,
 *         COHERD_ERR_SYSTEM, COHERD_ERR_NOMEM.
 */
COHERD_API coherd_err coherd_await(coherd_client *client,
                                   const coherd_token *token, int timeout_ms);

/* Make a target.  The text or bytes are borrowed. */
static inline coherd_target coherd_target_of(coherd_target_kind kind,
                                             const void *data, size_t len)
{
    coherd_target target;
    target.kind = kind;
    target.data = data;
    target.len = len;
    return target;
}

static inline coherd_target coherd_key(const char *key)
{
    return coherd_target_of(COHERD_TARGET_KEY, key, strlen(key));
}

static inline coherd_target coherd_key_n(const void *key, size_t len)
{
    return coherd_target_of(COHERD_TARGET_KEY, key, len);
}

static inline coherd_target coherd_tag(const char *tag)
{
    return coherd_target_of(COHERD_TARGET_TAG, tag, strlen(tag));
}

static inline coherd_target coherd_tag_n(const void *tag, size_t len)
{
    return coherd_target_of(COHERD_TARGET_TAG, tag, len);
}

static inline coherd_target coherd_prefix(const char *prefix)
{
    return coherd_target_of(COHERD_TARGET_PREFIX, prefix, strlen(prefix));
}

static inline coherd_target coherd_prefix_n(const void *prefix, size_t len)
{
    return coherd_target_of(COHERD_TARGET_PREFIX, prefix, len);
}

static inline coherd_target coherd_all(void)
{
    return coherd_target_of(COHERD_TARGET_ALL, NULL, 0);
}

/* --- guarded fills -------------------------------------------------------- */

/* A ticket for storing one loaded value.  Its contents are private; copying it
 * is allowed.  Zeros are no ticket. */
typedef struct coherd_fill {
    uint64_t opaque[3];
    const void *key;
    size_t key_len;
} coherd_fill;

/* Take a ticket for key in topic, before the source is read.
 *
 * Allocates nothing, and needs no end: a ticket may be forgotten.  On an error
 * *fill is written too, and coherd_fill_end says the same about it; so one of
 * the two may be left unchecked.
 *
 * Owns:   key, 1 to 1024 bytes, is borrowed until the last coherd_fill_end for
 *         this ticket; topic only for the call.
 * Errors: COHERD_ERR_NOT_SUBSCRIBED  nothing that happens in the topic would
 *                                    be heard;
 *         COHERD_ERR_DISCONNECTED    nor while there is no connection.  Load
 *                                    and use the value, but do not store it;
 *         COHERD_ERR_INVALID; COHERD_ERR_SYSTEM, COHERD_ERR_NOMEM (after fork).
 */
COHERD_API coherd_err coherd_fill_begin(coherd_client *client,
                                        const char *topic, const void *key,
                                        size_t key_len, coherd_fill *fill);

/* What is known of a value once it is loaded.  Start with all zeros. */
typedef struct coherd_fill_options {
    const coherd_target *tags; /* the labels it will carry: coherd_tag      */
    size_t tag_count;
    uint64_t version; /* that it was read at; 0: not known                  */
    uint64_t reserved[4]; /* 0 */
} coherd_fill_options;

/* Tell whether the value that was loaded under this ticket may be stored.
 *
 * It may not if, since the ticket was taken, an invalidation of its key, one
 * of its tags, a prefix of its key or the whole topic, an update of its key,
 * or a RESET that covers the topic has reached this client, or the connection
 * was lost or the subscription ended.  An invalidation counts from the moment
 * before its on_event is called.  So if the lock that your callbacks take to
 * drop an entry is held from before this call until the value is stored,
 * nothing stale stays stored.
 *
 * Nor may it if an invalidation of any of these came with a version within the
 * last replica_lag_max_ms, and the value's version is older or not known.
 *
 * A value may also be refused without need, when more has happened than can
 * be remembered exactly.  The ticket stays good for another question.
 *
 * options may be NULL.  Never waits for I/O or callbacks.
 *
 * Errors: COHERD_ERR_STALE_FILL, COHERD_ERR_OLD_VERSION: load again, or use
 *         the value without storing it; COHERD_ERR_DISCONNECTED (now),
 *         COHERD_ERR_INVALID; what coherd_fill_begin said.
 */
COHERD_API coherd_err coherd_fill_end(coherd_client *client,
                                      const coherd_fill *fill,
                                      const coherd_fill_options *options);

/* --- with an event loop of your own --------------------------------------- */

/* Return a descriptor that is readable while coherd_dispatch has something to
 * do: add it, level-triggered, to poll, epoll or select.  It stays the same
 * until coherd_close or, in a child after fork, the first call there.  Never
 * read from it, close it or change it.  -1 with COHERD_THREADED, or when a
 * child could not make one. */
COHERD_API int coherd_fd(coherd_client *client);

/* Do what is due: connect, read, write, ping, and run the callbacks for what
 * has arrived.  Does a bounded amount of work; coherd_fd stays readable if
 * there is more.
 *
 * Blocking: never for I/O.  If another thread is inside a waiting call of
 * this client, that one is asked to step aside first.
 * Errors: COHERD_ERR_MODE (threaded, or inside a callback);
 *         COHERD_ERR_SYSTEM, COHERD_ERR_NOMEM (after fork).
 *         A lost connection is not an error: on_state tells.
 */
COHERD_API coherd_err coherd_dispatch(coherd_client *client);

/* In polled mode, calls that wait do the client's I/O themselves and keep
 * events, resets and states for the next coherd_dispatch.  If more than 2 MiB
 * gather, they are replaced by a RESET of every topic. */

#ifdef __cplusplus
}
#endif

#include "coherd_status.h"

#endif
