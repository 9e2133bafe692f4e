/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the guest: print the value of one xenstore key, asked through the
 * kernel's /dev/xen/xenbus in xenstored's wire protocol (xs_wire.h): a header
 * of four little-endian words (type, request, transaction, length), then the
 * payload.
 */

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    XS_READ = 2,
    XS_ERROR = 16,
    XS_PAYLOAD_MAX = 4096,
};

struct message {
    uint32_t type;
    uint32_t request;
    uint32_t transaction;
    uint32_t length;
    char payload[XS_PAYLOAD_MAX + 1];
};

static int transfer(ssize_t (*step)(int fd, char *at, size_t left), int fd,
                    void *buffer, size_t size)
{
    char *at = buffer;

    while (size) {
        ssize_t done = step(fd, at, size);

        if (done <= 0) {
            return -1;
        }
        at += done;
        size -= done;
    }
    return 0;
}

static ssize_t send_some(int fd, char *at, size_t left)
{
    return write(fd, at, left);
}

static ssize_t receive_some(int fd, char *at, size_t left)
{
    return read(fd, at, left);
}

static int ask(int fd, const char *path, struct message *answer)
{
    struct message question = {
        .type = XS_READ,
        .request = 1,
        .length = strlen(path) + 1,
    };
    size_t head = offsetof(struct message, payload);

    if (question.length > XS_PAYLOAD_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(question.payload, path);
    if (transfer(send_some, fd, &question, head + question.length) ||
        transfer(receive_some, fd, answer, head)) {
        return -1;
    }
    if (answer->length > XS_PAYLOAD_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    answer->payload[answer->length] = '\0';
    return transfer(receive_some, fd, answer->payload, answer->length);
}

int main(int argc, char **argv)
{
    struct message answer;
    int fd;

    if (argc != 2) {
        fprintf(stderr, "usage: xenstore-read PATH\n");
        return 1;
    }
    fd = open("/dev/xen/xenbus", O_RDWR);
    if (fd < 0 || ask(fd, argv[1], &answer)) {
        perror("xenstore-read: /dev/xen/xenbus");
        return 1;
    }
    if (answer.type == XS_ERROR) {
        fprintf(stderr, "xenstore-read: %s: %s\n", argv[1], answer.payload);
        return 1;
    }
    puts(answer.payload);
    return 0;
}
