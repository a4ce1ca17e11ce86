/* test_session_client.h - a client of the session protocol in the hands of a
 * test: what it writes is collected and taken apart, and what a sidecar would
 * say is said to it.
 */
#ifndef CHD_TESTS_UNIT_TEST_SESSION_CLIENT_H
#define CHD_TESTS_UNIT_TEST_SESSION_CLIENT_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "proto/base/hash.h"
#include "proto/session/client.h"
#include "proto/session/client_outbox.h"
#include "proto/wire/frame.h"
#include "tests/support/heap.h"

#define T0 (1000 * CHD_SECOND)

static inline chd_client_config config_of(uint64_t seed)
{
    return (chd_client_config){
        .seed = seed,
        .client = 0xabc,
        .pid = 42,
        .name = chd_bytes_str("test"),
        .version_min = 1,
        .version_max = 1,
        .window_bytes = CHD_OUTBOX_BYTES_MIN,
        .subscription_count_max = 100,
    };
}

static inline chd_client *make(void)
{
    const chd_client_config config = config_of(7);
    chd_client *client;

    cr_assert_eq(chd_client_new(&config, heap_mem(), T0, &client), CHD_OK);
    return client;
}

/* --- what the client writes ----------------------------------------------- */

#define LOG_BYTES (4 * 1024 * 1024)

/* Messages taken off the client's output, kept as bytes. */
static uint8_t stream[LOG_BYTES];
static size_t stream_len;
static size_t stream_at;

/* Write at most `step` bytes at a time, for at most `rounds` times. */
static inline void drain_some(chd_client *client, size_t step, size_t rounds)
{
    for (size_t i = 0; i < rounds; i++) {
        const chd_bytes out = chd_client_output(client);
        const size_t len = chd_min_size(out.len, step);
        if (len == 0) {
            return;
        }
        cr_assert_leq(stream_len + len, LOG_BYTES);
        memcpy(stream + stream_len, out.ptr, len);
        stream_len += len;
        chd_client_written(client, len);
    }
}

static inline void drain(chd_client *client)
{
    drain_some(client, SIZE_MAX, SIZE_MAX);
}

static inline void forget_stream(void)
{
    stream_len = stream_at = 0;
}

/* Take the next message; false when there is no whole one. */
static inline bool take(chd_local *local)
{
    chd_bytes rest = chd_bytes_of(stream + stream_at, stream_len - stream_at);
    chd_bytes message;

    cr_assert_eq(chd_frame_next(&rest, &message), CHD_OK);
    if (message.len == 0) {
        return false;
    }
    stream_at = stream_len - rest.len;
    cr_assert_eq(chd_local_scan(message, local), CHD_OK);
    return true;
}

static inline chd_local expect(chd_local_type type)
{
    chd_local local = {0};

    cr_assert(take(&local), "nothing more was written");
    cr_assert_eq(local.type, (uint64_t)type, "type %d, not %d", (int)local.type,
                 type);
    return local;
}

static inline void expect_nothing(void)
{
    chd_local local = {0};
    cr_assert_not(take(&local), "type %d was written", (int)local.type);
    cr_assert_eq(stream_at, stream_len, "a part of a message was written");
}

/* --- what the sidecar says ------------------------------------------------ */

static uint8_t buf[CHD_FRAME_BYTES_MAX];
static chd_pack pack;
static chd_delivery delivery;

static inline chd_pack *begin(void)
{
    chd_pack_init(&pack, buf, sizeof(buf));
    return &pack;
}

static inline chd_err say(chd_client *client, uint64_t now)
{
    cr_assert_not(pack.overflow);
    return chd_client_receive(client, now, chd_pack_bytes(&pack), &delivery);
}

static inline chd_local_welcome welcome_of(void)
{
    return (chd_local_welcome){.version = 1,
                               .node = 9,
                               .node_name = chd_bytes_str("n"),
                               .region = chd_bytes_str(""),
                               .cluster = chd_bytes_str("c"),
                               .window_bytes = CHD_PUBLISH_WINDOW_BYTES,
                               .payload_max = CHD_PAYLOAD_BYTES_DEFAULT,
                               .ping_interval_ms = 500};
}

