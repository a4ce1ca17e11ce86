/* What the command line, the environment and the file say, and what is wrong
 * with it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/options.h"
#include "broker/value.h"

TestSuite(broker_config, .timeout = 60);

#define ARGS_MAX 16

typedef struct reading {
    chd_options options;
    chd_config config;
    chd_problems problems;
    const char *argv[ARGS_MAX];
    char file[32]; /* name of a temporary one, or empty */
} reading;

static const char *const nothing[] = {NULL};

/* Read flags and variables, both ended by NULL. */
static void read_all(reading *r, const char *const *flags,
                     const char *const *env)
{
    int argc = 0;

    r->argv[argc++] = "coherd";
    if (r->file[0] != '\0') {
        r->argv[argc++] = "--config";
        r->argv[argc++] = r->file;
    }
    for (; *flags != NULL; flags++) {
        r->argv[argc++] = *flags;
    }
    r->options = (chd_options){
        .argc = argc,
        .argv = (char *const *)(uintptr_t)r->argv,
        .env = (char *const *)(uintptr_t)env,
    };
    chd_options_read(&r->options, &r->config, &r->problems);
}

static void write_file(reading *r, const char *text)
{
    (void)snprintf(r->file, sizeof(r->file), "/tmp/chd-config-XXXXXX");
    const int fd = mkstemp(r->file);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

static void finish(reading *r)
{
    if (r->file[0] != '\0') {
        (void)unlink(r->file);
    }
    chd_problems_fini(&r->problems);
    chd_config_fini(&r->config);
}

/* Tell whether a problem contains every word, words ended by NULL. */
static bool is_told(const reading *r, const char *const *words)
{
    for (size_t i = 0; i < r->problems.count; i++) {
        size_t found = 0;
        while (words[found] != NULL &&
               strstr(r->problems.lines[i].text, words[found]) != NULL) {
            found++;
        }
        if (words[found] == NULL) {
            return true;
        }
    }
    return false;
}

#define TOLD(r, ...)                                                           \
    cr_assert(is_told((r), (const char *const[]){__VA_ARGS__, NULL}),          \
              "%zu problems, the first: %s", (r)->problems.count,              \
              (r)->problems.count > 0 ? (r)->problems.lines[0].text : "none")

typedef struct value_case {
    chd_setting_id id;
    const char *text;
    bool fits;
    uint64_t number;
} value_case;

static const value_case value_cases[] = {
    {CHD_SET_CLUSTER_NAME, "a", true, 0},
    {CHD_SET_CLUSTER_NAME, "", false, 0},
    {CHD_SET_CLUSTER_NAME, "tab\there", false, 0},
    {CHD_SET_CLUSTER_NAME, "\xc3\xa9t\xc3\xa9", true, 0},
    {CHD_SET_CLUSTER_NAME, "\xff", false, 0},
    {CHD_SET_NODE_REGION, "", true, 0},
    {CHD_SET_MESH_ADDRESS, "fd00::1", true, 0},
    {CHD_SET_MESH_ADDRESS, "[fd00::1]", true, 0},
    {CHD_SET_MESH_ADDRESS, "10.0.0.1", true, 0},
    {CHD_SET_MESH_ADDRESS, "::", true, 0},
    {CHD_SET_MESH_ADDRESS, "localhost", false, 0},
    {CHD_SET_MESH_ADDRESS, "fe80::1%eth0", false, 0},
    {CHD_SET_MESH_ADDRESS, "", false, 0},
    {CHD_SET_MESH_PORT, "7420", true, 7420},
    {CHD_SET_MESH_PORT, "-1", false, 0},
    {CHD_SET_MESH_PORT, "+1", false, 0},
    {CHD_SET_MESH_PORT, " 1", false, 0},
    {CHD_SET_MESH_PORT, "1 ", false, 0},
    {CHD_SET_MESH_PORT, "0x10", false, 0},
    {CHD_SET_MESH_PORT, "99999999999999999999", false, 0},
    {CHD_SET_MESH_PORT, "", false, 0},
    {CHD_SET_DISCOVERY_NAMES, "", true, 0},
    {CHD_SET_DISCOVERY_NAMES, "app.internal, _coherd._tcp.app.", true, 0},
    {CHD_SET_DISCOVERY_NAMES, "10.0.0.1", false, 0},
    {CHD_SET_DISCOVERY_NAMES, "fd00::1", false, 0},
    {CHD_SET_DISCOVERY_NAMES, "a..b", false, 0},
    {CHD_SET_DISCOVERY_NAMES, ".", false, 0},
    {CHD_SET_DISCOVERY_NAMES, "a b", false, 0},
    {CHD_SET_DISCOVERY_SERVERS, "[fd00::1]:53,10.0.0.1", true, 0},
    {CHD_SET_DISCOVERY_SERVERS, "fd00::1", false, 0},
    {CHD_SET_DISCOVERY_PEERS, "[fd00::1], [fd00::2]:1,", true, 0},
    {CHD_SET_DISCOVERY_PEERS, "[fd00::1]:0", false, 0},
    {CHD_SET_DISCOVERY_PEERS, "[fd00::1]:65536", false, 0},
    {CHD_SET_DISCOVERY_PEERS, "peer.example", false, 0},
    {CHD_SET_DISCOVERY_FAMILY, "ipv6", true, 0},
    {CHD_SET_DISCOVERY_FAMILY, "any", true, 2},
    {CHD_SET_DISCOVERY_FAMILY, "ipv", false, 0},
    {CHD_SET_DISCOVERY_FAMILY, "ipv6|ipv4", false, 0},
    {CHD_SET_DISCOVERY_FAMILY, "", false, 0},
    {CHD_SET_PING_INTERVAL, "500ms", true, 500 * CHD_MS},
    {CHD_SET_PING_INTERVAL, "1 s", true, CHD_SECOND},
    {CHD_SET_PING_INTERVAL, "1m", true, 60 * CHD_SECOND},
    {CHD_SET_PING_INTERVAL, "500", false, 0},
    {CHD_SET_PING_INTERVAL, "1.5s", false, 0},
    {CHD_SET_PING_INTERVAL, "1d", false, 0},
    {CHD_SET_PING_INTERVAL, "5124095577h", false, 0},
    {CHD_SET_LOG_BYTES, "32MiB", true, UINT64_C(32) << 20},
    {CHD_SET_LOG_BYTES, "8388608", true, UINT64_C(8) << 20},
    {CHD_SET_LOG_BYTES, "8192 KiB", true, UINT64_C(8) << 20},
    {CHD_SET_LOG_BYTES, "32MB", false, 0},
    {CHD_SET_LOG_BYTES, "18014398509481985KiB", false, 0},
    {CHD_SET_LOCAL_SOCKET, "/run/a", true, 0},
    {CHD_SET_LOCAL_SOCKET, "", false, 0},
    {CHD_SET_LOCAL_MODE, "0660", true, 0660},
    {CHD_SET_LOCAL_MODE, "660", true, 0660},
    {CHD_SET_LOCAL_MODE, "0680", false, 0},
    {CHD_SET_LOCAL_GROUP, "", true, 0},
    {CHD_SET_LOCAL_GROUP, "root", true, 0},
    {CHD_SET_LOCAL_GROUP, "4242", true, 0},
    {CHD_SET_LOCAL_GROUP, "no such group", false, 0},
    {CHD_SET_LOCAL_UIDS, "0, 1000", true, 0},
    {CHD_SET_LOCAL_UIDS, "root", false, 0},
    {CHD_SET_LOCAL_UIDS, "4294967295", false, 0},
    {CHD_SET_ADMIN_ADDRESS, "", true, 0},
    {CHD_SET_ADMIN_ADDRESS, "[::1]:7422", true, 0},
    {CHD_SET_ADMIN_ADDRESS, "127.0.0.1", false, 0},
    {CHD_SET_ADMIN_ADDRESS, ":7422", false, 0},
};

Test(broker_config, each_type_takes_what_it_should_and_nothing_else)
{
    for (size_t i = 0; i < CHD_COUNT(value_cases); i++) {
        const value_case *c = &value_cases[i];
        const chd_setting *setting = chd_setting_of(c->id);
        uint64_t number = 0;

        const bool fits = chd_value_parse(setting, c->text, &number);
        cr_expect_eq(fits, c->fits, "%s = \"%s\"", setting->name, c->text);
        if (fits) {
            cr_expect_eq(number, c->number, "%s = \"%s\"", setting->name,
                         c->text);
        }
    }
}

/* Write a number of a setting in its smallest unit. */
static void print_plain(const chd_setting *setting, uint64_t number, char *text,
                        size_t cap)
{
    if (setting->type == CHD_TYPE_DURATION) {
        (void)snprintf(text, cap, "%llums",
                       (unsigned long long)(number / CHD_MS));
    } else if (setting->type == CHD_TYPE_MODE) {
        (void)snprintf(text, cap, "%llo", (unsigned long long)number);
    } else {
        (void)snprintf(text, cap, "%llu", (unsigned long long)number);
    }
}

Test(broker_config, each_number_has_its_limits)
{
    for (size_t i = 0; i < CHD_SET_COUNT; i++) {
        const chd_setting *setting = chd_setting_of((chd_setting_id)i);
        const uint64_t unit = setting->type == CHD_TYPE_DURATION ? CHD_MS : 1;
        uint64_t number = 0;
        char text[32];

        if (!chd_value_is_number(setting) || setting->type == CHD_TYPE_CHOICE) {
            continue;
        }
        print_plain(setting, setting->min, text, sizeof(text));
        cr_expect(chd_value_parse(setting, text, &number), "%s", setting->name);
        print_plain(setting, setting->max, text, sizeof(text));
        cr_expect(chd_value_parse(setting, text, &number), "%s", setting->name);
        print_plain(setting, setting->max + unit, text, sizeof(text));
        cr_expect_not(chd_value_parse(setting, text, &number), "%s",
                      setting->name);
        if (setting->min >= unit) {
            print_plain(setting, setting->min - unit, text, sizeof(text));
            cr_expect_not(chd_value_parse(setting, text, &number), "%s",
                          setting->name);
        }
    }
}

Test(broker_config, each_text_has_its_longest)
{
    const chd_setting_id ids[] = {CHD_SET_CLUSTER_NAME, CHD_SET_NODE_REGION,
                                  CHD_SET_LOCAL_SOCKET};

    for (size_t i = 0; i < CHD_COUNT(ids); i++) {
        const chd_setting *setting = chd_setting_of(ids[i]);
        uint64_t number = 0;
        char text[512];

        memset(text, 'x', sizeof(text));
        text[setting->max] = '\0';
        cr_expect(chd_value_parse(setting, text, &number), "%s", setting->name);
        text[setting->max] = 'x';
        text[setting->max + 1] = '\0';
        cr_expect_not(chd_value_parse(setting, text, &number), "%s",
                      setting->name);
    }
}

Test(broker_config, lists_have_a_longest)
{
    const chd_setting *names = chd_setting_of(CHD_SET_DISCOVERY_NAMES);
    char text[3 * CHD_NAMES_MAX + 8] = "";
    uint64_t number = 0;
    size_t len = 0;

    for (size_t i = 0; i < CHD_NAMES_MAX; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "a,");
    }
    cr_expect(chd_value_parse(names, text, &number));
    (void)snprintf(text + len, sizeof(text) - len, "a");
    cr_expect_not(chd_value_parse(names, text, &number));
}

