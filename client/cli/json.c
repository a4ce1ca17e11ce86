#include <inttypes.h>

#include "client/cli/cli.h"

static void put_string(FILE *file, const char *text, size_t len)
{
    fputc('"', file);
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        switch (c) {
        case '"':
        case '\\':
            fprintf(file, "\\%c", c);
            break;
        case '\n':
            fputs("\\n", file);
            break;
        case '\r':
            fputs("\\r", file);
            break;
        case '\t':
            fputs("\\t", file);
            break;
        default:
            if (c < 0x20 || c == 0x7f) {
                fprintf(file, "\\u%04x", c);
            } else if (cli_is_c1(text + i, len - i)) {
                i++; /* the second byte of its UTF-8 is its code */
                fprintf(file, "\\u%04x", (unsigned char)text[i]);
            } else {
                fputc(c, file);
            }
            break;
        }
    }
    fputc('"', file);
}

static void put_base64(FILE *file, const unsigned char *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";

    fputc('"', file);
    for (size_t i = 0; i < len; i += 3) {
        const size_t left = len - i;
        const unsigned b = (unsigned)data[i] << 16 |
                           (left > 1 ? (unsigned)data[i + 1] << 8 : 0) |
                           (left > 2 ? (unsigned)data[i + 2] : 0);
        fputc(digits[b >> 18], file);
        fputc(digits[b >> 12 & 63], file);
        fputc(left > 1 ? digits[b >> 6 & 63] : '=', file);
        fputc(left > 2 ? digits[b & 63] : '=', file);
    }
    fputc('"', file);
}

static void put_name(cli_json *json, const char *name, const char *suffix)
{
    if (json->comma) {
        fputs(", ", json->file);
    }
    json->comma = true;
    if (name != NULL) {
        fprintf(json->file, "\"%s%s\": ", name, suffix);
    }
}

void cli_json_open(cli_json *json, const char *name, char bracket)
{
    put_name(json, name, "");
    fputc(bracket, json->file);
    json->comma = false;
}

void cli_json_close(cli_json *json, char bracket)
{
    fputc(bracket, json->file);
    json->comma = true;
}

void cli_json_text(cli_json *json, const char *name, const char *text)
{
    put_name(json, name, "");
    put_string(json->file, text, strlen(text));
}

void cli_json_uint(cli_json *json, const char *name, uint64_t value)
{
    put_name(json, name, "");
    fprintf(json->file, "%" PRIu64, value);
}

void cli_json_age(cli_json *json, const char *name, uint64_t age_ms)
{
    if (age_ms == COHERD_STALENESS_UNKNOWN) {
        put_name(json, name, "");
        fputs("null", json->file);
    } else {
        cli_json_uint(json, name, age_ms);
    }
}

void cli_json_bool(cli_json *json, const char *name, bool value)
{
    put_name(json, name, "");
    fputs(value ? "true" : "false", json->file);
}

void cli_json_null(cli_json *json, const char *name)
{
    put_name(json, name, "");
    fputs("null", json->file);
}

void cli_json_hex(cli_json *json, const char *name, uint64_t value)
{
    put_name(json, name, "");
    fprintf(json->file, "\"%016" PRIx64 "\"", value);
}

void cli_json_bytes(cli_json *json, const char *name, const void *data,
                    size_t len)
{
    if (cli_is_text(data, len)) {
        put_name(json, name, "");
        put_string(json->file, data, len);
    } else {
        put_name(json, name, "_base64");
        put_base64(json->file, data, len);
    }
}
