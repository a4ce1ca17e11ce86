/* What a core does for its sessions, and what it does not let them do. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "proto/base/limits.h"
#include "tests/support/heap.h"
#include "tests/support/mangle.h"
#include "tests/support/rig.h"
#include "tests/support/samples.h"

static rig *bench;

static void setup(void)
{
    const chd_core_config config = rig_config();
    bench = rig_new(&config);
}

TestSuite(core_local, .init = setup);

static void finish(void)
{
    rig_free(bench);
    NO_LEAKS();
}

/* The session was told what was wrong, and then closed. */
static void assert_refused(chd_local_error code)
{
    const chd_local heard = rig_heard(bench);

    cr_assert_eq(heard.type, CHD_LOCAL_ERROR);
    cr_assert_eq(heard.u.error.code, code);
    cr_assert_gt(heard.u.error.text.len, 0);
    cr_assert_eq(bench->actions[CHD_ACT_SESSION_CLOSE], 1);
    cr_assert_eq(bench->traces[CHD_TRACE_SESSION_REFUSED], 1);
}

/* Session 0 lives, and what it publishes comes back to it. */
static void assert_unharmed(void)
{
    rig_publish(bench, 0, 1, 8);
    rig_turn(bench);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_EVENTS);
}

Test(core_local, bytes_that_are_no_message_end_the_session_and_no_other)
{
    rig_subscribe(bench, 0);
    rig_greet(bench, 1);
    rig_say(bench, 1, chd_bytes_str("\xc1nonsense"));
    assert_refused(CHD_LOCAL_ERR_MALFORMED);
    assert_unharmed();
    finish();
}

Test(core_local, nothing_comes_before_hello)
{
    rig_subscribe(bench, 0);
    rig_open(bench, 1);
    rig_session_ping(bench, 1, 1);
    assert_refused(CHD_LOCAL_ERR_STATE);
    assert_unharmed();
    finish();
}

Test(core_local, hello_is_said_once)
{
    const chd_local_hello hello = {
        .version_min = 1, .version_max = 1, .client = 1};
    uint8_t buf[64];
    chd_pack pack;

    rig_greet(bench, 1);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_WELCOME);
    chd_pack_init(&pack, buf, sizeof(buf));
    chd_local_pack_hello(&pack, &hello);
    rig_say(bench, 1, chd_pack_bytes(&pack));
    assert_refused(CHD_LOCAL_ERR_STATE);
    finish();
}

Test(core_local, versions_without_overlap_are_told_so)
{
    const chd_local_hello hello = {.version_min = CHD_PROTOCOL_MAX + 1,
                                   .version_max = CHD_PROTOCOL_MAX + 9,
                                   .client = 1};
    uint8_t buf[64];
    chd_pack pack;

    rig_open(bench, 1);
    chd_pack_init(&pack, buf, sizeof(buf));
    chd_local_pack_hello(&pack, &hello);
    rig_say(bench, 1, chd_pack_bytes(&pack));
    assert_refused(CHD_LOCAL_ERR_VERSION);
    finish();
}

Test(core_local, what_only_a_sidecar_says_is_refused)
{
    const sample_list samples = samples_local();
    uint8_t buf[SAMPLE_BYTES_MAX];

    for (size_t i = 0; i < samples.count; i++) {
        const chd_bytes message = sample_bytes(&samples.samples[i], buf);
        chd_local local;
        cr_assert_eq(chd_local_scan(message, &local), CHD_OK);
        if (local.type < CHD_LOCAL_WELCOME ||
            local.type > CHD_LOCAL_TYPE_LAST) {
            continue;
        }
        rig_greet(bench, 1);
        rig_say(bench, 1, message);
        cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_ERROR, "%s",
                     samples.samples[i].name);
    }
    finish();
}

Test(core_local, a_closed_session_gives_its_number_back_at_once)
{
    chd_node_report report;

    for (size_t i = 0; i < 100; i++) {
        rig_greet(bench, 3);
        rig_say(bench, 3, chd_bytes_str("\xc1"));
    }
    chd_core_report_node(bench->core, bench->now, &report);
    cr_assert_eq(report.sessions, 0);
    cr_assert_eq(report.subscriptions, 0);
    finish();
}

Test(core_local, bye_and_a_vanished_connection_end_alike)
{
    uint8_t buf[8];
    chd_pack pack;

    rig_subscribe(bench, 1);
    rig_subscribe(bench, 2);
    chd_pack_init(&pack, buf, sizeof(buf));
    chd_local_pack_bare(&pack, CHD_LOCAL_BYE);
    rig_say(bench, 1, chd_pack_bytes(&pack));
    cr_assert_eq(bench->actions[CHD_ACT_SESSION_CLOSE], 1);
    rig_close(bench, 2);
    cr_assert_eq(bench->actions[CHD_ACT_SESSION_CLOSE], 1);

    chd_node_report report;
    chd_core_report_node(bench->core, bench->now, &report);
    cr_assert_eq(report.sessions, 0);
    cr_assert_eq(report.subscriptions, 0);
    finish();
}

