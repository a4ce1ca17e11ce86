/* deliver.c - what the sidecar says, and what it does to the cache. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/canary.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

static void apply_event(sim_app *app, const chd_event *event)
{
    sim_model *model = &app->world->model;
    const uint32_t topic = sim_name_find(&model->topics, event->topic);

    if (topic == UINT32_MAX || !sim_app_wants(app, topic)) {
        return;
    }
    for (uint32_t key = 0; key < model->keys.count; key++) {
        uint32_t *cached = &app->cache[topic][key];
        if (!sim_target_covers(model, event->target_kind, event->target, key)) {
            continue;
        }
        if (event->kind == CHD_KIND_INVALIDATE) {
            *cached = 0;
        } else if (*cached != 0 && sim_update_version(event->value) > *cached) {
            /* Only in the place of something older: an invalidation that is
             * newer may have come first. */
            *cached = sim_update_version(event->value);
        }
    }
}

static void tell_record(const sim_app *app, uint64_t origin,
                        const chd_event *event)
{
    static const char *const kinds[] = {"invalidate", "update", "message"};
    char who[SIM_WHO_BYTES];
    sim_transcript *transcript = &app->world->transcript;

    if (!transcript->on) {
        return;
    }
    sim_print_node(app->world, origin, who);
    sim_tell(transcript, app->world->now_ns, app->name,
             "event %s:%" PRIu64 " %s %.*s %.*s", who, event->seq,
             kinds[event->kind], (int)event->topic.len,
             (const char *)event->topic.ptr, (int)event->target.len,
             (const char *)event->target.ptr);
}

static void on_record(sim_app *app, uint64_t origin, const chd_event *event,
                      chd_bytes record, bool ignore)
{
    tell_record(app, origin, event);
    app->delivered++;
    sim_oracle_delivered(app, origin, record);
    if (!ignore) {
        apply_event(app, event);
    }
}

static void on_events(sim_app *app, const chd_local_events *events,
                      sim_mischief mischief)
{
    const uint64_t origin = events->origin;
    chd_bytes rest = events->records.encoded;
    chd_event event;
    chd_event first;
    chd_bytes record;
    chd_bytes first_record = {NULL, 0};

    while (chd_mesh_record_next(&rest, &event, &record)) {
        if (mischief == SIM_MISCHIEF_BACKWARDS && first_record.ptr == NULL) {
            first = event;
            first_record = record;
            continue;
        }
        on_record(app, origin, &event, record, mischief == SIM_MISCHIEF_IGNORE);
        if (mischief == SIM_MISCHIEF_TWICE) {
            on_record(app, origin, &event, record, false);
        }
    }
    if (first_record.ptr != NULL) {
        on_record(app, origin, &first, first_record, false);
    }
}

static void drop_topics(sim_app *app, const chd_local_reset *reset)
{
    const sim_model *model = &app->world->model;

    for (uint32_t topic = 0; topic < model->topics.count; topic++) {
        chd_local_list filters = reset->filters;
        bool covered = filters.count == 0;
        chd_filter filter;
        while (chd_local_filter_next(&filters, &filter)) {
            covered = covered ||
                      chd_filter_matches(
                          &filter, chd_bytes_str(model->topics.text[topic]));
        }
        if (covered) {
            memset(app->cache[topic], 0, sizeof(app->cache[topic]));
        }
    }
}

static void tell_reset(const sim_app *app, const chd_local_reset *reset)
{
    static const char *const reasons[] = {"?", "subscribed", "lost", "slow",
                                          "joined"};
    sim_transcript *transcript = &app->world->transcript;
    chd_local_list filters = reset->filters;
    char names[256] = "";
    size_t len = 0;
    chd_filter filter;

    while (transcript->on && len < sizeof(names) - 40 &&
           chd_local_filter_next(&filters, &filter)) {
        len += (size_t)snprintf(names + len, sizeof(names) - len, " %.*s%s",
                                (int)chd_min_size(filter.topic.len, 30),
                                (const char *)filter.topic.ptr,
                                filter.match == CHD_MATCH_PREFIX ? "*" : "");
    }
    sim_tell(transcript, app->world->now_ns, app->name, "reset %s%s",
             reasons[reset->reason <= CHD_RESET_JOINED ? reset->reason : 0],
             reset->filters.count == 0 ? " everything" : names);
}

static void on_reset(sim_app *app, const chd_local_reset *reset)
{
    chd_local_list filters = reset->filters;
    chd_filter given;

    tell_reset(app, reset);
    while (reset->reason == CHD_RESET_SUBSCRIBED &&
           chd_local_filter_next(&filters, &given)) {
        for (uint32_t i = 0; i < app->filter_count; i++) {
            sim_filter *filter = &app->filters[i];
            if (filter->wanted && filter->match == given.match &&
                chd_bytes_equal(chd_bytes_str(filter->topic), given.topic)) {
                filter->held = filter->confirmed = filter->begun = true;
            }
        }
    }
    drop_topics(app, reset);
    sim_oracle_reset(app, reset);
}

void sim_app_deliver(sim_app *app, const chd_delivery *delivery)
{
    const sim_mischief mischief = sim_canary_delivers(app, delivery);

    switch (delivery->kind) {
    case CHD_DELIVERY_WELCOME:
        app->attached++;
        sim_oracle_welcomed(app, &delivery->local.u.welcome);
        sim_oracle_asked_again(app);
        break;
    case CHD_DELIVERY_EVENTS:
        if (mischief != SIM_MISCHIEF_DROP) {
            on_events(app, &delivery->local.u.events, mischief);
        }
        chd_client_applied(app->client, &delivery->mark);
        break;
    case CHD_DELIVERY_RESET:
        if (mischief != SIM_MISCHIEF_DROP) {
            on_reset(app, &delivery->local.u.reset);
        }
        if (mischief == SIM_MISCHIEF_TWICE) {
            on_reset(app, &delivery->local.u.reset);
        }
        chd_client_applied(app->client, &delivery->mark);
        break;
    case CHD_DELIVERY_GOODBYE:
        sim_tell(&app->world->transcript, app->world->now_ns, app->name,
                 "goodbye");
        break;
    case CHD_DELIVERY_ERROR:
        sim_tell(&app->world->transcript, app->world->now_ns, app->name,
                 "error %" PRIu64 " \"%.*s\"", delivery->local.u.error.code,
                 (int)delivery->local.u.error.text.len,
                 (const char *)delivery->local.u.error.text.ptr);
        break;
    case CHD_DELIVERY_RECEIPT:
        sim_oracle_accepted(app, &delivery->local.u.receipt);
        break;
    case CHD_DELIVERY_CONFIRMED:
        sim_oracle_confirmed(app, &delivery->local.u.confirmed);
        break;
    case CHD_DELIVERY_AWAITED:
        sim_oracle_awaited(app, delivery->local.u.request);
        break;
    case CHD_DELIVERY_NONE:
    case CHD_DELIVERY_REPLICATED:
    case CHD_DELIVERY_REPORT:
        break;
    }
}
