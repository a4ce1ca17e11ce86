/* system_redis.c - Redis pub/sub: one server, hiredis.
 *
 *   publisher -tcp- redis-server -tcp- subscribers
 *
 * The publisher pipelines, with at most WINDOW replies outstanding. */
#include <hiredis/hiredis.h>
#include <poll.h>
#include <string.h>

#include "tests/bench/compare/compare.h"

#define PORT 27480
#define PORT_TEXT "27480"
#define WINDOW 1000u
#define GATHERED_MAX 64u
#define TRIES 1000
#define TRY_NS 10000000

static const char *const ports[] = {PORT_TEXT, NULL};
static redisContext *publisher;
static unsigned outstanding;
static unsigned gathered;

static void start(void)
{
    const char *const command[] = {
        "redis-server", "--port", PORT_TEXT, "--bind",  "::1", "--save", "",
        "--appendonly", "no",     "--dir",   bench_dir, NULL};

    start_program(0, command);
}

static redisContext *connect_redis(void)
{
    for (unsigned i = 0; i < TRIES; i++) {
        redisContext *made = redisConnect("::1", PORT);
        if (made != NULL && made->err == 0) {
            return made;
        }
        redisFree(made);
        pause_ns(TRY_NS);
    }
    die("redisConnect");
}

/* Until the connection breaks.  Who has subscribed again knows that it may
 * have missed something until then. */
static void follow(redisContext *server, unsigned node, bool again)
{
    void *got;

    if (redisAppendCommand(server, "SUBSCRIBE %s", TOPIC) != REDIS_OK) {
        return;
    }
    while (redisGetReply(server, &got) == REDIS_OK) {
        const redisReply *reply = got;
        const bool is_list =
            reply->type == REDIS_REPLY_ARRAY && reply->elements == 3;
        if (again && is_list &&
            reply->element[2]->type == REDIS_REPLY_INTEGER) {
            board_notice(node);
        }
        if (is_list && reply->element[2]->type == REDIS_REPLY_STRING &&
            reply->element[2]->len == KEY_BYTES) {
            board_note(node, reply->element[2]->str);
        }
        freeReplyObject(got);
    }
}

static void subscribe(unsigned node)
{
    for (bool again = false;; again = true) {
        redisContext *server = connect_redis();
        follow(server, node, again);
        redisFree(server);
    }
}

static void open_publisher(void)
{
    publisher = connect_redis();
}

static void take_reply(void)
{
    void *reply = NULL;

    if (redisGetReply(publisher, &reply) != REDIS_OK) {
        die("redisGetReply");
    }
    freeReplyObject(reply);
    outstanding--;
}

static void flush(void)
{
    struct pollfd readable = {.fd = publisher->fd, .events = POLLIN};
    void *reply;
    int done = 0;

    while (!done) {
        if (redisBufferWrite(publisher, &done) != REDIS_OK) {
            die("redisBufferWrite");
        }
    }
    gathered = 0;
    /* Replies to earlier events; there is no need to wait for any. */
    while (poll(&readable, 1, 0) == 1) {
        if (redisBufferRead(publisher) != REDIS_OK) {
            die("redisBufferRead");
        }
        while (redisGetReplyFromReader(publisher, &reply) == REDIS_OK &&
               reply != NULL) {
            freeReplyObject(reply);
            outstanding--;
        }
    }
}

static void publish(const char *keys, size_t count)
{
    static char command[] = "*3\r\n$7\r\nPUBLISH\r\n$16\r\n" TOPIC "\r\n$32\r\n"
                            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\r\n";
    const size_t len = sizeof(command) - 1;

    for (size_t i = 0; i < count; i++) {
        memcpy(command + len - 2 - KEY_BYTES, keys + i * KEY_BYTES, KEY_BYTES);
        if (redisAppendFormattedCommand(publisher, command, len) != REDIS_OK) {
            die("redisAppendFormattedCommand");
        }
        outstanding++;
        if (++gathered >= GATHERED_MAX) {
            flush();
        }
        while (outstanding > WINDOW) {
            take_reply();
        }
    }
}

const bench_system system_redis = {
    .name = "redis",
    .ports = ports,
    .start = start,
    .subscribe = subscribe,
    .open = open_publisher,
    .publish = publish,
    .flush = flush,
};
