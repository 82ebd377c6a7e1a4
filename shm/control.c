/*
 * control.c - sending and receiving one control message with its descriptors.
 *
 * Whole or not at all: SOCK_SEQPACKET keeps the borders, descriptors that were lost on the way (the receiver's table was
 * full) show as a count that differs. What is received is checked before anybody sees it, also that the text ends.
 */
#include "shm/control.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

union control_room { /* the control data of sendmsg(2), aligned */
    char bytes[CMSG_SPACE(sizeof(int) * CONTROL_FDS)];
    struct cmsghdr align;
};

int control_pair(int fds[2], struct error *why)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == -1) {
        return error_set(why, -errno, "cannot make a control channel: %s", strerror(errno));
    }
    return 0;
}

static ssize_t send_with(int channel, struct control_message *message, const int *fds, size_t count)
{
    struct iovec part = {.iov_base = message, .iov_len = sizeof(*message)};
    union control_room room = {{0}};
    struct msghdr head = {.msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = room.bytes,
                          .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&head);

    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(rights), fds, sizeof(int) * count);
    return sendmsg(channel, &head, MSG_NOSIGNAL);
}

int control_send(int channel, struct control_message *message, const int *fds, size_t count)
{
    ssize_t n;

    if (count > CONTROL_FDS) {
        return -EINVAL;
    }
    message->fd_count = (uint32_t)count;
    message->build_id = build_id();
    message->text[CONTROL_TEXT - 1] = '\0';
    do { /* send() where it does: workers may not call sendmsg() */
        n = count > 0 ? send_with(channel, message, fds, count)
                      : send(channel, message, sizeof(*message), MSG_NOSIGNAL);
    } while (n == -1 && errno == EINTR);
    if (n == -1) {
        return errno == EWOULDBLOCK ? -EAGAIN : errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
    }
    return 0;
}

/* All descriptors that came, also those of a message that will be refused. */
static size_t rights_take(struct msghdr *head, int fds[CONTROL_FDS])
{
    size_t count = 0;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(head); part; part = CMSG_NXTHDR(head, part)) {
        size_t here;

        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        here = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            if (count < CONTROL_FDS) {
                fds[count++] = fd;
            } else {
                close(fd);
            }
        }
    }
    return count;
}

static bool message_good(const struct control_message *message, size_t fds)
{
    return message->kind > 0 && message->kind < CONTROL_KINDS && message->build_id == build_id() &&
           message->fd_count == fds && memchr(message->text, '\0', sizeof(message->text)) != NULL;
}

int control_receive(int channel, struct control_message *message, int fds[CONTROL_FDS])
{
    struct iovec part = {.iov_base = message, .iov_len = sizeof(*message)};
    union control_room room;
    struct msghdr head = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof(room.bytes)};
    size_t count;
    ssize_t n;

    do {
        n = recvmsg(channel, &head, MSG_CMSG_CLOEXEC);
    } while (n == -1 && errno == EINTR);
    if (n == -1) {
        return errno == EWOULDBLOCK ? -EAGAIN : errno == ECONNRESET ? -EPIPE : -errno;
    }
    count = rights_take(&head, fds);
    if (n == (ssize_t)sizeof(*message) && !(head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
        message_good(message, count)) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        close(fds[i]);
    }
    return n == 0 ? -EPIPE : -EBADMSG; /* nobody sends an empty message: it is the end */
}
