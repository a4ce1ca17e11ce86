/* How coherctl reads durations and writes text, JSON and tables; and the
 * program itself, if it has been built. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

/* The parts of a program, not of a library.
 * NOLINTBEGIN(bugprone-suspicious-include) */
#include "client/cli/json.c"
#include "client/cli/table.c"
#include "client/cli/text.c"
/* NOLINTEND(bugprone-suspicious-include) */
#include "tests/unit/test_client_sidecar.h"

void cli_complain(const char *format, ...)
{
    (void)format;
}

Test(client_cli, durations_are_read_with_their_unit)
{
    static const struct {
        const char *text;
        int ms;
    } cases[] = {
        {"500ms", 500}, {"0ms", 0},        {"2s", 2000},    {"1.5s", 1500},
        {"1m", 60000},  {"2min", 120000},  {"1h", 3600000}, {"0.5ms", 0},
        {"", -1},       {"5", -1},         {"s", -1},       {"-1s", -1},
        {"+1s", -1},    {"1 s", -1},       {" 1s", -1},     {"1s ", -1},
        {"1x", -1},     {"1d", -1},        {"infs", -1},    {"nans", -1},
        {"0x10s", -1},  {"99999999h", -1}, {"1e999s", -1},  {"1ss", -1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int ms = -1;
        const bool good = cli_parse_duration(cases[i].text, &ms);
        cr_assert_eq(good, cases[i].ms >= 0, "\"%s\"", cases[i].text);
        cr_assert_eq(ms, cases[i].ms, "\"%s\"", cases[i].text);
    }
}

Test(client_cli, durations_and_sizes_are_written_for_people)
{
    static const struct {
        uint64_t us;
        const char *text;
    } durations[] = {
        {0, "0 us"},
        {812, "812 us"},
        {1000, "1.0 ms"},
        {45000, "45 ms"},
        {999999, "999 ms"},
        {3200000, "3.2 s"},
        {59999999, "59.9 s"},
        {250000000, "4 min 10 s"},
        {11520000000, "3 h 12 min"},
        {187200000000, "2 d 4 h"},
    };
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {34 * 1024 * 1024, "34.0 MiB"},
    };
    char buf[32];

    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        cli_format_duration(durations[i].us, buf, sizeof(buf));
        cr_assert_str_eq(buf, durations[i].text);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        cli_format_bytes(sizes[i].bytes, buf, sizeof(buf));
        cr_assert_str_eq(buf, sizes[i].text);
    }
}

static char written[4096];

static FILE *memory(void)
{
    memset(written, 0, sizeof(written));
    return fmemopen(written, sizeof(written) - 1, "w");
}

Test(client_cli, bytes_are_shown_so_that_a_terminal_survives_them)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *shown;
    } cases[] = {
        {"plain", 5, "plain"},
        {"gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f"},
        {"a\x1b[31m", 6, "a\\x1b[31m"},
        {"\xff\x00", 2, "\\xff\\x00"},
        {"a\\b", 3, "a\\\\b"},
        {"\xc2\x9b", 2, "\\xc2\\x9b"}, /* CSI as one character */
        {"\xc3", 1, "\\xc3"},
        {"\xed\xa0\x80", 3, "\\xed\\xa0\\x80"}, /* a surrogate */
        {"\xc0\xaf", 2, "\\xc0\\xaf"},          /* an overlong slash */
        {"\x7f", 1, "\\x7f"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        FILE *file = memory();
        cli_print_bytes(file, cases[i].bytes, cases[i].len);
        fclose(file);
        cr_assert_str_eq(written, cases[i].shown);
    }
}

Test(client_cli, json_is_escaped_and_binary_becomes_base64)
{
    FILE *file = memory();
    cli_json json = {.file = file};

    cli_json_open(&json, NULL, '{');
    cli_json_text(&json, "a", "q\"b\\n\n\t\x01\x7f");
    cli_json_uint(&json, "n", UINT64_MAX);
    cli_json_open(&json, "list", '[');
    cli_json_open(&json, NULL, '{');
    cli_json_bool(&json, "yes", true);
    cli_json_close(&json, '}');
    cli_json_open(&json, NULL, '{');
    cli_json_null(&json, "no");
    cli_json_close(&json, '}');
    cli_json_close(&json, ']');
    cli_json_hex(&json, "id", 0xabc);
    cli_json_bytes(&json, "t", "\xc3\xa9", 2);
    cli_json_bytes(&json, "b", "\xff", 1);
    cli_json_bytes(&json, "c", "\xff\x00", 2);
    cli_json_bytes(&json, "d", "\xff\xff\xff", 3);
    cli_json_bytes(&json, "e", "", 0);
    cli_json_close(&json, '}');
    fclose(file);
    cr_assert_str_eq(written,
                     "{\"a\": \"q\\\"b\\\\n\\n\\t\\u0001\\u007f\", "
                     "\"n\": 18446744073709551615, "
                     "\"list\": [{\"yes\": true}, {\"no\": null}], "
                     "\"id\": \"0000000000000abc\", \"t\": \"\xc3\xa9\", "
                     "\"b_base64\": \"/w==\", \"c_base64\": \"/wA=\", "
                     "\"d_base64\": \"////\", \"e\": \"\"}");
}

