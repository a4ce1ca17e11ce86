#include "tests/sim/story.h"

#include <stdio.h>
#include <string.h>

#include "tests/scenario/stories.h"

static const story_list *const all[] = {
    &stories_joining,  &stories_publishing, &stories_leaving,
    &stories_refusing, &stories_addresses,  &stories_repairing,
    &stories_trouble,
};

sim_node *story_node(sim_world *world, uint32_t number, bool listed)
{
    while (world->node_count < number) {
        (void)sim_node_new(world, world->node_count + 1);
    }
    if (listed) {
        world->dns.listed[number - 1] = true;
    }
    return world->nodes[number - 1];
}

void story_list_node(sim_world *world, uint32_t number, bool listed)
{
    sim_tell(&world->transcript, world->now_ns, "dns", "%s node-%u",
             listed ? "lists" : "forgets", number);
    world->dns.listed[number - 1] = listed;
}

sim_app *story_app(sim_world *world, uint32_t number, const char *topic)
{
    char name[SIM_NAME_BYTES];

    (void)snprintf(name, sizeof(name), "app-%u", number);
    (void)sim_name_number(&world->model.topics, topic);
    sim_app *app = sim_app_new(world, world->nodes[number - 1], name);
    sim_app_subscribe(app, CHD_MATCH_EXACT, topic);
    return app;
}

void story_invalidate(sim_app *app, const char *topic, const char *key)
{
    sim_model *model = &app->world->model;
    sim_item item = {
        .kind = CHD_KIND_INVALIDATE,
        .target_kind = CHD_TARGET_KEY,
        .topic = sim_name_number(&model->topics, topic),
    };

    (void)sim_name_number(&model->keys, key);
    (void)snprintf(item.target, sizeof(item.target), "%s", key);
    sim_app_write(app, item);
}

void story_message(sim_app *app, const char *topic, size_t bytes)
{
    const sim_item item = {
        .kind = CHD_KIND_MESSAGE,
        .target_kind = CHD_TARGET_NONE,
        .topic = sim_name_number(&app->world->model.topics, topic),
        .bytes = bytes,
    };

    sim_app_write(app, item);
}

void story_block(sim_world *world, uint32_t from, uint32_t to, uint64_t ms)
{
    sim_tell(&world->transcript, world->now_ns, "world",
             "blocks node-%u to node-%u for %u ms", from, to, (unsigned)ms);
    sim_link_block(world, world->nodes[from - 1], world->nodes[to - 1],
                   world->now_ns + ms * CHD_MS);
}

void story_until(sim_world *world, uint64_t ms)
{
    (void)sim_world_run(world, ms * CHD_MS);
}

void story_skip(sim_world *world)
{
    world->transcript.shown = world->transcript.len;
}

static size_t line_len(const char *text)
{
    const char *end = strchr(text, '\n');
    return end == NULL ? strlen(text) : (size_t)(end - text) + 1;
}

/* Print both texts from shortly before the first line that differs. */
static void print_difference(const char *expected, const char *actual)
{
    size_t len = line_len(expected);

    while (len > 0 && len == line_len(actual) &&
           memcmp(expected, actual, len) == 0) {
        expected += len;
        actual += len;
        len = line_len(expected);
    }
    printf("expected from here:\n%s\nhappened:\n%s\n", expected, actual);
}

void story_expect(sim_world *world, const char *text)
{
    sim_transcript *transcript = &world->transcript;
    const char *actual =
        transcript->text == NULL ? "" : transcript->text + transcript->shown;

    if (!world->failed && strcmp(actual, text) != 0) {
        print_difference(text, actual);
        sim_fail(world, "story", "something else happened");
    }
    story_skip(world);
}

static bool tell(const story *told)
{
    sim_world *world = malloc(sizeof(*world));
    const sim_options options = sim_options_calm();

    CHD_ASSERT(world != NULL);
    sim_world_init(world, &options);
    told->tell(world);
    const bool passed = !world->failed;
    if (!passed) {
        printf("story %s: %s: %s\n", told->name, world->oracle, world->verdict);
        if (strcmp(world->oracle, "story") != 0) {
            sim_transcript_print(&world->transcript, 40);
        }
    }
    sim_world_fini(world);
    free(world);
    return passed;
}

uint32_t story_tell_all(const char *wanted, uint32_t *passed)
{
    uint32_t failed = 0;

    *passed = 0;
    for (size_t list = 0; list < CHD_COUNT(all); list++) {
        for (size_t i = 0; i < all[list]->count; i++) {
            const story *one = &all[list]->stories[i];
            if (wanted != NULL && strstr(one->name, wanted) == NULL) {
                continue;
            }
            if (tell(one)) {
                (*passed)++;
            } else {
                failed++;
            }
        }
    }
    return failed;
}
