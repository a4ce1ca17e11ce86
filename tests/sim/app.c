#include "tests/sim/app.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

/* A socket carries bytes from one process to another in about this time. */
#define SOCKET_DELAY (20 * 1000)

uint64_t sim_app_clock(const sim_app *app)
{
    return app->clock_ns + app->world->now_ns;
}

static void app_turn(void *who, uint64_t token);

static void wake_at(sim_app *app, uint64_t at_ns)
{
    at_ns = chd_max_u64(at_ns, app->paused_until_ns);
    if (at_ns < app->wake_ns) {
        app->wake_ns = at_ns;
        sim_agenda_add(&app->world->agenda, at_ns, app_turn, app,
                       ++app->wake_token);
    }
}

void sim_app_wake(sim_app *app)
{
    wake_at(app, app->world->now_ns + SOCKET_DELAY);
}

/* --- its life ------------------------------------------------------------- */

static void start(sim_app *app)
{
    sim_world *world = app->world;
    const uint64_t seed = chd_prng_next(&world->prng);
    app->client_id = chd_prng_next(&world->prng) | 1;
    app->released = app->published = 0;
    app->sidecar = 0;
    app->confirm = app->await = 0;
    chd_client_config config = {
        .seed = seed,
        .client = app->client_id,
        .pid = ++app->life,
        .name = chd_bytes_str(app->name),
        .version_min = CHD_PROTOCOL_MIN,
        .version_max = CHD_PROTOCOL_MAX,
        .window_bytes = CHD_PUBLISH_WINDOW_BYTES,
        .subscription_count_max = SIM_FILTERS_MAX,
        .bound_ms = app->bound_ms,
    };

    if (app->node->setup.version != 0) {
        config.version_min = config.version_max = app->node->setup.version;
    }
    const chd_err err =
        chd_client_new(&config, NULL, sim_app_clock(app), &app->client);
    CHD_ASSERT(err == CHD_OK);
    for (uint32_t i = 0; i < app->filter_count; i++) {
        sim_filter *filter = &app->filters[i];
        filter->held = filter->confirmed = filter->begun = false;
        if (filter->wanted) {
            const chd_filter wanted = {filter->match,
                                       chd_bytes_str(filter->topic)};
            const chd_err added = chd_client_subscribe(app->client, &wanted);
            CHD_ASSERT(added == CHD_OK);
        }
    }
    sim_app_wake(app);
}

static void hang_up(sim_app *app)
{
    if (app->stream != NULL) {
        sim_stream_close_app(app->stream);
        app->stream = NULL;
    }
    for (uint32_t i = 0; i < app->filter_count; i++) {
        app->filters[i].confirmed = false;
    }
}

static void disconnect(sim_app *app)
{
    hang_up(app);
    chd_client_disconnected(app->client, sim_app_clock(app));
}

sim_app *sim_app_new(sim_world *world, sim_node *node, const char *name)
{
    sim_app *app = calloc(1, sizeof(*app));

    CHD_ASSERT(app != NULL && world->app_count < SIM_APPS_MAX);
    app->world = world;
    app->node = node;
    app->wake_ns = CHD_NEVER_NS;
    app->clock_ns = CHD_SECOND * (7 + world->app_count);
    (void)snprintf(app->name, sizeof(app->name), "%s", name);
    world->apps[world->app_count++] = app;
    start(app);
    return app;
}

void sim_app_free(sim_app *app)
{
    if (app->stream != NULL) {
        sim_stream_close_app(app->stream);
    }
    chd_client_destroy(&app->client);
    for (uint32_t i = 0; i < app->owed_count; i++) {
        free(app->owed[i].seqs);
        free(app->owed[i].seen);
    }
    free(app->owed);
    free(app->requests);
    free(app);
}

void sim_app_restart(sim_app *app)
{
    sim_tell(&app->world->transcript, app->world->now_ns, app->name,
             "restarts");
    hang_up(app);
    chd_client_destroy(&app->client);
    memset(app->cache, 0, sizeof(app->cache));
    for (uint32_t i = 0; i < app->owed_count; i++) {
        app->owed[i].count = 0;
    }
    app->todo_count = 0;
    start(app);
}

void sim_app_set_bound(sim_app *app, uint64_t bound_ms)
{
    app->bound_ms = bound_ms;
    sim_app_restart(app);
}

void sim_app_unplug(sim_app *app)
{
    if (app->stream != NULL) {
        sim_tell(&app->world->transcript, app->world->now_ns, app->name,
                 "loses its connection");
        disconnect(app);
        sim_app_wake(app);
    }
}

void sim_app_pause(sim_app *app, uint64_t until_ns)
{
    sim_tell(&app->world->transcript, app->world->now_ns, app->name, "stalls");
    app->paused_until_ns = until_ns;
    app->stalls++;
    app->wake_ns = CHD_NEVER_NS;
    wake_at(app, until_ns);
}

bool sim_app_is_idle(const sim_app *app)
{
    return app->todo_count == 0 && chd_client_pending_bytes(app->client) == 0;
}

/* --- subscriptions -------------------------------------------------------- */

void sim_app_subscribe(sim_app *app, chd_match match, const char *topic)
{
    const chd_filter filter = {match, chd_bytes_str(topic)};
    uint32_t i = 0;

    while (i < app->filter_count &&
           (app->filters[i].match != match ||
            strcmp(app->filters[i].topic, topic) != 0)) {
        i++;
    }
    CHD_ASSERT(i < SIM_FILTERS_MAX);
    if (i == app->filter_count) {
        app->filter_count++;
    }
    if (app->filters[i].wanted) {
        return;
    }
    app->filters[i] = (sim_filter){.match = match, .wanted = true};
    (void)snprintf(app->filters[i].topic, SIM_NAME_BYTES, "%s", topic);
    app->asked++;
    const chd_err err = chd_client_subscribe(app->client, &filter);
    CHD_ASSERT(err == CHD_OK);
    sim_app_wake(app);
}

