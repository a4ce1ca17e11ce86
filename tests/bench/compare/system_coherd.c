/* system_coherd.c - three sidecars and the library, as applications use it.
 *
 *   publisher -unix- coherd A -PUB/SUB tcp- coherd B, C -unix- subscribers
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/coherd.h"
#include "tests/bench/compare/compare.h"

#define PORTS 27420u /* and up, ten for each node */
#define CALL_MAX 1024
#define ROOM_MS 60000
/* What an application might allow: see docs/performance.md. */
#define BOUND_MS 1000
#define SAMPLE_NS 1000000

static const char *const ports[] = {"27420", "27421", "27430", "27431",
                                    "27440", "27441", NULL};
static coherd_client *publisher;

static void socket_path(unsigned node, char path[64])
{
    (void)snprintf(path, 64, "%s/%u.sock", bench_dir, node);
}

static void start(void)
{
    const char *bin = getenv("CHD_BIN");
    char program[256];

    (void)snprintf(program, sizeof(program), "%s/coherd",
                   bin != NULL ? bin : "build/bin");
    for (unsigned node = 0; node < NODES; node++) {
        char port[16];
        char path[64];
        const char *const command[] = {
            program,
            "--cluster-name",
            "bench",
            "--mesh-address",
            "::1",
            "--mesh-port",
            port,
            "--discovery-peers",
            "[::1]:27420,[::1]:27430,[::1]:27440",
            "--local-socket",
            path,
            "--admin-address",
            "",
            "--logging-level",
            getenv("BENCH_VERBOSE") != NULL ? "info" : "error",
            NULL};
        (void)snprintf(port, sizeof(port), "%u", PORTS + 10 * node);
        socket_path(node, path);
        start_program(node, command);
    }
}

static void on_event(coherd_client *client, const coherd_event *event,
                     void *arg)
{
    (void)client;
    if (event->target.len == KEY_BYTES) {
        board_note(*(const unsigned *)arg, event->target.data);
    }
}

static void on_reset(coherd_client *client, const coherd_reset *reset,
                     void *arg)
{
    (void)client, (void)reset;
    board_notice(*(const unsigned *)arg);
}

static coherd_client *open_client(const coherd_options *options)
{
    coherd_client *made;

    if (coherd_open(options, &made) != COHERD_OK) {
        die("coherd_open");
    }
    return made;
}

static void subscribe(unsigned node)
{
    char path[64];
    bool exceeded = false;

    socket_path(node, path);
    const coherd_options options = {.socket = path,
                                    .on_event = on_event,
                                    .on_reset = on_reset,
                                    .arg = &node};
    coherd_client *client = open_client(&options);
    if (coherd_subscribe(client, TOPIC) != COHERD_OK) {
        die("coherd_subscribe");
    }
    while (!the_board->samples) {
        pause();
    }
    for (;;) {
        /* What it asks is what a reader of a cache would. */
        const bool now = coherd_staleness(client) > BOUND_MS;
        if (now != exceeded) {
            exceeded = now;
            board_exceeded(node, exceeded);
        }
        pause_ns(SAMPLE_NS);
    }
}

static void open_publisher(void)
{
    char path[64];

    socket_path(0, path);
    const coherd_options options = {.socket = path};
    publisher = open_client(&options);
}

static void publish(const char *keys, size_t count)
{
    static const coherd_publish_options options = {.timeout_ms = ROOM_MS};
    coherd_target targets[CALL_MAX];

    for (size_t i = 0; i < count; i++) {
        targets[i] = coherd_key_n(keys + i * KEY_BYTES, KEY_BYTES);
    }
    const coherd_err err =
        coherd_invalidate(publisher, TOPIC, targets, count, &options, NULL);
    if (err != COHERD_OK) {
        die(coherd_err_name(err));
    }
}

static void must_be_applied(const coherd_receipt *receipt, coherd_err err)
{
    if (err != COHERD_OK) {
        die(coherd_err_name(err));
    }
    if (receipt->of != NODES || receipt->applied != NODES) {
        die("a receipt does not say that all have applied it");
    }
}

static void confirm(const char *key)
{
    static const coherd_publish_options options = {.wait = COHERD_WAIT_APPLIED,
                                                   .timeout_ms = ROOM_MS};
    const coherd_target target = coherd_key_n(key, KEY_BYTES);
    coherd_receipt receipt = {0};

    const coherd_err err =
        coherd_invalidate(publisher, TOPIC, &target, 1, &options, &receipt);
    must_be_applied(&receipt, err);
}

static void (*told)(unsigned number);

static void on_receipt(coherd_client *client, const coherd_receipt *receipt,
                       coherd_err err, void *arg)
{
    (void)client;
    must_be_applied(receipt, err);
    told((unsigned)(uintptr_t)arg);
}

static void offer_confirm(const char *key, unsigned number,
                          void (*confirmed)(unsigned number))
{
    const coherd_publish_options options = {.wait = COHERD_WAIT_APPLIED,
                                            .timeout_ms = ROOM_MS,
                                            .on_receipt = on_receipt,
                                            .on_receipt_arg =
                                                (void *)(uintptr_t)number};
    const coherd_target target = coherd_key_n(key, KEY_BYTES);

    told = confirmed;
    const coherd_err err =
        coherd_invalidate(publisher, TOPIC, &target, 1, &options, NULL);
    if (err != COHERD_OK) {
        die(coherd_err_name(err));
    }
}

static void flush(void)
{
    /* The call itself has written what there was. */
}

const bench_system system_coherd = {
    .name = "coherd",
    .ports = ports,
    .start = start,
    .subscribe = subscribe,
    .open = open_publisher,
    .publish = publish,
    .flush = flush,
    .confirm = confirm,
    .offer_confirm = offer_confirm,
};
