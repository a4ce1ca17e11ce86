/* The application's end of the session protocol: connections, subscriptions
 * and the stream. */
#include "tests/unit/test_session_client.h"

/* --- the connection ------------------------------------------------------- */

Test(session_client, nothing_but_hello_is_said_before_welcome)
{
    const chd_local_welcome welcome = welcome_of();
    chd_client *client = make();

    subscribe(client, "a");
    publish(client, 1);
    chd_client_ask_status(client);
    cr_assert_eq(chd_client_output(client).len, 0);
    cr_assert_eq(chd_client_tick(client, T0), CHD_CLIENT_CONNECT);
    chd_client_connected(client, T0);
    drain(client);
    const chd_local hello = expect(CHD_LOCAL_HELLO);
    cr_assert_eq(hello.u.hello.client, 0xabc);
    cr_assert_eq(hello.u.hello.pid, 42);
    cr_assert_eq(hello.u.hello.version_min, 1);
    cr_assert(chd_bytes_equal(hello.u.hello.name, chd_bytes_str("test")));
    expect_nothing();
    cr_assert_not(chd_client_is_attached(client));
    cr_assert_eq(say_welcome(client, T0, &welcome), CHD_OK);
    cr_assert_eq(delivery.kind, CHD_DELIVERY_WELCOME);
    drain(client);
    expect_filters(CHD_LOCAL_SUBSCRIBE, "a");
    expect(CHD_LOCAL_STATUS);
    expect(CHD_LOCAL_PUBLISH);
    expect_nothing();
    chd_client_destroy(&client);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, the_first_attempt_is_at_once_and_later_ones_spread_out)
{
    uint64_t longest = 0;
    uint64_t now = T0;
    chd_client *client = make();

    cr_assert_eq(chd_client_deadline_ns(client), T0);
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(chd_client_tick(client, now), CHD_CLIENT_CONNECT);
        chd_client_disconnected(client, now);
        const uint64_t next = chd_client_deadline_ns(client);
        const uint64_t cap = chd_min_u64(
            CHD_RECONNECT_MIN_NS << (i < 10 ? i : 10), CHD_RECONNECT_MAX_NS);
        cr_assert_lt(next - now, cap);
        longest = chd_max_u64(longest, next - now);
        if (next > now) {
            cr_assert_eq(chd_client_tick(client, next - 1), CHD_CLIENT_WAIT);
        }
        now = next;
    }
    cr_assert_gt(longest, CHD_RECONNECT_MAX_NS / 2);
    attach(client, now);
    chd_client_disconnected(client, now);
    cr_assert_lt(chd_client_deadline_ns(client) - now, CHD_RECONNECT_MIN_NS);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, a_refusal_is_retried_slowly)
{
    chd_client *client = make();

    for (int i = 0; i < 20; i++) {
        const uint64_t now = chd_client_deadline_ns(client);
        cr_assert_eq(chd_client_tick(client, now), CHD_CLIENT_CONNECT);
        chd_client_connected(client, now);
        chd_local_pack_error(begin(), CHD_LOCAL_ERR_VERSION, "no");
        cr_assert_eq(say(client, now), CHD_OK);
        cr_assert_eq(delivery.kind, CHD_DELIVERY_ERROR);
        cr_assert_eq(delivery.local.u.error.code, CHD_LOCAL_ERR_VERSION);
        chd_client_disconnected(client, now);
        const uint64_t delay = chd_client_deadline_ns(client) - now;
        cr_assert_geq(delay, CHD_RECONNECT_MAX_NS / 2);
        cr_assert_lt(delay, CHD_RECONNECT_MAX_NS);
    }
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, a_sidecar_that_is_leaving_is_not_waited_for_long)
{
    chd_client *client = make();

    attach(client, T0);
    chd_local_pack_error(begin(), CHD_LOCAL_ERR_STATE, "leaving");
    cr_assert_eq(say(client, T0), CHD_OK);
    chd_client_disconnected(client, T0);
    cr_assert_lt(chd_client_deadline_ns(client) - T0, CHD_RECONNECT_MIN_NS);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, a_welcome_that_does_not_come_ends_the_connection)
{
    chd_client *client = make();

    cr_assert_eq(chd_client_tick(client, T0), CHD_CLIENT_CONNECT);
    chd_client_connected(client, T0);
    cr_assert_eq(chd_client_deadline_ns(client), T0 + CHD_LEASE_MIN_NS);
    cr_assert_eq(chd_client_tick(client, T0 + CHD_LEASE_MIN_NS - 1),
                 CHD_CLIENT_WAIT);
    cr_assert_eq(chd_client_tick(client, T0 + CHD_LEASE_MIN_NS),
                 CHD_CLIENT_DROP);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, a_ping_goes_out_at_once_and_twice_in_every_interval)
{
    chd_client *client = make();

    attach(client, T0);
    for (uint64_t i = 0; i < 20; i++) {
        const uint64_t now = T0 + i * 250 * CHD_MS;
        cr_assert_eq(chd_client_deadline_ns(client), now);
        cr_assert_eq(chd_client_tick(client, now - 1), CHD_CLIENT_WAIT);
        drain(client);
        expect_nothing();
        cr_assert_eq(chd_client_tick(client, now), CHD_CLIENT_WAIT);
        drain(client);
        cr_assert_eq(expect(CHD_LOCAL_PING).u.ping.c0, now);
        expect_nothing();
        cr_assert_eq(say_pong(client, now + 1, 0), CHD_OK);
        cr_assert_eq(delivery.kind, CHD_DELIVERY_NONE);
    }
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, without_an_answer_the_lease_ends)
{
    chd_local_welcome welcome = welcome_of();
    chd_client *client = make();

    for (int slow = 0; slow < 2; slow++) {
        const uint64_t start = chd_client_deadline_ns(client);
        const uint64_t interval = (slow ? 3000 : 100) * CHD_MS;
        const uint64_t lease = slow ? 4 * interval : CHD_LEASE_MIN_NS;
        welcome.ping_interval_ms = interval / CHD_MS;
        cr_assert_eq(chd_client_tick(client, start), CHD_CLIENT_CONNECT);
        chd_client_connected(client, start);
        cr_assert_eq(say_welcome(client, start, &welcome), CHD_OK);
        uint64_t now = start;
        while (chd_client_tick(client, now) != CHD_CLIENT_DROP) {
            now = chd_client_deadline_ns(client);
            cr_assert_leq(now, start + lease);
        }
        cr_assert_eq(now, start + lease, "counts from the first");
        chd_client_disconnected(client, now);
    }
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, anything_that_arrives_renews_the_lease)
{
    uint64_t now = T0;
    chd_client *client = make();

    attach(client, T0);
    for (uint64_t i = 1; i < 100; i++) {
        now += CHD_SECOND;
        cr_assert_eq(chd_client_tick(client, now), CHD_CLIENT_WAIT);
        cr_assert_eq(say_reset(client, now, i), CHD_OK);
    }
    /* A long pause of the application is not the sidecar's fault. */
    now += 3600 * CHD_SECOND;
    cr_assert_eq(chd_client_tick(client, now), CHD_CLIENT_WAIT);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, a_version_that_was_not_offered_is_not_accepted)
{
    chd_local_welcome welcome = welcome_of();
    chd_client *client = make();

    welcome.version = 2;
    cr_assert_eq(chd_client_tick(client, T0), CHD_CLIENT_CONNECT);
    chd_client_connected(client, T0);
    cr_assert_eq(say_welcome(client, T0, &welcome), CHD_EVERSION);
    chd_client_disconnected(client, T0);
    cr_assert_geq(chd_client_deadline_ns(client),
                  T0 + CHD_RECONNECT_MAX_NS / 2);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, messages_out_of_turn_are_refused)
{
    const chd_local_welcome welcome = welcome_of();
    const chd_local_hello hello = {.version_min = 1,
                                   .version_max = 1,
                                   .client = 1,
                                   .name = chd_bytes_str("x")};
    chd_client *client = make();

    cr_assert_eq(say_pong(client, T0, 0), CHD_ESTATE, "not connected");
    cr_assert_eq(chd_client_tick(client, T0), CHD_CLIENT_CONNECT);
    chd_client_connected(client, T0);
    cr_assert_eq(say_pong(client, T0, 0), CHD_ESTATE, "not welcomed");
    cr_assert_eq(say_events(client, T0, 1, 1), CHD_ESTATE);
    cr_assert_eq(say_welcome(client, T0, &welcome), CHD_OK);
    cr_assert_eq(say_welcome(client, T0, &welcome), CHD_ESTATE, "twice");
    chd_local_pack_hello(begin(), &hello);
    cr_assert_eq(say(client, T0), CHD_ESTATE, "ours to say");
    chd_local_pack_bare(begin(), CHD_LOCAL_BYE);
    cr_assert_eq(say(client, T0), CHD_ESTATE);
    chd_local_pack_ping(begin(), 1);
    cr_assert_eq(say(client, T0), CHD_ESTATE);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, a_message_of_a_newer_release_is_skipped)
{
    chd_client *client = make();

    attach(client, T0);
    chd_pack_array(begin(), 2);
    chd_pack_uint(&pack, 77);
    chd_pack_uint(&pack, 1);
    cr_assert_eq(say(client, T0), CHD_OK);
    cr_assert_eq(delivery.kind, CHD_DELIVERY_NONE);
    chd_client_destroy(&client);
    NO_LEAKS();
}

