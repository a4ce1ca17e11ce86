#include "broker/value.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <string.h>

#include "broker/address.h"
#include "proto/wire/topic.h"

/* A DNS name: 253 bytes, and the final dot that we allow. */
#define NAME_TEXT_MAX 256

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

/* Largest first, so that printing picks the shortest form. */
static const unit durations[] = {
    {"h", 3600 * CHD_SECOND},
    {"m", 60 * CHD_SECOND},
    {"s", CHD_SECOND},
    {"ms", CHD_MS},
};
static const unit sizes[] = {
    {"GiB", UINT64_C(1) << 30},
    {"MiB", UINT64_C(1) << 20},
    {"KiB", UINT64_C(1) << 10},
    {"", 1},
};

/* Read digits, all of them, in base, and point *rest behind them. */
static bool parse_digits(const char *text, int base, uint64_t *number,
                         const char **rest)
{
    char *end = NULL;

    /* strtoull would also take blanks and signs. */
    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    errno = 0;
    const unsigned long long value = strtoull(text, &end, base);
    if (errno != 0) {
        return false;
    }
    *number = value;
    *rest = end;
    return true;
}

static bool parse_plain(const char *text, int base, uint64_t *number)
{
    const char *rest = NULL;

    return parse_digits(text, base, number, &rest) && *rest == '\0';
}

/* Read a number and one of units; blanks may stand between them. */
static bool parse_scaled(const char *text, const unit *units, size_t count,
                         uint64_t *number)
{
    const char *rest = NULL;
    uint64_t value = 0;

    if (!parse_digits(text, 10, &value, &rest)) {
        return false;
    }
    rest += strspn(rest, " ");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rest, units[i].name) == 0 &&
            value <= UINT64_MAX / units[i].factor) {
            *number = value * units[i].factor;
            return true;
        }
    }
    return false;
}

static bool parse_choice(const char *choices, const char *text,
                         uint64_t *number)
{
    const size_t len = strlen(text);
    uint64_t index = 0;

    for (const char *at = choices; len > 0; index++) {
        const size_t choice_len = strcspn(at, "|");
        if (choice_len == len && memcmp(at, text, len) == 0) {
            *number = index;
            return true;
        }
        if (at[choice_len] == '\0') {
            return false;
        }
        at += choice_len + 1;
    }
    return false;
}

static bool dns_name_is_valid(const char *name)
{
    uint8_t address[CHD_ADDRESS_BYTES];
    size_t len = strlen(name);

    if (len > 0 && name[len - 1] == '.') {
        len--;
    }
    if (len == 0 || len > 253 || chd_address_parse(name, address)) {
        return false;
    }
    size_t label = 0;
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
        } else if ((!isalnum((unsigned char)name[i]) && name[i] != '-' &&
                    name[i] != '_') ||
                   ++label > 63) {
            return false;
        }
    }
    return label > 0;
}

static bool item_is_valid(chd_type type, const char *item)
{
    chd_endpoint endpoint;
    uint64_t number = 0;

    if (type == CHD_TYPE_NAMES) {
        return dns_name_is_valid(item);
    }
    if (type == CHD_TYPE_ENDPOINTS) {
        return chd_endpoint_parse(item, 1, &endpoint);
    }
    return parse_plain(item, 10, &number) && number < UINT32_MAX;
}

static bool list_is_valid(chd_type type, const char *text)
{
    char item[NAME_TEXT_MAX + 1];
    size_t count_max = SIZE_MAX;

    if (type == CHD_TYPE_NAMES) {
        count_max = CHD_NAMES_MAX;
    } else if (type == CHD_TYPE_UIDS) {
        count_max = CHD_UIDS_MAX;
    }
    for (size_t i = 0; chd_list_next(&text, item, sizeof(item)); i++) {
        if (i == count_max || !item_is_valid(type, item)) {
            return false;
        }
    }
    return true;
}

static bool group_is_valid(const char *text)
{
    uint64_t number = 0;

    return text[0] == '\0' ||
           (parse_plain(text, 10, &number) && number < UINT32_MAX) ||
           getgrnam(text) != NULL;
}

static bool listen_is_valid(const char *text)
{
    chd_endpoint endpoint;

    return text[0] == '\0' ||
           (chd_endpoint_parse(text, 0, &endpoint) && endpoint.port != 0);
}

bool chd_value_is_number(const chd_setting *setting)
{
    switch (setting->type) {
    case CHD_TYPE_COUNT:
    case CHD_TYPE_CHOICE:
    case CHD_TYPE_DURATION:
    case CHD_TYPE_SIZE:
    case CHD_TYPE_MODE:
        return true;
    case CHD_TYPE_NAME:
    case CHD_TYPE_ADDRESS:
    case CHD_TYPE_NAMES:
    case CHD_TYPE_ENDPOINTS:
    case CHD_TYPE_PATH:
    case CHD_TYPE_GROUP:
    case CHD_TYPE_UIDS:
    case CHD_TYPE_LISTEN:
        break;
    }
    return false;
}

