/* garbage.c - a ZeroMQ peer that has nothing sensible to say.
 *
 *   garbage control tcp://[address]:7421 COUNT
 *       connect to a node's control socket, send COUNT messages, and exit
 *
 *   garbage events tcp://[address]:7420 tcp://[address]:7421
 *       be the peer that somebody dials: send on a PUB socket, swallow what
 *       comes to a ROUTER socket, answer it with more of the same, until
 *       killed
 *
 * The messages are random bytes, mesh messages cut at every length, messages
 * of many parts, and empty ones, in an order that is always the same.
 */
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "proto/base/prng.h"
#include "proto/wire/mesh.h"

#define MESSAGE_BYTES_MAX 512
#define SEND_TIMEOUT_MS 20000
#define EVENTS_INTERVAL_MS 2

static void *must(void *made)
{
    if (made == NULL) {
        perror("garbage");
        exit(1);
    }
    return made;
}

static void check(int result)
{
    if (result < 0) {
        fprintf(stderr, "garbage: %s\n", zmq_strerror(zmq_errno()));
        exit(1);
    }
}

static void *open_socket(void *context, int type)
{
    const int on = 1;
    const int timeout = SEND_TIMEOUT_MS;
    const int linger = SEND_TIMEOUT_MS;
    void *socket = must(zmq_socket(context, type));

    check(zmq_setsockopt(socket, ZMQ_IPV6, &on, sizeof(on)));
    check(zmq_setsockopt(socket, ZMQ_SNDTIMEO, &timeout, sizeof(timeout)));
    check(zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger)));
    return socket;
}

/* Write a message that a node would accept, for cutting it short. */
static size_t sensible(chd_prng *prng, uint8_t buf[MESSAGE_BYTES_MAX])
{
    const chd_mesh_header header = {
        .version = 1,
        .type = CHD_MESH_PING,
        .cluster = chd_bytes_str("default"),
        .sender = chd_prng_next(prng) | 1,
    };
    const chd_mesh_ping ping = {
        .t0 = chd_prng_next(prng),
        .received = chd_prng_below(prng, 1000),
        .digest = chd_prng_next(prng),
    };
    chd_pack pack;

    chd_pack_init(&pack, buf, MESSAGE_BYTES_MAX);
    chd_mesh_pack_ping(&pack, &header, &ping);
    return pack.len;
}

/* Write a message that no node can read; returns its length. */
static size_t nonsense(chd_prng *prng, uint8_t buf[MESSAGE_BYTES_MAX])
{
    size_t len = (size_t)chd_prng_below(prng, MESSAGE_BYTES_MAX);

    if (chd_prng_below(prng, 4) == 0) {
        return (size_t)chd_prng_below(prng, sensible(prng, buf));
    }
    for (size_t i = 0; i < len; i++) {
        buf[i] = (uint8_t)chd_prng_next(prng);
    }
    if (len > 0 && chd_prng_below(prng, 2) == 0) {
        buf[0] = 0x98; /* an array, at least, of eight */
    }
    return len;
}

/* Send one message of one to three parts. */
static int send_nonsense(chd_prng *prng, void *socket, int flags)
{
    uint8_t buf[MESSAGE_BYTES_MAX];
    const uint64_t parts =
        chd_prng_below(prng, 8) == 0 ? 1 + chd_prng_below(prng, 3) : 1;
    int result = 0;

    for (uint64_t i = 1; i <= parts && result >= 0; i++) {
        const size_t len = nonsense(prng, buf);
        result =
            zmq_send(socket, buf, len, flags | (i < parts ? ZMQ_SNDMORE : 0));
    }
    return result;
}

static int run_control(void *context, const char *endpoint, const char *count)
{
    chd_prng prng = chd_prng_seeded(1);
    const unsigned long total = strtoul(count, NULL, 10);
    void *dealer = open_socket(context, ZMQ_DEALER);

    check(zmq_connect(dealer, endpoint));
    for (unsigned long i = 0; i < total; i++) {
        check(send_nonsense(&prng, dealer, 0));
    }
    printf("sent %lu\n", total);
    return zmq_close(dealer) == 0 && zmq_ctx_term(context) == 0 ? 0 : 1;
}

/* Take one message off the ROUTER; its sender's id is left in id. */
static int swallow(void *router, uint8_t id[256])
{
    uint8_t rest[MESSAGE_BYTES_MAX];
    int more = 0;
    size_t more_size = sizeof(more);
    const int id_len = zmq_recv(router, id, 256, ZMQ_DONTWAIT);

    if (id_len < 0) {
        return id_len;
    }
    check(zmq_getsockopt(router, ZMQ_RCVMORE, &more, &more_size));
    while (more != 0) {
        check(zmq_recv(router, rest, sizeof(rest), 0));
        check(zmq_getsockopt(router, ZMQ_RCVMORE, &more, &more_size));
    }
    return id_len;
}

static CHD_NORETURN void run_events(void *context, const char *events,
                                    const char *control)
{
    chd_prng prng = chd_prng_seeded(2);
    void *pub = open_socket(context, ZMQ_PUB);
    void *router = open_socket(context, ZMQ_ROUTER);
    zmq_pollitem_t item = {.socket = router, .events = ZMQ_POLLIN};
    uint8_t id[256];

    check(zmq_bind(pub, events));
    check(zmq_bind(router, control));
    puts("ready");
    (void)fflush(stdout);
    for (;;) {
        check(zmq_poll(&item, 1, EVENTS_INTERVAL_MS));
        check(send_nonsense(&prng, pub, 0));
        const int id_len = swallow(router, id);
        if (id_len >= 0 &&
            zmq_send(router, id, (size_t)id_len, ZMQ_SNDMORE) >= 0) {
            (void)send_nonsense(&prng, router, 0);
        }
    }
}

int main(int argc, char **argv)
{
    void *context = must(zmq_ctx_new());

    if (argc == 4 && strcmp(argv[1], "control") == 0) {
        return run_control(context, argv[2], argv[3]);
    }
    if (argc == 4 && strcmp(argv[1], "events") == 0) {
        run_events(context, argv[2], argv[3]);
    }
    fputs("usage: garbage control ENDPOINT COUNT\n"
          "       garbage events EVENTS-ENDPOINT CONTROL-ENDPOINT\n",
          stderr);
    return 2;
}
