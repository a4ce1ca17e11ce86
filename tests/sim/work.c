/* work.c - what applications do with their data. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/world.h"

void sim_app_write(sim_app *app, sim_item item)
{
    sim_world *world = app->world;

    if (app->todo_count == SIM_TODO_MAX) {
        return;
    }
    item.number = ++world->item_number;
    if (item.kind != CHD_KIND_MESSAGE) {
        item.version = sim_model_write(&world->model, &item);
    }
    app->todo[(app->todo_first + app->todo_count) % SIM_TODO_MAX] = item;
    app->todo_count++;
    sim_tell(&world->transcript, world->now_ns, app->name, "publishes %s %s",
             world->model.topics.text[item.topic], item.target);
    sim_app_wake(app);
}

void sim_app_read(sim_app *app, uint32_t topic, uint32_t key)
{
    if (sim_app_wants(app, topic) && app->cache[topic][key] == 0) {
        app->cache[topic][key] = app->world->model.versions[topic][key];
    }
}

static void name_target(sim_world *world, sim_item *item)
{
    const uint32_t key = (uint32_t)sim_below(world, world->model.keys.count);
    const char *name = world->model.keys.text[key];

    switch (item->target_kind) {
    case CHD_TARGET_KEY:
        (void)snprintf(item->target, SIM_NAME_BYTES, "%s", name);
        break;
    case CHD_TARGET_TAG:
        (void)snprintf(item->target, SIM_NAME_BYTES, "tag-%u",
                       (unsigned)(key % 3));
        break;
    case CHD_TARGET_PREFIX:
        (void)snprintf(item->target, SIM_NAME_BYTES, "%.2s", name);
        break;
    case CHD_TARGET_ALL:
    case CHD_TARGET_NONE:
        break;
    }
}

sim_item sim_any_item(sim_world *world)
{
    static const chd_target_kind targets[] = {
        CHD_TARGET_KEY, CHD_TARGET_KEY, CHD_TARGET_KEY,    CHD_TARGET_KEY,
        CHD_TARGET_KEY, CHD_TARGET_TAG, CHD_TARGET_PREFIX, CHD_TARGET_ALL,
    };
    sim_item item = {.kind = CHD_KIND_INVALIDATE};
    const uint64_t roll = sim_below(world, 10);

    item.topic = (uint32_t)sim_below(world, world->model.topics.count);
    item.target_kind = targets[sim_below(world, CHD_COUNT(targets))];
    if (roll == 0) {
        item.kind = CHD_KIND_UPDATE;
        item.target_kind = CHD_TARGET_KEY;
    } else if (roll == 1) {
        item.kind = CHD_KIND_MESSAGE;
        item.target_kind = CHD_TARGET_NONE;
        item.bytes = (size_t)sim_below(world, world->options.payload_bytes + 1);
    }
    name_target(world, &item);
    /* So that none stands for one that is harder. */
    item.soft = item.kind == CHD_KIND_INVALIDATE && world->item_number % 4 == 0;
    return item;
}

/* Change a subscription, or end one. */
static void change_filters(sim_app *app)
{
    sim_world *world = app->world;
    const uint32_t i = (uint32_t)sim_below(world, app->filter_count);
    const sim_filter *filter = &app->filters[i];

    if (filter->wanted) {
        sim_app_unsubscribe(app, i);
    } else {
        const sim_filter again = *filter;
        sim_app_subscribe(app, again.match, again.topic);
    }
}

static void work(void *who, uint64_t token)
{
    sim_app *app = who;
    sim_world *world = app->world;
    const sim_options *options = &world->options;

    if (app->work_token != token) {
        return;
    }
    sim_agenda_add(&world->agenda,
                   world->now_ns + sim_below(world, 2 * options->write_ns + 1),
                   work, app, token);
    if (app->paused_until_ns > world->now_ns) {
        return;
    }
    for (uint32_t i = 0; i < 4; i++) {
        sim_app_read(app, (uint32_t)sim_below(world, world->model.topics.count),
                     (uint32_t)sim_below(world, world->model.keys.count));
    }
    if (world->phase == SIM_PHASE_HEALING || world->phase == SIM_PHASE_QUIET ||
        (world->phase == SIM_PHASE_STEADY && !app->node->running)) {
        return;
    }
    uint64_t count = 1;
    if (world->phase == SIM_PHASE_FAULTS && sim_has(options, SIM_BURST) &&
        sim_one_in(world, 10)) {
        count = sim_between(world, 10, 200);
    }
    sim_item item = sim_any_item(world);
    while (count-- > 0) {
        sim_app_write(app, item);
        /* A burst of messages may be more than a log holds. */
        if (item.kind != CHD_KIND_MESSAGE) {
            item = sim_any_item(world);
        }
    }
    if (world->phase == SIM_PHASE_FAULTS && sim_one_in(world, 20)) {
        change_filters(app);
    }
}

void sim_app_begin_work(sim_app *app)
{
    work(app, ++app->work_token);
}