Test(broker_config, every_default_is_valid_and_described)
{
    reading r = {0};

    read_all(&r, nothing, nothing);
    cr_assert_eq(r.problems.count, 0);
    for (size_t i = 0; i < CHD_SET_COUNT; i++) {
        const chd_setting *setting = chd_setting_of((chd_setting_id)i);
        char accepted[256] = "";

        cr_expect_gt(strlen(setting->help), 10, "%s", setting->name);
        chd_value_accepts(setting, accepted, sizeof(accepted));
        cr_expect_gt(strlen(accepted), 5, "%s", setting->name);
        cr_expect_neq(r.config.values[i].source, CHD_SOURCE_NONE);
    }
    finish(&r);
}

Test(broker_config, flags_win_over_environment_over_file_over_detected)
{
    const char *const env[] = {
        "COHERD_NODE_NAME=env", "COHERD_NODE_REGION=env", "FLY_APP_NAME=fly",
        "FLY_REGION=ams",       "FLY_PRIVATE_IP=fd00::7", NULL};
    const char *const flags[] = {"--node-name=flag", NULL};
    char origin[128];
    reading r = {0};

    write_file(&r, "node.name = file\nnode.region = file\n");
    read_all(&r, flags, env);
    cr_assert_eq(r.problems.count, 0);
    cr_assert_str_eq(chd_config_text(&r.config, CHD_SET_NODE_NAME), "flag");
    cr_assert_str_eq(chd_config_text(&r.config, CHD_SET_NODE_REGION), "env");
    cr_assert_str_eq(chd_config_text(&r.config, CHD_SET_CLUSTER_NAME), "fly");
    cr_assert_str_eq(chd_config_text(&r.config, CHD_SET_DISCOVERY_NAMES),
                     "fly.internal");
    chd_config_origin(&r.config, CHD_SET_NODE_NAME, origin, sizeof(origin));
    cr_assert_str_eq(origin, "from flag --node-name");
    chd_config_origin(&r.config, CHD_SET_NODE_REGION, origin, sizeof(origin));
    cr_assert_str_eq(origin, "from environment variable COHERD_NODE_REGION");
    chd_config_origin(&r.config, CHD_SET_CLUSTER_NAME, origin, sizeof(origin));
    cr_assert_str_eq(origin, "detected from FLY_APP_NAME");
    chd_config_origin(&r.config, CHD_SET_MESH_PORT, origin, sizeof(origin));
    cr_assert_str_eq(origin, "default");
    finish(&r);
}

