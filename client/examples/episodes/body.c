/* body.c - SQLite knows JSON, so a body is read with SQL.  The database for it
 * lives in memory, holds nothing, and is gone when the body is read. */
#include "body.h"

#include <sqlite3.h>
#include <string.h>

static const char not_json[] = "The body is not JSON.";
static const char not_text[] =
    "The body is not UTF-8, or has control characters.";
static const char not_object[] = "The body must be an object with show, title "
                                 "and text, each once and a string.";

static const char members_sql[] = "SELECT key, type, atom FROM json_each(?1)"
                                  " WHERE json_type(?1) = 'object'";

/* Tell whether a NUL hides in an escape: SQLite's texts would end there. */
static bool has_nul(const char *body, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++) {
        if (body[i] == '\\') {
            i++; /* behind it stands what is escaped, maybe a backslash */
            if (len - i >= 5 && memcmp(body + i, "u0000", 5) == 0) {
                return true;
            }
        }
    }
    return false;
}

struct member {
    const char *name;
    char *to;
    size_t bytes_max;
    const char *fault;
    bool seen;
};

static const char *read_member(sqlite3_stmt *row, struct member *members,
                               size_t count)
{
    const char *name = (const char *)sqlite3_column_text(row, 0);
    const char *type = (const char *)sqlite3_column_text(row, 1);
    const char *text = (const char *)sqlite3_column_text(row, 2);
    const size_t len = (size_t)sqlite3_column_bytes(row, 2);

    for (size_t i = 0; i < count; i++) {
        struct member *found = &members[i];
        if (name == NULL || strcmp(name, found->name) != 0) {
            continue;
        }
        if (found->seen || type == NULL || strcmp(type, "text") != 0 ||
            text == NULL) {
            return not_object;
        }
        if (len == 0 || len > found->bytes_max) {
            return found->fault;
        }
        if (!text_is_good(text, len)) {
            return not_text; /* half of a surrogate pair, for example */
        }
        memcpy(found->to, text, len + 1);
        found->seen = true;
        return NULL;
    }
    return not_object;
}

static const char *read_members(sqlite3_stmt *rows, struct episode *found)
{
    static const char show_fault[] =
        "A show is named by 1 to 40 characters of a-z, 0-9 and hyphens.";
    struct member members[] = {
        {"show", found->show, SHOW_BYTES_MAX, show_fault, false},
        {"title", found->title, TITLE_BYTES_MAX, "A title has 1 to 200 bytes.",
         false},
        {"text", found->text, TEXT_BYTES_MAX, "A text has 1 to 8192 bytes.",
         false},
    };
    const size_t count = sizeof(members) / sizeof(members[0]);
    size_t seen = 0;
    int status;

    while ((status = sqlite3_step(rows)) == SQLITE_ROW) {
        const char *fault = read_member(rows, members, count);
        if (fault != NULL) {
            return fault;
        }
        seen++;
    }
    if (status != SQLITE_DONE) {
        return not_json;
    }
    if (seen != count) {
        return not_object;
    }
    return show_is_good(found->show, strlen(found->show)) ? NULL : show_fault;
}

const char *body_read(const char *body, size_t len, struct episode *found)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    const char *fault = not_json;

    if (len > BODY_BYTES_MAX || !text_is_good(body, len) ||
        has_nul(body, len)) {
        return not_text;
    }
    if (sqlite3_open(":memory:", &db) == SQLITE_OK &&
        sqlite3_prepare_v2(db, members_sql, -1, &rows, NULL) == SQLITE_OK &&
        sqlite3_bind_text(rows, 1, body, (int)len, SQLITE_STATIC) ==
            SQLITE_OK) {
        fault = read_members(rows, found);
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return fault;
}
