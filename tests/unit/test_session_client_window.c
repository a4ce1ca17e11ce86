/* The application's end of the session protocol: the publisher window, hostile
 * input, memory. */
#include "tests/unit/test_session_client.h"

/* --- publishing ----------------------------------------------------------- */

Test(session_client_window, what_has_no_receipt_is_sent_again_in_order)
{
    chd_client *client = make();

    attach(client, T0);
    for (uint64_t i = 1; i <= 10; i++) {
        cr_assert_eq(publish(client, 10), i);
    }
    drain(client);
    for (uint64_t i = 1; i <= 10; i++) {
        cr_assert_eq(expect(CHD_LOCAL_PUBLISH).u.publish.request, i);
    }
    cr_assert_eq(say_receipt(client, T0, 4), CHD_OK);
    cr_assert_eq(delivery.kind, CHD_DELIVERY_RECEIPT);
    cr_assert_not(chd_client_is_pending(client, 4));
    cr_assert(chd_client_is_pending(client, 5));
    cr_assert_eq(chd_client_oldest_pending(client), 5);
    chd_client_disconnected(client, T0);
    cr_assert_eq(publish(client, 10), 11);
    attach(client, chd_client_deadline_ns(client));
    drain(client);
    for (uint64_t i = 5; i <= 11; i++) {
        cr_assert_eq(expect(CHD_LOCAL_PUBLISH).u.publish.request, i);
    }
    expect_nothing();
    cr_assert_eq(say_receipt(client, T0, 11), CHD_OK);
    cr_assert_eq(chd_client_pending_bytes(client), 0);
    cr_assert_eq(say_receipt(client, T0, 3), CHD_OK, "an old one is harmless");
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_window, a_receipt_for_what_was_not_sent_is_refused)
{
    chd_client *client = make();

    attach(client, T0);
    cr_assert_eq(say_receipt(client, T0, 1), CHD_ERANGE);
    publish(client, 10);
    cr_assert_eq(say_receipt(client, T0, 1), CHD_ERANGE, "not written yet");
    drain_some(client, 5, 1);
    cr_assert_eq(say_receipt(client, T0, 1), CHD_ERANGE, "half of it");
    drain(client);
    cr_assert_eq(say_receipt(client, T0, 2), CHD_ERANGE);
    cr_assert_eq(say_receipt(client, T0, 1), CHD_OK);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_window, a_full_window_has_room_again_after_receipts)
{
    uint64_t last = 0;
    uint64_t first = 1;
    chd_client *client = make();

    attach(client, T0);
    for (int round = 0; round < 200; round++) {
        uint64_t request;
        while ((request = publish(client, 3000 + (size_t)round)) != 0) {
            cr_assert_eq(request, last + 1);
            last = request;
        }
        cr_assert_gt(chd_client_pending_bytes(client),
                     CHD_OUTBOX_BYTES_MIN - 4000);
        cr_assert_leq(chd_client_pending_bytes(client), CHD_OUTBOX_BYTES_MIN);
        drain(client);
        const uint64_t until = last - (uint64_t)round % 7;
        for (; first <= last; first++) {
            cr_assert_eq(expect(CHD_LOCAL_PUBLISH).u.publish.request, first);
        }
        expect_nothing();
        forget_stream();
        cr_assert_eq(say_receipt(client, T0, until), CHD_OK);
    }
    chd_client_destroy(&client);
    NO_LEAKS();
}

/* Whatever is left of the window, a message is in it whole or not at all. */
Test(session_client_window, the_last_message_that_fits_is_whole)
{
    for (size_t first = 0; first < 64; first++) {
        uint64_t count = 0;
        chd_client *client = make();

        attach(client, T0);
        count += publish(client, first) != 0;
        for (size_t bytes = 3000; bytes > 0; bytes /= 2) {
            while (publish(client, bytes) != 0) {
                count++;
            }
        }
        cr_assert_leq(chd_client_pending_bytes(client), CHD_OUTBOX_BYTES_MIN);
        drain(client);
        for (uint64_t i = 1; i <= count; i++) {
            cr_assert_eq(expect(CHD_LOCAL_PUBLISH).u.publish.request, i);
        }
        expect_nothing();
        forget_stream();
        chd_client_destroy(&client);
    }
    NO_LEAKS();
}