Test(broker_config, a_foreign_variable_that_does_not_fit_is_no_mistake_of_ours)
{
    const char *const env[] = {"FLY_PRIVATE_IP=none", "FLY_REGION=", NULL};
    reading r = {0};

    read_all(&r, nothing, env);
    cr_assert_eq(r.problems.count, 0);
    cr_assert_str_eq(chd_config_text(&r.config, CHD_SET_NODE_REGION), "");
    finish(&r);
}

Test(broker_config, the_pod_name_names_the_node_unless_fly_does)
{
    const char *const pod[] = {"POD_NAME=web-0", NULL};
    const char *const both[] = {"POD_NAME=web-0", "FLY_MACHINE_ID=m1", NULL};
    reading r = {0};

    read_all(&r, nothing, pod);
    cr_assert_str_eq(chd_config_text(&r.config, CHD_SET_NODE_NAME), "web-0");
    finish(&r);
    r = (reading){0};
    read_all(&r, nothing, both);
    cr_assert_str_eq(chd_config_text(&r.config, CHD_SET_NODE_NAME), "m1");
    finish(&r);
}

Test(broker_config, every_mistake_is_told_at_once_with_its_place)
{
    const char *const env[] = {"COHERD_PING_INTERVAL=fast", NULL};
    const char *const flags[] = {"--mesh-prot",    "7420",           "stray",
                                 "--local-mode=9", "--limits-peers", NULL};
    reading r = {0};

    write_file(&r, "mesh.port = http\n"
                   "\n"
                   "mesh.adress = ::1\n"
                   "just words\n"
                   "node.region = \"open\n"
                   "log.bytes = 1GiB\n"
                   "log.bytes = 2GiB\n");
    read_all(&r, flags, env);
    TOLD(&r, "mesh.port", "http", r.file, ":1", "from 1 to 65534");
    TOLD(&r, r.file, ":3", "mesh.adress", "did you mean mesh.address?");
    TOLD(&r, r.file, ":4", "just words", "name = value");
    TOLD(&r, r.file, ":5", "node.region", "quote");
    TOLD(&r, r.file, ":7", "log.bytes", "line 6");
    TOLD(&r, "ping.interval", "fast", "COHERD_PING_INTERVAL", "20ms");
    TOLD(&r, "--mesh-prot", "did you mean --mesh-port?");
    TOLD(&r, "stray", "not a flag");
    TOLD(&r, "local.mode", "\"9\"", "--local-mode", "octal");
    TOLD(&r, "--limits-peers", "needs a value");
    cr_assert_eq(r.problems.error_count, 10);
    finish(&r);
}

