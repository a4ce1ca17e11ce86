#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "tests/support/heap.h"
#include "tests/support/rig.h"

static const chd_now start = {5, 6};

static chd_err try_config(const chd_core_config *config)
{
    chd_core *core;
    const chd_err err = chd_core_new(config, heap_mem(), start, &core);

    cr_assert_eq(err == CHD_OK, core != NULL);
    chd_core_destroy(&core);
    cr_assert_null(core);
    chd_core_destroy(&core);
    return err;
}

static void assert_bad(const chd_core_config *config, const char *label)
{
    cr_assert_eq(try_config(config), CHD_ELIMIT, "%s", label);
}

Test(core_config, defaults_and_an_identity_are_enough)
{
    chd_core_config config;

    chd_core_config_init(&config);
    assert_bad(&config, "no identity");
    config = rig_config();
    cr_assert_eq(try_config(&config), CHD_OK);
    NO_LEAKS();
}

Test(core_config, survives_being_out_of_memory)
{
    const chd_core_config config = rig_config();
    chd_core *core;
    chd_err err = CHD_ENOMEM;
    size_t nth = 1;

    for (; err == CHD_ENOMEM; nth++) {
        heap_fail_nth(nth);
        err = chd_core_new(&config, heap_mem(), start, &core);
        cr_assert(err == CHD_OK || (core == NULL && heap_balance() == 0));
    }
    heap_fail_nth(0);
    cr_assert_gt(nth, 10);
    chd_core_destroy(&core);
    NO_LEAKS();
}

#define ASSERT_RANGE(field, least, most)                                       \
    do {                                                                       \
        chd_core_config config = rig_config();                                 \
        config.field = (least);                                                \
        cr_assert_eq(try_config(&config), CHD_OK, #field);                     \
        config.field = (most);                                                 \
        cr_assert_eq(try_config(&config), CHD_OK, #field);                     \
        config.field = (least)-1;                                              \
        assert_bad(&config, #field);                                           \
        config.field = (most) + 1;                                             \
        assert_bad(&config, #field);                                           \
    } while (0)

Test(core_config, numbers_are_held_within_their_limits)
{
    ASSERT_RANGE(peer_count_max, 1u, (uint32_t)CHD_PEERS_MAX);
    ASSERT_RANGE(session_count_max, 1u, (uint32_t)CHD_SESSIONS_MAX);
    NO_LEAKS();
}

#undef ASSERT_RANGE

Test(core_config, each_field_is_looked_at)
{
    const chd_core_config good = rig_config();
    chd_core_config config = good;

    config.node = 0;
    assert_bad(&config, "node");
    config = good;
    config.endpoint.port = 0;
    assert_bad(&config, "port");
    config = good;
    config.payload_max = CHD_PAYLOAD_BYTES_MAX;
    cr_assert_eq(try_config(&config), CHD_OK);
    config.payload_max++;
    assert_bad(&config, "payload");
    config = good;
    config.log_bytes = (size_t)CHD_LOG_BYTES_MAX + 1;
    assert_bad(&config, "a log above its limit");
    config.log_bytes = CHD_LOG_BYTES_MIN - 1;
    assert_bad(&config, "a log below its limit");
    config = good;
    config.ping_interval = 0;
    assert_bad(&config, "ping");
    config = good;
    config.dead_after = 2 * config.ping_interval;
    cr_assert_eq(try_config(&config), CHD_OK);
    config.dead_after--;
    assert_bad(&config, "dead_after");
    config = good;
    config.version_min = 0;
    assert_bad(&config, "version 0");
    config.version_min = config.version_max + 1;
    assert_bad(&config, "versions");
    NO_LEAKS();
}

Test(core_config, texts_are_text_of_the_allowed_length)
{
    static uint8_t text[CHD_NAME_BYTES_MAX + 1];
    const chd_core_config good = rig_config();
    const chd_bytes longest = {text, CHD_NAME_BYTES_MAX};
    const chd_bytes longer = {text, CHD_NAME_BYTES_MAX + 1};
    const chd_bytes empty = {NULL, 0};
    const chd_bytes control = chd_bytes_str("a\nb");

    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < 4; i++) {
        chd_core_config config = good;
        chd_bytes *const fields[] = {&config.cluster, &config.name,
                                     &config.region, &config.release};
        *fields[i] = longest;
        cr_assert_eq(try_config(&config), CHD_OK, "field %zu", i);
        *fields[i] = longer;
        assert_bad(&config, "longer");
        *fields[i] = control;
        assert_bad(&config, "control character");
        *fields[i] = empty;
        cr_assert_eq(try_config(&config), i < 2 ? CHD_ELIMIT : CHD_OK);
    }
    NO_LEAKS();
}

Test(core_config, texts_are_copied)
{
    char name[] = "before";
    chd_core_config config = rig_config();
    chd_node_report report;

    config.name = chd_bytes_str(name);
    rig *bench = rig_new(&config);
    memset(name, 'x', sizeof(name) - 1);
    chd_core_report_node(bench->core, bench->now, &report);
    cr_assert(chd_bytes_equal(report.name, chd_bytes_str("before")));
    rig_free(bench);
    NO_LEAKS();
}
