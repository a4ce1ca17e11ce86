/* micro.c - single operations of the core, to be counted in instructions.
 *
 *     micro --list           the names
 *     micro NAME COUNT       do it COUNT times, print nanoseconds each
 *
 * Beside it, micro.py runs this under callgrind with two counts; the difference
 * of the totals is what the operations cost, without what surrounds them.
 * So each must do the same whatever came before: tables are filled first, and
 * time stands still. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cache/cache.h"
#include "proto/base/hash.h"
#include "proto/core/log.h"
#include "proto/session/fill.h"
#include "tests/support/rig.h"

#define TOPIC "bench-0123456789"
#define KEY_BYTES 32
#define KEYS_HOT 1000u
#define BATCH 64u
#define PEER UINT64_C(0x2002)
#define RECORD_MAX ((size_t)66000)
/* Before what is counted: enough that tables are full and pages touched. */
#define WARM_NODE 2048u
#define WARM_LOG 40000u
#define WARM_REST 1000u

static volatile uint64_t sink; /* what is computed is used */

static void must(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "micro: %s\n", what);
        exit(1);
    }
}

static void make_key(char key[KEY_BYTES], uint64_t number)
{
    memset(key, '0', KEY_BYTES);
    for (size_t i = KEY_BYTES; number > 0; number /= 10) {
        key[--i] = (char)('0' + number % 10);
    }
}

static chd_event event_of(const char key[KEY_BYTES], uint64_t seq)
{
    return (chd_event){
        .seq = seq,
        .hlc = UINT64_C(1700000000000) << 16,
        .kind = CHD_KIND_INVALIDATE,
        .target_kind = CHD_TARGET_KEY,
        .topic = chd_bytes_str(TOPIC),
        .target = chd_bytes_of(key, KEY_BYTES),
        .client = RIG_CLIENT + 1,
        .number = seq,
    };
}

/* --- a node --------------------------------------------------------------- */

/* One live peer, which has everything at once, and one session, which hears
 * all and applies it at once. */
static rig *node;
static uint64_t applied_bytes;
static uint64_t event_number;

static void feed(const chd_input *input)
{
    chd_out_clear(node->out);
    chd_core_step(node->core, node->now, input, node->out);
    for (size_t i = 0; i < node->out->count; i++) {
        const chd_action *action = &node->out->actions[i];
        if (action->kind == CHD_ACT_SESSION_SEND &&
            action->bytes.ptr[1] == CHD_LOCAL_EVENTS) {
            applied_bytes += action->bytes.len;
        }
    }
}

static void turn(void)
{
    feed(&(chd_input){.kind = CHD_IN_TURN_END});
}

static void make_node(void)
{
    const chd_core_config config = rig_config();

    node = rig_new(&config);
    rig_join(node, PEER, 2);
    rig_subscribe(node, 0);
    rig_turn(node);
}

static void say(chd_bytes message)
{
    feed(&(chd_input){.kind = CHD_IN_SESSION_MESSAGE,
                      .u.session = {.session = 0, .bytes = message}});
}

static void apply(void)
{
    uint8_t buf[32];
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_local_pack_applied(&pack, 1, applied_bytes);
    say(chd_pack_bytes(&pack));
}

/* As a sidecar does whose application publishes so many keys in a call. */
static void publish(size_t count, uint32_t per_call)
{
    static uint8_t buf[CHD_FRAME_BYTES_MAX];
    char key[KEY_BYTES];

    for (size_t done = 0; done < count; done += per_call) {
        chd_pack pack;
        chd_pack_init(&pack, buf, sizeof(buf));
        const size_t at = chd_local_publish_open(&pack, 1, CHD_WAIT_NONE);
        for (uint32_t i = 0; i < per_call; i++) {
            make_key(key, ++event_number);
            const chd_event item = event_of(key, 0);
            chd_local_publish_add(&pack, &item);
        }
        chd_local_publish_close(&pack, at, per_call,
                                event_number - per_call + 1);
        say(chd_pack_bytes(&pack));
        turn();
        /* The peer acknowledges now and then, the session applies. */
        if (done % (BATCH * per_call) == 0) {
            apply();
            feed(
                &(chd_input){.kind = CHD_IN_CONTROL,
                             .u.message = {.bytes = rig_ack(buf, PEER, RIG_NODE,
                                                            event_number),
                                           .peer = node->dialled}});
        }
    }
    must(node->out->count < CHD_OUT_ACTIONS_MAX, "the list is full");
}

static void publish_one(size_t count)
{
    publish(count, 1);
}

static void publish_sixteen(size_t count)
{
    publish(count, 16);
}