Test(session_client_window, what_can_never_fit_is_told_apart_from_a_full_window)
{
    static const uint8_t value[CHD_PAYLOAD_BYTES_MAX];
    chd_event item = {.kind = CHD_KIND_MESSAGE,
                      .topic = chd_bytes_str("t"),
                      .value = chd_bytes_of(value, CHD_PAYLOAD_BYTES_MAX)};
    chd_client *client = make();

    chd_client_publish_open(client, CHD_WAIT_NONE);
    cr_assert_eq(chd_client_publish_add(client, &item), CHD_ELIMIT);
    chd_client_publish_abort(client);
    item.value.len = 100000;
    chd_client_publish_open(client, CHD_WAIT_NONE);
    cr_assert_eq(chd_client_publish_add(client, &item), CHD_OK);
    cr_assert_eq(chd_client_publish_commit(client), 1);
    chd_client_publish_open(client, CHD_WAIT_NONE);
    cr_assert_eq(chd_client_publish_add(client, &item), CHD_ENOSPACE);
    chd_client_publish_abort(client);
    item.value.len = 10;
    chd_client_publish_open(client, CHD_WAIT_NONE);
    cr_assert_eq(chd_client_publish_add(client, &item), CHD_OK);
    cr_assert_eq(chd_client_publish_commit(client), 2, "no number is lost");
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_window, a_long_publish_becomes_several_messages)
{
    chd_client *client = make();
    const chd_event item = {.kind = CHD_KIND_INVALIDATE,
                            .topic = chd_bytes_str("t"),
                            .target_kind = CHD_TARGET_KEY,
                            .target = chd_bytes_str("k")};
    uint32_t items = 0;
    int messages = 0;
    chd_local local;

    attach(client, T0);
    chd_client_publish_open(client, CHD_WAIT_ACCEPTED);
    for (int i = 0; i < 10000; i++) {
        cr_assert_eq(chd_client_publish_add(client, &item), CHD_OK);
    }
    const uint64_t request = chd_client_publish_commit(client);
    drain(client);
    while (take(&local)) {
        cr_assert_eq(local.type, CHD_LOCAL_PUBLISH);
        cr_assert_leq(local.u.publish.items.count, CHD_PUBLISH_ITEMS_MAX);
        cr_assert_eq(local.u.publish.wait, CHD_WAIT_ACCEPTED);
        cr_assert_eq(local.u.publish.request, (uint64_t)++messages);
        items += local.u.publish.items.count;
    }
    cr_assert_eq(items, 10000);
    cr_assert_eq(request, (uint64_t)messages);
    cr_assert_geq(messages, 3);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_window, no_more_is_under_way_than_the_sidecar_takes)
{
    chd_local_welcome welcome = welcome_of();
    chd_client *client = make();
    chd_local local;
    uint64_t request = 0;
    size_t largest = 0;

    welcome.window_bytes = 10000;
    cr_assert_eq(chd_client_tick(client, T0), CHD_CLIENT_CONNECT);
    chd_client_connected(client, T0);
    drain(client);
    for (int i = 0; i < 30; i++) {
        cr_assert_neq(publish(client, 3000), 0);
    }
    cr_assert_neq(publish(client, 20000), 0, "more than the sidecar's window");
    cr_assert_eq(say_welcome(client, T0, &welcome), CHD_OK);
    for (int turns = 0; request < 31; turns++) {
        cr_assert_lt(turns, 100);
        forget_stream();
        drain(client);
        largest = stream_len > largest ? stream_len : largest;
        if (request < 30) {
            cr_assert_leq(stream_len, 10000 + 4096 /* HELLO, once */);
        }
        while (take(&local)) {
            if (local.type == CHD_LOCAL_PUBLISH) {
                request = local.u.publish.request;
            }
        }
        cr_assert_eq(say_receipt(client, T0, request), CHD_OK);
    }
    cr_assert_gt(largest, 20000);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_window, messages_never_mix_however_little_the_socket_takes)
{
    chd_local local;
    char topic[32];
    chd_client *client = make();
    uint64_t publishes = 0;
    uint64_t pings = 0;
    uint64_t filters = 0;
    uint64_t now = T0;

    attach(client, T0);
    for (uint64_t i = 0; i < 400; i++) {
        now += 100 * CHD_MS;
        cr_assert_eq(chd_client_tick(client, now), CHD_CLIENT_WAIT);
        say_pong(client, now, 0);
        cr_assert_neq(publish(client, i % 50), 0);
        if (i % 9 == 0 && i < 400) {
            snprintf(topic, sizeof(topic), "t%d", (int)i);
            subscribe(client, topic);
        }
        drain_some(client, 1 + i % 13, 3);
    }
    drain_some(client, 1, SIZE_MAX);
    while (take(&local)) {
        if (local.type == CHD_LOCAL_PUBLISH) {
            cr_assert_eq(local.u.publish.request, ++publishes);
        } else if (local.type == CHD_LOCAL_PING) {
            pings++;
        } else {
            cr_assert_eq(local.type, CHD_LOCAL_SUBSCRIBE);
            filters += local.u.filters.count;
        }
    }
    expect_nothing();
    cr_assert_eq(publishes, 400);
    cr_assert_eq(filters, 45);
    cr_assert_gt(pings, 10);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_window, payloads_that_the_sidecar_refuses_leave_the_window)
{
    chd_local_welcome welcome = welcome_of();
    chd_client *client = make();

    cr_assert_eq(chd_client_payload_max(client), CHD_PAYLOAD_BYTES_DEFAULT);
    publish(client, 100);
    publish(client, 5000);
    publish(client, 1000);
    publish(client, 1001);
    publish(client, 10);
    welcome.payload_max = 1000;
    cr_assert_eq(chd_client_tick(client, T0), CHD_CLIENT_CONNECT);
    chd_client_connected(client, T0);
    drain(client);
    expect(CHD_LOCAL_HELLO);
    cr_assert_eq(say_welcome(client, T0, &welcome), CHD_OK);
    cr_assert_eq(delivery.refused, 2);
    cr_assert_eq(chd_client_payload_max(client), 1000);
    cr_assert_not(chd_client_is_pending(client, 2));
    cr_assert_not(chd_client_is_pending(client, 4));
    drain(client);
    cr_assert_eq(expect(CHD_LOCAL_PUBLISH).u.publish.request, 1);
    cr_assert_eq(expect(CHD_LOCAL_PUBLISH).u.publish.request, 3);
    cr_assert_eq(expect(CHD_LOCAL_PUBLISH).u.publish.request, 5);
    expect_nothing();
    chd_client_destroy(&client);
    NO_LEAKS();
}

