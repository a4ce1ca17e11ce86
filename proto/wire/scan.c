#include "proto/wire/scan.h"

#include "proto/base/limits.h"
#include "proto/wire/topic.h"

/* The first bytes of the formats that matter here; the rest is in the table
 * of chd_scan_skip. */
enum {
    FIXMAP = 0x80,
    FIXARRAY = 0x90,
    FIXSTR = 0xa0,
    NIL = 0xc0,
    NEVER_USED = 0xc1,
    FALSE = 0xc2,
    TRUE = 0xc3,
    BIN8 = 0xc4,
    BIN32 = 0xc6,
    UINT8 = 0xcc,
    UINT64 = 0xcf,
    INT8 = 0xd0,
    INT64 = 0xd3,
    STR8 = 0xd9,
    STR32 = 0xdb,
    ARRAY16 = 0xdc,
    ARRAY32 = 0xdd,
    NEGATIVE_FIXINT = 0xe0,
};

void chd_scan_fail(chd_scan *scan, chd_err err)
{
    if (scan->err == CHD_OK) {
        scan->err = err;
        scan->at = scan->end;
    }
}

/* Take count bytes; NULL when there are fewer. */
static inline const uint8_t *take(chd_scan *scan, size_t count)
{
    if (chd_scan_left(scan) < count) {
        chd_scan_fail(scan, CHD_ETRUNCATED);
        return NULL;
    }
    const uint8_t *taken = scan->at;
    scan->at += count;
    return taken;
}

/* Take an integer of width bytes, at most eight, in network order. */
static inline uint64_t take_number(chd_scan *scan, size_t width)
{
    const uint8_t *at = scan->at;
    uint64_t number = 0;

    if (width > 0 && chd_scan_left(scan) >= sizeof(number)) {
        scan->at += width;
        return chd_load64(at) >> (64 - 8 * width);
    }
    at = take(scan, width);
    for (size_t i = 0; at != NULL && i < width; i++) {
        number = number << 8 | at[i];
    }
    return number;
}

uint32_t chd_scan_array(chd_scan *scan, uint32_t count_max)
{
    const uint8_t *first = take(scan, 1);
    uint64_t count = 0;

    if (first == NULL) {
        return 0;
    }
    if ((*first & 0xf0) == FIXARRAY) {
        count = *first & 0x0f;
    } else if (*first == ARRAY16) {
        count = take_number(scan, 2);
    } else if (*first == ARRAY32) {
        count = take_number(scan, 4);
    } else {
        chd_scan_fail(scan, CHD_ETYPE);
        return 0;
    }
    /* Each element takes at least a byte: no count may promise more than is
     * there, whatever the caller does with it. */
    if (count > count_max || count > chd_scan_left(scan)) {
        chd_scan_fail(scan, CHD_ELENGTH);
        return 0;
    }
    return (uint32_t)count;
}

uint64_t chd_scan_number(chd_scan *scan, uint64_t max)
{
    const uint8_t *first = take(scan, 1);
    uint64_t number = 0;

    if (first == NULL) {
        return 0;
    }
    if (*first < FIXMAP) {
        number = *first;
    } else if (*first >= UINT8 && *first <= UINT64) {
        number = take_number(scan, (size_t)1 << (*first - UINT8));
    } else if (*first >= INT8 && *first <= INT64) {
        /* Some encoders write every integer as a signed one. */
        const size_t width = (size_t)1 << (*first - INT8);
        number = take_number(scan, width);
        if (number >> (width * 8 - 1) != 0) {
            chd_scan_fail(scan, CHD_ERANGE);
            return 0;
        }
    } else {
        chd_scan_fail(scan, *first >= NEGATIVE_FIXINT ? CHD_ERANGE : CHD_ETYPE);
        return 0;
    }
    if (number > max) {
        chd_scan_fail(scan, CHD_ERANGE);
        return 0;
    }
    return number;
}

bool chd_scan_bool(chd_scan *scan)
{
    const uint8_t *first = take(scan, 1);

    if (first != NULL && *first != FALSE && *first != TRUE) {
        chd_scan_fail(scan, CHD_ETYPE);
        return false;
    }
    return first != NULL && *first == TRUE;
}

/* Take the len bytes of a string, at most len_max. */
static inline chd_bytes take_body(chd_scan *scan, uint64_t len, size_t len_max)
{
    if (len > len_max) {
        chd_scan_fail(scan, CHD_ELENGTH);
    }
    const uint8_t *body = take(scan, (size_t)len);
    return scan->err == CHD_OK ? (chd_bytes){body, (size_t)len}
                               : (chd_bytes){NULL, 0};
}

