/* compare.h - one measurement of one system; the Python beside it alternates
 * them and makes the table.
 *
 *     compare SYSTEM WORK [NUMBER...]     prints lines of "name value"
 *
 * Three nodes, a publisher at node 0, a subscriber at each, all on ::1 and on
 * the same two processors.  A system is a file that starts its servers and
 * knows how to publish and to subscribe (system_*.c); a work is a file that
 * drives any of them (work_*.c); both are listed in main.c.
 *
 * Every process but this one is a child, and ends with it.  What goes wrong
 * ends the program: half a measurement is none.
 */
#ifndef CHD_TESTS_BENCH_COMPARE_H
#define CHD_TESTS_BENCH_COMPARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NODES 3
#define TOPIC "bench-0123456789"
#define TOPIC_BYTES 16
#define KEY_BYTES 32
#define EVENT_BYTES (TOPIC_BYTES + KEY_BYTES)

/* Keys are decimal numbers, 1 and up; these two have a meaning. */
#define NUMBER_PROBE 0u       /* sent until every subscriber has had it */
#define NUMBER_END 99999999u  /* the last one, where keys repeat        */
#define PACED_MAX 400000u     /* events whose times are kept            */
#define FLAT_OUT_MAX 8000000u /* events that are only counted           */

typedef struct bench_system {
    const char *name;
    const char *const *ports; /* of what runs between nodes, for faults    */
    void (*start)(void);      /* servers and relays, not waited for        */
    void (*subscribe)(unsigned node); /* in a process of its own: notes what
                                         arrives, for ever                 */
    void (*open)(void);               /* the publisher                     */
    /* Publish count keys in one call.  May wait for room, and may gather
     * until flush, as the clients of the system do. */
    void (*publish)(const char *keys, size_t count);
    void (*flush)(void);
    /* NULL both where there is no such thing: publish one key, and return when
     * every subscriber at every node has applied it; or do not wait, and call
     * back then, in any thread.  One that was not applied everywhere ends the
     * program. */
    void (*confirm)(const char *key);
    void (*offer_confirm)(const char *key, unsigned number,
                          void (*confirmed)(unsigned number));
} bench_system;

extern const bench_system system_coherd;
extern const bench_system system_redis;
extern const bench_system system_nats;
extern const bench_system system_relay;
extern const bench_system system_raw;

typedef struct bench_work {
    const char *name;
    const char *arguments;
    int argument_count;
    void (*run)(const bench_system *system, const unsigned long *arguments);
} bench_work;

extern const bench_work work_latency;
extern const bench_work work_throughput;
extern const bench_work work_confirmed;
extern const bench_work work_idle;
extern const bench_work work_faults;

/* --- what subscribers note (board.c) -------------------------------------- */

#define NOTICES_MAX 4096

/* A subscriber's own part, written by its process alone. */
typedef struct board_lane {
    atomic_bool ready;     /* it has had the probe             */
    atomic_uint distinct;  /* events it has had, without NUMBER_END */
    atomic_ulong total;    /* with repetitions                      */
    _Atomic uint64_t done; /* when it had everything, 0: not yet    */
    atomic_uint notices;
    uint64_t notice[NOTICES_MAX]; /* when it was told of a loss     */
    atomic_uint exceeded;
    uint64_t exceeded_from[NOTICES_MAX]; /* when it knew that it may be */
    uint64_t exceeded_to[NOTICES_MAX];   /* stale; 0: still does       */
    _Atomic uint64_t received[PACED_MAX + 1];
    uint8_t seen[FLAT_OUT_MAX / 8 + 1];
} board_lane;

typedef struct board {
    unsigned expected; /* distinct events; 0: until NUMBER_END */
    bool timed;        /* keep the time of each */
    bool samples;      /* ask for staleness where there is such a thing */
    uint64_t sent[PACED_MAX + 1];
    board_lane lanes[NODES];
} board;

extern board *the_board;

/* Make the board, before any other process is started. */
void board_make(void);

/* Note that a key arrived at a node's subscriber. */
void board_note(unsigned node, const char *key);

/* Note that the subscriber was told that it may have missed something. */
void board_notice(unsigned node);

/* Note whether the subscriber knows that it may be stale. */
void board_exceeded(unsigned node, bool exceeded);

/* Write the key of a number: KEY_BYTES, no NUL. */
void board_key(char *key, unsigned number);

/* Sort spans of nanoseconds; then return what so many of a thousand of them
 * stay below, in microseconds. */
void sort_spans(uint64_t *spans, unsigned count);
double quantile_us(const uint64_t *spans, unsigned count, unsigned of_thousand);

/* Publish the probe until every subscriber has had it. */
void board_wait_ready(const bench_system *system);

/* Wait until every subscriber is done, or nobody has had anything new for so
 * many seconds. */
void board_wait_done(unsigned quiet_seconds);

/* --- processes (children.c) ----------------------------------------------- */

/* Say what failed, and why, and end. */
_Noreturn void die(const char *what);

/* Nanoseconds of CLOCK_MONOTONIC: read them, or wait for them. */
uint64_t now_ns(void);
void pause_ns(uint64_t ns);
void pause_until_ns(uint64_t when);

extern char bench_dir[];

/* Make the folder of this run, or remove it with all that is in it. */
void bench_make_dir(void);
void bench_remove_dir(void);

/* Start the server of a node, a program; or those of all nodes, a function
 * that never returns. */
void start_program(unsigned node, const char *const *command);
void start_relays(void (*run)(unsigned node));

/* Start the servers, the publisher and the subscribers, one process each, and
 * wait until what is published reaches all of them. */
void start_system(const bench_system *system);

/* Processor time that all servers have used. */
uint64_t servers_cpu_ns(void);

/* Bytes that the largest server holds, and held at most. */
void servers_memory(uint64_t *resident, uint64_t *peak);

/* Print the process ids, as "server NODE PID" and "subscriber NODE PID". */
void print_children(void);

/* End all of them. */
void end_children(void);

/* --- sockets (sockets.c) -------------------------------------------------- */

/* Listen at or connect to a socket in bench_dir, or a port of ::1.  Connecting
 * tries until somebody listens. */
int listen_unix(const char *name, unsigned node);
int connect_unix(const char *name, unsigned node);
int listen_tcp(unsigned port);
int connect_tcp(unsigned port);
int accept_one(int listener);

typedef struct event_reader {
    int fd;
    size_t used; /* bytes of whole events that were returned */
    size_t held;
    char bytes[65536];
} event_reader;

/* Accept the publisher and the subscriber of node 0: the one becomes the
 * reader's connection, the other is returned. */
int accept_ends(event_reader *publisher);

/* Write all of it; false when the connection is gone. */
bool write_all(int fd, const void *bytes, size_t len);

/* Read what there is, at least one whole event, into a buffer that may hold
 * the beginning of the next.  Returns the bytes of whole events, 0 when the
 * connection is gone. */
size_t read_events(event_reader *reader);

/* A publisher's buffer in front of a socket. */
typedef struct gather {
    int fd;
    size_t len;
    size_t most; /* written once so many are gathered */
    char bytes[65536];
} gather;

/* Put bytes into it, or write what it holds. */
void gather_add(gather *to, const void *bytes, size_t len);
void gather_flush(gather *to);

/* The subscriber of a chain: reads events from the relay's Unix socket. */
void subscribe_unix(unsigned node);

/* The publisher of a chain: writes events to the relay's Unix socket. */
void open_unix(void);
void publish_unix(const char *keys, size_t count);
void flush_unix(void);

#endif
