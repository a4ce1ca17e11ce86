/* store.c - one connection to read and one to write, each behind a mutex: in
 * WAL mode the two do not wait for each other. */
#include "store.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS 5000
#define WAL_TRIES 50

struct connection {
    sqlite3 *db;
    pthread_mutex_t mutex;
};

struct store {
    struct connection reader, writer;
    sqlite3_stmt *read_episode, *read_list;
    sqlite3_stmt *begin, *show_before, *write, *commit, *roll_back;
};

static const char schema_sql[] =
    "CREATE TABLE IF NOT EXISTS episodes ("
    " id INTEGER PRIMARY KEY, show TEXT NOT NULL, title TEXT NOT NULL,"
    " text TEXT NOT NULL, version INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX IF NOT EXISTS newest ON episodes (version);"
    "CREATE INDEX IF NOT EXISTS of_show ON episodes (show, id)";

/* One statement reads one state of the database: what a page shows and its
 * version belong together.  Both answer with one row: version, JSON. */
static const char read_episode_sql[] =
    "SELECT coalesce(e.version, newest.version),"
    " iif(e.id IS NULL, NULL, json_object('id', e.id, 'show', e.show,"
    "  'title', e.title, 'text', e.text, 'version', e.version))"
    " FROM (SELECT coalesce(max(version), 0) AS version FROM episodes) newest"
    " LEFT JOIN episodes e ON e.id = ?1";
static const char read_list_sql[] =
    "SELECT (SELECT coalesce(max(version), 0) FROM episodes),"
    " json_group_array(json_object('id', id, 'show', show, 'title', title,"
    "  'version', version))"
    " FROM (SELECT * FROM episodes WHERE (?1 = '' OR show = ?1) AND id > ?2"
    "  ORDER BY id LIMIT ?3)";

static const char show_before_sql[] = "SELECT show FROM episodes WHERE id = ?1";
static const char write_sql[] =
    "INSERT INTO episodes (id, show, title, text, version)"
    " VALUES (?1, ?2, ?3, ?4,"
    "  (SELECT coalesce(max(version), 0) + 1 FROM episodes))"
    " ON CONFLICT (id) DO UPDATE SET show = excluded.show,"
    "  title = excluded.title, text = excluded.text,"
    "  version = excluded.version"
    " RETURNING version";

static int complain(sqlite3 *db, const char *what)
{
    fprintf(stderr, "episodes: %s: %s\n", what, sqlite3_errmsg(db));
    return EIO;
}

/* --- opening and closing -------------------------------------------------- */

/* Two who switch to WAL at the same time may meet, and nobody waits then. */
static int use_wal(sqlite3 *db)
{
    int status = SQLITE_BUSY;

    for (int i = 0; i < WAL_TRIES && status == SQLITE_BUSY; i++) {
        if (i > 0) {
            sqlite3_sleep(20);
        }
        status =
            sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    }
    return status;
}

