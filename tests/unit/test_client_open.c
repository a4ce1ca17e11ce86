/* Opening, connecting, subscribing and closing, against a small sidecar. */
#include "tests/unit/test_client_seen.h"

TestSuite(client_open, .init = set_up, .fini = tear_down, .timeout = 100);

Test(client_open, connects_when_the_sidecar_comes_later)
{
    coherd_client *client = open_client(COHERD_THREADED);

    cr_assert_eq(coherd_subscribe(client, "episodes"), COHERD_OK);
    cr_assert_eq(coherd_wait_connected(client, 20), COHERD_ERR_TIMEOUT);
    cr_assert_not(coherd_is_connected(client));
    FAKE_WAIT(&saw, saw.disconnected == 1);
    cr_assert_eq(saw.reason, COHERD_ERR_SYSTEM);
    cr_assert_eq(saw.sys_errno, ENOENT);
    fake_start(&sidecar);
    cr_assert_eq(coherd_wait_connected(client, 60000), COHERD_OK);
    FAKE_WAIT(&saw, saw.resets == 1);
    cr_assert_str_eq(saw.reset_topic, "episodes");
    cr_assert_eq(coherd_close(&client), COHERD_OK);
    cr_assert_null(client);
    FAKE_WAIT(&sidecar, sidecar.byes == 1 && sidecar.open == 0);
}

Test(client_open, tells_a_reason_once_and_not_for_each_attempt)
{
    coherd_client *client = open_client(COHERD_THREADED);

    cr_assert_eq(coherd_wait_connected(client, 400), COHERD_ERR_TIMEOUT);
    pthread_mutex_lock(&saw.mutex);
    cr_assert_eq(saw.disconnected, 1);
    pthread_mutex_unlock(&saw.mutex);
    coherd_close(&client);
}

Test(client_open, an_event_comes_after_the_reset_of_its_topic)
{
    const coherd_target targets[] = {coherd_key("51"), coherd_tag("home")};
    const coherd_publish_options options = {.soft = true};

    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_subscribe(client, "episodes"), COHERD_OK);
    FAKE_WAIT(&saw, saw.resets == 1);
    cr_assert_eq(
        coherd_invalidate(client, "episodes", targets, 2, &options, NULL),
        COHERD_OK);
    FAKE_WAIT(&saw, saw.events == 2);
    cr_assert_str_eq(saw.topic, "episodes");
    cr_assert_str_eq(saw.key, "home");
    cr_assert(saw.soft);
    cr_assert_eq(saw.kind, COHERD_INVALIDATE);
    cr_assert_eq(saw.seq, 2);
    cr_assert_str_eq(saw.order, "cree");
    FAKE_WAIT(&sidecar, sidecar.applied == 3);
    coherd_close(&client);
}

Test(client_open, reconnects_and_resets_after_the_sidecar_died)
{
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_subscribe(client, "a"), COHERD_OK);
    cr_assert_eq(coherd_subscribe_prefix(client, "b/"), COHERD_OK);
    FAKE_WAIT(&saw, saw.resets == 2);
    for (uint64_t round = 1; round <= 5; round++) {
        fake_kill(&sidecar);
        FAKE_WAIT(&saw, saw.disconnected >= round);
        fake_start(&sidecar);
        FAKE_WAIT(&saw, saw.resets == 2 + 2 * round);
        cr_assert(coherd_is_connected(client));
    }
    cr_assert_eq(sidecar.subscribed, 12);
    coherd_close(&client);
}

Test(client_open, a_goodbye_is_followed_by_a_new_connection)
{
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_wait_connected(client, 60000), COHERD_OK);
    FAKE_SET(&sidecar, sidecar.goodbye = true);
    FAKE_WAIT(&saw, saw.connected == 2);
    cr_assert_eq(saw.reason, COHERD_ERR_DISCONNECTED);
    coherd_close(&client);
}

Test(client_open, a_position_that_was_left_out_ends_the_connection)
{
    const coherd_target key = coherd_key("1");

    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    coherd_subscribe(client, "t");
    FAKE_WAIT(&saw, saw.resets == 1);
    FAKE_SET(&sidecar, sidecar.gap = true);
    coherd_invalidate(client, "t", &key, 1, NULL, NULL);
    FAKE_WAIT(&saw, saw.resets == 2);
    cr_assert_eq(saw.reason, COHERD_ERR_PROTOCOL);
    coherd_close(&client);
}

Test(client_open, a_silent_sidecar_is_left)
{
    FAKE_SET(&sidecar, sidecar.no_pongs = true);
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    FAKE_WAIT(&saw, saw.disconnected == 1);
    cr_assert_eq(saw.reason, COHERD_ERR_TIMEOUT);
    FAKE_WAIT(&saw, saw.connected == 2);
    coherd_close(&client);
}

