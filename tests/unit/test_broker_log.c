/* Lines of the log, as a reader of standard error gets them. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/log.h"

TestSuite(broker_log, .timeout = 60);

typedef struct sink {
    chd_logger logger;
    chd_tally tally;
    int reader;
    char text[64 * 1024];
} sink;

/* Start a logger whose lines can be read here. */
static void open_sink(sink *s, chd_logger_format format)
{
    int fds[2];

    cr_assert_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    *s = (sink){.reader = fds[0]};
    s->logger = (chd_logger){
        .fd = fds[1],
        .level = CHD_LEVEL_INFO,
        .format = format,
        .now = {CHD_SECOND, UINT64_C(1767225600123)},
        .tally = &s->tally,
    };
}

static void close_sink(sink *s)
{
    (void)close(s->reader);
    (void)close(s->logger.fd);
}

/* Return what was written since the last call. */
static const char *read_sink(sink *s)
{
    const ssize_t got = read(s->reader, s->text, sizeof(s->text) - 1);

    s->text[got > 0 ? got : 0] = '\0';
    return s->text;
}

static void say(sink *s, const char *event, const char *name, const char *value)
{
    chd_line line;

    chd_line_begin(&line, &s->logger, CHD_LEVEL_INFO, event);
    chd_line_text(&line, name, value);
    chd_line_end(&line);
}

Test(broker_log, a_line_has_a_time_a_level_an_event_and_its_fields)
{
    const chd_endpoint endpoint = {.address = {0xfd, [15] = 1}, .port = 7420};
    sink s;
    chd_line line;

    for (int format = CHD_LOG_LOGFMT; format <= CHD_LOG_JSON; format++) {
        open_sink(&s, (chd_logger_format)format);
        chd_line_begin(&line, &s.logger, CHD_LEVEL_NOTICE, "tried");
        chd_line_node(&line, 0xabc);
        chd_line_endpoint(&line, &endpoint);
        chd_line_number(&line, "count", 3);
        chd_line_text(&line, "empty", "");
        chd_line_end(&line);
        cr_assert_str_eq(
            read_sink(&s),
            format == CHD_LOG_LOGFMT
                ? "ts=2026-01-01T00:00:00.123Z level=notice event=tried "
                  "node=0000000000000abc address=[fd00::1]:7420 count=3 "
                  "empty=\"\"\n"
                : "{\"ts\":\"2026-01-01T00:00:00.123Z\",\"level\":\"notice\","
                  "\"event\":\"tried\",\"node\":\"0000000000000abc\","
                  "\"address\":\"[fd00::1]:7420\",\"count\":3,"
                  "\"empty\":\"\"}\n");
        close_sink(&s);
    }
}

typedef struct escape_case {
    const char *value;
    const char *logfmt;
} escape_case;

static const escape_case escape_cases[] = {
    {"plain", "plain"},
    {"[fd00::1]:7420,x", "[fd00::1]:7420,x"},
    {"two words", "\"two words\""},
    {"a=b", "\"a=b\""},
    {"say \"hi\"", "\"say \\\"hi\\\"\""},
    {"back\\slash", "\"back\\\\slash\""},
    {"line\nbreak\ttab", "\"line\\u000abreak\\u0009tab\""},
    {"\x1b[31mred", "\"\\u001b[31mred\""},
    {"\xc3\xa9t\xc3\xa9", "\"\xc3\xa9t\xc3\xa9\""},
    {"\xf0\x9f\x90\x91", "\"\xf0\x9f\x90\x91\""},
    {"\xff\xfe", "\"\\u00ff\\u00fe\""},
    {"cut \xc3", "\"cut \\u00c3\""},
    {"\xc2\x9b"
     "31m",
     "\"\\u009b31m\""},
    {"\x7f", "\"\\u007f\""},
};

Test(broker_log, text_from_elsewhere_cannot_leave_its_field)
{
    for (size_t i = 0; i < CHD_COUNT(escape_cases); i++) {
        char expected[256];
        sink s;

        open_sink(&s, CHD_LOG_LOGFMT);
        say(&s, "e", "text", escape_cases[i].value);
        (void)snprintf(expected, sizeof(expected), " text=%s\n",
                       escape_cases[i].logfmt);
        cr_expect_not_null(strstr(read_sink(&s), expected), "case %zu: %s", i,
                           s.text);
        close_sink(&s);

        open_sink(&s, CHD_LOG_JSON);
        say(&s, "e", "text", escape_cases[i].value);
        const bool quoted = escape_cases[i].logfmt[0] == '"';
        (void)snprintf(expected, sizeof(expected),
                       quoted ? "\"text\":%s}\n" : "\"text\":\"%s\"}\n",
                       escape_cases[i].logfmt);
        cr_expect_not_null(strstr(read_sink(&s), expected), "case %zu: %s", i,
                           s.text);
        close_sink(&s);
    }
}