static inline chd_err say_welcome(chd_client *client, uint64_t now,
                                  const chd_local_welcome *welcome)
{
    chd_local_pack_welcome(begin(), welcome);
    return say(client, now);
}

static inline chd_err say_events(chd_client *client, uint64_t now,
                                 uint64_t position, uint32_t count)
{
    const chd_event event = {.seq = 1,
                             .kind = CHD_KIND_INVALIDATE,
                             .target_kind = CHD_TARGET_ALL,
                             .topic = chd_bytes_str("t")};
    const size_t at = chd_local_events_open(begin(), position, 9);

    for (uint32_t i = 0; i < count; i++) {
        chd_event numbered = event;
        numbered.seq = i + 1;
        chd_event_pack(&pack, &numbered);
    }
    chd_local_events_close(&pack, at, count, 0);
    return say(client, now);
}

static inline chd_err say_reset(chd_client *client, uint64_t now,
                                uint64_t position)
{
    const chd_local_reset reset = {.position = position,
                                   .reason = CHD_RESET_LOST};
    chd_local_pack_reset(begin(), &reset);
    return say(client, now);
}

static inline chd_err say_receipt(chd_client *client, uint64_t now,
                                  uint64_t request)
{
    const chd_local_receipt receipt = {request, 9, 1};
    chd_local_pack_receipt(begin(), &receipt);
    return say(client, now);
}

static inline chd_err say_pong(chd_client *client, uint64_t now,
                               uint64_t position)
{
    chd_local_pack_pong(begin(), now, position, 0);
    return say(client, now);
}

static inline chd_err say_report(chd_client *client, uint64_t request)
{
    const chd_node_report node = {.node = 9,
                                  .name = chd_bytes_str("n"),
                                  .cluster = chd_bytes_str("c"),
                                  .endpoint = {.port = 1}};
    const size_t at = chd_local_report_open(begin(), request, &node);
    chd_local_report_close(&pack, at, 0);
    return say(client, T0);
}

/* Connect and greet; what was written until then is forgotten. */
static inline void attach(chd_client *client, uint64_t now)
{
    const chd_local_welcome welcome = welcome_of();

    cr_assert_eq(chd_client_tick(client, now), CHD_CLIENT_CONNECT);
    chd_client_connected(client, now);
    forget_stream();
    drain(client);
    expect(CHD_LOCAL_HELLO);
    expect_nothing();
    cr_assert_eq(say_welcome(client, now, &welcome), CHD_OK);
    cr_assert(chd_client_is_attached(client));
    forget_stream();
}

static inline void subscribe(chd_client *client, const char *topic)
{
    const chd_filter filter = {CHD_MATCH_EXACT, chd_bytes_str(topic)};
    cr_assert_eq(chd_client_subscribe(client, &filter), CHD_OK);
}

static inline bool unsubscribe(chd_client *client, const char *topic)
{
    const chd_filter filter = {CHD_MATCH_EXACT, chd_bytes_str(topic)};
    return chd_client_unsubscribe(client, &filter);
}

/* Publish one message of so many bytes; 0 when there is no room. */
static inline uint64_t publish(chd_client *client, size_t len)
{
    static const uint8_t value[CHD_PAYLOAD_BYTES_MAX];
    const chd_event item = {.kind = CHD_KIND_MESSAGE,
                            .topic = chd_bytes_str("t"),
                            .value = chd_bytes_of(value, len)};

    chd_client_publish_open(client, CHD_WAIT_NONE);
    if (chd_client_publish_add(client, &item) != CHD_OK) {
        chd_client_publish_abort(client);
        return 0;
    }
    return chd_client_publish_commit(client);
}

static inline uint32_t expect_filters(chd_local_type type, const char *first)
{
    const chd_local local = expect(type);
    chd_local_list list = local.u.filters;
    chd_filter filter;

    cr_assert(chd_local_filter_next(&list, &filter));
    cr_assert(chd_bytes_equal(filter.topic, chd_bytes_str(first)), "%.*s",
              (int)filter.topic.len, (const char *)filter.topic.ptr);
    return local.u.filters.count;
}

#endif