/* --- subscriptions -------------------------------------------------------- */

Test(session_client, subscriptions_are_made_again_on_each_connection)
{
    chd_client *client = make();

    subscribe(client, "a");
    subscribe(client, "b");
    subscribe(client, "a");
    cr_assert_eq(chd_client_subscription_count(client), 2);
    attach(client, T0);
    drain(client);
    cr_assert_eq(expect_filters(CHD_LOCAL_SUBSCRIBE, "a"), 2);
    subscribe(client, "c");
    drain(client);
    cr_assert_eq(expect_filters(CHD_LOCAL_SUBSCRIBE, "c"), 1);
    cr_assert(unsubscribe(client, "b"));
    cr_assert_not(unsubscribe(client, "b"));
    cr_assert_not(unsubscribe(client, "never"));
    drain(client);
    cr_assert_eq(expect_filters(CHD_LOCAL_UNSUBSCRIBE, "b"), 1);
    expect_nothing();
    chd_client_disconnected(client, T0);
    attach(client, chd_client_deadline_ns(client));
    drain(client);
    cr_assert_eq(expect_filters(CHD_LOCAL_SUBSCRIBE, "a"), 2);
    expect_nothing();
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, changes_of_mind_reach_the_sidecar_only_if_they_must)
{
    chd_client *client = make();

    subscribe(client, "a");
    attach(client, T0);
    drain(client);
    expect_filters(CHD_LOCAL_SUBSCRIBE, "a");
    subscribe(client, "b");
    cr_assert(unsubscribe(client, "b"));
    drain(client);
    expect_nothing();
    /* Anew: the application expects a RESET, so the sidecar hears both. */
    cr_assert(unsubscribe(client, "a"));
    subscribe(client, "a");
    drain(client);
    expect_filters(CHD_LOCAL_UNSUBSCRIBE, "a");
    expect_filters(CHD_LOCAL_SUBSCRIBE, "a");
    expect_nothing();
    cr_assert(unsubscribe(client, "a"));
    subscribe(client, "a");
    cr_assert(unsubscribe(client, "a"));
    drain(client);
    expect_filters(CHD_LOCAL_UNSUBSCRIBE, "a");
    expect_nothing();
    cr_assert_eq(chd_client_subscription_count(client), 0);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, exact_and_prefix_are_different_subscriptions)
{
    const chd_filter prefix = {CHD_MATCH_PREFIX, chd_bytes_str("a")};
    const chd_filter every = {CHD_MATCH_PREFIX, chd_bytes_str("")};
    const chd_filter none = {CHD_MATCH_EXACT, chd_bytes_str("")};
    chd_client *client = make();

    subscribe(client, "a");
    cr_assert_eq(chd_client_subscribe(client, &prefix), CHD_OK);
    cr_assert_eq(chd_client_subscribe(client, &every), CHD_OK);
    cr_assert_eq(chd_client_subscribe(client, &none), CHD_ETOPIC);
    cr_assert_eq(chd_client_subscription_count(client), 3);
    cr_assert(chd_client_unsubscribe(client, &prefix));
    cr_assert_not(chd_client_unsubscribe(client, &prefix));
    cr_assert_eq(chd_client_subscription_count(client), 2);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, the_list_of_subscriptions_is_bounded)
{
    char topic[32];
    chd_client *client = make();

    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 100; i++) {
            snprintf(topic, sizeof(topic), "t%d-%d", round, i);
            subscribe(client, topic);
        }
        const chd_filter more = {CHD_MATCH_EXACT, chd_bytes_str("more")};
        cr_assert_eq(chd_client_subscribe(client, &more), CHD_EFULL);
        if (round == 10) {
            attach(client, T0);
        }
        drain(client);
        forget_stream();
        for (int i = 0; i < 100; i++) {
            snprintf(topic, sizeof(topic), "t%d-%d", round, i);
            cr_assert(unsubscribe(client, topic));
        }
    }
    cr_assert_eq(chd_client_subscription_count(client), 0);
    chd_client_destroy(&client);
    NO_LEAKS();
}