Test(broker_config, an_unknown_variable_of_ours_is_a_warning)
{
    const char *const env[] = {"COHERD_MESH_PROT=1", "MESH_PORT=2", NULL};
    reading r = {0};

    read_all(&r, nothing, env);
    cr_assert_eq(r.problems.error_count, 0);
    cr_assert_eq(r.problems.count, 1);
    TOLD(&r, "COHERD_MESH_PROT", "did you mean COHERD_MESH_PORT?");
    finish(&r);
}

Test(broker_config, contradicting_settings_are_told)
{
    const char *const flags[] = {"--ping-interval=1s",
                                 "--member-dead-after=1999ms", NULL};
    const char *const fine[] = {"--ping-interval=1s", "--member-dead-after=2s",
                                NULL};
    reading r = {0};

    read_all(&r, flags, nothing);
    TOLD(&r, "member.dead_after = 1999ms", "ping.interval = 1s");
    finish(&r);
    r = (reading){0};
    read_all(&r, fine, nothing);
    cr_assert_eq(r.problems.count, 0);
    finish(&r);
}

Test(broker_config, a_node_that_peers_could_not_reach_is_warned_of)
{
    const char *const loopback[] = {"--discovery-names=a.test",
                                    "--mesh-address=::1", NULL};
    const char *const family[] = {"--discovery-names=a.test",
                                  "--mesh-address=10.0.0.1", NULL};
    const char *const fine[] = {"--discovery-names=a.test",
                                "--mesh-address=10.0.0.1",
                                "--discovery-family=ipv4", NULL};
    reading r = {0};

    read_all(&r, loopback, nothing);
    cr_assert_eq(r.problems.error_count, 0);
    TOLD(&r, "mesh.address = ::1", "discovery.names = a.test");
    finish(&r);
    r = (reading){0};
    read_all(&r, family, nothing);
    cr_assert_eq(r.problems.error_count, 0);
    TOLD(&r, "10.0.0.1", "discovery.family = ipv6");
    finish(&r);
    r = (reading){0};
    read_all(&r, fine, nothing);
    cr_assert_eq(r.problems.count, 0);
    finish(&r);
}

