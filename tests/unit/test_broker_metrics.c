/* The text format of Prometheus, as its parser demands it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "broker/metrics.h"

TestSuite(broker_metrics, .timeout = 60);

static char text[CHD_METRICS_BYTES_MAX];

/* Write metrics in which every number is large. */
static void write_all(void)
{
    chd_metrics metrics;
    chd_writer writer;

    memset(&metrics, 0xff, sizeof(metrics));
    metrics.node.state = CHD_NODE_READY;
    metrics.node.degraded = true;
    metrics.node.dns_outcome = CHD_DNS_EMPTY;
    metrics.node.dns_age_ms = 61234;
    metrics.loop_lag_ns = 1500000;
    chd_writer_init(&writer, text, sizeof(text));
    chd_metrics_write(&metrics, &writer);
    cr_assert_not(writer.cut);
    cr_assert_lt(writer.len, sizeof(text) / 2);
}

static void has_line(const char *line)
{
    const char *at = strstr(text, line);

    cr_assert_not_null(at, "%s", line);
    cr_assert(at == text || at[-1] == '\n', "%s", line);
}

Test(broker_metrics, values_stand_under_their_names)
{
    write_all();
    has_line("coherd_build_info{version=\"" CHD_VERSION "\"} 1\n");
    has_line("coherd_ready 1\n");
    has_line("coherd_degraded 1\n");
    has_line("coherd_members{state=\"live\"} 18446744073709551615\n");
    has_line("coherd_dns_outcome{outcome=\"empty\"} 1\n");
    has_line("coherd_dns_outcome{outcome=\"answer\"} 0\n");
    has_line("coherd_dns_age_seconds 61.234000\n");
    has_line("coherd_loop_lag_seconds_max 0.001500\n");
    has_line("coherd_events_published_total 18446744073709551615\n");
    has_line("coherd_loop_turns_total 18446744073709551615\n");
}

/* Return the length of a metric name at the front of line. */
static size_t name_length(const char *line)
{
    return strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_:");
}

/* Check that family has one HELP, one TYPE, in this order, and nothing of
 * another family between its lines. */
static void check_family(const char *help)
{
    const char *name = help + strlen("# HELP ");
    const size_t len = name_length(name);
    const char *type = strchr(help, '\n') + 1;
    char again[128];

    cr_assert_gt(len, strlen("coherd_"));
    cr_assert_eq(strncmp(name, "coherd_", strlen("coherd_")), 0);
    cr_assert_gt(strcspn(name + len + 1, "\n"), 5, "a help that says nothing");
    cr_assert_eq(strncmp(type, "# TYPE ", strlen("# TYPE ")), 0);
    type += strlen("# TYPE ");
    cr_assert_eq(strncmp(type, name, len), 0);
    const bool counter = strncmp(type + len, " counter\n", 9) == 0;
    cr_assert(counter || strncmp(type + len, " gauge\n", 7) == 0);
    const bool total = len > 6 && strncmp(name + len - 6, "_total", 6) == 0;
    cr_assert_eq(counter, total, "%.*s", (int)len, name);

    (void)snprintf(again, sizeof(again), "# HELP %.*s ", (int)len, name);
    cr_assert_null(strstr(name, again), "%s is there twice", again);
    const char *line = strchr(type, '\n') + 1;
    cr_assert_eq(strncmp(line, name, len), 0);
    for (; *line != '\0' && *line != '#'; line = strchr(line, '\n') + 1) {
        cr_assert_eq(strncmp(line, name, len), 0, "%.40s", line);
        cr_assert(line[len] == ' ' || line[len] == '{', "%.40s", line);
        const char *value = strchr(line, ' ') + 1;
        cr_assert(strncmp(value, "NaN\n", 4) == 0 ||
                  strspn(value, "0123456789.") == strcspn(value, "\n"));
    }
}

Test(broker_metrics, each_family_is_well_formed_and_there_once)
{
    size_t count = 0;

    write_all();
    cr_assert_eq(text[strlen(text) - 1], '\n');
    for (const char *at = text; (at = strstr(at, "# HELP ")) != NULL; at++) {
        check_family(at);
        count++;
    }
    cr_assert_gt(count, 40);
}

Test(broker_metrics, each_family_is_explained_in_the_manual)
{
    static char manual[256 * 1024];
    FILE *file = fopen("docs/operations.md", "re");

    cr_assert_not_null(file, "run from the root of the sources");
    const size_t len = fread(manual, 1, sizeof(manual) - 1, file);
    (void)fclose(file);
    manual[len] = '\0';
    write_all();
    for (const char *at = text; (at = strstr(at, "# HELP ")) != NULL;) {
        char name[128];
        at += strlen("# HELP ");
        (void)snprintf(name, sizeof(name), "`%.*s`", (int)name_length(at), at);
        cr_expect_not_null(strstr(manual, name), "%s", name);
    }
}
