#include "broker/loop.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "broker/admin.h"
#include "broker/clock.h"
#include "broker/descriptors.h"
#include "broker/discover.h"
#include "broker/footprint.h"
#include "broker/local.h"
#include "broker/mesh.h"
#include "broker/metrics.h"
#include "broker/notify.h"
#include "broker/reload.h"
#include "broker/setup.h"
#include "broker/signals.h"

#define STATUS_OK 0
#define STATUS_FAILED 1

/* What the core may need beyond drain.timeout to say STOPPED. */
#define DRAIN_GRACE CHD_SECOND

/* What closing may take in all, libzmq's lingering included. */
#define EXIT_SECONDS 3

#define LAG_WINDOW (60 * CHD_SECOND)

typedef struct loop_state {
    chd_options *options;
    chd_config *config;
    chd_now now;
    chd_logger logger;
    chd_tally tally;
    chd_poll poll;
    chd_signals signals;
    chd_notify notify;
    chd_core *core;
    chd_out *out;
    chd_mesh_io *mesh;
    chd_local_io *local;
    chd_discover *discover;
    chd_admin *admin; /* NULL: turned off */
    uint32_t blocked; /* messages refused, the core is still to be told */
    bool stepping;
    bool draining;
    bool done;
    uint64_t give_up_ns; /* when draining has taken too long */
    uint64_t wake_ns;    /* when this turn was due           */
    uint64_t lag_since_ns;
    uint64_t lag_ns; /* longest of this window, and of the one before */
    uint64_t lag_before_ns;
} loop_state;

static void carry_out_trace(loop_state *loop, const chd_trace *trace)
{
    chd_logger_trace(&loop->logger, trace);
    if (trace->code == CHD_TRACE_NODE_READY) {
        chd_notify_send(&loop->notify, "READY=1");
    }
}

static void carry_out(loop_state *loop, const chd_action *action)
{
    switch (action->kind) {
    case CHD_ACT_BROADCAST:
        (void)chd_mesh_io_broadcast(loop->mesh, action->bytes);
        break;
    case CHD_ACT_DIAL:
        chd_mesh_io_dial(loop->mesh, action->peer, &action->endpoint);
        break;
    case CHD_ACT_HANG_UP:
        chd_mesh_io_hang_up(loop->mesh, action->peer);
        break;
    case CHD_ACT_SEND:
        loop->blocked +=
            !chd_mesh_io_send(loop->mesh, action->peer, action->bytes);
        break;
    case CHD_ACT_REPLY:
        loop->blocked +=
            !chd_mesh_io_reply(loop->mesh, action->route, action->bytes);
        break;
    case CHD_ACT_SESSION_SEND:
        chd_local_io_send(loop->local, action->session, action->bytes);
        break;
    case CHD_ACT_SESSION_CLOSE:
        chd_local_io_close(loop->local, action->session);
        break;
    case CHD_ACT_TRACE:
        carry_out_trace(loop, &action->trace);
        break;
    case CHD_ACT_STOPPED:
        loop->done = true;
        break;
    }
}

static void step_once(loop_state *loop, const chd_input *input)
{
    CHD_ASSERT(!loop->stepping);
    loop->stepping = true;
    chd_core_step(loop->core, loop->now, input, loop->out);
    for (size_t i = 0; i < loop->out->count; i++) {
        carry_out(loop, &loop->out->actions[i]);
    }
    chd_out_clear(loop->out);
    loop->stepping = false;
}

static void read_clock(loop_state *loop)
{
    loop->now = chd_clock_read();
    loop->logger.now = loop->now;
}

/* What is told of ages here must not be told as of an earlier time. */
static bool tells_ages(const chd_input *input)
{
    return input->kind == CHD_IN_CONTROL || input->kind == CHD_IN_TURN_END;
}

static void step(void *arg, const chd_input *input)
{
    loop_state *loop = arg;
    const chd_input blocked = {.kind = CHD_IN_BLOCKED};

    if (tells_ages(input)) {
        read_clock(loop);
    }
    step_once(loop, input);
    while (loop->blocked > 0) {
        loop->blocked--;
        step_once(loop, &blocked);
    }
}

static bool holds(void *arg)
{
    const loop_state *loop = arg;

    return chd_core_holds_publishers(loop->core);
}

static void begin_draining(loop_state *loop)
{
    const chd_input drain = {.kind = CHD_IN_DRAIN};

    loop->draining = true;
    loop->give_up_ns = chd_after(
        loop->now.mono_ns,
        chd_config_number(loop->config, CHD_SET_DRAIN_TIMEOUT) + DRAIN_GRACE);
    chd_notify_send(&loop->notify, "STOPPING=1");
    chd_local_io_stop_accepting(loop->local);
    step(loop, &drain);
}

static uint64_t node_state(const loop_state *loop)
{
    chd_node_report report;

    chd_core_report_node(loop->core, loop->now, &report);
    return report.state;
}

