#include "broker/config.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "broker/address.h"
#include "broker/value.h"

static const chd_setting table[] = {
#define X(name, id, type, choices, min, max, standard, reloadable, help)       \
    {name, CHD_TYPE_##type, choices, min, max, standard, reloadable, help},
#include "broker/config.def"
#undef X
};

const chd_setting *chd_setting_of(chd_setting_id id)
{
    CHD_ASSERT((size_t)id < CHD_COUNT(table));
    return &table[id];
}

bool chd_setting_find(const char *name, chd_setting_id *id)
{
    for (size_t i = 0; i < CHD_COUNT(table); i++) {
        if (strcmp(table[i].name, name) == 0) {
            *id = (chd_setting_id)i;
            return true;
        }
    }
    return false;
}

/* Count the letters to insert, remove or replace to get from a to b, both of
 * fewer than CHD_SETTING_NAME_MAX (Wagner and Fischer, one row at a time). */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[CHD_SETTING_NAME_MAX];
    const size_t b_len = strnlen(b, CHD_SETTING_NAME_MAX - 1);

    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            const size_t above = row[j];
            const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            const size_t moved = chd_min_size(above, row[j - 1]) + 1;
            row[j] = chd_min_size(replaced, moved);
            diagonal = above;
        }
    }
    return row[b_len];
}

chd_setting_id chd_setting_nearest(const char *name)
{
    char plain[CHD_SETTING_NAME_MAX] = "";
    size_t best = 0;
    size_t best_distance = SIZE_MAX;
    size_t len = 0;

    for (; name[len] != '\0' && len + 1 < sizeof(plain); len++) {
        const bool is_letter = isalpha((unsigned char)name[len]) != 0;
        plain[len] = is_letter ? (char)tolower((unsigned char)name[len]) : '.';
    }
    plain[len] = '\0';
    for (size_t i = 0; i < CHD_COUNT(table); i++) {
        const size_t distance = edit_distance(table[i].name, plain);
        if (distance < best_distance) {
            best_distance = distance;
            best = i;
        }
    }
    return (chd_setting_id)best;
}

void chd_setting_variable(chd_setting_id id, char text[CHD_SETTING_NAME_MAX])
{
    (void)snprintf(text, CHD_SETTING_NAME_MAX, "COHERD_%s", table[id].name);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '.' ? '_' : (char)toupper((unsigned char)*at);
    }
}

void chd_setting_flag(chd_setting_id id, char text[CHD_SETTING_NAME_MAX])
{
    (void)snprintf(text, CHD_SETTING_NAME_MAX, "--%s", table[id].name);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '.' || *at == '_' ? '-' : *at;
    }
}

static const char *source_name(chd_source source)
{
    switch (source) {
    case CHD_SOURCE_NONE:
    case CHD_SOURCE_DEFAULT:
        return "default";
    case CHD_SOURCE_DETECTED:
        return "detected from ";
    case CHD_SOURCE_FILE:
        return "from ";
    case CHD_SOURCE_ENVIRONMENT:
        return "from environment variable ";
    case CHD_SOURCE_FLAG:
        return "from flag ";
    }
    return "";
}

static char *copy(const char *text)
{
    char *made = strdup(text);

    CHD_ASSERT(made != NULL);
    return made;
}

void chd_config_set(chd_config *config, chd_setting_id id, const char *text,
                    chd_source source, const char *origin,
                    chd_problems *problems)
{
    const chd_setting *setting = chd_setting_of(id);
    chd_value *value = &config->values[id];
    uint64_t number = 0;

    if (!chd_value_parse(setting, text, &number)) {
        char accepted[256];
        chd_value_accepts(setting, accepted, sizeof(accepted));
        chd_problem_error(problems, "%s = \"%s\" (%s%s): must be %s",
                          setting->name, text, source_name(source), origin,
                          accepted);
        return;
    }
    if (source < value->source) {
        return;
    }
    free(value->text);
    free(value->origin);
    *value = (chd_value){
        .text = copy(text),
        .number = number,
        .source = source,
        .origin = copy(origin),
    };
}