static bool covers(const sim_filter *filter, const char *topic)
{
    const chd_filter as = {filter->match, chd_bytes_str(filter->topic)};
    return chd_filter_matches(&as, chd_bytes_str(topic));
}

bool sim_app_holds(const sim_app *app, uint32_t topic, bool unconfirmed)
{
    for (uint32_t i = 0; i < app->filter_count; i++) {
        const sim_filter *filter = &app->filters[i];
        if (filter->wanted && filter->held &&
            (filter->confirmed || unconfirmed) &&
            covers(filter, app->world->model.topics.text[topic])) {
            return true;
        }
    }
    return false;
}

bool sim_app_wants(const sim_app *app, uint32_t topic)
{
    for (uint32_t i = 0; i < app->filter_count; i++) {
        if (app->filters[i].wanted &&
            covers(&app->filters[i], app->world->model.topics.text[topic])) {
            return true;
        }
    }
    return false;
}

void sim_app_unsubscribe(sim_app *app, uint32_t i)
{
    sim_filter *filter = &app->filters[i];
    const chd_filter gone = {filter->match, chd_bytes_str(filter->topic)};

    if (!filter->wanted) {
        return;
    }
    filter->wanted = filter->held = filter->confirmed = false;
    const bool was = chd_client_unsubscribe(app->client, &gone);
    CHD_ASSERT(was);
    for (uint32_t topic = 0; topic < app->world->model.topics.count; topic++) {
        if (!sim_app_wants(app, topic)) {
            memset(app->cache[topic], 0, sizeof(app->cache[topic]));
        }
    }
    sim_app_wake(app);
}

/* --- its turn ------------------------------------------------------------- */

static void read_stream(sim_app *app)
{
    chd_bytes message;
    chd_delivery delivery;

    while (app->stream != NULL &&
           sim_pipe_take(&app->stream->to_app, &message)) {
        const chd_err err = chd_client_receive(app->client, sim_app_clock(app),
                                               message, &delivery);
        if (err != CHD_OK) {
            sim_fail(app->world, "stream", "%s cannot read its sidecar: %s",
                     app->name, chd_err_text(err));
            disconnect(app);
            return;
        }
        if (delivery.local.type == CHD_LOCAL_PONG) {
            sim_oracle_pong(app);
        }
        sim_app_deliver(app, &delivery);
        sim_oracle_horizon(app, sim_app_clock(app));
    }
    if (app->stream != NULL && app->stream->node == NULL) {
        disconnect(app);
    }
}

/* Invalidations may share a request. */
static void note_request(sim_app *app, uint64_t request)
{
    if (app->published == app->request_cap) {
        app->request_cap = app->request_cap == 0 ? 64 : 2 * app->request_cap;
        app->requests =
            realloc(app->requests, app->request_cap * sizeof(uint64_t));
        CHD_ASSERT(app->requests != NULL);
    }
    app->requests[app->published++] = request;
}

static void publish_todo(sim_app *app)
{
    static uint8_t value[CHD_PAYLOAD_BYTES_MAX];
    const sim_model *model = &app->world->model;

    while (app->todo_count > 0) {
        const sim_item *item = &app->todo[app->todo_first];
        const chd_event event = sim_item_event(model, item, value);
        /* Some share a message, others have a receipt long before they are
         * replicated. */
        chd_client_publish_open(app->client, app->todo_first / 4 % 2 == 0
                                                 ? CHD_WAIT_NONE
                                                 : CHD_WAIT_ACCEPTED);
        const chd_err err = chd_client_publish_add(app->client, &event);
        if (err != CHD_OK) {
            CHD_ASSERT(err == CHD_ENOSPACE);
            chd_client_publish_abort(app->client);
            return;
        }
        note_request(app, chd_client_publish_commit(app->client));
        sim_oracle_published(app, &event);
        app->todo_first = (app->todo_first + 1) % SIM_TODO_MAX;
        app->todo_count--;
    }
}

static void connect_or_drop(sim_app *app)
{
    switch (chd_client_tick(app->client, sim_app_clock(app))) {
    case CHD_CLIENT_WAIT:
        break;
    case CHD_CLIENT_DROP:
        disconnect(app);
        break;
    case CHD_CLIENT_CONNECT:
        app->stream = sim_stream_connect(app, app->node,
                                         app->world->options.stream_bytes);
        if (app->stream == NULL) {
            chd_client_disconnected(app->client, sim_app_clock(app));
        } else {
            chd_client_connected(app->client, sim_app_clock(app));
        }
        break;
    }
}

static void write_stream(sim_app *app)
{
    while (app->stream != NULL) {
        const chd_bytes bytes = chd_client_output(app->client);
        if (bytes.len == 0) {
            return;
        }
        const size_t written = sim_stream_write(app->stream, bytes);
        sim_digest(app->world, UINT64_C(0xa99) << 32 | written, bytes);
        chd_client_written(app->client, written);
        if (written < bytes.len) {
            return;
        }
    }
}

static void app_turn(void *who, uint64_t token)
{
    sim_app *app = who;

    if (app->wake_token != token) {
        return;
    }
    app->wake_ns = CHD_NEVER_NS;
    read_stream(app);
    connect_or_drop(app);
    publish_todo(app);
    write_stream(app);
    const uint64_t due = chd_client_deadline_ns(app->client);
    if (due != CHD_NEVER_NS) {
        const uint64_t left = chd_since(due, sim_app_clock(app));
        wake_at(app, app->world->now_ns + left);
    }
}