Test(core_local, a_payload_above_the_limit_is_refused_and_none_of_its_batch)
{
    chd_node_report report;

    rig_subscribe(bench, 0);
    rig_greet(bench, 1);
    rig_publish(bench, 1, 1, CHD_PAYLOAD_BYTES_DEFAULT);
    cr_assert_eq(bench->actions[CHD_ACT_SESSION_CLOSE], 0);
    rig_publish(bench, 1, 2, CHD_PAYLOAD_BYTES_DEFAULT + 1);
    assert_refused(CHD_LOCAL_ERR_INVALID);
    chd_core_report_node(bench->core, bench->now, &report);
    cr_assert_eq(report.published, 1);
    assert_unharmed();
    finish();
}

Test(core_local, what_was_never_sent_cannot_have_been_applied)
{
    static const struct {
        uint64_t position, bytes;
    } cases[] = {{2, 1}, {1, 1000}, {CHD_SEQ_MAX, 0}, {0, UINT64_MAX}};

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        bench->actions[CHD_ACT_SESSION_CLOSE] = 0;
        rig_subscribe(bench, 1);
        rig_applied(bench, 1, 1, bench->sent_len);
        cr_assert_eq(bench->actions[CHD_ACT_SESSION_CLOSE], 0);
        rig_applied(bench, 1, cases[i].position, cases[i].bytes);
        cr_assert_eq(bench->actions[CHD_ACT_SESSION_CLOSE], 1, "case %zu", i);
    }
    finish();
}

Test(core_local, too_many_subscriptions_end_the_session)
{
    static uint8_t buf[CHD_FRAME_BYTES_MAX];
    static chd_filter filters[1000];
    static char topics[1000][8];
    chd_pack pack;

    rig_greet(bench, 1);
    for (uint32_t n = 0; bench->actions[CHD_ACT_SESSION_CLOSE] == 0; n++) {
        cr_assert_leq(n, CHD_SESSION_SUBSCRIPTIONS_MAX / 1000);
        for (uint32_t i = 0; i < 1000; i++) {
            (void)snprintf(topics[i], sizeof(topics[i]), "%u", n * 1000 + i);
            filters[i] =
                (chd_filter){CHD_MATCH_EXACT, chd_bytes_str(topics[i])};
        }
        chd_pack_init(&pack, buf, sizeof(buf));
        chd_local_pack_filters(&pack, CHD_LOCAL_SUBSCRIBE, filters, 1000);
        rig_say(bench, 1, chd_pack_bytes(&pack));
    }
    assert_refused(CHD_LOCAL_ERR_LIMIT);
    finish();
}

Test(core_local, unknown_types_are_passed_over)
{
    uint8_t buf[16];
    chd_pack pack;

    rig_subscribe(bench, 0);
    chd_pack_init(&pack, buf, sizeof(buf));
    chd_pack_array(&pack, 2);
    chd_pack_uint(&pack, 31);
    chd_pack_uint(&pack, 1);
    rig_say(bench, 0, chd_pack_bytes(&pack));
    cr_assert_eq(bench->actions[CHD_ACT_SESSION_CLOSE], 0);
    assert_unharmed();
    finish();
}

/* A session that reads nothing gets its window and a little more, and then
 * waits; the log goes on without it. */
Test(core_local, a_session_that_stands_still_is_reset_when_it_goes_on)
{
    const chd_stats *stats = chd_core_stats(bench->core);
    size_t sent = 0;

    rig_subscribe(bench, 1);
    const size_t subscribed = bench->sent_len;
    rig_greet(bench, 0);
    for (uint32_t i = 0; i < 200; i++) {
        rig_publish(bench, 0, 1, CHD_PAYLOAD_BYTES_DEFAULT);
        rig_turn(bench);
        for (size_t n = 0; n < bench->out->count; n++) {
            const chd_action *action = &bench->out->actions[n];
            if (action->kind == CHD_ACT_SESSION_SEND && action->session == 1) {
                sent += action->bytes.len;
            }
        }
    }
    cr_assert_lt(sent, CHD_SESSION_WINDOW_BYTES + 2 * CHD_BATCH_BYTES);
    cr_assert_eq(stats->resets, 1);
    rig_applied(bench, 1, 1 + stats->delivered, subscribed + sent);
    rig_turn(bench);
    cr_assert_eq(stats->resets, 2);
    cr_assert_eq(bench->traces[CHD_TRACE_SESSION_RESET], 1);
    finish();
}

static chd_err feed_damaged(chd_bytes message)
{
    static uint64_t fed;

    if (bench->actions[CHD_ACT_SESSION_CLOSE] > 0) {
        bench->actions[CHD_ACT_SESSION_CLOSE] = 0;
        rig_greet(bench, 1);
    }
    rig_say(bench, 1, message);
    if (++fed % 64 == 0) {
        rig_turn(bench);
    }
    if (fed % 1000 == 0 && bench->actions[CHD_ACT_SESSION_CLOSE] == 0) {
        rig_close(bench, 1);
        rig_greet(bench, 1);
    }
    return CHD_ETRUNCATED;
}

Test(core_local, no_damaged_message_hurts)
{
    const sample_list samples = samples_local();
    uint8_t buf[SAMPLE_BYTES_MAX];

    rig_subscribe(bench, 0);
    rig_greet(bench, 1);
    for (size_t i = 0; i < samples.count; i++) {
        const chd_bytes message = sample_bytes(&samples.samples[i], buf);
        cr_assert_eq(mangle_truncate(message, feed_damaged), message.len);
        cr_assert_gt(mangle_change(message, feed_damaged), 0);
    }
    rig_turn(bench);
    assert_unharmed();
    finish();
}
