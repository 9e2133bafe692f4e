/*
 * talk SOCKET: standard input to a UNIX socket, what comes back to standard
 * output; ends when the other side does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* False at the end of @from */
static int pass(int from, int to)
{
    char buf[4096];
    ssize_t len = read(from, buf, sizeof(buf));

    for (ssize_t done = 0, n; done < len; done += n) {
        n = write(to, buf + done, len - done);
        if (n < 0) {
            return 0;
        }
    }
    return len > 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_un where = { .sun_family = AF_UNIX };
    struct pollfd fds[2] = { { .fd = 0, .events = POLLIN },
                             { .events = POLLIN } };
    int sock = socket(AF_UNIX, SOCK_STREAM, 0);

    if (argc != 2 || strlen(argv[1]) >= sizeof(where.sun_path)) {
        fprintf(stderr, "usage: talk SOCKET\n");
        return 2;
    }
    strcpy(where.sun_path, argv[1]);
    if (connect(sock, (struct sockaddr *)&where, sizeof(where)) < 0) {
        perror(argv[1]);
        return 1;
    }
    fds[1].fd = sock;
    while (poll(fds, 2, -1) > 0) {
        if (fds[0].revents && !pass(0, sock)) {
            fds[0].fd = -1;
        }
        if (fds[1].revents && !pass(sock, 1)) {
            return 0;
        }
    }
    return 1;
}
