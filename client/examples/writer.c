/* writer.c - who changed the data tells it: writer TOPIC KEY VERSION TAG...
 *
 * To be called after the commit, with the version of the row that it made. */
#include <coherd.h>
#include <stdio.h>
#include <stdlib.h>

#define TARGETS_MAX 64

int main(int argc, char **argv)
{
    coherd_target changed[TARGETS_MAX];
    coherd_publish_options how = {0};
    coherd_client *client;
    size_t count = 0;

    if (argc < 4 || argc - 3 > TARGETS_MAX) {
        return 2;
    }
    changed[count++] = coherd_key(argv[2]);
    for (int i = 4; i < argc; i++) {
        changed[count++] = coherd_tag(argv[i]);
    }
    how.wait = COHERD_WAIT_ACCEPTED;
    /* Caches store nothing older for these targets, ... */
    how.version = strtoull(argv[3], NULL, 10);
    /* ... and drop them once more when the replicas have caught up. */
    how.again_after_ms = 2000;
    coherd_err err = coherd_open(NULL, &client);
    if (err == COHERD_OK) {
        err = coherd_invalidate(client, argv[1], changed, count, &how, NULL);
        (void)coherd_close(&client);
    }
    puts(coherd_strerror(err));
    return err != COHERD_OK;
}