static bool parse_number(const chd_setting *setting, const char *text,
                         uint64_t *number)
{
    switch (setting->type) {
    case CHD_TYPE_CHOICE:
        return parse_choice(setting->choices, text, number);
    case CHD_TYPE_DURATION:
        return parse_scaled(text, durations, CHD_COUNT(durations), number);
    case CHD_TYPE_SIZE:
        return parse_scaled(text, sizes, CHD_COUNT(sizes), number);
    case CHD_TYPE_MODE:
        return parse_plain(text, 8, number);
    default:
        return parse_plain(text, 10, number);
    }
}

static bool text_is_valid(const chd_setting *setting, const char *text)
{
    uint8_t address[CHD_ADDRESS_BYTES];
    const size_t len = strlen(text);

    if (!chd_text_is_valid(chd_bytes_str(text)) ||
        (setting->max != 0 && (len < setting->min || len > setting->max))) {
        return false;
    }
    switch (setting->type) {
    case CHD_TYPE_ADDRESS:
        return chd_address_parse(text, address);
    case CHD_TYPE_NAMES:
    case CHD_TYPE_ENDPOINTS:
    case CHD_TYPE_UIDS:
        return list_is_valid(setting->type, text);
    case CHD_TYPE_GROUP:
        return group_is_valid(text);
    case CHD_TYPE_LISTEN:
        return listen_is_valid(text);
    default:
        return true;
    }
}

bool chd_value_parse(const chd_setting *setting, const char *text,
                     uint64_t *number)
{
    *number = 0;
    if (!chd_value_is_number(setting)) {
        return text_is_valid(setting, text);
    }
    return parse_number(setting, text, number) &&
           (setting->type == CHD_TYPE_CHOICE ||
            (*number >= setting->min && *number <= setting->max));
}

static void print_scaled(uint64_t number, const unit *units, size_t count,
                         char *text, size_t cap)
{
    size_t i = 0;

    while (i + 1 < count &&
           (number < units[i].factor || number % units[i].factor != 0)) {
        i++;
    }
    (void)snprintf(text, cap, "%" PRIu64 "%s", number / units[i].factor,
                   units[i].name);
}

void chd_value_print(const chd_setting *setting, uint64_t number, char *text,
                     size_t cap)
{
    const char *at = setting->choices;

    switch (setting->type) {
    case CHD_TYPE_DURATION:
        print_scaled(number, durations, CHD_COUNT(durations), text, cap);
        break;
    case CHD_TYPE_SIZE:
        print_scaled(number, sizes, CHD_COUNT(sizes), text, cap);
        break;
    case CHD_TYPE_MODE:
        (void)snprintf(text, cap, "%04" PRIo64, number);
        break;
    case CHD_TYPE_CHOICE:
        for (uint64_t i = 0; i < number; i++) {
            at += strcspn(at, "|") + 1;
        }
        (void)snprintf(text, cap, "%.*s", (int)strcspn(at, "|"), at);
        break;
    default:
        (void)snprintf(text, cap, "%" PRIu64, number);
        break;
    }
}

/* "a duration with ms, s, m or h, from 1s to 1h" */
static void accepts_range(const chd_setting *setting, const char *what,
                          char *text, size_t cap)
{
    char min[32];
    char max[32];

    chd_value_print(setting, setting->min, min, sizeof(min));
    chd_value_print(setting, setting->max, max, sizeof(max));
    (void)snprintf(text, cap, "%s, from %s to %s", what, min, max);
}

void chd_value_accepts(const chd_setting *setting, char *text, size_t cap)
{
    switch (setting->type) {
    case CHD_TYPE_NAME:
        (void)snprintf(text, cap,
                       "%" PRIu64 " to %" PRIu64
                       " bytes of UTF-8 without control characters",
                       setting->min, setting->max);
        break;
    case CHD_TYPE_ADDRESS:
        (void)snprintf(text, cap, "an IPv6 or IPv4 address, not a host name");
        break;
    case CHD_TYPE_COUNT:
        accepts_range(setting, "a number", text, cap);
        break;
    case CHD_TYPE_NAMES:
        (void)snprintf(text, cap, "up to %d DNS names, separated by commas",
                       CHD_NAMES_MAX);
        break;
    case CHD_TYPE_ENDPOINTS:
        (void)snprintf(text, cap, "%s, several separated by commas",
                       CHD_ENDPOINT_FORMS);
        break;
    case CHD_TYPE_CHOICE:
        (void)snprintf(text, cap, "one of %s", setting->choices);
        break;
    case CHD_TYPE_DURATION:
        accepts_range(setting, "a number with ms, s, m or h", text, cap);
        break;
    case CHD_TYPE_SIZE:
        accepts_range(setting, "a number of bytes, or with KiB, MiB or GiB",
                      text, cap);
        break;
    case CHD_TYPE_PATH:
        (void)snprintf(text, cap, "a path of 1 to %" PRIu64 " bytes",
                       setting->max);
        break;
    case CHD_TYPE_MODE:
        accepts_range(setting, "an octal number", text, cap);
        break;
    case CHD_TYPE_GROUP:
        (void)snprintf(text, cap, "the name or number of a group here");
        break;
    case CHD_TYPE_UIDS:
        (void)snprintf(text, cap,
                       "up to %d numbers of users, separated by commas",
                       CHD_UIDS_MAX);
        break;
    case CHD_TYPE_LISTEN:
        (void)snprintf(text, cap,
                       "[IPv6 address]:port, IPv4 address:port, or empty");
        break;
    }
}
