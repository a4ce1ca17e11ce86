/* Up to when the application's end of a session says that all is applied. */
#include "tests/unit/test_session_client.h"

static chd_client *client;

/* Attached at T0, and a PING of T0 is written. */
static void setup(void)
{
    client = make();
    attach(client, T0);
    cr_assert_eq(chd_client_tick(client, T0), CHD_CLIENT_WAIT);
    drain(client);
    cr_assert_eq(expect(CHD_LOCAL_PING).u.ping.c0, T0);
}

TestSuite(session_client_fresh, .init = setup);

static void finish(void)
{
    chd_client_destroy(&client);
    NO_LEAKS();
}

static chd_err say_fresh(uint64_t c0, uint64_t age_ns)
{
    chd_local_pack_fresh(begin(), c0, age_ns);
    return say(client, c0);
}

static void assert_horizon(uint64_t ns)
{
    cr_assert_eq(chd_client_horizon_ns(client), ns, "%llu",
                 (unsigned long long)chd_client_horizon_ns(client));
}

Test(session_client_fresh, nothing_is_known_before_it_is_told)
{
    assert_horizon(0);
    cr_assert_eq(say_pong(client, T0, 0), CHD_OK);
    assert_horizon(0);
    cr_assert_eq(say_fresh(T0, 300), CHD_OK);
    cr_assert_eq(delivery.kind, CHD_DELIVERY_NONE);
    assert_horizon(T0 - 300);
    finish();
}

Test(session_client_fresh, it_counts_when_what_came_before_it_is_applied)
{
    cr_assert_eq(say_events(client, T0, 1, 2), CHD_OK);
    const chd_mark first = delivery.mark;
    cr_assert_eq(say_reset(client, T0, 3), CHD_OK);
    const chd_mark second = delivery.mark;
    cr_assert_eq(say_fresh(T0, 5), CHD_OK);
    cr_assert_eq(say_events(client, T0, 4, 1), CHD_OK);
    assert_horizon(0);
    chd_client_applied(client, &first);
    assert_horizon(0);
    chd_client_applied(client, &second);
    assert_horizon(T0 - 5);
    finish();
}

Test(session_client_fresh, it_never_goes_back)
{
    cr_assert_eq(say_fresh(T0, 5), CHD_OK);
    cr_assert_eq(say_fresh(T0, 900), CHD_OK);
    assert_horizon(T0 - 5);
    cr_assert_eq(say_fresh(T0 - 1, UINT64_MAX), CHD_OK);
    assert_horizon(T0 - 5);
    finish();
}

Test(session_client_fresh, a_ping_that_was_never_sent_has_no_answer)
{
    cr_assert_eq(say_fresh(T0 + 1, 0), CHD_ERANGE);
    assert_horizon(0);
    finish();
}

Test(session_client_fresh, a_lost_connection_keeps_what_was_known)
{
    cr_assert_eq(say_fresh(T0, 5), CHD_OK);
    chd_client_disconnected(client, T0);
    assert_horizon(T0 - 5);
    attach(client, chd_client_deadline_ns(client));
    assert_horizon(T0 - 5);
    finish();
}

Test(session_client_fresh, what_an_earlier_connection_promised_is_void)
{
    cr_assert_eq(say_events(client, T0, 1, 1), CHD_OK);
    const chd_mark old = delivery.mark;
    cr_assert_eq(say_fresh(T0, 0), CHD_OK);
    chd_client_disconnected(client, T0);
    const uint64_t again = chd_client_deadline_ns(client);
    attach(client, again);
    chd_client_applied(client, &old);
    assert_horizon(0);
    cr_assert_eq(say_reset(client, again, 1), CHD_OK);
    chd_client_applied(client, &delivery.mark);
    assert_horizon(0);
    finish();
}

/* Their RESETs are part of what the answer promises. */
Test(session_client_fresh, a_ping_goes_out_behind_all_subscriptions)
{
    char topic[16];
    uint32_t count = 0;
    chd_local local;

    for (int i = 0; i < 100; i++) {
        (void)snprintf(topic, sizeof(topic), "topic-%d", i);
        subscribe(client, topic);
    }
    chd_client_disconnected(client, T0);
    const uint64_t again = chd_client_deadline_ns(client);
    attach(client, again);
    cr_assert_eq(chd_client_tick(client, again), CHD_CLIENT_WAIT);
    drain(client);
    while (take(&local) && local.type == CHD_LOCAL_SUBSCRIBE) {
        count += local.u.filters.count;
    }
    cr_assert_eq(count, 100);
    cr_assert_eq(local.type, CHD_LOCAL_PING);
    expect_nothing();
    finish();
}