Test(client_cli, json_is_escaped_so_that_a_terminal_survives_it)
{
    static const struct {
        const char *bytes;
        const char *shown;
    } cases[] = {
        {"\x1b[2J", "\"\\u001b[2J\""},
        {"\x7f", "\"\\u007f\""},
        {"\xc2\x80", "\"\\u0080\""},
        {"a\xc2\x9b[31m", "\"a\\u009b[31m\""}, /* CSI as one character */
        {"\xc2\x9f\xc2\x9f", "\"\\u009f\\u009f\""},
        {"\xc2\xa0", "\"\xc2\xa0\""}, /* the first behind them */
        {"\xc3\x9b", "\"\xc3\x9b\""}, /* a letter that ends like one */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        FILE *file = memory();
        cli_json json = {.file = file};
        cli_json_text(&json, NULL, cases[i].bytes);
        fclose(file);
        cr_assert_str_eq(written, cases[i].shown);
        file = memory();
        json = (cli_json){.file = file};
        cli_json_bytes(&json, NULL, cases[i].bytes, strlen(cases[i].bytes));
        fclose(file);
        cr_assert_str_eq(written, cases[i].shown);
    }
}

Test(client_cli, tables_show_bytes_so_that_a_terminal_survives_them)
{
    FILE *file = memory();
    cli_table table;

    cli_table_init(&table, 2);
    cli_table_add(&table, "a\xc2\x9b");
    cli_table_add(&table, "x\x1b");
    cli_table_add(&table, "b");
    cli_table_add(&table, "y");
    cli_table_print(&table, file);
    cli_table_fini(&table);
    fclose(file);
    cr_assert_str_eq(written, "a\\xc2\\x9b  x\\x1b\nb          y\n");
}

Test(client_cli, tables_are_aligned_by_characters)
{
    FILE *file = memory();
    cli_table table;

    cli_table_init(&table, 2);
    cli_table_add(&table, "NAME");
    cli_table_add(&table, "X");
    cli_table_add(&table, "\xc3\xbc\xc3\xbc");
    cli_table_add(&table, "1");
    cli_table_print(&table, file);
    cli_table_fini(&table);
    fclose(file);
    cr_assert_str_eq(written, "NAME  X\n\xc3\xbc\xc3\xbc    1\n");
}

/* --- the program ---------------------------------------------------------- */

static fake sidecar;

static void set_up(void)
{
    fake_init(&sidecar);
}

static void tear_down(void)
{
    fake_fini(&sidecar);
}

/* Run a shell line in which $C is coherctl and $S its socket; what it prints
 * is in written.  Returns its exit code, or -1 when there is no coherctl. */
