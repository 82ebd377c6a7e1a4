/*
 * udp_datagrams.c - datagrams from clients to servers and back, as many as there are with one call. See udp.h.
 *
 * Descriptors are watched level-triggered and read once in a turn, so nobody keeps the loop and no call is needed to learn
 * that there is nothing left. Answers of all sessions of an entry point are gathered during a turn; they go out through one
 * of its shards, each from the address that its client spoke to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "worker/udp_inner.h"

#define ANSWERS_AT_ONCE 8u /* of one server */

struct rooms { /* for UDP_BATCH datagrams; memory is used only as far as they reach */
    struct mmsghdr heads[UDP_BATCH];
    struct iovec pieces[UDP_BATCH];
    struct udp_flow flows[UDP_BATCH];
    union {
        char bytes[UDP_CONTROL_ROOM];
        struct cmsghdr align;
    } control[UDP_BATCH];
    char *bytes;
};

struct udp_batch {
    struct rooms in, out;
    struct udp_session *sessions[UDP_BATCH]; /* of what is in `in` */
    struct udp_shard *through;               /* the answers that wait go out here */
    unsigned waiting;
};

/* ---- room ---- */
static void rooms_make(struct rooms *rooms)
{
    rooms->bytes = xcalloc(UDP_BATCH, UDP_DATAGRAM);
    for (unsigned i = 0; i < UDP_BATCH; i++) {
        rooms->pieces[i].iov_base = rooms->bytes + (size_t)i * UDP_DATAGRAM;
        rooms->heads[i].msg_hdr.msg_iov = &rooms->pieces[i];
        rooms->heads[i].msg_hdr.msg_iovlen = 1;
    }
}

struct udp_batch *udp_batch_new(void)
{
    struct udp_batch *batch = xcalloc(1, sizeof(*batch));

    rooms_make(&batch->in);
    rooms_make(&batch->out);
    return batch;
}

void udp_batch_free(struct udp_batch *batch)
{
    if (batch) {
        free(batch->in.bytes);
        free(batch->out.bytes);
        free(batch);
    }
}

/* The bare calls: libc's are points of cancellation. */
static int receive_many(int fd, struct mmsghdr *heads, unsigned count)
{
    long got;

    do {
        got = syscall(SYS_recvmmsg, fd, heads, count, MSG_DONTWAIT, NULL);
    } while (got < 0 && errno == EINTR);
    return (int)got;
}

static int send_many(int fd, struct mmsghdr *heads, unsigned count)
{
    long sent;

    do {
        sent = syscall(SYS_sendmmsg, fd, heads, count, MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return (int)sent;
}

/* ---- addresses ---- */
static bool is_link_local(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LINKLOCAL(address);
}

/* Which of our addresses a datagram was sent to. */
static void read_local(struct msghdr *head, struct udp_flow *flow)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(head); part; part = CMSG_NXTHDR(head, part)) {
        if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(part), sizeof(info));
            flow->local = info.ipi6_addr;
            flow->interface = is_link_local(&info.ipi6_addr) ? info.ipi6_ifindex : 0;
        } else if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(part), sizeof(info));
            memcpy(&flow->local, &info.ipi_spec_dst, sizeof(info.ipi_spec_dst));
        }
    }
}

/* And the same way back. */
static void write_local(struct msghdr *head, const struct udp_flow *flow)
{
    struct cmsghdr *part = head->msg_control;

    if (flow->client.any.sa_family == AF_INET6) {
        struct in6_pktinfo info = {.ipi6_addr = flow->local, .ipi6_ifindex = flow->interface};

        *part = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(info)), .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO};
        memcpy(CMSG_DATA(part), &info, sizeof(info));
        head->msg_controllen = CMSG_SPACE(sizeof(info));
    } else {
        struct in_pktinfo info = {0};

        memcpy(&info.ipi_spec_dst, &flow->local, sizeof(info.ipi_spec_dst));
        *part = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(info)), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
        memcpy(CMSG_DATA(part), &info, sizeof(info));
        head->msg_controllen = CMSG_SPACE(sizeof(info));
    }
}

/* ---- from clients ---- */
static int receive(const struct udp_shard *shard, struct rooms *in)
{
    memset(in->flows, 0, sizeof(in->flows));
    for (unsigned i = 0; i < UDP_BATCH; i++) {
        struct msghdr *head = &in->heads[i].msg_hdr;

        in->pieces[i].iov_len = UDP_DATAGRAM;
        head->msg_name = &in->flows[i].client;
        head->msg_namelen = sizeof(in->flows[i].client);
        head->msg_control = in->control[i].bytes;
        head->msg_controllen = sizeof(in->control[i].bytes);
    }
    return receive_many(shard->io.fd, in->heads, UDP_BATCH);
}

static struct udp_session *session_for(struct udp_shard *shard, struct msghdr *head, struct udp_flow *flow)
{
    read_local(head, flow);
    if (flow->client.any.sa_family == AF_INET6) {
        flow->client.v6.sin6_flowinfo = 0; /* no part of who it is */
    }
    struct udp_entry *entry = udp_table_find(&shard->sessions, flow);

    return entry ? udp_session_of(entry) : udp_session_begin(shard, flow);
}

/* No room, or too large for the way: others may still pass. */
static bool only_this_one(int error)
{
    return error == EAGAIN || error == ENOBUFS || error == ENOMEM || error == EMSGSIZE;
}