static void publish_batch(size_t count)
{
    publish(count, BATCH);
}

/* As a sidecar does that hears another, so many events in a message. */
static void receive(size_t count, uint32_t per_message)
{
    static uint8_t buf[CHD_FRAME_BYTES_MAX];
    const chd_mesh_header header = {
        .version = CHD_PROTOCOL_MAX,
        .type = CHD_MESH_EVENTS,
        .cluster = chd_bytes_str("test"),
        .sender = PEER,
    };
    char key[KEY_BYTES];

    for (size_t done = 0; done < count; done += per_message) {
        const uint64_t first = event_number + 1;
        chd_events_writer writer;
        chd_pack pack;
        chd_pack_init(&pack, buf, sizeof(buf));
        chd_mesh_events_open(&pack, &header, PEER, &writer);
        for (; writer.count < per_message; writer.count++) {
            make_key(key, ++event_number);
            const chd_event event = event_of(key, event_number);
            chd_event_pack(&pack, &event);
        }
        chd_mesh_events_close(&pack, &writer, first, event_number);
        feed(&(chd_input){.kind = CHD_IN_BROADCAST,
                          .u.message = {.bytes = chd_pack_bytes(&pack),
                                        .peer = CHD_PEER_NONE}});
        turn();
        if (done % (BATCH * per_message) == 0) {
            apply();
        }
    }
}

static void receive_one(size_t count)
{
    receive(count, 1);
}

static void receive_batch(size_t count)
{
    receive(count, BATCH);
}

static void end_node(void)
{
    must(node->resets[CHD_RESET_SLOW] == 0 && applied_bytes > 0,
         "the session was not served");
    rig_free(node);
}

/* --- the log -------------------------------------------------------------- */

static chd_log *events_log;
static chd_log_cursor reader;

static void make_log(void)
{
    must(chd_log_new(CHD_LOG_BYTES_MIN, RECORD_MAX, NULL, &events_log) ==
             CHD_OK,
         "a log");
}

static void end_log(void)
{
    chd_log_destroy(&events_log);
}

static void append(uint64_t key_number)
{
    uint8_t record[512];
    char key[KEY_BYTES];
    chd_pack pack;

    make_key(key, key_number);
    chd_event event = event_of(key, ++event_number);
    chd_pack_init(&pack, record, sizeof(record));
    chd_event_place(&pack, &event);
    chd_log_entry entry = {
        .origin = PEER,
        .seq = event_number,
        .topic_hash = 1,
        .record = chd_pack_bytes(&pack),
    };
    entry.subject = event.target;
    entry.topic = event.topic;
    entry.subject_hash = chd_hash(2, entry.subject);
    chd_log_supersede(events_log, &entry);
    chd_log_append(events_log, &entry);
}

static void append_cold(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        append(event_number + 1);
    }
}

static void append_hot(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        append(event_number % KEYS_HOT);
    }
}

/* The log is filled anew whenever it was read to its end. */
static void read_log(size_t count)
{
    chd_log_entry entry;

    for (size_t i = 0; i < count; i++) {
        if (!chd_log_read(events_log, &reader, &entry)) {
            reader = (chd_log_cursor){0};
            must(chd_log_read(events_log, &reader, &entry), "an entry");
        }
        sink = entry.seq;
    }
}

static void make_full_log(void)
{
    make_log();
    append_cold(WARM_LOG / 4);
}

/* --- records -------------------------------------------------------------- */

static void encode(size_t count)
{
    uint8_t record[512];
    char key[KEY_BYTES];

    make_key(key, 1);
    for (size_t i = 0; i < count; i++) {
        const chd_event event = event_of(key, i + 1);
        chd_pack pack;
        chd_pack_init(&pack, record, sizeof(record));
        chd_event_pack(&pack, &event);
        sink = chd_pack_bytes(&pack).len;
    }
}

static void decode(size_t count)
{
    uint8_t record[512];
    char key[KEY_BYTES];
    chd_event event;
    chd_pack pack;

    make_key(key, 1);
    event = event_of(key, 1);
    chd_pack_init(&pack, record, sizeof(record));
    chd_event_pack(&pack, &event);
    for (size_t i = 0; i < count; i++) {
        chd_scan scan;
        chd_scan_init(&scan, chd_pack_bytes(&pack));
        chd_event_scan(&scan, &event);
        sink = event.seq + event.target.len;
    }
}

/* --- tickets -------------------------------------------------------------- */

static chd_fills *fills;

