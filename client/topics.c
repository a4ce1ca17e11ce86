/* topics.c - the list of subscriptions as a forked child finds it.
 *
 * A child may be copied from its parent in the middle of any change, by a
 * thread that does not exist in the child.  So entries are complete before
 * they are listed, are listed before they are counted, and are moved by
 * copying first and clearing after: at each moment the list has everything,
 * some of it perhaps twice, which does no harm.
 */
#include <stdlib.h>

#include "client/lib.h"

coherd_err chd_topics_add(coherd_client *client, const chd_filter *filter)
{
    const uint32_t count = atomic_load(&client->topic_count);
    chd_topic *topic = calloc(1, sizeof(*topic));

    if (topic == NULL) {
        return COHERD_ERR_NOMEM;
    }
    topic->match = filter->match;
    topic->len = filter->topic.len;
    if (topic->len > 0) {
        memcpy(topic->text, filter->topic.ptr, topic->len);
    }
    atomic_store(&client->topics[count], topic);
    atomic_store(&client->topic_count, count + 1);
    return COHERD_OK;
}

static bool is_for(const chd_topic *topic, const chd_filter *filter)
{
    return topic->match == filter->match &&
           chd_bytes_equal(chd_bytes_of(topic->text, topic->len),
                           filter->topic);
}

void chd_topics_remove(coherd_client *client, const chd_filter *filter)
{
    const uint32_t count = atomic_load(&client->topic_count);

    for (uint32_t i = 0; i < count; i++) {
        chd_topic *topic = atomic_load(&client->topics[i]);
        if (!is_for(topic, filter)) {
            continue;
        }
        chd_topic *last = atomic_load(&client->topics[count - 1]);
        atomic_store(&client->topics[i], last);
        atomic_store(&client->topic_count, count - 1);
        if (i != count - 1) {
            atomic_store(&client->topics[count - 1], NULL);
        } else {
            atomic_store(&client->topics[i], NULL);
        }
        free(topic);
        return;
    }
}

void chd_topics_clear(coherd_client *client)
{
    const uint32_t count = atomic_load(&client->topic_count);

    for (uint32_t i = 0; i < count; i++) {
        free(atomic_load(&client->topics[i]));
    }
    atomic_store(&client->topic_count, 0);
}
