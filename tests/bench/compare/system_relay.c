/* system_relay.c - a floor: the same sockets as coherd, without any protocol.
 *
 *   publisher -unix- relay A -PUB/SUB tcp- relays B, C -unix- subscribers
 *
 * Up to BATCH of the events that one reading brought are one message of ZeroMQ:
 * an event alone is a message with one, backlog is messages with many.  No
 * high-water mark: nothing is dropped, and queues grow as they must. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "tests/bench/compare/compare.h"

#define ENDPOINT "tcp://[::1]:27450"
#define BATCH 64u

static const char *const ports[] = {"27450", NULL};

static void *open_socket(int type)
{
    const int zero = 0;
    const int one = 1;
    void *made = zmq_socket(zmq_ctx_new(), type);

    if (made == NULL ||
        zmq_setsockopt(made, ZMQ_SNDHWM, &zero, sizeof(zero)) != 0 ||
        zmq_setsockopt(made, ZMQ_RCVHWM, &zero, sizeof(zero)) != 0 ||
        zmq_setsockopt(made, ZMQ_IPV6, &one, sizeof(one)) != 0 ||
        (type == ZMQ_SUB && zmq_setsockopt(made, ZMQ_SUBSCRIBE, "", 0) != 0) ||
        (type == ZMQ_PUB ? zmq_bind(made, ENDPOINT)
                         : zmq_connect(made, ENDPOINT)) != 0) {
        die(ENDPOINT);
    }
    return made;
}

static void run_first(void)
{
    static event_reader reader;
    void *peers = open_socket(ZMQ_PUB);
    const int subscriber = accept_ends(&reader);
    size_t len;

    while ((len = read_events(&reader)) > 0) {
        for (size_t at = 0; at < len; at += BATCH * EVENT_BYTES) {
            const size_t rest = len - at;
            const size_t most = (size_t)BATCH * EVENT_BYTES;
            if (zmq_send(peers, reader.bytes + at, rest < most ? rest : most,
                         0) < 0) {
                die("zmq_send");
            }
        }
        (void)write_all(subscriber, reader.bytes, len);
    }
    _exit(0);
}

static void run(unsigned node)
{
    if (node == 0) {
        run_first();
    }
    void *events = open_socket(ZMQ_SUB);
    const int subscriber = accept_one(listen_unix("sub", node));
    for (;;) {
        zmq_msg_t message;
        if (zmq_msg_init(&message) != 0 ||
            zmq_msg_recv(&message, events, 0) < 0) {
            die("zmq_msg_recv");
        }
        (void)write_all(subscriber, zmq_msg_data(&message),
                        zmq_msg_size(&message));
        (void)zmq_msg_close(&message);
    }
}

static void start(void)
{
    start_relays(run);
}

const bench_system system_relay = {
    .name = "relay",
    .ports = ports,
    .start = start,
    .subscribe = subscribe_unix,
    .open = open_unix,
    .publish = publish_unix,
    .flush = flush_unix,
};
