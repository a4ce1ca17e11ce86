/* The application's end of the session protocol: going on after a connection
 * broke, and letting go of what is replicated. */
#include "tests/unit/test_session_client.h"

/* Connect again and return HELLO. */
static chd_local_hello again(chd_client *client, bool resumed,
                             uint64_t features)
{
    chd_local_welcome welcome = welcome_of();
    const uint64_t now = chd_client_deadline_ns(client);

    forget_stream();
    welcome.resumed = resumed;
    welcome.features = features;
    cr_assert_eq(chd_client_tick(client, now), CHD_CLIENT_CONNECT);
    chd_client_connected(client, now);
    drain(client);
    const chd_local_hello hello = expect(CHD_LOCAL_HELLO).u.hello;
    expect_nothing();
    cr_assert_eq(say_welcome(client, now, &welcome), CHD_OK);
    drain(client);
    return hello;
}

/* The RESET that begins a subscription. */
static void say_begun(chd_client *client, uint64_t position, uint64_t next)
{
    const chd_local_reset reset = {
        .position = position, .reason = CHD_RESET_SUBSCRIBED, .next = next};

    chd_local_pack_reset(begin(), &reset);
    cr_assert_eq(say(client, T0), CHD_OK);
}

Test(session_client_resume, it_names_where_it_stopped_and_goes_on)
{
    chd_client *client = make();

    subscribe(client, "a");
    const chd_local_hello first = again(client, false, 0);
    cr_assert_eq(first.next, 0);
    expect(CHD_LOCAL_SUBSCRIBE);
    say_begun(client, 1, 17);
    chd_local_pack_pong(begin(), T0, 1, 20);
    cr_assert_eq(say(client, T0), CHD_OK);
    chd_local_pack_pong(begin(), T0, 1, 0);
    cr_assert_eq(say(client, T0), CHD_OK, "it is not told");
    chd_client_disconnected(client, T0);
    const chd_local_hello second = again(client, true, 0);
    cr_assert_eq(second.node, 9);
    cr_assert_eq(second.next, 20);
    const chd_local_resume resume = expect(CHD_LOCAL_RESUME).u.resume;
    cr_assert_eq(resume.filters.count, 1);
    cr_assert_not(resume.more);
    expect_nothing();
    chd_client_destroy(&client);
    NO_LEAKS();
}

/* The sidecar may not count as applied what the application was given before
 * and has not dealt with. */
Test(session_client_resume, it_says_when_what_came_before_is_applied)
{
    chd_client *client = make();

    subscribe(client, "a");
    again(client, false, 0);
    expect(CHD_LOCAL_SUBSCRIBE);
    say_begun(client, 1, 17);
    const chd_mark begun = delivery.mark;
    chd_client_disconnected(client, T0);
    again(client, true, 0);
    expect(CHD_LOCAL_RESUME);
    expect_nothing();
    cr_assert_eq(say_events(client, T0, 1, 1), CHD_OK);
    const chd_mark later = delivery.mark;
    chd_client_disconnected(client, T0);
    again(client, true, 0);
    expect(CHD_LOCAL_RESUME);
    chd_client_applied(client, &begun);
    drain(client);
    expect_nothing();
    chd_client_applied(client, &later);
    drain(client);
    const chd_local local = expect(CHD_LOCAL_APPLIED);
    cr_assert_eq(local.u.applied.position, 0);
    cr_assert_eq(local.u.applied.bytes, 0);
    chd_client_disconnected(client, T0);
    again(client, true, 0);
    expect(CHD_LOCAL_RESUME);
    expect(CHD_LOCAL_APPLIED);
    expect_nothing();
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_resume, only_what_had_begun_is_resumed)
{
    chd_client *client = make();

    subscribe(client, "a");
    subscribe(client, "gone");
    again(client, false, 0);
    expect(CHD_LOCAL_SUBSCRIBE);
    subscribe(client, "b");
    drain(client);
    expect(CHD_LOCAL_SUBSCRIBE);
    say_begun(client, 1, 17); /* not that of b */
    chd_client_disconnected(client, T0);
    unsubscribe(client, "gone");
    subscribe(client, "c");
    unsubscribe(client, "a");
    subscribe(client, "a");
    again(client, false, 0);
    expect(CHD_LOCAL_SUBSCRIBE);
    say_begun(client, 1, 30);
    chd_client_disconnected(client, T0);
    subscribe(client, "d");
    again(client, true, 0);
    cr_assert_eq(expect(CHD_LOCAL_RESUME).u.resume.filters.count, 3);
    expect_filters(CHD_LOCAL_SUBSCRIBE, "d");
    expect_nothing();
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_resume, what_was_ended_and_begun_again_is_not_resumed)
{
    chd_client *client = make();

    subscribe(client, "a");
    again(client, false, 0);
    unsubscribe(client, "a");
    subscribe(client, "a");
    drain(client);
    say_begun(client, 1, 17); /* the first of two */
    chd_client_disconnected(client, T0);
    const chd_local_hello hello = again(client, false, 0);
    cr_assert_eq(hello.next, 0);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_resume, many_subscriptions_are_resumed_in_parts)
{
    char topic[8];
    uint32_t resumed = 0;
    chd_local_resume resume = {.more = true};
    chd_client *client = make();

    for (int i = 0; i < 100; i++) {
        (void)snprintf(topic, sizeof(topic), "%d", i);
        subscribe(client, topic);
    }
    again(client, false, 0);
    say_begun(client, 1, 17);
    say_begun(client, 2, 17);
    chd_client_disconnected(client, T0);
    again(client, true, 0);
    while (resume.more) {
        resume = expect(CHD_LOCAL_RESUME).u.resume;
        resumed += resume.filters.count;
    }
    cr_assert_eq(resumed, 100);
    expect_nothing();
    chd_client_destroy(&client);
    NO_LEAKS();
}

