/* readthrough.c - files of a directory, cached by every process that runs this
 * and kept coherent. Commands: get NAME, put NAME TEXT, stats */
#include <coherd_cache.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int load(coherd_load *load, const void *key, size_t key_len, void *dir)
{
    char path[256];
    char text[4096];

    snprintf(path, sizeof(path), "%s/%.*s", (const char *)dir, (int)key_len,
             (const char *)key);
    const int fd = open(path, O_RDONLY);
    if (fd < 0) {
        return errno == ENOENT ? 0 : errno; /* 0: there is no such file */
    }
    const ssize_t len = read(fd, text, sizeof(text));
    const int cause = errno;
    close(fd);
    if (len < 0) {
        return cause;
    }
    printf("(loaded) ");
    return coherd_load_value(load, text, (size_t)len) == COHERD_OK ? 0 : ENOMEM;
}

static void get(coherd_cache *cache, const char *name, char *dir)
{
    coherd_value *value;
    const coherd_err err =
        coherd_cache_get_or_load(cache, name, strlen(name), load, dir, &value);

    if (err == COHERD_OK) {
        printf("%.*s\n", (int)value->len, (const char *)value->data);
        coherd_value_release(&value);
    } else {
        printf("%s: %s\n", name, coherd_strerror(err));
    }
}

static void put(coherd_cache *cache, const char *name, const char *text,
                const char *dir)
{
    const coherd_target changed = coherd_key(name);
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(path);
        return;
    }
    /* The change is there for all to see; now tell everybody. */
    const coherd_err err =
        coherd_cache_invalidate(cache, &changed, 1, NULL, NULL);
    printf("%s: %s\n", name,
           err == COHERD_OK ? "written" : coherd_strerror(err));
}

static void stats(coherd_cache *cache)
{
    coherd_cache_stats all;

    coherd_cache_read_stats(cache, &all);
    printf("hits %llu, misses %llu, dropped by key %llu\n",
           (unsigned long long)all.hits, (unsigned long long)all.misses,
           (unsigned long long)all.keys);
}

int main(int argc, char **argv)
{
    char *dir = argc > 1 ? argv[1] : ".";
    coherd_client *client;
    coherd_cache *cache;
    char line[256];

    if (coherd_open(NULL, &client) != COHERD_OK ||
        coherd_cache_open(client, "files", NULL, &cache) != COHERD_OK) {
        return 1;
    }
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *text = strchr(line + strnlen(line, 4), ' ');
        if (strncmp(line, "get ", 4) == 0) {
            get(cache, line + 4, dir);
        } else if (strncmp(line, "put ", 4) == 0 && text != NULL) {
            *text = '\0';
            put(cache, line + 4, text + 1, dir);
        } else if (strcmp(line, "stats") == 0) {
            stats(cache);
        }
        fflush(stdout);
    }
    coherd_flush(client, 5000);
    coherd_cache_close(&cache);
    return coherd_close(&client) != COHERD_OK;
}