Test(client_open, a_refused_version_is_reported)
{
    FAKE_SET(&sidecar, sidecar.refuse_version = true);
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    FAKE_WAIT(&saw, saw.disconnected == 1);
    cr_assert_eq(saw.reason, COHERD_ERR_VERSION);
    cr_assert_eq(coherd_wait_connected(client, 10), COHERD_ERR_VERSION);
    FAKE_SET(&sidecar, sidecar.refuse_version = false);
    cr_assert_eq(coherd_wait_connected(client, 60000), COHERD_OK);
    coherd_close(&client);
}

Test(client_open, unsubscribing_ends_deliveries_and_reconnects_without_it)
{
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    coherd_subscribe(client, "a");
    coherd_subscribe(client, "b");
    FAKE_WAIT(&saw, saw.resets == 2);
    cr_assert_eq(coherd_unsubscribe(client, "a"), COHERD_OK);
    cr_assert_eq(coherd_unsubscribe(client, "a"), COHERD_ERR_NOT_SUBSCRIBED);
    cr_assert_eq(coherd_unsubscribe_prefix(client, "b"),
                 COHERD_ERR_NOT_SUBSCRIBED);
    FAKE_WAIT(&sidecar, sidecar.unsubscribed == 1);
    FAKE_SET(&sidecar, sidecar.drop_sessions = true);
    FAKE_WAIT(&saw, saw.resets == 3);
    cr_assert_str_eq(saw.reset_topic, "b");
    coherd_close(&client);
}

Test(client_open, invalid_arguments_are_refused_before_anything_is_sent)
{
    char long_topic[257];
    char long_path[200];
    const coherd_target good = coherd_key("k");
    const coherd_target empty = coherd_key("");
    coherd_client *client = open_client(COHERD_THREADED);
    coherd_client *other = NULL;

    memset(long_topic, 'x', 256);
    long_topic[256] = '\0';
    memset(long_path, 'x', 199);
    long_path[199] = '\0';
    cr_assert_eq(coherd_subscribe(client, long_topic), COHERD_ERR_INVALID);
    cr_assert_eq(coherd_subscribe(client, ""), COHERD_ERR_INVALID);
    cr_assert_eq(coherd_subscribe(client, "a\nb"), COHERD_ERR_INVALID);
    cr_assert_eq(coherd_subscribe(client, "\xff"), COHERD_ERR_INVALID);
    cr_assert_eq(coherd_subscribe(client, NULL), COHERD_ERR_INVALID);
    cr_assert_eq(coherd_subscribe(NULL, "a"), COHERD_ERR_INVALID);
    long_topic[255] = '\0';
    cr_assert_eq(coherd_subscribe(client, long_topic), COHERD_OK);
    cr_assert_eq(coherd_invalidate(client, "t", &empty, 1, NULL, NULL),
                 COHERD_ERR_INVALID);
    cr_assert_eq(coherd_invalidate(client, "t", &good, 0, NULL, NULL),
                 COHERD_ERR_INVALID);
    cr_assert_eq(coherd_invalidate(client, "t", NULL, 1, NULL, NULL),
                 COHERD_ERR_INVALID);
    cr_assert_eq(coherd_publish(client, "t", NULL, 3, NULL, NULL),
                 COHERD_ERR_INVALID);
    cr_assert_eq(coherd_update(client, "t", NULL, NULL, NULL),
                 COHERD_ERR_INVALID);
    cr_assert_eq(coherd_dispatch(client), COHERD_ERR_MODE);
    cr_assert_eq(coherd_fd(client), -1);

    const coherd_options bad[] = {
        {.socket = long_path}, {.mode = (coherd_mode)7}, {.window_bytes = 1},
        {.reserved = {1}},     {.on_event = on_event},   {.name = long_topic},
        {.name = "a\tb"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(coherd_open(&bad[i], &other), COHERD_ERR_INVALID,
                     "options %zu", i);
    }
    cr_assert_eq(coherd_open(NULL, NULL), COHERD_ERR_INVALID);
    coherd_close(&client);
    cr_assert_eq(coherd_close(&client), COHERD_OK);
    cr_assert_eq(coherd_close(NULL), COHERD_OK);
}

Test(client_open, a_client_has_room_for_so_many_subscriptions_and_no_more)
{
    char topic[32];
    coherd_client *client = open_client(COHERD_THREADED);

    for (int i = 0; i < COHERD_SUBSCRIPTIONS_MAX; i++) {
        snprintf(topic, sizeof(topic), "t%d", i);
        cr_assert_eq(coherd_subscribe(client, topic), COHERD_OK);
    }
    cr_assert_eq(coherd_subscribe(client, "t0"), COHERD_OK);
    cr_assert_eq(coherd_subscribe(client, "more"), COHERD_ERR_LIMIT);
    cr_assert_eq(coherd_unsubscribe(client, "t77"), COHERD_OK);
    cr_assert_eq(coherd_subscribe(client, "more"), COHERD_OK);
    fake_start(&sidecar);
    FAKE_WAIT(&sidecar, sidecar.subscribed == COHERD_SUBSCRIPTIONS_MAX);
    FAKE_WAIT(&saw, saw.resets == COHERD_SUBSCRIPTIONS_MAX);
    coherd_close(&client);
}

static void *wait_for_ever(void *arg)
{
    return (void *)(uintptr_t)coherd_wait_connected(arg, -1);
}

Test(client_open, close_wakes_calls_that_wait)
{
    pthread_t threads[4];
    void *result;

    for (int mode = COHERD_THREADED; mode <= COHERD_POLLED; mode++) {
        coherd_client *client = open_client((coherd_mode)mode);
        for (int i = 0; i < 4; i++) {
            pthread_create(&threads[i], NULL, wait_for_ever, client);
        }
        /* Wait in here as well, so that the others are most likely to have
         * begun; it is correct if they have not, but only just. */
        cr_assert_eq(coherd_wait_connected(client, 300), COHERD_ERR_TIMEOUT);
        cr_assert_eq(coherd_close(&client), COHERD_OK);
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], &result);
            cr_assert_eq((coherd_err)(uintptr_t)result, COHERD_ERR_CLOSED);
        }
    }
}

