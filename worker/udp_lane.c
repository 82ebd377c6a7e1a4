/*
 * udp_lane.c - a shard moves to another worker: its sessions go ahead over a lane, with their sockets. See udp.h.
 *
 * The lane is a channel between the two workers that the guard made and has let go. Its end says that all sessions have
 * come, or that the giver has died: then the taker begins to read what has waited in the shard. The giver may be of another
 * build: a message has a magic number of this layout, and what is not understood is let go of, a session like any that ended.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "worker/udp_inner.h"

#define AT_ONCE 16u /* sessions of one message */
#define MAGIC UINT64_C(0x7765697275647031)
#define RETRY_NS TIMER_TICK_NS

struct moved {
    struct udp_flow flow;
    int64_t left_ns; /* of its silence */
};

struct message {
    uint64_t magic;
    uint64_t count;
    struct moved sessions[AT_ONCE];
};

struct udp_lane {
    struct io io; /* first */
    struct udp_shard *shard;
    struct timer retry; /* the kernel had too many descriptors under way */
};

struct envelope { /* a message with its descriptors */
    struct message message;
    struct iovec piece;
    struct mmsghdr head;
    union {
        char bytes[CMSG_SPACE(sizeof(int) * AT_ONCE)];
        struct cmsghdr align;
    } control;
    int fds[AT_ONCE];
};

static void lane_closed(struct io *io)
{
    free(io);
}

void udp_lane_close(struct udp_shard *shard)
{
    struct udp_lane *lane = shard->lane;
    struct worker *worker = shard->set->worker;

    if (lane) {
        shard->lane = NULL;
        worker->udp->lanes--;
        timer_remove(worker->timers, &lane->retry);
        poller_forget(&lane->io); /* it came in a message, which may live a moment longer */
        io_close(&lane->io);
    }
}

static void prepare(struct envelope *envelope)
{
    envelope->piece = (struct iovec){.iov_base = &envelope->message, .iov_len = sizeof(envelope->message)};
    envelope->head.msg_hdr = (struct msghdr){.msg_iov = &envelope->piece,
                                             .msg_iovlen = 1,
                                             .msg_control = envelope->control.bytes,
                                             .msg_controllen = sizeof(envelope->control.bytes)};
}

/* ---- giving ---- */
/* Packs some of the sessions that are left; they stay where they are. */
static size_t pack_some(const struct udp_shard *shard, struct envelope *envelope,
                        struct udp_session **sessions)
{
    int64_t now = shard->set->worker->now_ns;
    size_t count = 0;

    for (size_t i = 0; i < shard->sessions.size && count < AT_ONCE; i++) {
        for (struct udp_entry *entry = shard->sessions.chains[i]; entry && count < AT_ONCE;
             entry = entry->next) {
            struct udp_session *session = udp_session_of(entry);

            envelope->message.sessions[count] =
                (struct moved){.flow = entry->flow, .left_ns = session->timer.deadline_ns - now};
            envelope->fds[count] = session->io.fd;
            sessions[count++] = session;
        }
    }
    envelope->message.magic = MAGIC;
    envelope->message.count = count;
    return count;
}

static int send_some(struct udp_lane *lane, struct envelope *envelope, size_t count)
{
    prepare(envelope);

    struct msghdr *head = &envelope->head.msg_hdr;
    struct cmsghdr *rights = CMSG_FIRSTHDR(head);

    head->msg_controllen = CMSG_SPACE(sizeof(int) * count);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(rights), envelope->fds, sizeof(int) * count);
    return syscall(SYS_sendmmsg, lane->io.fd, &envelope->head, 1, MSG_DONTWAIT) == 1 ? 0 : -errno;
}

static void give_some(struct io *io)
{
    struct udp_lane *lane = (struct udp_lane *)io;
    struct udp_shard *shard = lane->shard;
    struct worker *worker = shard->set->worker;
    struct envelope envelope;
    struct udp_session *sessions[AT_ONCE];
    int64_t piece = piece_begin();
    int rc = 0;

    udp_flush(worker->udp);
    while (rc == 0 && shard->sessions.count > 0 && !piece_is_over(piece)) {
        size_t count = pack_some(shard, &envelope, sessions);

        rc = send_some(lane, &envelope, count);
        for (size_t i = 0; i < count && rc == 0; i++) {
            udp_session_end(sessions[i]); /* here only: the message has its socket */
        }
    }
    if (rc == -ETOOMANYREFS || rc == -ENOBUFS || rc == -ENOMEM) {
        timer_set(worker->timers, &lane->retry, worker->now_ns + RETRY_NS);
    } else if (rc == 0 && shard->sessions.count > 0) {
        poller_again(io);
    } else if (rc != -EAGAIN) {
        if (rc < 0) {
            log_warn(
                "Entry point %s: %zu UDP sessions end, the worker that was to have them does not live: %s",
                shard->set->name, shard->sessions.count, strerror(-rc));
        }
        udp_shard_end(shard); /* no session is left, unless the taker has died */
    }
}

