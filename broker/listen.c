#include "broker/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128
#define KEEP_GROUP ((gid_t)-1)

/* Log why path cannot be used.  error is an errno, or 0. */
static bool refuse(const chd_listener_options *options, const char *what,
                   int error, const char *hint)
{
    chd_line line;

    chd_line_begin(&line, options->logger, CHD_LEVEL_ERROR, what);
    chd_line_text(&line, "path", options->path);
    if (error != 0) {
        chd_line_text(&line, "error", strerror(error));
    }
    chd_line_text(&line, "hint", hint);
    chd_line_end(&line);
    return false;
}

static gid_t group_of(const char *text)
{
    char *end = NULL;

    if (text[0] == '\0') {
        return KEEP_GROUP;
    }
    const unsigned long number = strtoul(text, &end, 10);
    if (*end == '\0') {
        return (gid_t)number;
    }
    const struct group *group = getgrnam(text);
    return group != NULL ? group->gr_gid : KEEP_GROUP;
}

/* Create the directory of the socket unless it is there. */
static bool make_directory(const chd_listener_options *options, gid_t group)
{
    char directory[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    const char *slash = strrchr(options->path, '/');
    struct stat status;

    if (slash == NULL || slash == options->path) {
        return true;
    }
    (void)snprintf(directory, sizeof(directory), "%.*s",
                   (int)(slash - options->path), options->path);
    if (stat(directory, &status) == 0) {
        return true;
    }
    if (mkdir(directory, 0750) != 0 && errno != EEXIST) {
        return refuse(options, "local_directory_failed", errno,
                      "create the directory of local.socket, writable for "
                      "coherd");
    }
    /* Who may use the socket must be able to get there. */
    if (group != KEEP_GROUP && chown(directory, (uid_t)-1, group) != 0) {
        return refuse(options, "local_directory_failed", errno,
                      "coherd may not give its directory to local.group");
    }
    return true;
}

static bool take_lock(chd_listener *listener,
                      const chd_listener_options *options)
{
    char path[sizeof(listener->address.sun_path) + 8];

    (void)snprintf(path, sizeof(path), "%s.lock", options->path);
    listener->lock_fd =
        open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (listener->lock_fd < 0) {
        return refuse(options, "local_lock_failed", errno,
                      "coherd creates a .lock file beside local.socket");
    }
    if (flock(listener->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return refuse(options, "local_socket_in_use", 0,
                      "another coherd serves this path; stop it, or set "
                      "local.socket");
    }
    return true;
}

/* Tell whether somebody accepts connections at the path.  The lock is ours, so
 * it would be some other program. */
static bool is_served(const chd_listener *listener)
{
    const int fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    const bool served = connect(fd, (const struct sockaddr *)&listener->address,
                                sizeof(listener->address)) == 0 ||
                        errno == EAGAIN;
    (void)close(fd);
    return served;
}

/* Remove what a dead process left at the path; anything else is left alone. */
static bool clear_path(const chd_listener *listener,
                       const chd_listener_options *options)
{
    struct stat status;

    if (lstat(options->path, &status) != 0) {
        return errno == ENOENT ||
               refuse(options, "local_socket_failed", errno,
                      "coherd must be able to look into the directory");
    }
    if (!S_ISSOCK(status.st_mode)) {
        return refuse(options, "local_path_taken", 0,
                      "this is not a socket and coherd does not remove it; "
                      "move it away, or set local.socket");
    }
    if (is_served(listener)) {
        return refuse(options, "local_socket_in_use", 0,
                      "another program serves this path; stop it, or set "
                      "local.socket");
    }
    if (unlink(options->path) != 0 && errno != ENOENT) {
        return refuse(options, "local_socket_failed", errno,
                      "a dead socket is in the way and cannot be removed");
    }
    chd_line line;
    chd_line_begin(&line, options->logger, CHD_LEVEL_NOTICE,
                   "local_socket_replaced");
    chd_line_text(&line, "path", options->path);
    chd_line_end(&line);
    return true;
}

/* Bind so that nobody gets in before group and mode are what they should be.
 */
static bool bind_path(chd_listener *listener,
                      const chd_listener_options *options, gid_t group)
{
    struct stat status;

    listener->fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0) {
        return refuse(options, "local_socket_failed", errno,
                      "the system has no descriptor left");
    }
    const mode_t before = umask(0777);
    const int bound =
        bind(listener->fd, (const struct sockaddr *)&listener->address,
             sizeof(listener->address));
    const int error = errno;
    (void)umask(before);
    if (bound != 0) {
        return refuse(options, "local_socket_failed", error,
                      "coherd must be able to write to the directory");
    }
    if ((group != KEEP_GROUP && lchown(options->path, (uid_t)-1, group) != 0) ||
        chmod(options->path, options->mode) != 0 ||
        lstat(options->path, &status) != 0 ||
        listen(listener->fd, BACKLOG) != 0) {
        return refuse(options, "local_socket_failed", errno,
                      "see local.mode and local.group");
    }
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
    return true;
}

bool chd_listener_open(chd_listener *listener,
                       const chd_listener_options *options)
{
    const size_t len = strlen(options->path);
    const gid_t group = group_of(options->group);

    *listener = (chd_listener){.fd = -1, .lock_fd = -1};
    listener->address.sun_family = AF_UNIX;
    CHD_ASSERT(len < sizeof(listener->address.sun_path));
    memcpy(listener->address.sun_path, options->path, len);
    if (make_directory(options, group) && take_lock(listener, options) &&
        clear_path(listener, options) && bind_path(listener, options, group)) {
        return true;
    }
    chd_listener_close(listener);
    return false;
}

void chd_listener_close(chd_listener *listener)
{
    struct stat status;
    const char *path = listener->address.sun_path;

    if (listener->fd >= 0) {
        if (listener->inode != 0 && lstat(path, &status) == 0 &&
            S_ISSOCK(status.st_mode) && status.st_dev == listener->device &&
            status.st_ino == listener->inode) {
            (void)unlink(path);
        }
        (void)close(listener->fd);
        listener->fd = -1;
    }
    if (listener->lock_fd >= 0) {
        (void)close(listener->lock_fd);
        listener->lock_fd = -1;
    }
}
