/* Resuming while the application has not applied what it was given before, and
 * questions that nobody waits for any more. */
#include "tests/unit/test_session_client.h"

static void again(chd_client *client, bool resumed)
{
    chd_local_welcome welcome = welcome_of();
    const uint64_t now = chd_client_deadline_ns(client);

    forget_stream();
    welcome.resumed = resumed;
    welcome.features = CHD_FEATURE_REPLICATED | CHD_FEATURE_CONFIRMED;
    cr_assert_eq(chd_client_tick(client, now), CHD_CLIENT_CONNECT);
    chd_client_connected(client, now);
    drain(client);
    expect(CHD_LOCAL_HELLO);
    cr_assert_eq(say_welcome(client, now, &welcome), CHD_OK);
    drain(client);
}

static void say_begun(chd_client *client, uint64_t position, uint64_t next)
{
    const chd_local_reset reset = {
        .position = position, .reason = CHD_RESET_SUBSCRIBED, .next = next};

    chd_local_pack_reset(begin(), &reset);
    cr_assert_eq(say(client, T0), CHD_OK);
}

static void say_fresh(chd_client *client, uint64_t now)
{
    (void)chd_client_tick(client, now);
    drain(client);
    chd_local_pack_fresh(begin(), T0, 0);
    cr_assert_eq(say(client, now), CHD_OK);
}

Test(session_client_unsure, it_is_not_fresh_before_it_has_applied_the_earlier)
{
    chd_client *client = make();

    subscribe(client, "a");
    again(client, false);
    say_begun(client, 1, 17);
    chd_client_applied(client, &delivery.mark);
    cr_assert_eq(say_events(client, T0, 2, 1), CHD_OK);
    const chd_mark mark = delivery.mark;
    chd_client_disconnected(client, T0);
    again(client, true);
    say_fresh(client, T0 + 10 * CHD_SECOND);
    cr_assert_eq(chd_client_horizon_ns(client), 0);
    chd_client_applied(client, &mark);
    say_fresh(client, T0 + 11 * CHD_SECOND);
    cr_assert_eq(chd_client_horizon_ns(client), T0, "the next one counts");
    chd_client_destroy(&client);
    NO_LEAKS();
}

/* The older mark has more bytes than the newer one. */
Test(session_client_unsure, two_connections_may_be_behind)
{
    chd_client *client = make();
    chd_local local;

    subscribe(client, "a");
    again(client, false);
    say_begun(client, 1, 17);
    cr_assert_eq(say_events(client, T0, 2, 9), CHD_OK);
    const chd_mark first = delivery.mark;
    chd_client_disconnected(client, T0);
    again(client, true);
    cr_assert_eq(say_events(client, T0, 1, 1), CHD_OK);
    cr_assert_gt(first.bytes, delivery.mark.bytes);
    const chd_mark second = delivery.mark;
    chd_client_disconnected(client, T0);
    again(client, true);
    expect(CHD_LOCAL_RESUME);
    chd_client_applied(client, &first);
    drain(client);
    while (take(&local)) {
        cr_assert_neq(local.type, CHD_LOCAL_APPLIED, "not the second");
    }
    chd_client_applied(client, &second);
    drain(client);
    expect(CHD_LOCAL_APPLIED);
    chd_client_destroy(&client);
    NO_LEAKS();
}

Test(session_client_unsure, who_gives_up_waiting_says_so)
{
    chd_client *client = make();

    again(client, false);
    forget_stream();
    const uint64_t request = chd_client_ask(client, CHD_LOCAL_AWAIT, 5, 9);
    drain(client);
    cr_assert_eq(expect(CHD_LOCAL_AWAIT).u.ask.request, request);
    chd_client_ask_end(client, request);
    drain(client);
    cr_assert_eq(expect(CHD_LOCAL_WHO).u.request, request);
    chd_client_destroy(&client);
    NO_LEAKS();
}
