/* session.c - one connection for one command. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/cli.h"

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int cli_time_left(const cli_env *cli)
{
    const uint64_t now = now_ms();

    return now < cli->deadline_ms ? (int)(cli->deadline_ms - now) : 1;
}

static void on_state(coherd_client *client, const coherd_state *state,
                     void *arg)
{
    cli_env *cli = arg;

    (void)client;
    snprintf(cli->trouble, sizeof(cli->trouble), "%s", state->text);
    cli->absent = !state->connected && state->reason == COHERD_ERR_SYSTEM;
}

static int unreachable(const cli_env *cli)
{
    cli_complain("no sidecar can be reached: %s",
                 cli->trouble[0] == '\0' ? "no answer" : cli->trouble);
    return CLI_UNREACHABLE;
}

/* Wait for the sidecar, but not long for one that is not there. */
static coherd_err wait_for_sidecar(cli_env *cli, coherd_client *client)
{
    const bool chosen = cli->timeout_ms >= 0;
    const int left = cli_time_left(cli);
    coherd_err err = coherd_wait_connected(
        client, chosen || left < CLI_PATIENCE_MS ? left : CLI_PATIENCE_MS);

    (void)coherd_dispatch(client); /* tells on_state */
    if (err == COHERD_ERR_TIMEOUT && !chosen && !cli->absent) {
        err = coherd_wait_connected(client, cli_time_left(cli));
        (void)coherd_dispatch(client);
    }
    return err;
}

int cli_connect(cli_env *cli, const coherd_options *given,
                coherd_client **client)
{
    coherd_options options = {0};

    if (given != NULL) {
        options = *given;
    }
    options.socket = cli->socket;
    options.name = "coherctl";
    options.mode = COHERD_POLLED;
    if (options.on_state == NULL) {
        options.on_state = on_state;
        options.arg = cli;
    }
    cli->deadline_ms =
        now_ms() +
        (uint64_t)(cli->timeout_ms >= 0 ? cli->timeout_ms : CLI_TIMEOUT_MS);
    const coherd_err err = coherd_open(&options, client);
    if (err == COHERD_ERR_INVALID) {
        cli_complain("the socket's path is too long");
        return CLI_USAGE;
    }
    if (err != COHERD_OK) {
        return cli_result(cli, NULL, err);
    }
    if (wait_for_sidecar(cli, *client) != COHERD_OK) {
        (void)coherd_close(client);
        return unreachable(cli);
    }
    return CLI_DONE;
}

int cli_result(const cli_env *cli, coherd_client *client, coherd_err err)
{
    switch (err) {
    case COHERD_OK:
        return CLI_DONE;
    case COHERD_ERR_SYSTEM:
        cli_complain("%s", strerror(errno));
        return CLI_FAILED;
    case COHERD_ERR_INVALID:
        cli_complain("%s", coherd_strerror(err));
        return CLI_USAGE;
    case COHERD_ERR_DISCONNECTED:
        return unreachable(cli);
    case COHERD_ERR_TIMEOUT:
    case COHERD_ERR_AGAIN:
        (void)coherd_dispatch(client);
        if (!coherd_is_connected(client)) {
            return unreachable(cli);
        }
        cli_complain("the sidecar did not confirm it in time");
        return CLI_UNCONFIRMED;
    default:
        cli_complain("%s", coherd_strerror(err));
        return CLI_FAILED;
    }
}

/* Why an earlier write failed, which nobody noted: it took what it should have
 * written with it, so that fflush has nothing to say. */
static int cause_now(void)
{
    errno = 0;
    return write(STDOUT_FILENO, "\n", 1) < 0 ? errno : EIO;
}

bool cli_flush(void)
{
    int cause = 0;

    if (fflush(stdout) != 0) {
        cause = errno;
    } else if (ferror(stdout)) {
        cause = cause_now();
    }
    if (cause != 0 && cause != EPIPE) {
        cli_complain("standard output: %s", strerror(cause));
    }
    errno = cause;
    return cause == 0;
}