Test(broker_config, a_file_that_is_missing_or_not_text_is_told)
{
    const char *const flags[] = {"--config=/nonexistent/conf", NULL};
    reading r = {0};

    read_all(&r, flags, nothing);
    TOLD(&r, "/nonexistent/conf", "No such file");
    finish(&r);

    r = (reading){0};
    write_file(&r, "mesh.port = 1\n");
    FILE *file = fopen(r.file, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite("\0\0\0\n", 1, 4, file), 4);
    (void)fclose(file);
    read_all(&r, nothing, nothing);
    TOLD(&r, r.file, ":1", "not a text file");
    finish(&r);
}

Test(broker_config, more_mistakes_than_are_kept_are_counted)
{
    char text[(CHD_PROBLEMS_MAX + 10) * 2 + 1];
    reading r = {0};

    for (size_t i = 0; i + 1 < sizeof(text); i += 2) {
        text[i] = 'x';
        text[i + 1] = '\n';
    }
    text[sizeof(text) - 1] = '\0';
    write_file(&r, text);
    read_all(&r, nothing, nothing);
    cr_assert_eq(r.problems.count, CHD_PROBLEMS_MAX);
    cr_assert_eq(r.problems.error_count, CHD_PROBLEMS_MAX + 10);
    finish(&r);
}

typedef struct line_case {
    const char *line;
    const char *value;
} line_case;