static void retry(struct timer *timer)
{
    give_some(&((struct udp_lane *)((char *)timer - offsetof(struct udp_lane, retry)))->io);
}

/* ---- taking ---- */
static size_t fds_of(struct msghdr *head, int *fds)
{
    size_t count = 0;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(head); part; part = CMSG_NXTHDR(head, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS) {
            size_t here = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            count = here < AT_ONCE ? here : AT_ONCE; /* there is no room for more */
            memcpy(fds, CMSG_DATA(part), count * sizeof(int));
        }
    }
    return count;
}

static bool is_datagram_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM;
}

/* What is no UDP socket came from a worker that went wrong. */
static void adopt(struct udp_shard *shard, const struct envelope *envelope, size_t length, size_t count)
{
    /* fewer when our descriptors are all taken: those of the last ones did not come */
    bool good = length == sizeof(envelope->message) && envelope->message.magic == MAGIC &&
                envelope->message.count >= count && envelope->message.count <= AT_ONCE;

    for (size_t i = 0; i < count; i++) {
        if (good && is_datagram_socket(envelope->fds[i])) {
            udp_session_adopt(shard, &envelope->message.sessions[i].flow, envelope->fds[i],
                              envelope->message.sessions[i].left_ns);
        } else {
            log_error("Entry point %s: a session that came from another worker cannot be read",
                      shard->set->name);
            close(envelope->fds[i]);
        }
    }
    if (good && envelope->message.count > count) {
        udp_sessions_lost(shard->set, envelope->message.count - count);
    }
}

static void taken(struct udp_shard *shard)
{
    int next = shard->give_lane;

    udp_lane_close(shard);
    shard->state = UDP_READING;
    shard->give_lane = -1;
    if (next != -1) {
        udp_lane_give(shard, next);
    } else {
        udp_shard_watch(shard);
    }
}

static void take_some(struct io *io)
{
    struct udp_lane *lane = (struct udp_lane *)io;
    struct envelope envelope;
    int64_t piece = piece_begin();

    while (!piece_is_over(piece)) {
        ssize_t got;

        prepare(&envelope);
        do {
            got = recvmsg(io->fd, &envelope.head.msg_hdr, MSG_CMSG_CLOEXEC);
        } while (got < 0 && errno == EINTR);
        if (got < 0 && errno == EAGAIN) {
            return;
        }
        if (got <= 0) {
            taken(lane->shard);
            return;
        }
        adopt(lane->shard, &envelope, (size_t)got, fds_of(&envelope.head.msg_hdr, envelope.fds));
    }
    poller_again(io);
}

/* ---- both ---- */
static bool open_lane(struct udp_shard *shard, int fd, void (*on_ready)(struct io *))
{
    struct worker *worker = shard->set->worker;
    struct udp_lane *lane = xcalloc(1, sizeof(*lane));

    lane->shard = shard;
    lane->io.kind = LAP_CONTROL;
    lane->io.on_ready = on_ready;
    lane->io.on_closed = lane_closed;
    lane->retry = (struct timer){.deadline_ns = TIMER_NEVER, .fire = retry};

    int rc = poller_add(worker->poller, &lane->io, fd, false);

    if (rc < 0) {
        log_error("Entry point %s: cannot watch a lane: %s", shard->set->name, strerror(-rc));
        close(fd);
        free(lane);
        return false;
    }
    shard->lane = lane;
    worker->udp->lanes++;
    poller_again(&lane->io);
    return true;
}

void udp_lane_take(struct udp_shard *shard, int lane)
{
    if (open_lane(shard, lane, take_some)) {
        shard->state = UDP_TAKING;
    }
}

void udp_lane_give(struct udp_shard *shard, int lane)
{
    shard->state = UDP_GIVING;
    udp_shard_watch(shard);
    if (!open_lane(shard, lane, give_some)) {
        udp_shard_end(shard);
    }
}
