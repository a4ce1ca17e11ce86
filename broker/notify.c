#include "broker/notify.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "broker/detect.h"

/* Return the number in a variable, 0 when it is none. */
static uint64_t number_of(char *const *env, const char *name)
{
    const char *text = chd_env_get(env, name);

    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static void find_watchdog(chd_notify *notify, char *const *env)
{
    const uint64_t usec = number_of(env, "WATCHDOG_USEC");
    const uint64_t pid = number_of(env, "WATCHDOG_PID");

    if (usec == 0 || usec > UINT64_MAX / 1000 ||
        (pid != 0 && pid != (uint64_t)getpid())) {
        return;
    }
    /* Twice as often as asked, as sd_watchdog_enabled(3) advises. */
    notify->watchdog_ns = usec * 1000 / 2;
    notify->due_ns = 0;
}

void chd_notify_init(chd_notify *notify, char *const *env)
{
    const char *path = chd_env_get(env, "NOTIFY_SOCKET");
    const size_t len = path != NULL ? strlen(path) : 0;

    *notify = (chd_notify){
        .fd = -1, .watchdog_ns = CHD_NEVER_NS, .due_ns = CHD_NEVER_NS};
    if (len < 2 || len >= sizeof(notify->address.sun_path) ||
        (path[0] != '/' && path[0] != '@')) {
        return;
    }
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, path, len);
    if (path[0] == '@') {
        notify->address.sun_path[0] = '\0'; /* the abstract namespace */
    }
    notify->address_len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->fd >= 0) {
        find_watchdog(notify, env);
    }
}

void chd_notify_fini(chd_notify *notify)
{
    if (notify->fd >= 0) {
        (void)close(notify->fd);
        notify->fd = -1;
    }
}

void chd_notify_send(const chd_notify *notify, const char *text)
{
    if (notify->fd < 0) {
        return;
    }
    /* Whether it arrives is the manager's concern: nothing depends on it. */
    (void)sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL,
                 (const struct sockaddr *)&notify->address,
                 notify->address_len);
}

void chd_notify_tick(chd_notify *notify, chd_now now)
{
    if (chd_elapsed(now.mono_ns, notify->due_ns, 0)) {
        chd_notify_send(notify, "WATCHDOG=1");
        notify->due_ns = chd_after(now.mono_ns, notify->watchdog_ns);
    }
}

uint64_t chd_notify_deadline_ns(const chd_notify *notify)
{
    return notify->due_ns;
}