static const line_case line_cases[] = {
    {"node.region=a", "a"},
    {"  node.region  =  a b  ", "a b"},
    {"node.region = a # comment", "a"},
    {"node.region = a#b", "a#b"},
    {"node.region = # nothing", ""},
    {"node.region =", ""},
    {"node.region = \"a # b\" # comment", "a # b"},
    {"node.region = \"\"", ""},
    {"node.region = \" a \"", " a "},
    {"node.region = \"a \\\" b \\\\ c \\n\"", "a \" b \\ c \\n"},
    {"node.region = a=b", "a=b"},
    {"node.region = a\r", "a"},
};

Test(broker_config, lines_of_the_file_may_have_blanks_quotes_and_comments)
{
    for (size_t i = 0; i < CHD_COUNT(line_cases); i++) {
        reading r = {0};
        char text[128];

        (void)snprintf(text, sizeof(text), "# first\n\n%s\n  # last",
                       line_cases[i].line);
        write_file(&r, text);
        read_all(&r, nothing, nothing);
        cr_expect_eq(r.problems.count, 0, "%s", line_cases[i].line);
        cr_expect_str_eq(chd_config_text(&r.config, CHD_SET_NODE_REGION),
                         line_cases[i].value, "%s", line_cases[i].line);
        finish(&r);
    }
}

/* Print a configuration without where its values came from. */
static char *print_values(const chd_config *config)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);

    cr_assert_not_null(file);
    chd_config_print(config, file);
    (void)fclose(file);
    for (char *at = text; (at = strstr(at, "  # ")) != NULL;) {
        const size_t cut = strcspn(at, "\n");
        memmove(at, at + cut, strlen(at + cut) + 1);
    }
    return text;
}

Test(broker_config, what_is_printed_can_be_read_and_says_the_same)
{
    const char *const flags[] = {
        "--cluster-name",      "a \"b\" \\ # c",
        "--discovery-peers",   "[fd00::1]:7,10.0.0.1",
        "--ping-interval",     "1500ms",
        "--log-bytes=5000000", "--local-mode=7",
        "--discovery-family",  "any",
        "--admin-address=",    NULL,
    };
    reading first = {0};
    reading second = {0};

    read_all(&first, flags, nothing);
    cr_assert_eq(first.problems.count, 0);
    char *before = print_values(&first.config);
    cr_assert_not_null(strstr(before, "discovery.family = any\n"));
    cr_assert_not_null(strstr(before, "local.mode = 0007\n"));
    write_file(&second, before);
    read_all(&second, nothing, nothing);
    cr_assert_eq(second.problems.count, 0);
    cr_assert_str_eq(chd_config_text(&second.config, CHD_SET_CLUSTER_NAME),
                     flags[1]);
    char *after = print_values(&second.config);
    cr_assert_str_eq(before, after);
    free(before);
    free(after);
    finish(&first);
    finish(&second);
}

Test(broker_config, flags_that_ask_are_recognised)
{
    const struct {
        const char *flag;
        chd_purpose purpose;
    } cases[] = {
        {"--help", CHD_PURPOSE_HELP},
        {"-h", CHD_PURPOSE_HELP},
        {"--version", CHD_PURPOSE_VERSION},
        {"--check-config", CHD_PURPOSE_CHECK},
        {"--print-config", CHD_PURPOSE_PRINT},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        const char *const flags[] = {cases[i].flag, NULL};
        reading r = {0};
        read_all(&r, flags, nothing);
        cr_expect_eq(r.problems.count, 0, "%s", cases[i].flag);
        cr_expect_eq(r.options.purpose, cases[i].purpose, "%s", cases[i].flag);
        finish(&r);
    }
}

Test(broker_config, help_shows_every_flag)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);

    cr_assert_not_null(file);
    chd_options_help(file);
    (void)fclose(file);
    for (size_t i = 0; i < CHD_SET_COUNT; i++) {
        char flag[CHD_SETTING_NAME_MAX];
        chd_setting_flag((chd_setting_id)i, flag);
        cr_expect_not_null(strstr(text, flag), "%s", flag);
    }
    free(text);
}