/* --- sharing messages ----------------------------------------------------- */

/* Invalidate count keys in one call; returns its request, or 0. */
static uint64_t invalidate(chd_client *client, uint32_t count, chd_wait wait)
{
    static const char key[1000];
    const chd_event item = {.kind = CHD_KIND_INVALIDATE,
                            .topic = chd_bytes_str("t"),
                            .target_kind = CHD_TARGET_KEY,
                            .target = chd_bytes_of(key, 1000)};

    chd_client_publish_open(client, wait);
    for (uint32_t i = 0; i < count; i++) {
        if (chd_client_publish_add(client, &item) != CHD_OK) {
            chd_client_publish_abort(client);
            return 0;
        }
    }
    return chd_client_publish_commit(client);
}

/* The next message written has so many items, the first of this number. */
static void expect_items(uint64_t request, uint32_t count, uint64_t number)
{
    const chd_local_publish publish = expect(CHD_LOCAL_PUBLISH).u.publish;

    cr_assert_eq(publish.request, request);
    cr_assert_eq(publish.items.count, count);
    cr_assert_eq(publish.number, number);
}

Test(session_client_window, invalidations_nobody_waits_for_share_a_message)
{
    chd_client *client = make();

    attach(client, T0);
    cr_assert_eq(invalidate(client, 1, CHD_WAIT_NONE), 1);
    cr_assert_eq(invalidate(client, 2, CHD_WAIT_NONE), 1);
    cr_assert_eq(publish(client, 10), 2, "a payload may be refused");
    cr_assert_eq(invalidate(client, 1, CHD_WAIT_NONE), 3);
    cr_assert_eq(invalidate(client, 1, CHD_WAIT_ACCEPTED), 4);
    cr_assert_eq(invalidate(client, 1, CHD_WAIT_NONE), 5, "the other waits");
    drain_some(client, 10, 1);
    cr_assert_eq(invalidate(client, 1, CHD_WAIT_NONE), 5);
    drain(client);
    cr_assert_eq(invalidate(client, 1, CHD_WAIT_NONE), 6, "that is written");
    drain(client);
    expect_items(1, 3, 1);
    expect_items(2, 1, 4);
    expect_items(3, 1, 5);
    expect_items(4, 1, 6);
    expect_items(5, 2, 7);
    expect_items(6, 1, 9);
    expect_nothing();
    cr_assert_eq(say_receipt(client, T0, 6), CHD_OK);
    cr_assert_eq(chd_client_pending_bytes(client), 0);
    cr_assert_eq(invalidate(client, 1, CHD_WAIT_NONE), 7);
    chd_client_disconnected(client, T0);
    cr_assert_eq(invalidate(client, 1, CHD_WAIT_NONE), 8,
                 "what may have been accepted stays as it is");
    attach(client, chd_client_deadline_ns(client));
    drain(client);
    expect_items(7, 1, 10);
    expect_items(8, 1, 11);
    expect_nothing();
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_window, a_shared_message_is_full_at_some_point)
{
    chd_client *client = make();
    uint64_t request = 1;
    uint32_t count = 0;
    uint32_t items = 0;
    chd_local local;

    attach(client, T0);
    for (; request < 3; count++) {
        request = invalidate(client, 1, CHD_WAIT_NONE);
    }
    drain(client);
    while (take(&local)) {
        cr_assert_eq(local.u.publish.number, items + 1);
        cr_assert_leq(local.u.publish.items.encoded.len, CHD_BATCH_BYTES);
        items += local.u.publish.items.count;
    }
    cr_assert_eq(items, count);
    chd_client_destroy(&client);
    NO_LEAKS();
}

