/* notify.h - tell a service manager how things are: sd_notify(3), which is one
 * datagram to the socket that NOTIFY_SOCKET names.  Without it nothing is
 * sent.
 *
 * Thread: the loop's alone.
 */
#ifndef CHD_BROKER_NOTIFY_H
#define CHD_BROKER_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "proto/base/clock.h"

typedef struct chd_notify {
    int fd; /* -1: nobody asked */
    struct sockaddr_un address;
    socklen_t address_len;
    uint64_t watchdog_ns; /* how often to show life, or CHD_NEVER_NS */
    uint64_t due_ns;
} chd_notify;

/* Look in env, as environ holds it, for who wants to know. */
void chd_notify_init(chd_notify *notify, char *const *env);
void chd_notify_fini(chd_notify *notify);

/* Send "READY=1" and the like. */
void chd_notify_send(const chd_notify *notify, const char *text);

/* Show life when that is due. */
void chd_notify_tick(chd_notify *notify, chd_now now);

/* Return when the next tick is due. */
uint64_t chd_notify_deadline_ns(const chd_notify *notify);

#endif