static int connect_to(const char *path, struct connection *link)
{
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

    pthread_mutex_init(&link->mutex, NULL);
    if (sqlite3_open_v2(path, &link->db, flags, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(link->db, BUSY_MS) != SQLITE_OK ||
        use_wal(link->db) != SQLITE_OK ||
        sqlite3_exec(link->db, schema_sql, NULL, NULL, NULL) != SQLITE_OK) {
        return complain(link->db, path);
    }
    return 0;
}

static int prepare(const struct connection *link, const char *sql,
                   sqlite3_stmt **made)
{
    if (sqlite3_prepare_v3(link->db, sql, -1, SQLITE_PREPARE_PERSISTENT, made,
                           NULL) != SQLITE_OK) {
        return complain(link->db, sql);
    }
    return 0;
}

int store_open(const char *path, struct store **store)
{
    struct store *made = calloc(1, sizeof(*made));

    if (made == NULL) {
        return ENOMEM;
    }
    const struct connection *reader = &made->reader;
    const struct connection *writer = &made->writer;
    if (connect_to(path, &made->reader) != 0 ||
        connect_to(path, &made->writer) != 0 ||
        prepare(reader, read_episode_sql, &made->read_episode) != 0 ||
        prepare(reader, read_list_sql, &made->read_list) != 0 ||
        prepare(writer, "BEGIN IMMEDIATE", &made->begin) != 0 ||
        prepare(writer, show_before_sql, &made->show_before) != 0 ||
        prepare(writer, write_sql, &made->write) != 0 ||
        prepare(writer, "COMMIT", &made->commit) != 0 ||
        prepare(writer, "ROLLBACK", &made->roll_back) != 0) {
        store_close(made);
        return EIO;
    }
    *store = made;
    return 0;
}

static void disconnect(struct connection *link)
{
    sqlite3_stmt *statement;

    if (link->db == NULL) {
        return; /* it never came so far */
    }
    while ((statement = sqlite3_next_stmt(link->db, NULL)) != NULL) {
        sqlite3_finalize(statement);
    }
    sqlite3_close(link->db);
}

void store_close(struct store *store)
{
    if (store != NULL) {
        disconnect(&store->reader);
        disconnect(&store->writer);
        free(store);
    }
}

/* --- reading -------------------------------------------------------------- */

/* Take what a row of version and JSON says. */
static int take(sqlite3_stmt *row, struct document *found)
{
    const unsigned char *json = sqlite3_column_text(row, 1);

    *found = (struct document){.version = sqlite3_column_int64(row, 0)};
    if (json != NULL) {
        found->len = (size_t)sqlite3_column_bytes(row, 1);
        found->json = malloc(found->len);
        if (found->json == NULL) {
            return ENOMEM;
        }
        memcpy(found->json, json, found->len);
    }
    return 0;
}

int store_read(struct store *store, const struct wanted *wanted,
               struct document *found)
{
    struct connection *reader = &store->reader;
    sqlite3_stmt *read =
        wanted->id > 0 ? store->read_episode : store->read_list;

    pthread_mutex_lock(&reader->mutex);
    if (wanted->id > 0) {
        sqlite3_bind_int64(read, 1, wanted->id);
    } else {
        sqlite3_bind_text(read, 1, wanted->show, -1, SQLITE_STATIC);
        sqlite3_bind_int64(read, 2, wanted->after);
        sqlite3_bind_int(read, 3, LIST_EPISODES_MAX);
    }
    const int status = sqlite3_step(read) == SQLITE_ROW
                           ? take(read, found)
                           : complain(reader->db, "read");
    sqlite3_reset(read); /* or it would go on reading this old state */
    sqlite3_clear_bindings(read);
    pthread_mutex_unlock(&reader->mutex);
    return status;
}

/* --- writing -------------------------------------------------------------- */

/* Run a statement that answers with nothing. */
static bool run(sqlite3_stmt *statement)
{
    const bool good = sqlite3_step(statement) == SQLITE_DONE;
    return sqlite3_reset(statement) == SQLITE_OK && good;
}

/* Remember the show that the episode belongs to so far. */
static bool look_before(sqlite3_stmt *look, struct change *change)
{
    sqlite3_bind_int64(look, 1, change->id);
    const int status = sqlite3_step(look);
    if (status == SQLITE_ROW) {
        snprintf(change->show_before, sizeof(change->show_before), "%s",
                 (const char *)sqlite3_column_text(look, 0));
    }
    sqlite3_reset(look);
    return status == SQLITE_ROW || status == SQLITE_DONE;
}

static bool put(sqlite3_stmt *write, const struct episode *fresh,
                struct change *change)
{
    sqlite3_bind_int64(write, 1, fresh->id);
    sqlite3_bind_text(write, 2, fresh->show, -1, SQLITE_STATIC);
    sqlite3_bind_text(write, 3, fresh->title, -1, SQLITE_STATIC);
    sqlite3_bind_text(write, 4, fresh->text, -1, SQLITE_STATIC);
    bool good = sqlite3_step(write) == SQLITE_ROW;
    if (good) {
        change->version = sqlite3_column_int64(write, 0);
        good = sqlite3_step(write) == SQLITE_DONE;
    }
    sqlite3_reset(write);
    sqlite3_clear_bindings(write);
    return good;
}

int store_write(struct store *store, const struct episode *fresh,
                struct change *change)
{
    struct connection *writer = &store->writer;
    int status = 0;

    *change = (struct change){.id = fresh->id};
    memcpy(change->show, fresh->show, sizeof(change->show));
    pthread_mutex_lock(&writer->mutex);
    if (!run(store->begin)) {
        status = complain(writer->db, "begin");
    } else if (!look_before(store->show_before, change) ||
               !put(store->write, fresh, change) || !run(store->commit)) {
        status = complain(writer->db, "write");
        run(store->roll_back);
    }
    pthread_mutex_unlock(&writer->mutex);
    return status;
}
