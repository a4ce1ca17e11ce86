/* One shard of the cache alone: the table, the queues, the tags. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "client/cache/cache.h"

static chd_shard shard;

static void tear_down(void)
{
    chd_shard_fini(&shard);
}

TestSuite(client_shard, .fini = tear_down);

static void set_up(size_t bytes, size_t entries)
{
    cr_assert(chd_shard_init(&shard, bytes, entries));
}

static uint64_t hash_of(const char *key)
{
    return chd_hash(1, chd_bytes_str(key));
}

static bool put(const char *key, const char *value, const char *tag)
{
    chd_entry *entry = chd_entry_new(key, strlen(key), value, strlen(value));
    const coherd_target label = coherd_tag(tag);

    entry->hash = hash_of(key);
    cr_assert(chd_entry_label(entry, 1, &label, tag[0] != '\0'));
    if (!chd_shard_put(&shard, entry)) {
        chd_entry_release(entry);
        return false;
    }
    return true;
}

static chd_entry *find(const char *key)
{
    return chd_shard_find(&shard, hash_of(key), key, strlen(key));
}

/* Look up as the cache does. */
static bool use(const char *key)
{
    chd_entry *entry = find(key);

    if (entry != NULL && entry->uses < CHD_USES_MAX) {
        entry->uses++;
    }
    return entry != NULL;
}

static unsigned labels_of(const char *tag)
{
    const uint64_t hash = chd_tag_hash(1, tag, strlen(tag));
    unsigned count = 0;

    for (chd_label *l = chd_shard_tag(&shard, hash); l != NULL; l = l->next) {
        count += l->hash == hash;
    }
    return count;
}

static size_t bytes(void)
{
    return shard.queues[0].bytes + shard.queues[1].bytes;
}

Test(client_shard, what_was_put_is_found)
{
    char key[16];

    set_up(1 << 20, 100000);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        cr_assert(put(key, key, ""));
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        const chd_entry *entry = find(key);
        cr_assert_not_null(entry);
        cr_assert_eq(entry->shown.len, strlen(key));
        cr_assert_arr_eq(entry->shown.data, key, strlen(key));
        cr_assert_eq((uintptr_t)entry->shown.data % _Alignof(max_align_t), 0);
    }
    cr_assert_null(find("1000"));
}

Test(client_shard, a_new_value_takes_the_place_of_the_old_one)
{
    set_up(1 << 20, 100);
    put("a", "one", "x");
    put("a", "three", "y");
    cr_assert_eq(find("a")->shown.len, 5);
    cr_assert_eq(shard.queues[0].count + shard.queues[1].count, 1);
    cr_assert_eq(labels_of("x"), 0);
    cr_assert_eq(labels_of("y"), 1);
}

Test(client_shard, bytes_and_entries_are_bounded)
{
    char key[16];
    static const char big[5000] = {0};

    set_up(64 * 1024, 50);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        cr_assert(put(key, key, "t"));
        cr_assert_leq(bytes(), 64 * 1024);
        cr_assert_leq(shard.queues[0].count + shard.queues[1].count, 50);
    }
    cr_assert_eq(labels_of("t"), 50);
    cr_assert_eq(shard.stats.evicted, 950);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "%d", i);
        chd_entry *entry = chd_entry_new(key, 4, big, sizeof(big));
        entry->hash = hash_of(key);
        cr_assert(chd_shard_put(&shard, entry));
        cr_assert_leq(bytes(), 64 * 1024);
    }
}

Test(client_shard, what_is_larger_than_all_is_refused)
{
    static char big[9000];

    set_up(8 * 1024, 50);
    put("a", "one", "");
    memset(big, 'x', sizeof(big) - 1);
    cr_assert_not(put("a", big, ""));
    cr_assert_not_null(find("a"));
}

Test(client_shard, what_is_used_survives_a_scan)
{
    char key[16];
    unsigned left = 0;

    set_up(1 << 20, 100);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof(key), "hot%d", i);
        put(key, "v", "");
        use(key);
        use(key);
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof(key), "scan%d", i);
        put(key, "v", "");
    }
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof(key), "hot%d", i);
        left += find(key) != NULL;
    }
    cr_assert_eq(left, 50);
}

Test(client_shard, what_comes_back_soon_goes_to_the_main_queue)
{
    char key[16];

    set_up(1 << 20, 20);
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "main%d", i);
        put(key, "v", "");
        use(key);
        use(key);
    }
    put("back", "v", "");
    for (int i = 0; find("back") != NULL; i++) {
        snprintf(key, sizeof(key), "new%d", i);
        put(key, "v", "");
    }
    put("back", "v", "");
    cr_assert_eq(find("back")->queue, CHD_QUEUE_MAIN);
}

Test(client_shard, tags_follow_their_entries)
{
    char key[16];
    char tag[16];

    set_up(1 << 20, 1000);
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof(key), "%d", i);
        snprintf(tag, sizeof(tag), "tag%d", i % 250);
        put(key, "v", tag);
    }
    cr_assert_eq(labels_of("tag7"), 2);
    chd_shard_remove(&shard, find("7"));
    cr_assert_eq(labels_of("tag7"), 1);
    chd_shard_remove(&shard, find("257"));
    cr_assert_eq(labels_of("tag7"), 0);
    cr_assert_eq(labels_of("tag8"), 2);
}

Test(client_shard, a_user_keeps_what_is_removed)
{
    set_up(1 << 20, 1000);
    put("a", "value", "t");
    chd_entry *entry = find("a");
    chd_entry_retain(entry);
    chd_shard_remove(&shard, entry);
    cr_assert_arr_eq(entry->shown.data, "value", 5);
    coherd_value *value = &entry->shown;
    coherd_value *other = coherd_value_retain(value);
    coherd_value_release(&value);
    coherd_value_release(&value);
    cr_assert_null(value);
    cr_assert_arr_eq(other->data, "value", 5);
    coherd_value_release(&other);
}
