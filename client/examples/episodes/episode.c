/* episode.c - names, keys, and what is text. */
#include "episode.h"

#include <stdio.h>
#include <string.h>

size_t wanted_key(const struct wanted *wanted, char key[KEY_BYTES])
{
    const int len =
        wanted->id > 0 ? snprintf(key, KEY_BYTES, "%lld", (long long)wanted->id)
                       : snprintf(key, KEY_BYTES, "list %s %lld", wanted->show,
                                  (long long)wanted->after);
    return (size_t)len;
}

bool episode_id_read(const char *text, int64_t *id)
{
    int64_t sum = 0;

    if (*text < '1' || *text > '9') {
        return false; /* one episode has one address: no 0 in front */
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        sum = sum * 10 + (*text - '0');
        if (sum > EPISODE_ID_MAX) {
            return false;
        }
    }
    *id = sum;
    return true;
}

bool show_is_good(const char *text, size_t len)
{
    return len >= 1 && len <= SHOW_BYTES_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* Return how many bytes the character at the beginning of text has; 0: it is
 * none, or a control character. */
static size_t character_bytes(const unsigned char *text, size_t len)
{
    static const struct {
        unsigned char first, last; /* of lead bytes ...       */
        unsigned char low, high;   /* ... and what may follow */
        size_t bytes;
    } kinds[] = {
        {0x20, 0x7e, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    if (*text == '\t' || *text == '\n' || *text == '\r') {
        return 1;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const size_t bytes = kinds[i].bytes;
        if (*text < kinds[i].first || *text > kinds[i].last) {
            continue;
        }
        if (bytes > len || (bytes > 1 && (text[1] < kinds[i].low ||
                                          text[1] > kinds[i].high))) {
            return 0;
        }
        for (size_t j = 2; j < bytes; j++) {
            if ((text[j] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return bytes;
    }
    return 0;
}

bool text_is_good(const char *text, size_t len)
{
    while (len > 0) {
        const size_t bytes = character_bytes((const unsigned char *)text, len);
        if (bytes == 0) {
            return false;
        }
        text += bytes;
        len -= bytes;
    }
    return true;
}