static int shell(const char *line)
{
    const char *dir = getenv("CHD_BIN");
    char command[1024];
    char program[512];

    snprintf(program, sizeof(program), "%s/coherctl",
             dir == NULL ? "build/bin" : dir);
    if (access(program, X_OK) != 0) {
        return -1;
    }
    setenv("C", program, 1);
    setenv("COHERD_LOCAL_SOCKET", sidecar.path, 1);
    snprintf(command, sizeof(command), "exec 2>&1; %s", line);
    char *const arguments[] = {"sh", "-c", command, NULL};
    int ends[2];
    int status;
    pid_t child;
    posix_spawn_file_actions_t actions;
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    cr_assert_eq(
        posix_spawn(&child, "/bin/sh", &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    const size_t len = fread(written, 1, sizeof(written) - 1, output);
    written[len] = '\0';
    fclose(output);
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

TestSuite(client_cli_program, .init = set_up, .fini = tear_down,
          .timeout = 100);

Test(client_cli_program, exit_codes_tell_what_happened)
{
    static const struct {
        const char *line;
        int code;
        const char *says;
    } cases[] = {
        {"$C --version", 0, "coherctl "},
        {"$C --help", 0, "invalidate"},
        {"$C", 2, "usage"},
        {"$C frobnicate", 2, "frobnicate"},
        {"$C invalidate", 2, "which topic"},
        {"$C invalidate t", 2, "--key"},
        {"$C invalidate a b --all", 2, "one topic"},
        {"$C invalidate t --key ''", 2, "0 bytes"},
        {"$C invalidate t --bogus", 2, "bogus"},
        {"$C publish t", 2, "payload"},
        {"$C publish a b c", 2, "nothing more"},
        {"$C watch --count 0", 2, "--count"},
        {"$C watch --count 1x", 2, "--count"},
        {"$C status --timeout 5", 2, "duration"},
        {"$C status extra", 2, "no arguments"},
        {"$C invalidate --help", 0, "--stdin"},
        {"$C publish --help", 0, "examples"},
        {"$C watch --help", 0, "examples"},
        {"$C status --help", 0, "degraded"},
        {"$C peers --help", 0, "HEARS US"},
        {"$C status --timeout 10ms", 3, "No such file"},
        {"$C peers", 3, "no sidecar"},
        {"$C watch --timeout 10ms", 3, "no sidecar"},
        {"$C publish t x --timeout 10ms", 3, "no sidecar"},
        {"$C invalidate t --all --timeout 10ms", 3, "no sidecar"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const int code = shell(cases[i].line);
        if (code < 0) {
            cr_skip("coherctl is not built");
        }
        cr_assert_eq(code, cases[i].code, "%s: %d: %s", cases[i].line, code,
                     written);
        cr_assert_not_null(strstr(written, cases[i].says), "%s: %s",
                           cases[i].line, written);
    }
}

Test(client_cli_program, what_it_does_is_what_it_prints)
{
    static const struct {
        const char *line;
        const char *says;
    } cases[] = {
        {"$C invalidate episodes --key 51 --tag home",
         "episodes: 2 targets invalidated, accepted as 0000000000001001:2\n"},
        {"printf 'a\\n\\nb\\nc' | $C invalidate pages - --json",
         "{\"topic\": \"pages\", \"events\": 3, "
         "\"origin\": \"0000000000001001\", \"seq\": 5, "
         "\"token\": \"0000000000001001-5\", "},
        {"printf 'a\\n' | $C invalidate pages --key - --prefix p --soft",
         "2 targets"},
        {"seq 5000 | $C invalidate pages --stdin", "5000 targets"},
        {"$C invalidate pages --all", "1 target invalidated"},
        {"$C publish t hello", "t: published"},
        {"printf '\\377' | $C publish t - --key k --json", "\"events\": 1"},
        {"$C invalidate pages - </dev/null", "nothing to do"},
        {"$C status", "other  -       live   yes       yes     812 us"},
        {"$C status", "uptime         1 min 1 s"},
        {"$C --json status", "\"uptime_ms\": 61000"},
        {"$C peers", "10.0.0.9:7420"},
        {"$C peers --json", "{\"members\": [{\"node\": \"0000000000000007\""},
    };

    fake_start(&sidecar);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const int code = shell(cases[i].line);
        if (code < 0) {
            cr_skip("coherctl is not built");
        }
        cr_assert_eq(code, 0, "%s: %s", cases[i].line, written);
        cr_assert_not_null(strstr(written, cases[i].says), "%s: %s",
                           cases[i].line, written);
    }
}

Test(client_cli_program, what_is_not_confirmed_in_time_has_its_own_exit_code)
{
    FAKE_SET(&sidecar, sidecar.no_receipts = true);
    FAKE_SET(&sidecar, sidecar.no_reports = true);
    fake_start(&sidecar);
    const int code = shell("$C invalidate t --all --timeout 200ms");
    if (code < 0) {
        cr_skip("coherctl is not built");
    }
    cr_assert_eq(code, 4, "%s", written);
    cr_assert_eq(shell("$C status --timeout 200ms"), 4);
    cr_assert_eq(shell("head -c 70000 /dev/zero | $C publish t -"), 1);
    cr_assert_not_null(strstr(written, "limits.payload"));
}

Test(client_cli_program, what_cannot_be_written_or_read_is_told)
{
    static const struct {
        const char *line;
        const char *says;
    } cases[] = {
        {"$C --version >/dev/full",
         "coherctl: standard output: No space left on device\n"},
        {"$C status >/dev/full",
         "coherctl: standard output: No space left on device\n"},
        {"$C peers --json >/dev/full",
         "coherctl: standard output: No space left on device\n"},
        {"$C invalidate t --all >/dev/full",
         "coherctl: standard output: No space left on device\n"},
        {"$C publish t x --json >/dev/full",
         "coherctl: standard output: No space left on device\n"},
        {"$C watch >/dev/full",
         "coherctl: standard output: No space left on device\n"},
        /* Nothing is left for the last flush to fail with. */
        {"ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 "
         "stdbuf -o 0 $C status >/dev/full",
         "coherctl: standard output: No space left on device\n"},
        {"$C status >&-", "coherctl: standard output: Bad file descriptor\n"},
        {"$C invalidate t - </",
         "coherctl: the standard input could not be read\n"},
        {"$C invalidate t --stdin <&-",
         "coherctl: the standard input could not be read\n"},
    };

    fake_start(&sidecar);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const int code = shell(cases[i].line);
        if (code < 0) {
            cr_skip("coherctl is not built");
        }
        cr_assert_eq(code, 1, "%s: %d", cases[i].line, code);
        cr_assert_str_eq(written, cases[i].says, "%s: %s", cases[i].line,
                         written);
    }
    cr_assert_eq(shell("printf %2000s | $C invalidate t -"), 2);
    cr_assert_not_null(strstr(written, "line 1"), "%s", written);
}

Test(client_cli_program, no_name_drives_the_terminal)
{
    /* Each prints what has CSI, as one character, in it. */
    static const struct {
        const char *line;
        const char *says;
    } cases[] = {
        {"$C invalidate \"$T\" --all", "t\\xc2\\x9b2J: 1 target"},
        {"$C publish \"$T\" x", "t\\xc2\\x9b2J: published"},
        {"$C invalidate t --all --wait --timeout 300ms",
         "missing: web-2 (client s\\xc2\\x9b2J)"},
        {"$C status", "m\\xc2\\x9b2J  -"},
        {"$C peers", "m\\xc2\\x9b2J  -"},
        {"$C \"$T\"", "\"t\\xc2\\x9b2J\""},
        {"$C watch \"$T\" | head -1", "t\\xc2\\x9b2J  (subscribed)"},
        {"$C publish \"$T\" x --json", "\"t\\u009b2J\""},
        {"$C peers --json", "\"m\\u009b2J\""},
    };

    FAKE_SET(&sidecar, sidecar.member_name = "m\xc2\x9b"
                                             "2J");
    FAKE_SET(&sidecar, sidecar.missing_name = "s\xc2\x9b"
                                              "2J");
    FAKE_SET(&sidecar, sidecar.features = CHD_FEATURE_CONFIRMED);
    FAKE_SET(&sidecar, sidecar.no_confirms = true);
    FAKE_SET(&sidecar, sidecar.confirmed.total = 3);
    FAKE_SET(&sidecar, sidecar.confirmed.applied = 2);
    setenv("T",
           "t\xc2\x9b"
           "2J",
           1);
    fake_start(&sidecar);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (shell(cases[i].line) < 0) {
            cr_skip("coherctl is not built");
        }
        cr_assert_not_null(strstr(written, cases[i].says), "%s: %s",
                           cases[i].line, written);
        cr_assert_null(strstr(written, "\xc2\x9b"), "%s", cases[i].line);
    }
}

Test(client_cli_program, watch_shows_events_and_ends_with_its_reader)
{
    fake_start(&sidecar);
    /* The publisher begins when the watcher has printed its reset. */
    int code = shell("$C watch --json --count 2 a | while read -r line; do "
                     "echo \"$line\"; case $line in *reset*) "
                     "$C invalidate a --key 1 --key 2 >&2;; esac; done");
    if (code < 0) {
        cr_skip("coherctl is not built");
    }
    cr_assert_eq(code, 0);
    cr_assert_not_null(strstr(written, "{\"event\": \"reset\", \"topic\": "
                                       "\"a\", \"prefix\": false, "
                                       "\"reason\": \"subscribed\"}\n"));
    cr_assert_not_null(strstr(written, "\"target\": \"key\", \"name\": \"2\""));
    /* Nothing more happens, and yet it ends with its reader. */
    code = shell("$C watch | head -1");
    cr_assert_eq(code, 0);
    cr_assert_not_null(strstr(written, "reset"));
    FAKE_WAIT(&sidecar, sidecar.open == 0);
}