static void reload(loop_state *loop)
{
    char text[64];
    /* READY=1 is due after a reload, but not from a node that is not. */
    const bool ready = node_state(loop) == CHD_NODE_READY;

    if (ready) {
        /* systemd's notify-reload wants to know when, on its own clock. */
        (void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
                       (unsigned long long)chd_clock_monotonic_us());
        chd_notify_send(&loop->notify, text);
    }
    if (chd_reload(loop->options, loop->config, &loop->logger)) {
        chd_setup_logger(loop->config, &loop->logger);
        chd_discover_configure(loop->discover, loop->config);
    }
    if (ready) {
        chd_notify_send(&loop->notify, "READY=1");
    }
}

static const char *signal_name(int signal)
{
    if (signal == SIGHUP) {
        return "SIGHUP";
    }
    return signal == SIGINT ? "SIGINT" : "SIGTERM";
}

static void on_signal(void *arg, int signal, chd_now now)
{
    loop_state *loop = arg;
    chd_line line;

    (void)now;
    chd_line_begin(&line, &loop->logger, CHD_LEVEL_NOTICE, "signal");
    chd_line_text(&line, "name", signal_name(signal));
    chd_line_end(&line);
    if (signal == SIGHUP) {
        reload(loop);
    } else if (loop->draining) {
        loop->done = true;
    } else {
        begin_draining(loop);
    }
}

static bool write_ready(void *arg, chd_writer *writer)
{
    const loop_state *loop = arg;
    chd_node_report report;

    chd_core_report_node(loop->core, loop->now, &report);
    if (report.state == CHD_NODE_READY) {
        chd_writer_add(writer,
                       report.degraded
                           ? "ready\ndegraded: a listed peer or a member is "
                             "missing\n"
                           : "ready\n");
        return true;
    }
    chd_writer_add(writer, report.state == CHD_NODE_DRAINING ? "draining\n"
                                                             : "starting\n");
    return false;
}

static void write_metrics(void *arg, chd_writer *writer)
{
    const loop_state *loop = arg;
    chd_metrics metrics = {
        .tally = loop->tally,
        .open_fds = chd_descriptors_open(),
        .max_fds = chd_descriptors_limit(),
        .loop_lag_ns = chd_max_u64(loop->lag_ns, loop->lag_before_ns),
    };

    chd_metrics_collect(&metrics, loop->core, loop->now);
    chd_metrics_write(&metrics, writer);
}

static bool open_core(loop_state *loop, chd_core_config *config)
{
    const chd_endpoint bound = chd_setup_bound(loop->config);
    const chd_endpoint announced = chd_setup_announced(&bound);
    chd_line line;

    chd_setup_core(loop->config, &announced, config);
    chd_setup_log(loop->config, config->node, &announced, &loop->logger);
    chd_err err = chd_out_new(NULL, &loop->out);
    if (err == CHD_OK) {
        err = chd_core_new(config, NULL, loop->now, &loop->core);
    }
    if (err == CHD_OK) {
        return true;
    }
    chd_line_begin(&line, &loop->logger, CHD_LEVEL_ERROR, "core_failed");
    chd_line_text(&line, "error", chd_err_text(err));
    chd_line_end(&line);
    return false;
}

static bool open_local(loop_state *loop, const chd_feed *feed)
{
    const chd_local_io_options options = {
        .listener =
            {
                .path = chd_config_text(loop->config, CHD_SET_LOCAL_SOCKET),
                .group = chd_config_text(loop->config, CHD_SET_LOCAL_GROUP),
                .mode =
                    (mode_t)chd_config_number(loop->config, CHD_SET_LOCAL_MODE),
                .logger = &loop->logger,
            },
        .uids = chd_config_text(loop->config, CHD_SET_LOCAL_UIDS),
        .session_count =
            (uint32_t)chd_config_number(loop->config, CHD_SET_LIMITS_SESSIONS),
        .poll = &loop->poll,
        .feed = *feed,
        .tally = &loop->tally,
    };

    return chd_local_io_new(&options, &loop->local);
}

static bool open_mesh(loop_state *loop, const chd_feed *feed)
{
    const chd_mesh_io_options options = {
        .bind = chd_setup_bound(loop->config),
        .peer_count = CHD_PEERS_MAX,
        .poll = &loop->poll,
        .feed = *feed,
        .logger = &loop->logger,
        .tally = &loop->tally,
    };

    return chd_mesh_io_new(&options, &loop->mesh);
}

static bool open_admin(loop_state *loop)
{
    const chd_admin_options options = {
        .address = chd_config_text(loop->config, CHD_SET_ADMIN_ADDRESS),
        .source = {write_ready, write_metrics, loop},
        .poll = &loop->poll,
        .logger = &loop->logger,
        .tally = &loop->tally,
    };

    return options.address[0] == '\0' || chd_admin_new(&options, &loop->admin);
}

static void open_discover(loop_state *loop, const chd_feed *feed)
{
    const chd_discover_options options = {
        .bound = chd_setup_bound(loop->config),
        .poll = &loop->poll,
        .feed = *feed,
        .logger = &loop->logger,
        .tally = &loop->tally,
    };

    chd_discover_new(&options, &loop->discover);
    chd_discover_configure(loop->discover, loop->config);
}

