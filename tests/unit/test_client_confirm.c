/* Waiting until everybody has applied something, tokens, and awaiting them. */
#include "tests/unit/test_client_seen.h"

TestSuite(client_confirm, .init = set_up, .fini = tear_down, .timeout = 100);

#define PATIENT_MS 60000

static const coherd_target key = {COHERD_TARGET_KEY, "1", 1};

static void begin(void)
{
    sidecar.features = CHD_FEATURE_CONFIRMED;
    sidecar.confirmed = (chd_local_confirmed){
        .total = 12, .applied = 10, .gone = 1, .refusing = 1};
    fake_start(&sidecar);
}

/* What on_receipt was called with. */
typedef struct told {
    uint64_t calls; /* the last to be written */
    coherd_err err;
    coherd_receipt receipt;
} told;

static void on_receipt(coherd_client *client, const coherd_receipt *receipt,
                       coherd_err err, void *arg)
{
    told *to = arg;

    (void)client;
    pthread_mutex_lock(&saw.mutex);
    to->err = err;
    to->receipt = *receipt;
    to->calls++;
    pthread_cond_broadcast(&saw.changed);
    pthread_mutex_unlock(&saw.mutex);
}

/* Publish so that it waits until everybody has applied it: the call itself, or
 * on_receipt, which tells to. */
static coherd_publish_options until_applied(int timeout_ms, told *to)
{
    return (coherd_publish_options){
        .wait = COHERD_WAIT_APPLIED,
        .timeout_ms = timeout_ms,
        .on_receipt = to == NULL ? NULL : on_receipt,
        .on_receipt_arg = to,
    };
}

static void expect_counts(const coherd_receipt *receipt, uint32_t of,
                          uint32_t applied, uint32_t missing)
{
    cr_assert_eq(receipt->of, of);
    cr_assert_eq(receipt->applied, applied);
    cr_assert_eq(receipt->missing, missing);
    cr_assert_eq(receipt->of, receipt->applied + receipt->gone +
                                  receipt->refusing + receipt->missing);
}

Test(client_confirm, a_call_returns_with_the_counts)
{
    const coherd_publish_options how = until_applied(PATIENT_MS, NULL);

    begin();
    for (int mode = COHERD_THREADED; mode <= COHERD_POLLED; mode++) {
        coherd_client *client = open_client((coherd_mode)mode);
        coherd_receipt receipt = {.origin = 0};
        cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, &receipt),
                     COHERD_OK);
        expect_counts(&receipt, 12, 10, 0);
        cr_assert_eq(receipt.gone, 1);
        cr_assert_eq(receipt.refusing, 1);
        cr_assert_eq(receipt.named_count, 0);
        cr_assert_eq(receipt.seq, sidecar.confirm_seq);
        coherd_close(&client);
    }
}

Test(client_confirm, in_polled_mode_the_own_callback_runs_first)
{
    const coherd_publish_options how = until_applied(PATIENT_MS, NULL);

    begin();
    coherd_client *client = open_client(COHERD_POLLED);
    coherd_subscribe(client, "t");
    coherd_receipt receipt = {.origin = 0};
    cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, &receipt),
                 COHERD_OK);
    cr_assert_eq(saw.resets, 1);
    cr_assert_eq(saw.events, 1);
    coherd_close(&client);
}

Test(client_confirm, who_is_missing_at_the_end_is_named)
{
    const coherd_publish_options how = until_applied(50, NULL);

    begin();
    FAKE_SET(&sidecar, sidecar.no_confirms = true);
    FAKE_SET(&sidecar, sidecar.confirmed.applied = 9);
    for (int mode = COHERD_THREADED; mode <= COHERD_POLLED; mode++) {
        coherd_client *client = open_client((coherd_mode)mode);
        coherd_receipt receipt = {.origin = 0};
        cr_assert_eq(coherd_wait_connected(client, PATIENT_MS), COHERD_OK);
        cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, &receipt),
                     COHERD_ERR_TIMEOUT);
        expect_counts(&receipt, 12, 9, 1);
        cr_assert_eq(receipt.named_count, 1);
        cr_assert_eq(receipt.named[0].node, 8);
        cr_assert_str_eq(receipt.named[0].name, "web-2");
        cr_assert_str_eq(receipt.named[0].session, "shop");
        cr_assert_neq(receipt.seq, 0, "it was accepted");
        coherd_close(&client);
    }
    cr_assert_eq(sidecar.whos, 2);
}

Test(client_confirm, a_sidecar_that_counts_wrongly_is_corrected)
{
    const coherd_publish_options how = until_applied(PATIENT_MS, NULL);

    begin();
    FAKE_SET(&sidecar, sidecar.confirmed.total = 3);
    FAKE_SET(&sidecar, sidecar.confirmed.gone = UINT64_MAX);
    coherd_client *client = open_client(COHERD_THREADED);
    coherd_receipt receipt = {.origin = 0};
    cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, &receipt),
                 COHERD_OK);
    expect_counts(&receipt, 3, 3, 0);
    coherd_close(&client);
}