/* Broken off in the middle, it is as before. */
Test(session_client_resume, a_connection_that_breaks_while_resuming_is_repeated)
{
    chd_client *client = make();

    subscribe(client, "a");
    again(client, false, 0);
    say_begun(client, 1, 17);
    chd_client_disconnected(client, T0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(again(client, true, 0).next, 17);
        expect(CHD_LOCAL_RESUME);
        chd_client_disconnected(client, T0);
    }
    cr_assert_eq(again(client, false, 0).next, 17);
    expect(CHD_LOCAL_SUBSCRIBE);
    chd_client_disconnected(client, T0);
    cr_assert_eq(again(client, false, 0).next, 0);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_resume, a_sidecar_cannot_resume_what_was_not_asked_for)
{
    chd_local_welcome welcome = welcome_of();
    chd_client *client = make();

    cr_assert_eq(chd_client_tick(client, T0), CHD_CLIENT_CONNECT);
    chd_client_connected(client, T0);
    drain(client);
    welcome.resumed = true;
    cr_assert_eq(say_welcome(client, T0, &welcome), CHD_ESTATE);
    chd_client_destroy(&client);
    NO_LEAKS();
}

/* --- the window ----------------------------------------------------------- */

static chd_err say_replicated(chd_client *client, uint64_t request)
{
    chd_local_pack_replicated(begin(), request);
    return say(client, T0);
}

Test(session_client_resume, a_publish_stays_until_it_is_replicated)
{
    chd_client *client = make();

    again(client, false, CHD_FEATURE_REPLICATED);
    for (uint64_t i = 1; i <= 4; i++) {
        publish(client, 10);
    }
    drain(client);
    cr_assert_eq(say_replicated(client, 1), CHD_ERANGE, "without a receipt");
    cr_assert_eq(say_receipt(client, T0, 4), CHD_OK);
    cr_assert(chd_client_is_pending(client, 1));
    cr_assert_eq(say_replicated(client, 2), CHD_OK);
    cr_assert_eq(delivery.kind, CHD_DELIVERY_REPLICATED);
    cr_assert_eq(chd_client_oldest_pending(client), 3);
    cr_assert_eq(say_replicated(client, 5), CHD_ERANGE, "never published");
    chd_client_disconnected(client, T0);
    again(client, false, CHD_FEATURE_REPLICATED);
    const chd_local_publish third = expect(CHD_LOCAL_PUBLISH).u.publish;
    cr_assert_eq(third.request, 3);
    cr_assert_eq(third.number, 3, "numbers stay");
    expect(CHD_LOCAL_PUBLISH);
    expect_nothing();
    cr_assert_eq(say_receipt(client, T0, 4), CHD_OK);
    cr_assert_eq(say_replicated(client, 4), CHD_OK);
    cr_assert_eq(chd_client_pending_bytes(client), 0);
    chd_client_destroy(&client);
    NO_LEAKS();
}

/* What has its receipt is not under way any more. */
Test(session_client_resume, a_full_window_waits_for_replication)
{
    uint64_t last = 0;
    chd_client *client = make();
    const chd_event item = {.kind = CHD_KIND_MESSAGE,
                            .topic = chd_bytes_str("t"),
                            .value = chd_bytes_of(buf, 1000)};

    again(client, false, CHD_FEATURE_REPLICATED);
    for (;;) {
        chd_client_publish_open(client, CHD_WAIT_NONE);
        const chd_err err = chd_client_publish_add(client, &item);
        if (err != CHD_OK) {
            cr_assert_eq(err, CHD_ENOSPACE);
            chd_client_publish_abort(client);
            break;
        }
        last = chd_client_publish_commit(client);
    }
    drain(client);
    cr_assert_eq(say_receipt(client, T0, last), CHD_OK);
    chd_client_publish_open(client, CHD_WAIT_NONE);
    cr_assert_eq(chd_client_publish_add(client, &item), CHD_ENOSPACE);
    chd_client_publish_abort(client);
    cr_assert_eq(say_replicated(client, 1), CHD_OK);
    chd_client_publish_open(client, CHD_WAIT_NONE);
    cr_assert_eq(chd_client_publish_add(client, &item), CHD_OK);
    cr_assert_eq(chd_client_publish_commit(client), last + 1);
    chd_client_destroy(&client);
    NO_LEAKS();
}
