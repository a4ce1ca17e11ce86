#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "client/cli/cli.h"

static const struct {
    const char *unit;
    double ms;
} units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000},
};

bool cli_parse_duration(const char *text, int *ms)
{
    char *end;

    if (*text < '0' || *text > '9') {
        return false; /* strtod reads much that is no duration */
    }
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        return false;
    }
    errno = 0;
    const double value = strtod(text, &end);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            const double total = value * units[i].ms;
            if (errno != 0 || !(total <= INT_MAX)) {
                return false;
            }
            *ms = (int)total;
            return true;
        }
    }
    return false;
}

void cli_format_duration(uint64_t us, char *buf, size_t cap)
{
    const uint64_t s = us / 1000000;

    if (us < 1000) {
        snprintf(buf, cap, "%" PRIu64 " us", us);
    } else if (us < 10000) {
        snprintf(buf, cap, "%.1f ms", (double)us / 1e3);
    } else if (us < 1000000) {
        snprintf(buf, cap, "%" PRIu64 " ms", us / 1000);
    } else if (s < 60) {
        snprintf(buf, cap, "%" PRIu64 ".%" PRIu64 " s", s, us / 100000 % 10);
    } else if (s < 3600) {
        snprintf(buf, cap, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    } else if (s < 86400) {
        snprintf(buf, cap, "%" PRIu64 " h %" PRIu64 " min", s / 3600,
                 s / 60 % 60);
    } else {
        snprintf(buf, cap, "%" PRIu64 " d %" PRIu64 " h", s / 86400,
                 s / 3600 % 24);
    }
}

void cli_format_age(uint64_t age_ms, char *buf, size_t cap)
{
    if (age_ms == COHERD_STALENESS_UNKNOWN) {
        snprintf(buf, cap, "unknown");
    } else {
        cli_format_duration(age_ms * 1000, buf, cap);
    }
}

void cli_format_bytes(uint64_t bytes, char *buf, size_t cap)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t i = 0;

    while (value >= 1024 && i + 1 < sizeof(names) / sizeof(names[0])) {
        value /= 1024;
        i++;
    }
    snprintf(buf, cap, i == 0 ? "%.0f %s" : "%.1f %s", value, names[i]);
}

/* Return the length of the UTF-8 character at p, 0 when there is none. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t min;
    } forms[] = {
        {0x80, 0x00, 0},
        {0xe0, 0xc0, 0x80},
        {0xf0, 0xe0, 0x800},
        {0xf8, 0xf0, 0x10000},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if ((p[0] & forms[i].mask) != forms[i].lead) {
            continue;
        }
        uint32_t code = p[0] & (unsigned char)~forms[i].mask;
        for (size_t k = 1; k <= i; k++) {
            if (k >= left || (p[k] & 0xc0) != 0x80) {
                return 0;
            }
            code = code << 6 | (p[k] & 0x3fu);
        }
        const bool surrogate = code >= 0xd800 && code < 0xe000;
        return code < forms[i].min || code > 0x10ffff || surrogate ? 0 : i + 1;
    }
    return 0;
}

bool cli_is_text(const void *data, size_t len)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < len;) {
        const size_t step = utf8_len(p + i, len - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

bool cli_is_c1(const void *data, size_t len)
{
    const unsigned char *p = data;

    return len >= 2 && p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
}

void cli_print_bytes(FILE *file, const void *data, size_t len)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < len;) {
        const size_t step = utf8_len(p + i, len - i);
        if (step == 0 || p[i] < 0x20 || p[i] == 0x7f ||
            cli_is_c1(p + i, len - i)) {
            const size_t count = step == 0 ? 1 : step;
            for (size_t k = 0; k < count; k++) {
                fprintf(file, "\\x%02x", p[i + k]);
            }
            i += count;
            continue;
        }
        if (p[i] == '\\') {
            fputc('\\', file);
        }
        fwrite(p + i, 1, step, file);
        i += step;
    }
}