static void check_spans(const chd_config *config, chd_problems *problems)
{
    char dead_after[32];
    char ping[32];
    const uint64_t ping_ns = chd_config_number(config, CHD_SET_PING_INTERVAL);
    const uint64_t dead_ns =
        chd_config_number(config, CHD_SET_MEMBER_DEAD_AFTER);

    if (dead_ns >= 2 * ping_ns) {
        return;
    }
    chd_value_print(chd_setting_of(CHD_SET_MEMBER_DEAD_AFTER), dead_ns,
                    dead_after, sizeof(dead_after));
    chd_value_print(chd_setting_of(CHD_SET_PING_INTERVAL), ping_ns, ping,
                    sizeof(ping));
    chd_problem_error(problems,
                      "member.dead_after = %s and ping.interval = %s: "
                      "member.dead_after must be at least twice as long, or "
                      "members die between two pings",
                      dead_after, ping);
}

/* Warn of a node that its peers will find in DNS and cannot reach. */
static void check_reach(const chd_config *config, chd_problems *problems)
{
    const char *text = chd_config_text(config, CHD_SET_MESH_ADDRESS);
    const char *names = chd_config_text(config, CHD_SET_DISCOVERY_NAMES);
    const uint64_t family = chd_config_number(config, CHD_SET_DISCOVERY_FAMILY);
    uint8_t address[CHD_ADDRESS_BYTES];

    if (names[0] == '\0' || !chd_address_parse(text, address)) {
        return;
    }
    if (chd_address_is_loopback(address)) {
        chd_problem_warning(problems,
                            "mesh.address = %s is reached from this host "
                            "alone, but discovery.names = %s: set "
                            "mesh.address to an address that peers can reach",
                            text, names);
    } else if (chd_address_is_ipv4(address) && family == 0) {
        chd_problem_warning(problems,
                            "mesh.address = %s is an IPv4 address, but "
                            "discovery.family = ipv6: peers like this one "
                            "will not be found",
                            text);
    }
}

void chd_config_check(const chd_config *config, chd_problems *problems)
{
    check_spans(config, problems);
    check_reach(config, problems);
}

uint64_t chd_config_number(const chd_config *config, chd_setting_id id)
{
    return config->values[id].number;
}

const char *chd_config_text(const chd_config *config, chd_setting_id id)
{
    const char *text = config->values[id].text;

    return text != NULL ? text : "";
}

void chd_config_origin(const chd_config *config, chd_setting_id id, char *text,
                       size_t cap)
{
    const chd_value *value = &config->values[id];

    (void)snprintf(text, cap, "%s%s", source_name(value->source),
                   value->origin != NULL ? value->origin : "");
}

/* Print text in quotes, so that options.c reads back the same. */
static void print_quoted(const char *text, FILE *file)
{
    fputc('"', file);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', file);
        }
        fputc(*text, file);
    }
    fputc('"', file);
}

void chd_config_print(const chd_config *config, FILE *file)
{
    for (size_t i = 0; i < CHD_COUNT(table); i++) {
        char number[64];
        char origin[512];

        fprintf(file, "%s = ", table[i].name);
        if (chd_value_is_number(&table[i])) {
            chd_value_print(&table[i], config->values[i].number, number,
                            sizeof(number));
            fputs(number, file);
        } else {
            print_quoted(chd_config_text(config, (chd_setting_id)i), file);
        }
        chd_config_origin(config, (chd_setting_id)i, origin, sizeof(origin));
        fprintf(file, "  # %s\n", origin);
    }
}

void chd_config_help(FILE *file)
{
    for (size_t i = 0; i < CHD_COUNT(table); i++) {
        char flag[CHD_SETTING_NAME_MAX];

        chd_setting_flag((chd_setting_id)i, flag);
        fprintf(file, "  %-22s %s", flag, table[i].help);
        if (table[i].type == CHD_TYPE_CHOICE) {
            fprintf(file, ": %s", table[i].choices);
        }
        fprintf(file, table[i].standard[0] != '\0' ? " (%s)\n" : "%s\n",
                table[i].standard);
    }
}

void chd_config_fini(chd_config *config)
{
    for (size_t i = 0; i < CHD_SET_COUNT; i++) {
        free(config->values[i].text);
        free(config->values[i].origin);
    }
    *config = (chd_config){0};
}

bool chd_list_next(const char **list, char *item, size_t cap)
{
    const char *at = *list + strspn(*list, ", \t");
    size_t len = strcspn(at, ",");

    *list = at + len;
    if (len == 0) {
        return false;
    }
    while (at[len - 1] == ' ' || at[len - 1] == '\t') {
        len--;
    }
    len = chd_min_size(len, cap - 1);
    memcpy(item, at, len);
    item[len] = '\0';
    return true;
}