/* Neighbours of one session, which may have ended in this batch already. A server that is not there shows in the next call, or
 * when the session is read: it ends, and the client's next datagram begins another one. A call that has sent some of them
 * forgets the error of the one behind, so the rest is always tried. */
static void pass_on(struct udp_session *session, struct mmsghdr *heads, unsigned count)
{
    struct worker *worker = session->shard->set->worker;
    unsigned done = 0, sent = 0;

    while (done < count && session->io.fd >= 0) {
        int now = send_many(session->io.fd, &heads[done], count - done);

        if (now > 0) {
            sent += (unsigned)now;
            done += (unsigned)now;
        } else if (only_this_one(errno)) {
            done++;
        } else {
            udp_session_end(session);
        }
    }
    slab_count(worker->slab, COUNT_UDP_DROPPED, count - sent);
    if (session->io.fd >= 0) {
        udp_session_moved(session);
    }
}

static void pass_all_on(struct udp_shard *shard, struct udp_batch *batch, unsigned count)
{
    struct worker *worker = shard->set->worker;
    struct mmsghdr *heads = batch->in.heads;

    for (unsigned i = 0; i < count; i++) {
        batch->sessions[i] = session_for(shard, &heads[i].msg_hdr, &batch->in.flows[i]);
        batch->in.pieces[i].iov_len = heads[i].msg_len;
        heads[i].msg_hdr.msg_name = NULL; /* their socket knows where to */
        heads[i].msg_hdr.msg_namelen = 0;
        heads[i].msg_hdr.msg_control = NULL;
        heads[i].msg_hdr.msg_controllen = 0;
        slab_count(worker->slab, COUNT_BYTES_IN, heads[i].msg_len);
    }
    for (unsigned i = 0, run; i < count; i += run) {
        for (run = 1; i + run < count && batch->sessions[i + run] == batch->sessions[i];) {
            run++;
        }
        if (batch->sessions[i]) {
            pass_on(batch->sessions[i], &heads[i], run);
        } else {
            slab_count(worker->slab, COUNT_UDP_DROPPED, run);
        }
    }
}

void udp_shard_ready(struct io *io)
{
    struct udp_shard *shard = (struct udp_shard *)io;
    struct worker *worker = shard->set->worker;

    if (io->readable && shard->watched) {
        int got = receive(shard, &worker->udp->batch->in);

        io->readable = false; /* level-triggered: the next turn says whether there is more */
        if (got > 0) {
            slab_count(worker->slab, COUNT_UDP_IN, (uint64_t)got);
            pass_all_on(shard, worker->udp->batch, (unsigned)got);
        }
    }
    udp_flush(worker->udp);
}

/* ---- from servers ---- */
void udp_flush(struct udp_worker *udp)
{
    struct udp_batch *batch = udp->batch;

    if (batch == NULL || batch->waiting == 0) {
        return;
    }
    struct worker *worker = batch->through->set->worker;
    unsigned count = batch->waiting, done = 0, lost = 0;

    batch->waiting = 0;
    while (done < count) {
        int sent = send_many(batch->through->io.fd, &batch->out.heads[done], count - done);

        if (sent <= 0) { /* the first of them cannot be sent; the others may go to somebody else */
            sent = 1;
            lost++;
        }
        done += (unsigned)sent;
    }
    slab_count(worker->slab, COUNT_UDP_OUT, count - lost);
    slab_count(worker->slab, COUNT_UDP_DROPPED, lost);
}

static void address_answer(struct rooms *out, unsigned i, const struct udp_flow *flow)
{
    struct msghdr *head = &out->heads[i].msg_hdr;

    out->flows[i] = *flow;
    out->pieces[i].iov_len = out->heads[i].msg_len;
    head->msg_name = &out->flows[i].client;
    head->msg_namelen =
        flow->client.any.sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    head->msg_control = out->control[i].bytes;
    write_local(head, flow);
}

static int receive_answers(const struct udp_session *session, struct udp_batch *batch, unsigned most)
{
    struct rooms *out = &batch->out;

    for (unsigned i = batch->waiting; i < batch->waiting + most; i++) {
        struct msghdr *head = &out->heads[i].msg_hdr;

        out->pieces[i].iov_len = UDP_DATAGRAM;
        head->msg_name = head->msg_control = NULL;
        head->msg_namelen = 0;
        head->msg_controllen = 0;
    }
    return receive_many(session->io.fd, &out->heads[batch->waiting], most);
}

void udp_session_ready(struct io *io)
{
    struct udp_session *session = (struct udp_session *)io;
    struct udp_shard *shard = session->shard;
    struct worker *worker = shard->set->worker;
    struct udp_batch *batch = worker->udp->batch;

    if (batch->waiting > 0 && (batch->through->set != shard->set || batch->waiting == UDP_BATCH)) {
        udp_flush(worker->udp);
    }
    unsigned room = UDP_BATCH - batch->waiting;
    int got = receive_answers(session, batch, room < ANSWERS_AT_ONCE ? room : ANSWERS_AT_ONCE);

    io->readable = io->broken = false;
    if (got < 0) {
        if (errno != EAGAIN) {
            udp_session_end(session); /* nobody is there */
        }
        return;
    }
    if (batch->waiting == 0) {
        batch->through = shard;
        poller_again(&shard->io); /* behind all that is ready now */
    }
    for (int i = 0; i < got; i++) {
        slab_count(worker->slab, COUNT_BYTES_OUT, batch->out.heads[batch->waiting].msg_len);
        address_answer(&batch->out, batch->waiting++, &session->entry.flow);
    }
    udp_session_moved(session);
}