Test(client_confirm, a_receipt_may_come_later)
{
    told to = {.calls = 0};
    const coherd_publish_options how = until_applied(PATIENT_MS, &to);

    begin();
    coherd_client *client = open_client(COHERD_THREADED);
    for (uint64_t i = 1; i <= 3; i++) {
        cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, NULL),
                     COHERD_OK);
        FAKE_WAIT(&saw, to.calls == i);
        cr_assert_eq(to.err, COHERD_OK);
        expect_counts(&to.receipt, 12, 10, 0);
        cr_assert_eq(to.receipt.seq, i);
    }
    coherd_close(&client);
    cr_assert_eq(to.calls, 3);
}

Test(client_confirm, a_later_receipt_that_fails_tells_why)
{
    told to = {.calls = 0};
    const coherd_publish_options how = until_applied(20, &to);

    begin();
    FAKE_SET(&sidecar, sidecar.no_confirms = true);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_wait_connected(client, PATIENT_MS), COHERD_OK);
    cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, NULL),
                 COHERD_OK);
    FAKE_WAIT(&saw, to.calls == 1);
    cr_assert_eq(to.err, COHERD_ERR_TIMEOUT);
    cr_assert_eq(to.receipt.named_count, 1);
    coherd_close(&client);
}

Test(client_confirm, only_so_many_receipts_may_be_outstanding)
{
    told to = {.calls = 0};
    const coherd_publish_options how = until_applied(PATIENT_MS, &to);
    const coherd_publish_options wrong = {.on_receipt = on_receipt};

    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &wrong, NULL),
                 COHERD_ERR_INVALID, "it waits for nothing");
    for (int i = 0; i < CHD_CLIENT_ASKS_MAX; i++) {
        cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, NULL),
                     COHERD_OK);
    }
    cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, NULL),
                 COHERD_ERR_LIMIT);
    begin();
    FAKE_WAIT(&saw, to.calls == CHD_CLIENT_ASKS_MAX);
    cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, NULL),
                 COHERD_OK);
    coherd_close(&client);
}

Test(client_confirm, an_older_sidecar_cannot_tell)
{
    const coherd_publish_options how = until_applied(PATIENT_MS, NULL);
    const coherd_token token = {7, 1};
    coherd_receipt receipt = {.origin = 0};

    fake_start(&sidecar);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, &receipt),
                 COHERD_ERR_VERSION);
    cr_assert_neq(receipt.seq, 0, "it was accepted");
    cr_assert_eq(coherd_await(client, &token, PATIENT_MS), COHERD_ERR_VERSION);
    coherd_close(&client);
}

Test(client_confirm, a_sidecar_without_room_refuses)
{
    const coherd_publish_options how = until_applied(PATIENT_MS, NULL);

    begin();
    FAKE_SET(&sidecar, sidecar.confirmed.outcome = CHD_CONFIRM_REFUSED);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, NULL),
                 COHERD_ERR_LIMIT);
    coherd_close(&client);
}

Test(client_confirm, the_question_is_asked_again_after_a_reconnect)
{
    told to = {.calls = 0};
    const coherd_publish_options how = until_applied(PATIENT_MS, &to);

    begin();
    FAKE_SET(&sidecar, sidecar.no_confirms = true);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, NULL),
                 COHERD_OK);
    FAKE_WAIT(&sidecar, sidecar.confirms == 1);
    FAKE_SET(&sidecar, sidecar.no_confirms = false);
    FAKE_SET(&sidecar, sidecar.drop_sessions = true);
    FAKE_WAIT(&saw, to.calls == 1);
    cr_assert_eq(to.err, COHERD_OK);
    coherd_close(&client);
}

Test(client_confirm, what_nobody_accepted_in_time_leaves_zeros)
{
    const coherd_publish_options how = until_applied(20, NULL);
    coherd_client *client = open_client(COHERD_THREADED);
    coherd_receipt receipt;

    memset(&receipt, 0xff, sizeof(receipt));
    cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, &receipt),
                 COHERD_ERR_TIMEOUT);
    cr_assert_eq(receipt.seq, 0);
    cr_assert_eq(receipt.of, 0);
    cr_assert_eq(receipt.named_count, 0);
    coherd_close(&client);
}

Test(client_confirm, closing_ends_the_wait)
{
    told to = {.calls = 0};
    const coherd_publish_options how = until_applied(-1, &to);

    begin();
    FAKE_SET(&sidecar, sidecar.no_confirms = true);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_invalidate(client, "t", &key, 1, &how, NULL),
                 COHERD_OK);
    FAKE_WAIT(&sidecar, sidecar.confirms == 1);
    coherd_close(&client);
    cr_assert_eq(to.calls, 0);
}

/* --- tokens --------------------------------------------------------------- */

