#include "broker/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static volatile sig_atomic_t exit_status;

static void on_readable(void *arg, uint32_t events, chd_now now)
{
    const chd_signals *signals = arg;
    struct signalfd_siginfo info;

    (void)events;
    while (read(signals->watch.fd, &info, sizeof(info)) ==
           (ssize_t)sizeof(info)) {
        signals->on_signal(signals->arg, (int)info.ssi_signo, now);
    }
}

bool chd_signals_init(chd_signals *signals, chd_poll *poll,
                      void (*on_signal)(void *arg, int signal, chd_now now),
                      void *arg)
{
    sigset_t wanted;

    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGTERM);
    (void)sigaddset(&wanted, SIGINT);
    (void)sigaddset(&wanted, SIGHUP);
    (void)signal(SIGPIPE, SIG_IGN);
    signals->on_signal = on_signal;
    signals->arg = arg;
    signals->watch = (chd_watch){
        .fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK),
        .events = EPOLLIN,
        .ready = on_readable,
        .arg = signals,
    };
    return signals->watch.fd >= 0 &&
           pthread_sigmask(SIG_BLOCK, &wanted, NULL) == 0 &&
           chd_poll_add(poll, &signals->watch);
}

void chd_signals_fini(chd_signals *signals, chd_poll *poll)
{
    const int fd = signals->watch.fd;

    if (fd >= 0) {
        chd_poll_remove(poll, &signals->watch);
        (void)close(fd);
    }
}

static void on_alarm(int signal)
{
    (void)signal;
    _exit(exit_status);
}

void chd_signals_exit_after(unsigned seconds, int status)
{
    exit_status = status;
    (void)signal(SIGALRM, on_alarm);
    (void)alarm(seconds);
}
