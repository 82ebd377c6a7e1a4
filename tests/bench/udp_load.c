/*
 * udp_load.c - `udp_load PORT CLIENTS SECONDS`: each client sends a datagram to 127.0.0.1 and the next one when it has the
 * answer, or after 100 ms without. Prints how many answers came.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define CLIENTS_MOST 1024
#define PATIENCE_NS 100000000LL

static long long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

int main(int argc, char **argv)
{
    static struct pollfd clients[CLIENTS_MOST];
    static long long sent[CLIENTS_MOST];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char data[64] = "datagram of the benchmark";
    long answers = 0;

    if (argc != 4) {
        return 2;
    }
    to.sin_port = htons((unsigned short)atoi(argv[1]));

    int count = atoi(argv[2]) < CLIENTS_MOST ? atoi(argv[2]) : CLIENTS_MOST;
    long long end = now_ns() + atoi(argv[3]) * 1000000000LL;

    for (int i = 0; i < count; i++) {
        clients[i].fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        clients[i].events = POLLIN;
        if (clients[i].fd == -1 || connect(clients[i].fd, (struct sockaddr *)&to, sizeof(to)) == -1) {
            perror("socket");
            return 1;
        }
    }
    for (long long now = now_ns(); now < end; now = now_ns()) {
        for (int i = 0; i < count; i++) {
            if (sent[i] && recv(clients[i].fd, data, sizeof(data), 0) > 0) {
                answers++;
                sent[i] = 0;
            }
            if (sent[i] == 0 || now - sent[i] > PATIENCE_NS) {
                sent[i] = now;
                (void)!send(clients[i].fd, data, sizeof(data), 0);
            }
        }
        poll(clients, (nfds_t)count, 1);
    }
    printf("%ld\n", answers);
    return 0;
}