Test(client_confirm, a_token_comes_back_as_it_was_printed)
{
    static const coherd_token tokens[] = {
        {1, 1},
        {UINT64_C(0x8badf00ddeadbeef), 70000},
        {UINT64_MAX, INT64_MAX},
    };
    char text[COHERD_TOKEN_BYTES_MAX];
    coherd_token read;

    for (size_t i = 0; i < CHD_COUNT(tokens); i++) {
        coherd_token_print(&tokens[i], text);
        cr_assert_eq(coherd_token_parse(text, &read), COHERD_OK);
        cr_assert_eq(read.origin, tokens[i].origin);
        cr_assert_eq(read.seq, tokens[i].seq);
    }
    cr_assert_str_eq(text, "ffffffffffffffff-7fffffffffffffff");
}

Test(client_confirm, what_is_no_token_is_refused)
{
    static const char *const texts[] = {
        "",
        "-",
        "1",
        "8badf00ddeadbeef",
        "8badf00ddeadbeef-",
        "8badf00ddeadbeef-0",
        "0000000000000000-1",
        "8badf00ddeadbee-1",
        "8BADF00DDEADBEEF-1",
        "8badf00ddeadbeef-8000000000000000",
        "8badf00ddeadbeef-11111111111111111",
        "8badf00ddeadbeef-1 ",
        " 8badf00ddeadbeef-1",
        "8badf00ddeadbeef-+1",
        "8badf00ddeadbeef_1",
    };
    coherd_token token = {3, 4};

    for (size_t i = 0; i < CHD_COUNT(texts); i++) {
        cr_assert_eq(coherd_token_parse(texts[i], &token), COHERD_ERR_INVALID,
                     "\"%s\"", texts[i]);
    }
    cr_assert_eq(coherd_token_parse(NULL, &token), COHERD_ERR_INVALID);
    cr_assert_eq(token.origin, 3, "it is not touched");
}

Test(client_confirm, awaiting_returns_when_the_sidecar_says_so)
{
    const coherd_token token = {7, 1};
    const coherd_token none = {0, 0};

    begin();
    for (int mode = COHERD_THREADED; mode <= COHERD_POLLED; mode++) {
        coherd_client *client = open_client((coherd_mode)mode);
        coherd_subscribe(client, "t");
        cr_assert_eq(coherd_await(client, &token, PATIENT_MS), COHERD_OK);
        cr_assert_eq(saw.resets, (uint64_t)mode + 1, "its RESET came before");
        cr_assert_eq(coherd_await(client, &none, 0), COHERD_ERR_INVALID);
        coherd_close(&client);
    }
    FAKE_SET(&sidecar, sidecar.no_awaits = true);
    coherd_client *client = open_client(COHERD_THREADED);
    cr_assert_eq(coherd_await(client, &token, 20), COHERD_ERR_TIMEOUT);
    coherd_close(&client);
}

static void *await_for_ever(void *client)
{
    const coherd_token token = {7, 1};
    return (void *)(uintptr_t)coherd_await(client, &token, -1);
}

/* Each has its own time, and closing ends the other. */
Test(client_confirm, in_polled_mode_waits_do_not_hold_up_each_other)
{
    const coherd_token token = {7, 1};
    pthread_t thread;
    void *result;

    begin();
    FAKE_SET(&sidecar, sidecar.no_awaits = true);
    coherd_client *client = open_client(COHERD_POLLED);
    cr_assert_eq(coherd_wait_connected(client, PATIENT_MS), COHERD_OK);
    cr_assert_eq(pthread_create(&thread, NULL, await_for_ever, client), 0);
    FAKE_WAIT(&sidecar, sidecar.awaits == 1);
    cr_assert_eq(coherd_await(client, &token, 20), COHERD_ERR_TIMEOUT);
    cr_assert_eq(coherd_dispatch(client), COHERD_OK);
    cr_assert_eq(coherd_close(&client), COHERD_OK);
    cr_assert_eq(pthread_join(thread, &result), 0);
    cr_assert_eq((uintptr_t)result, COHERD_ERR_CLOSED);
}

/* --- refusing ------------------------------------------------------------- */

Test(client_confirm, the_sidecar_is_told_of_a_bound_that_is_kept)
{
    const coherd_options wrong = {.socket = sidecar.path, .fails_closed = true};
    coherd_options options = {.socket = sidecar.path,
                              .staleness_bound_ms = 2000};
    coherd_client *client = NULL;

    begin();
    cr_assert_eq(coherd_open(&wrong, &client), COHERD_ERR_INVALID);
    for (int closed = 0; closed <= 1; closed++) {
        options.fails_closed = closed == 1;
        cr_assert_eq(coherd_open(&options, &client), COHERD_OK);
        cr_assert_eq(coherd_wait_connected(client, PATIENT_MS), COHERD_OK);
        cr_assert_eq(sidecar.bound_ms, closed == 1 ? 2000 : 0);
        coherd_close(&client);
    }
}
