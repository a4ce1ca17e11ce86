/* A client without a thread: one descriptor and one function. */
#include "tests/unit/test_client_seen.h"

TestSuite(client_polled, .init = set_up, .fini = tear_down, .timeout = 100);

static bool is_readable(coherd_client *client, int timeout_ms)
{
    struct pollfd fd = {.fd = coherd_fd(client), .events = POLLIN};
    return poll(&fd, 1, timeout_ms) == 1;
}

Test(client_polled, the_descriptor_alone_drives_everything)
{
    const coherd_target key = coherd_key("1");
    coherd_client *client = open_client(COHERD_POLLED);
    const int fd = coherd_fd(client);

    cr_assert_geq(fd, 0);
    coherd_subscribe(client, "t");
    PUMP(client, saw.disconnected == 1);
    fake_start(&sidecar);
    PUMP(client, saw.resets == 1);
    coherd_invalidate(client, "t", &key, 1, NULL, NULL);
    PUMP(client, saw.events == 1);
    fake_kill(&sidecar);
    PUMP(client, saw.disconnected >= 2);
    fake_start(&sidecar);
    PUMP(client, saw.resets == 2);
    cr_assert_eq(coherd_fd(client), fd);
    coherd_close(&client);
}

Test(client_polled, the_descriptor_is_quiet_when_there_is_nothing_to_do)
{
    FAKE_SET(&sidecar, sidecar.ping_ms = 60000);
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_POLLED);
    coherd_subscribe(client, "t");
    PUMP(client, saw.resets == 1);
    FAKE_WAIT(&sidecar, sidecar.applied == 1);
    cr_assert_not(is_readable(client, 50));
    coherd_close(&client);
}

Test(client_polled, pings_keep_an_idle_connection)
{
    FAKE_SET(&sidecar, sidecar.ping_ms = 10);
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_POLLED);
    for (;;) {
        pthread_mutex_lock(&sidecar.mutex);
        const bool enough = sidecar.pings >= 20;
        pthread_mutex_unlock(&sidecar.mutex);
        if (enough) {
            break;
        }
        cr_assert(is_readable(client, 60000));
        coherd_dispatch(client);
    }
    cr_assert_eq(saw.disconnected, 0);
    coherd_close(&client);
}

Test(client_polled, waiting_keeps_events_for_the_next_dispatch)
{
    const coherd_publish_options accepted = {.wait = COHERD_WAIT_ACCEPTED,
                                             .timeout_ms = 60000};
    const coherd_target key = coherd_key("1");

    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_POLLED);
    coherd_subscribe(client, "t");
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &accepted, NULL),
                     COHERD_OK);
    }
    cr_assert_eq(saw.events + saw.resets + saw.connected, 0,
                 "callbacks run in dispatch alone");
    cr_assert(is_readable(client, 0));
    PUMP(client, saw.events == 100);
    cr_assert_eq(strncmp(saw.order, "cree", 4), 0);
    FAKE_WAIT(&sidecar, sidecar.applied == 101);
    coherd_close(&client);
}

Test(client_polled, too_much_to_keep_becomes_a_reset_of_everything)
{
    coherd_client *client = open_client(COHERD_POLLED);

    fake_start(&sidecar);
    coherd_subscribe(client, "burst");
    PUMP(client, saw.resets == 1);
    FAKE_SET(&sidecar, sidecar.burst = 100000);
    /* This wait reads the burst, which is more than is kept. */
    FAKE_SET(&sidecar, sidecar.no_receipts = true);
    coherd_publish(client, "x", "y", 1, NULL, NULL);
    cr_assert_eq(coherd_flush(client, 2000), COHERD_ERR_TIMEOUT);
    cr_assert_eq(saw.resets, 1);
    PUMP(client, saw.resets == 2);
    cr_assert_str_eq(saw.reset_topic, "(all)");
    FAKE_WAIT(&sidecar, sidecar.seq >= 100000);
    PUMP(client, sidecar.applied >= 100001);
    cr_assert_lt(saw.events, 100000);
    coherd_close(&client);
}

static void *wait_long(void *client)
{
    return (void *)(uintptr_t)coherd_flush(client, 60000);
}

Test(client_polled, a_dispatch_goes_before_a_wait_of_another_thread)
{
    pthread_t thread;
    void *result;
    const coherd_target key = coherd_key("1");

    FAKE_SET(&sidecar, sidecar.no_receipts = true);
    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_POLLED);
    coherd_subscribe(client, "t");
    PUMP(client, saw.resets == 1);
    coherd_invalidate(client, "t", &key, 1, NULL, NULL);
    pthread_create(&thread, NULL, wait_long, client);
    /* Whoever of the two reads it, dispatch delivers it. */
    while (saw.events == 0) {
        cr_assert_eq(coherd_dispatch(client), COHERD_OK);
    }
    FAKE_SET(&sidecar, sidecar.no_receipts = false);
    coherd_invalidate(client, "t", &key, 1, NULL, NULL);
    while (saw.events == 1) {
        cr_assert_eq(coherd_dispatch(client), COHERD_OK);
    }
    pthread_join(thread, &result);
    cr_assert_eq((coherd_err)(uintptr_t)result, COHERD_OK);
    coherd_close(&client);
}