/* What does not fit leaves the message that it would have shared as it was,
 * and also when it had begun a second one. */
Test(session_client_window, what_is_given_up_leaves_no_trace)
{
    chd_client *client = make();

    attach(client, T0);
    cr_assert_eq(invalidate(client, 2, CHD_WAIT_NONE), 1);
    const size_t bytes = chd_client_pending_bytes(client);
    for (uint32_t count = 140; count <= 200; count += 60) {
        cr_assert_eq(invalidate(client, count, CHD_WAIT_NONE), 0);
        cr_assert_eq(chd_client_pending_bytes(client), bytes);
    }
    cr_assert_eq(invalidate(client, 3, CHD_WAIT_NONE), 1);
    drain(client);
    expect_items(1, 5, 1);
    expect_nothing();
    cr_assert_eq(invalidate(client, 1, CHD_WAIT_NONE), 2);
    drain(client);
    expect_items(2, 1, 6);
    chd_client_destroy(&client);
    NO_LEAKS();
}

/* --- hostile input, memory, determinism ----------------------------------- */

Test(session_client_window, damaged_messages_are_refused_or_harmless)
{
    uint8_t good[4096];
    uint8_t bad[4096];

    for (int kind = 0; kind < 5; kind++) {
        chd_client *client = make();
        attach(client, T0);
        publish(client, 1);
        chd_client_ask_status(client);
        drain(client);
        switch (kind) {
        case 0:
            say_events(client, T0, 99, 3);
            break;
        case 1:
            say_reset(client, T0, 99);
            break;
        case 2:
            say_receipt(client, T0, 99);
            break;
        case 3:
            say_report(client, 99);
            break;
        default:
            chd_local_pack_error(begin(), CHD_LOCAL_ERR_INVALID, "text");
            break;
        }
        const size_t len = pack.len;
        memcpy(good, buf, len);
        for (size_t cut = 0; cut < len; cut++) {
            cr_assert_neq(chd_client_receive(
                              client, T0, chd_bytes_of(good, cut), &delivery),
                          CHD_OK, "message %d cut at %zu", kind, cut);
            cr_assert_eq(delivery.kind, CHD_DELIVERY_NONE);
        }
        chd_client_destroy(&client);
        for (size_t at = 0; at < len; at++) {
            for (unsigned value = 0; value < 256; value++) {
                client = make();
                attach(client, T0);
                memcpy(bad, good, len);
                bad[at] = (uint8_t)value;
                const chd_err err = chd_client_receive(
                    client, T0, chd_bytes_of(bad, len), &delivery);
                cr_assert_lt(err, CHD_ERR_COUNT);
                chd_client_destroy(&client);
            }
        }
    }
    NO_LEAKS();
}