/* Open everything; what cannot be opened is in the log. */
static bool open_all(loop_state *loop)
{
    const chd_feed feed = {step, loop, holds};
    chd_core_config config;

    chd_setup_descriptors(loop->config, &loop->logger);
    if (!chd_poll_init(&loop->poll) ||
        !chd_signals_init(&loop->signals, &loop->poll, on_signal, loop)) {
        chd_line line;
        chd_line_begin(&line, &loop->logger, CHD_LEVEL_ERROR, "loop_failed");
        chd_line_text(&line, "hint", "raise the limit of open files");
        chd_line_end(&line);
        return false;
    }
    if (!open_core(loop, &config) || !open_local(loop, &feed) ||
        !open_mesh(loop, &feed) || !open_admin(loop)) {
        return false;
    }
    open_discover(loop, &feed);
    chd_footprint_trim();
    return true;
}

static void close_all(loop_state *loop, int status)
{
    chd_signals_exit_after(EXIT_SECONDS, status);
    chd_admin_destroy(&loop->admin);
    chd_discover_destroy(&loop->discover);
    chd_local_io_destroy(&loop->local);
    chd_mesh_io_destroy(&loop->mesh);
    chd_core_destroy(&loop->core);
    chd_out_destroy(&loop->out);
    chd_signals_fini(&loop->signals, &loop->poll);
    chd_notify_fini(&loop->notify);
    chd_poll_fini(&loop->poll);
}

/* Return when the next turn is due. */
static uint64_t next_due(loop_state *loop)
{
    uint64_t due = chd_after(loop->now.mono_ns, CHD_MESH_TOUCH_MS * CHD_MS);

    if (chd_mesh_io_settle(loop->mesh, loop->now)) {
        return loop->now.mono_ns;
    }
    due = chd_min_u64(due, chd_core_deadline_ns(loop->core));
    due = chd_min_u64(due, chd_local_io_deadline_ns(loop->local));
    due = chd_min_u64(due, chd_discover_deadline_ns(loop->discover, loop->now));
    due = chd_min_u64(due, chd_notify_deadline_ns(&loop->notify));
    if (loop->admin != NULL) {
        due = chd_min_u64(due, chd_admin_deadline_ns(loop->admin));
    }
    return chd_max_u64(due, loop->now.mono_ns);
}

/* Note how late the loop came to what was due. */
static void note_lag(loop_state *loop)
{
    const uint64_t lag = chd_since(loop->now.mono_ns, loop->wake_ns);

    if (chd_elapsed(loop->now.mono_ns, loop->lag_since_ns, LAG_WINDOW)) {
        loop->lag_since_ns = loop->now.mono_ns;
        loop->lag_before_ns = loop->lag_ns;
        loop->lag_ns = 0;
    }
    loop->lag_ns = chd_max_u64(loop->lag_ns, lag);
}

static void turn(loop_state *loop)
{
    const chd_input end = {.kind = CHD_IN_TURN_END};
    const uint64_t wait_ns = loop->wake_ns - loop->now.mono_ns;

    chd_poll_wait(&loop->poll, (int)((wait_ns + CHD_MS - 1) / CHD_MS));
    read_clock(loop);
    note_lag(loop);
    loop->tally.turns++;
    chd_poll_dispatch(&loop->poll, loop->now);
    chd_mesh_io_receive(loop->mesh);
    chd_discover_tick(loop->discover, loop->now);
    chd_local_io_tick(loop->local, loop->now);
    chd_notify_tick(&loop->notify, loop->now);
    if (loop->admin != NULL) {
        chd_admin_tick(loop->admin, loop->now);
    }
    chd_local_io_reap(loop->local);
    step(loop, &end);
    chd_local_io_flush(loop->local);
    if (loop->draining && chd_elapsed(loop->now.mono_ns, loop->give_up_ns, 0)) {
        loop->done = true;
    }
    loop->wake_ns = next_due(loop);
}

int chd_loop_run(chd_options *options, chd_config *config,
                 const chd_problems *problems)
{
    loop_state loop = {
        .options = options,
        .config = config,
        .poll.fd = -1,
        .signals.watch.fd = -1,
        .logger.fd = STDERR_FILENO,
    };

    loop.logger.tally = &loop.tally;
    read_clock(&loop);
    loop.wake_ns = loop.now.mono_ns;
    loop.lag_since_ns = loop.now.mono_ns;
    chd_setup_logger(config, &loop.logger);
    chd_problems_log(problems, &loop.logger);
    chd_notify_init(&loop.notify, options->env);
    const int status = open_all(&loop) ? STATUS_OK : STATUS_FAILED;
    while (status == STATUS_OK && !loop.done) {
        turn(&loop);
    }
    close_all(&loop, status);
    if (status == STATUS_OK) {
        chd_line line;
        chd_line_begin(&line, &loop.logger, CHD_LEVEL_NOTICE, "stopped");
        chd_line_end(&line);
    }
    return status;
}