/* --- the stream ----------------------------------------------------------- */

Test(session_client, positions_leave_nothing_out)
{
    static const struct {
        const char *label;
        uint64_t position;
        chd_err err;
    } cases[] = {
        {"the next", 4, CHD_OK},
        {"one is missing", 5, CHD_EORDER},
        {"one comes again", 3, CHD_EORDER},
        {"zero", 0, CHD_EORDER},
        {"far", UINT64_MAX >> 1, CHD_EORDER},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        chd_client *client = make();
        attach(client, T0);
        cr_assert_eq(say_events(client, T0, 1, 2), CHD_OK);
        cr_assert_eq(delivery.mark.position, 2);
        cr_assert_eq(say_reset(client, T0, 3), CHD_OK);
        cr_assert_eq(delivery.mark.position, 3);
        if (i % 2 == 0) {
            cr_assert_eq(say_events(client, T0, cases[i].position, 1),
                         cases[i].err, "%s", cases[i].label);
        } else {
            cr_assert_eq(say_reset(client, T0, cases[i].position), cases[i].err,
                         "%s", cases[i].label);
        }
        chd_client_destroy(&client);
    }
    NO_LEAKS();
}

Test(session_client, a_pong_that_is_ahead_shows_a_loss)
{
    chd_client *client = make();

    attach(client, T0);
    cr_assert_eq(say_events(client, T0, 1, 2), CHD_OK);
    cr_assert_eq(say_pong(client, T0, 2), CHD_OK);
    cr_assert_eq(say_pong(client, T0, 1), CHD_OK);
    cr_assert_eq(say_pong(client, T0, 3), CHD_EORDER);
    chd_client_destroy(&client);
    NO_LEAKS();
}