Test(session_client_window, the_constructor_survives_having_no_memory)
{
    const chd_client_config config = config_of(1);
    chd_client *client;
    chd_err err = CHD_ENOMEM;

    for (size_t nth = 1; err == CHD_ENOMEM; nth++) {
        heap_fail_nth(nth);
        err = chd_client_new(&config, heap_mem(), T0, &client);
        cr_assert(err == CHD_OK || heap_balance() == 0);
        cr_assert(err == CHD_OK || client == NULL);
    }
    heap_fail_nth(0);
    const size_t calls = heap_calls();
    attach(client, T0);
    publish(client, 100);
    subscribe(client, "a");
    drain(client);
    cr_assert_eq(heap_calls(), calls, "only the constructor allocates");
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_window, the_constructor_checks_its_limits)
{
    char name[CHD_NAME_BYTES_MAX + 1];
    chd_client *client;

    memset(name, 'x', sizeof(name));
    for (int i = 0; i < 9; i++) {
        chd_client_config config = config_of(1);
        switch (i) {
        case 0:
            config.client = 0;
            break;
        case 1:
            config.name = chd_bytes_of(name, sizeof(name));
            break;
        case 2:
            config.name = chd_bytes_str("\x01");
            break;
        case 3:
            config.version_min = 2;
            break;
        case 4:
            config.version_min = 0;
            break;
        case 5:
            config.window_bytes = CHD_OUTBOX_BYTES_MIN - 1;
            break;
        case 6:
            config.window_bytes = CHD_OUTBOX_BYTES_MAX + 1;
            break;
        case 7:
            config.subscription_count_max = 0;
            break;
        default:
            config.subscription_count_max = CHD_SESSION_SUBSCRIPTIONS_MAX + 1;
            break;
        }
        cr_assert_eq(chd_client_new(&config, heap_mem(), T0, &client),
                     CHD_ELIMIT, "case %d", i);
    }
    NO_LEAKS();
}

static uint64_t run_a_story(uint64_t seed)
{
    const chd_client_config config = config_of(seed);
    chd_client *client;
    uint64_t now = T0;

    cr_assert_eq(chd_client_new(&config, heap_mem(), T0, &client), CHD_OK);
    forget_stream();
    for (uint64_t i = 0; i < 50; i++) {
        if (chd_client_tick(client, now) == CHD_CLIENT_CONNECT) {
            chd_client_connected(client, now);
        }
        const chd_local_welcome welcome = welcome_of();
        if (i % 7 == 3) {
            say_welcome(client, now, &welcome);
        }
        publish(client, i);
        drain_some(client, 10 * i, 2);
        if (i % 7 == 6) {
            chd_client_disconnected(client, now);
        }
        now = chd_client_deadline_ns(client);
    }
    chd_client_destroy(&client);
    return now ^ chd_hash(1, chd_bytes_of(stream, stream_len));
}

Test(session_client_window, the_same_calls_do_the_same)
{
    cr_assert_eq(run_a_story(1), run_a_story(1));
    cr_assert_neq(run_a_story(1), run_a_story(2));
    NO_LEAKS();
}