typedef struct in_callback {
    coherd_client *client;
    coherd_err close;
    coherd_err wait;
    coherd_err status;
    coherd_err publish;
    coherd_err plain;
    coherd_err dispatch;
    bool connected;
    seen *seen;
} in_callback;

static void misuse(coherd_client *client, const coherd_reset *reset, void *arg)
{
    in_callback *in = arg;
    coherd_status_report *report;
    const coherd_publish_options options = {.wait = COHERD_WAIT_ACCEPTED};

    (void)reset;
    in->client = client;
    in->wait = coherd_wait_connected(client, 1000);
    in->status = coherd_status(client, 1000, &report);
    in->publish = coherd_publish(client, "x", "1", 1, &options, NULL);
    in->plain = coherd_publish(client, "x", "1", 1, NULL, NULL);
    in->dispatch = coherd_dispatch(client);
    in->connected = coherd_is_connected(client);
    in->close = coherd_close(&client);
    pthread_mutex_lock(&in->seen->mutex);
    note(in->seen, 'r');
    in->seen->resets++;
    pthread_mutex_unlock(&in->seen->mutex);
}

Test(client_open, inside_a_callback_nothing_waits_but_the_rest_works)
{
    for (int mode = COHERD_THREADED; mode <= COHERD_POLLED; mode++) {
        in_callback in = {.seen = &saw};
        const coherd_options options = {.socket = sidecar.path,
                                        .mode = (coherd_mode)mode,
                                        .on_reset = misuse,
                                        .arg = &in};
        coherd_client *client;
        if (mode == COHERD_THREADED) {
            fake_start(&sidecar);
        }
        saw.resets = 0;
        cr_assert_eq(coherd_open(&options, &client), COHERD_OK);
        cr_assert_eq(coherd_subscribe(client, "x"), COHERD_OK);
        while (mode == COHERD_POLLED && saw.resets == 0) {
            struct pollfd fd = {.fd = coherd_fd(client), .events = POLLIN};
            poll(&fd, 1, 60000);
            cr_assert_eq(coherd_dispatch(client), COHERD_OK);
        }
        FAKE_WAIT(&saw, saw.resets == 1);
        cr_assert_eq(in.client, client);
        cr_assert_eq(in.wait, COHERD_ERR_MODE);
        cr_assert_eq(in.status, COHERD_ERR_MODE);
        cr_assert_eq(in.publish, COHERD_ERR_MODE);
        cr_assert_eq(in.close, COHERD_ERR_MODE);
        cr_assert_eq(in.dispatch, COHERD_ERR_MODE);
        cr_assert_eq(in.plain, COHERD_OK);
        cr_assert(in.connected);
        cr_assert_eq(coherd_close(&client), COHERD_OK);
    }
}

Test(client_open, errors_have_names_and_sentences)
{
    for (int i = 0; i < COHERD_ERR_COUNT; i++) {
        cr_assert_gt(strlen(coherd_strerror((coherd_err)i)), 5);
        cr_assert_eq(strncmp(coherd_err_name((coherd_err)i), "COHERD_", 7), 0);
    }
    cr_assert_not_null(coherd_strerror((coherd_err)999));
    cr_assert_str_eq(coherd_err_name(COHERD_ERR_AGAIN), "COHERD_ERR_AGAIN");
    cr_assert_gt(strlen(coherd_version()), 0);
}