chd_bytes chd_scan_str(chd_scan *scan, size_t len_max)
{
    const uint8_t *first = take(scan, 1);
    uint64_t len = 0;

    if (first == NULL) {
        return (chd_bytes){NULL, 0};
    }
    if ((*first & 0xe0) == FIXSTR) {
        len = *first & 0x1f;
    } else if (*first >= STR8 && *first <= STR32) {
        len = take_number(scan, (size_t)1 << (*first - STR8));
    } else {
        chd_scan_fail(scan, CHD_ETYPE);
    }
    const chd_bytes text = take_body(scan, len, len_max);
    if (!chd_text_is_valid(text)) {
        chd_scan_fail(scan, CHD_EUTF8);
        return (chd_bytes){NULL, 0};
    }
    return text;
}

chd_bytes chd_scan_bin(chd_scan *scan, size_t len_max)
{
    const uint8_t *first = take(scan, 1);
    uint64_t len = 0;

    if (first == NULL) {
        return (chd_bytes){NULL, 0};
    }
    if (*first == BIN8 && scan->at != scan->end) {
        len = *scan->at++;
    } else if (*first >= BIN8 && *first <= BIN32) {
        len = take_number(scan, (size_t)1 << (*first - BIN8));
    } else {
        chd_scan_fail(scan, CHD_ETYPE);
    }
    return take_body(scan, len, len_max);
}

/* How to step over a value: len_width bytes hold a length, after which come
 * body bytes, plus as many as the length says (a string), or plus the length
 * times children values (an array or a map). */
typedef struct form {
    uint8_t len_width;
    uint8_t body;
    uint8_t children;
} form;

static form form_of(uint8_t first)
{
    static const form forms[] = {
        {0, 0, 0},  {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, /* nil, -, false, true */
        {1, 0, 0},  {2, 0, 0}, {4, 0, 0},            /* bin                 */
        {1, 1, 0},  {2, 1, 0}, {4, 1, 0},            /* ext                 */
        {0, 4, 0},  {0, 8, 0},                       /* float               */
        {0, 1, 0},  {0, 2, 0}, {0, 4, 0}, {0, 8, 0}, /* uint                */
        {0, 1, 0},  {0, 2, 0}, {0, 4, 0}, {0, 8, 0}, /* int                 */
        {0, 2, 0},  {0, 3, 0}, {0, 5, 0}, {0, 9, 0}, /* fixext              */
        {0, 17, 0},                                  /* fixext 16           */
        {1, 0, 0},  {2, 0, 0}, {4, 0, 0},            /* str                 */
        {2, 0, 1},  {4, 0, 1},                       /* array               */
        {2, 0, 2},  {4, 0, 2},                       /* map                 */
    };

    if (first >= FIXSTR && first < NIL) {
        return (form){0, first & 0x1f, 0};
    }
    if (first >= NIL && first < NEGATIVE_FIXINT) {
        return forms[first - NIL];
    }
    return (form){0, 0, 0}; /* small integers, and the fix containers */
}

/* Step over one value that is not nested, or over the header of one that is.
 * Return whether it is, and then in *children how many values it holds. */
static bool skip_one(chd_scan *scan, uint64_t *children)
{
    const uint8_t *first = take(scan, 1);

    if (first == NULL) {
        return false;
    }
    if (*first == NEVER_USED) {
        chd_scan_fail(scan, CHD_ETYPE);
        return false;
    }
    if (*first >= FIXMAP && *first < FIXSTR) {
        const uint64_t each = *first < FIXARRAY ? 2 : 1;
        *children = (*first & 0x0f) * each;
        return true;
    }

    const form value = form_of(*first);
    const uint64_t len = take_number(scan, value.len_width);
    if (value.children == 0) {
        (void)take(scan, (size_t)(len + value.body));
        return false;
    }
    *children = len * value.children;
    return true;
}

void chd_scan_skip(chd_scan *scan)
{
    uint64_t left[CHD_DEPTH_MAX]; /* values to come at each level */
    size_t depth = 0;

    for (;;) {
        uint64_t children = 0;
        if (skip_one(scan, &children)) {
            if (depth == CHD_COUNT(left)) {
                chd_scan_fail(scan, CHD_EDEPTH);
            } else if (children > chd_scan_left(scan)) {
                chd_scan_fail(scan, CHD_ELENGTH);
            } else {
                left[depth++] = children;
            }
        }
        if (scan->err != CHD_OK) {
            return;
        }
        while (depth > 0 && left[depth - 1] == 0) {
            depth--;
        }
        if (depth == 0) {
            return;
        }
        left[depth - 1]--;
    }
}

void chd_scan_rest(chd_scan *scan, uint32_t count, uint32_t known)
{
    if (count < known) {
        chd_scan_fail(scan, CHD_ETRUNCATED);
        return;
    }
    for (uint32_t i = known; i < count && scan->err == CHD_OK; i++) {
        chd_scan_skip(scan);
    }
}

chd_err chd_scan_end(chd_scan *scan)
{
    if (scan->at != scan->end) {
        chd_scan_fail(scan, CHD_ELENGTH);
    }
    return scan->err;
}