static void apply_events(chd_client *client, uint64_t position)
{
    cr_assert_eq(say_events(client, T0, position, 1), CHD_OK);
    chd_client_applied(client, &delivery.mark);
    drain(client);
}

Test(session_client, applied_waits_for_a_ping_or_a_prompt)
{
    chd_client *client = make();
    chd_local_welcome welcome = welcome_of();
    uint64_t position = 0;
    uint64_t now = T0;

    welcome.features = CHD_FEATURE_PROMPTS;
    chd_client_connected(client, T0);
    cr_assert_eq(say_welcome(client, T0, &welcome), CHD_OK);
    drain(client);
    forget_stream();
    apply_events(client, ++position);
    expect_nothing();
    (void)chd_client_tick(client, now);
    drain(client);
    cr_assert_eq(expect(CHD_LOCAL_APPLIED).u.applied.position, position);
    expect(CHD_LOCAL_PING);
    (void)chd_client_tick(client, now += CHD_SECOND);
    drain(client);
    expect(CHD_LOCAL_PING);
    apply_events(client, ++position);
    expect_nothing();
    chd_local_pack_bare(begin(), CHD_LOCAL_PROMPT);
    cr_assert_eq(say(client, T0), CHD_OK);
    drain(client);
    cr_assert_eq(expect(CHD_LOCAL_APPLIED).u.applied.position, position);
    for (int pings = 0; pings < 4; pings++) {
        apply_events(client, ++position);
        cr_assert_eq(expect(CHD_LOCAL_APPLIED).u.applied.position, position);
        (void)chd_client_tick(client, now += CHD_SECOND);
        drain(client);
        expect(CHD_LOCAL_PING);
    }
    apply_events(client, ++position);
    expect_nothing();
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, applied_waits_for_no_more_than_a_quarter_of_the_window)
{
    chd_client *client = make();
    chd_local_welcome welcome = welcome_of();
    uint64_t bytes = 0;

    welcome.features = CHD_FEATURE_PROMPTS;
    chd_client_connected(client, T0);
    cr_assert_eq(say_welcome(client, T0, &welcome), CHD_OK);
    drain(client);
    forget_stream();
    for (uint64_t position = 1; bytes < CHD_SESSION_WINDOW_BYTES; position++) {
        apply_events(client, position);
        bytes += pack.len;
    }
    for (uint64_t n = 1; n <= 3; n++) {
        const uint64_t said = expect(CHD_LOCAL_APPLIED).u.applied.bytes;
        cr_assert_geq(said, n * CHD_SESSION_REPORT_BYTES);
    }
    expect_nothing();
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, several_deliveries_make_one_applied)
{
    chd_mark marks[3];
    uint64_t bytes = 0;
    chd_client *client = make();

    attach(client, T0);
    for (uint64_t i = 0; i < 3; i++) {
        cr_assert_eq(say_events(client, T0, 1 + 2 * i, 2), CHD_OK);
        bytes += pack.len;
        marks[i] = delivery.mark;
        cr_assert_eq(marks[i].bytes, bytes);
    }
    drain(client);
    expect_nothing();
    for (int i = 0; i < 3; i++) {
        chd_client_applied(client, &marks[i]);
    }
    chd_client_applied(client, &marks[0]);
    drain(client);
    const chd_local applied = expect(CHD_LOCAL_APPLIED);
    cr_assert_eq(applied.u.applied.position, 6);
    cr_assert_eq(applied.u.applied.bytes, bytes);
    expect_nothing();
    /* What an earlier connection brought does not count on this one. */
    chd_client_disconnected(client, T0);
    chd_client_applied(client, &marks[2]);
    attach(client, chd_client_deadline_ns(client));
    chd_client_applied(client, &marks[2]);
    drain(client);
    expect_nothing();
    cr_assert_eq(say_events(client, T0, 1, 1), CHD_OK, "counts anew");
    chd_client_destroy(&client);
    NO_LEAKS();
}