Test(broker_log, every_byte_can_be_logged_without_breaking_a_line)
{
    sink s;

    open_sink(&s, CHD_LOG_LOGFMT);
    for (unsigned byte = 1; byte < 256; byte++) {
        const char value[] = {'a', (char)byte, 'b', '\0'};
        s.logger.now.mono_ns += CHD_LOG_WINDOW;
        say(&s, "e", "text", value);
        const char *text = read_sink(&s);
        cr_expect_eq(strcspn(text, "\n"), strlen(text) - 1, "byte %u", byte);
        cr_expect_null(strpbrk(text, "\t\r\x1b\x7f"), "byte %u", byte);
    }
    close_sink(&s);
}

Test(broker_log, levels_below_the_wanted_one_are_left_out)
{
    sink s;
    chd_line line;

    open_sink(&s, CHD_LOG_LOGFMT);
    chd_line_begin(&line, &s.logger, CHD_LEVEL_DEBUG, "quiet");
    chd_line_text(&line, "a", "b");
    chd_line_number(&line, "c", 1);
    chd_line_end(&line);
    cr_assert_str_eq(read_sink(&s), "");
    s.logger.level = CHD_LEVEL_DEBUG;
    chd_line_begin(&line, &s.logger, CHD_LEVEL_DEBUG, "loud");
    chd_line_end(&line);
    cr_assert_not_null(strstr(read_sink(&s), "event=loud"));
    close_sink(&s);
}

static size_t count_lines(const char *text)
{
    size_t count = 0;

    while ((text = strchr(text, '\n')) != NULL) {
        count++;
        text++;
    }
    return count;
}

Test(broker_log, repeats_are_left_out_and_counted)
{
    sink s;

    open_sink(&s, CHD_LOG_LOGFMT);
    for (size_t i = 0; i < 12; i++) {
        say(&s, "again", "text", "x");
        s.logger.now.mono_ns += CHD_SECOND / 2;
    }
    cr_assert_eq(count_lines(read_sink(&s)), CHD_LOG_REPEATS_MAX);
    cr_assert_eq(s.tally.log_suppressed, 12 - CHD_LOG_REPEATS_MAX);
    say(&s, "other", "text", "x");
    cr_assert_eq(count_lines(read_sink(&s)), 1, "another event is not held");
    s.logger.now.mono_ns += CHD_LOG_WINDOW;
    say(&s, "again", "text", "x");
    cr_assert_not_null(strstr(read_sink(&s), " suppressed=7\n"));
    say(&s, "again", "text", "x");
    cr_assert_null(strstr(read_sink(&s), "suppressed"));
    close_sink(&s);
}

Test(broker_log, repeats_about_different_addresses_are_no_repeats)
{
    sink s;
    chd_line line;

    open_sink(&s, CHD_LOG_LOGFMT);
    for (uint16_t i = 0; i < 10; i++) {
        const chd_endpoint endpoint = {.address = {0xfd}, .port = i};
        chd_line_begin(&line, &s.logger, CHD_LEVEL_INFO, "e");
        chd_line_endpoint(&line, &endpoint);
        chd_line_end(&line);
    }
    cr_assert_eq(count_lines(read_sink(&s)), 10);
    close_sink(&s);
}

Test(broker_log, a_line_that_is_too_long_loses_fields_and_stays_whole)
{
    char value[CHD_LOG_LINE_MAX];
    sink s;
    chd_line line;

    memset(value, '\x01', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    open_sink(&s, CHD_LOG_JSON);
    chd_line_begin(&line, &s.logger, CHD_LEVEL_INFO, "e");
    chd_line_text(&line, "long", value);
    chd_line_text(&line, "after", "kept");
    chd_line_end(&line);
    cr_assert_not_null(strstr(read_sink(&s),
                              "\"event\":\"e\",\"after\":\"kept\","
                              "\"fields_cut\":1}\n"));
    close_sink(&s);
}

Test(broker_log, a_reader_that_does_not_read_stops_nothing)
{
    sink s;

    open_sink(&s, CHD_LOG_LOGFMT);
    for (size_t i = 0; i < 5000; i++) {
        s.logger.now.mono_ns += CHD_LOG_WINDOW;
        say(&s, "e", "text", "some words to fill the pipe with");
    }
    cr_assert_gt(s.tally.log_dropped, 0);
    const char *text = read_sink(&s);
    cr_assert_eq(strncmp(text, "ts=", 3), 0);
    close_sink(&s);
}

Test(broker_log, a_trace_is_told_as_its_table_says)
{
    const chd_trace trace = {
        .code = CHD_TRACE_PEER_LIVE,
        .node = 0x1234,
        .endpoint = {.address = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1},
                     .port = 7},
        .a = 5,
        .b = 6,
        .text = chd_bytes_str("web 1"),
    };
    const chd_trace bare = {.code = CHD_TRACE_NODE_READY, .a = 1, .b = 2};
    sink s;

    open_sink(&s, CHD_LOG_LOGFMT);
    chd_logger_trace(&s.logger, &trace);
    cr_assert_not_null(strstr(read_sink(&s),
                              "level=notice event=peer_live "
                              "node=0000000000001234 address=10.0.0.1:7 "
                              "received=5 head=6 text=\"web 1\"\n"));
    chd_logger_trace(&s.logger, &bare);
    cr_assert_not_null(
        strstr(read_sink(&s), "event=node_ready members=1 missing=2\n"));
    close_sink(&s);
}