static void make_fills(void)
{
    const chd_fills_config config = {
        .seed = 7,
        .lag_max_ns = CHD_SECOND,
        .floor_count = CHD_FILL_FLOORS_MAX,
        .demand_count = 8,
        .subscription_count_max = 16,
    };
    const chd_filter all = {CHD_MATCH_PREFIX, {NULL, 0}};
    char key[KEY_BYTES];

    must(chd_fills_new(&config, NULL, &fills) == CHD_OK, "floors");
    chd_fills_subscribed(fills, &all);
    for (uint64_t i = 1; i <= KEYS_HOT; i++) {
        make_key(key, i);
        const chd_event event = event_of(key, i);
        chd_fills_event(fills, 0, &event);
    }
}

static void end_fills(void)
{
    chd_fills_destroy(&fills);
}

static void ticket(size_t count)
{
    const chd_loaded loaded = {0};
    char key[KEY_BYTES];
    chd_fill fill;

    make_key(key, KEYS_HOT + 1);
    for (size_t i = 0; i < count; i++) {
        must(chd_fills_begin(fills, chd_bytes_str(TOPIC),
                             chd_bytes_of(key, KEY_BYTES), &fill),
             "a ticket");
        must(chd_fills_end(fills, 0, &fill, &loaded) == CHD_FILL_ADMIT,
             "a ticket that admits");
    }
}

/* --- the cache ------------------------------------------------------------ */

static coherd_client *client;
static coherd_cache *cache;

/* Polled, so that no thread runs; a hit asks nobody. */
static void make_cache(void)
{
    const coherd_options options = {.socket = "/nonexistent",
                                    .mode = COHERD_POLLED};
    char key[KEY_BYTES];

    must(coherd_open(&options, &client) == COHERD_OK &&
             coherd_cache_open(client, TOPIC, NULL, &cache) == COHERD_OK,
         "a cache");
    /* Seeds are random, and chains must not be. */
    cache->seed = 1;
    for (uint64_t i = 0; i < KEYS_HOT; i++) {
        make_key(key, i);
        const uint64_t hash = chd_key_hash(cache, key, KEY_BYTES);
        chd_entry *entry = chd_entry_new(key, KEY_BYTES, "value", 5);
        must(entry != NULL, "an entry");
        entry->hash = hash;
        entry->expires_ms = UINT64_MAX;
        must(chd_shard_put(chd_shard_of(cache, hash), entry), "room");
    }
}

static void end_cache(void)
{
    coherd_cache_close(&cache);
    must(coherd_close(&client) == COHERD_OK, "closing");
}

static void hit(size_t count)
{
    char key[KEY_BYTES];
    coherd_value *value;

    for (size_t i = 0; i < count; i++) {
        make_key(key, i % KEYS_HOT);
        must(coherd_cache_get(cache, key, KEY_BYTES, &value) == COHERD_OK,
             "a hit");
        coherd_value_release(&value);
    }
}

/* --- all of them ---------------------------------------------------------- */

static void nothing(void)
{
}

typedef struct operation {
    const char *name;
    void (*make)(void);
    void (*run)(size_t count);
    void (*end)(void);
    size_t warm;
} operation;

static const operation operations[] = {
    {"step-publish-1", make_node, publish_one, end_node, WARM_NODE},
    {"step-publish-16", make_node, publish_sixteen, end_node, WARM_NODE},
    {"step-publish-64", make_node, publish_batch, end_node, WARM_NODE},
    {"step-receive-1", make_node, receive_one, end_node, WARM_NODE},
    {"step-receive-64", make_node, receive_batch, end_node, WARM_NODE},
    {"log-append", make_log, append_cold, end_log, WARM_LOG},
    {"log-append-hot", make_log, append_hot, end_log, WARM_LOG},
    {"log-read", make_full_log, read_log, end_log, WARM_LOG},
    {"record-encode", nothing, encode, nothing, WARM_REST},
    {"record-decode", nothing, decode, nothing, WARM_REST},
    {"ticket", make_fills, ticket, end_fills, WARM_REST},
    {"cache-hit", make_cache, hit, end_cache, WARM_REST},
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < OPERATIONS; i++) {
            printf("%s\n", operations[i].name);
        }
        return 0;
    }
    const size_t count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    for (size_t i = 0; i < OPERATIONS && count > 0; i++) {
        const operation *one = &operations[i];
        if (strcmp(one->name, argv[1]) == 0) {
            one->make();
            one->run(one->warm);
            const double begun = now_ns();
            one->run(count);
            printf("%.1f ns\n", (now_ns() - begun) / (double)count);
            one->end();
            return 0;
        }
    }
    (void)fprintf(stderr, "usage: micro --list | micro NAME COUNT\n");
    return 2;
}