/* --- status, goodbye ------------------------------------------------------ */

Test(session_client, a_question_is_asked_again_until_it_is_answered)
{
    chd_client *client = make();

    attach(client, T0);
    cr_assert_eq(say_report(client, 1), CHD_ERANGE, "nobody asked");
    cr_assert_eq(chd_client_ask_status(client), 1);
    cr_assert_eq(chd_client_ask_status(client), 2);
    drain(client);
    cr_assert_eq(expect(CHD_LOCAL_STATUS).u.request, 2);
    expect_nothing();
    chd_client_disconnected(client, T0);
    attach(client, chd_client_deadline_ns(client));
    drain(client);
    cr_assert_eq(expect(CHD_LOCAL_STATUS).u.request, 2);
    cr_assert_eq(say_report(client, 2), CHD_OK);
    cr_assert_eq(delivery.kind, CHD_DELIVERY_REPORT);
    chd_client_disconnected(client, T0);
    attach(client, chd_client_deadline_ns(client));
    drain(client);
    expect_nothing();
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, after_goodbye_publishes_wait_for_the_next_sidecar)
{
    chd_client *client = make();

    attach(client, T0);
    publish(client, 1);
    drain(client);
    expect(CHD_LOCAL_PUBLISH);
    chd_local_pack_bare(begin(), CHD_LOCAL_GOODBYE);
    cr_assert_eq(say(client, T0), CHD_OK);
    cr_assert_eq(delivery.kind, CHD_DELIVERY_GOODBYE);
    cr_assert_eq(publish(client, 1), 2);
    drain(client);
    expect_nothing();
    cr_assert_eq(say_receipt(client, T0, 1), CHD_OK, "still listened to");
    cr_assert_eq(say_events(client, T0, 1, 1), CHD_OK);
    chd_client_disconnected(client, T0);
    attach(client, chd_client_deadline_ns(client));
    drain(client);
    cr_assert_eq(expect(CHD_LOCAL_PUBLISH).u.publish.request, 2);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client, bye_is_the_last_word)
{
    chd_client *client = make();

    attach(client, T0);
    publish(client, 10);
    subscribe(client, "a");
    chd_client_bye(client);
    drain(client);
    expect_filters(CHD_LOCAL_SUBSCRIBE, "a");
    expect(CHD_LOCAL_PUBLISH);
    expect(CHD_LOCAL_BYE);
    publish(client, 10);
    subscribe(client, "b");
    drain(client);
    expect_nothing();
    chd_client_destroy(&client);
    NO_LEAKS();
}
