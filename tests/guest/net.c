/*
 * xdp and udp: what a NIC's tests need that busybox has not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

/* ---- XDP ---- */

/* Drops what has IPv6's type where an Ethernet frame has it. */
static int load_program(void)
{
    static const struct bpf_insn program[] = {
        { .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 2, .src_reg = 1,
          .off = offsetof(struct xdp_md, data) },
        { .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 3, .src_reg = 1,
          .off = offsetof(struct xdp_md, data_end) },
        { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 4, .src_reg = 2 },
        { .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 4, .imm = 14 },
        { .code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = 4, .src_reg = 3,
          .off = 4 },
        { .code = BPF_LDX | BPF_H | BPF_MEM, .dst_reg = 0, .src_reg = 2,
          .off = 12 },
        { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 0, .imm = 0xdd86,
          .off = 2 },
        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_DROP },
        { .code = BPF_JMP | BPF_EXIT },
        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
        { .code = BPF_JMP | BPF_EXIT },
    };
    union bpf_attr attr = {
        .prog_type = BPF_PROG_TYPE_XDP,
        .insn_cnt = ARRAY_SIZE(program),
        .insns = (uintptr_t)program,
        .license = (uintptr_t)"GPL",
    };

    return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

/* In the driver, not in the kernel's fallback for those that cannot */
static int attach(unsigned index, int fd)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg info;
        struct rtattr nest, fd_attr;
        int fd;
        struct rtattr flags_attr;
        uint32_t flags;
    } request = {
        .head = {
            .nlmsg_len = sizeof(request),
            .nlmsg_type = RTM_SETLINK,
            .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
        },
        .info = { .ifi_family = AF_UNSPEC, .ifi_index = index },
        .nest = {
            sizeof(request) - offsetof(__typeof__(request), nest),
            IFLA_XDP | NLA_F_NESTED
        },
        .fd_attr = { RTA_LENGTH(sizeof(int)), IFLA_XDP_FD },
        .fd = fd,
        .flags_attr = { RTA_LENGTH(sizeof(uint32_t)), IFLA_XDP_FLAGS },
        .flags = XDP_FLAGS_DRV_MODE,
    };
    struct {
        struct nlmsghdr head;
        struct nlmsgerr err;
        char more[512];
    } answer;
    int sock = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

    if (sock < 0 || send(sock, &request, sizeof(request), 0) < 0 ||
        recv(sock, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer.err)) {
        return -1;
    }
    close(sock);
    errno = -answer.err.error;
    return answer.err.error ? -1 : 0;
}

/* xdp INTERFACE on|off */
int cmd_xdp(int argc, char **argv)
{
    int fd = -1;

    if (argc != 3) {
        return 2;
    }
    if (!strcmp(argv[2], "on")) {
        fd = load_program();
        if (fd < 0) {
            return failed("program");
        }
    }
    return attach(if_nametoindex(argv[1]), fd) ? failed("attach") : 0;
}

/* ---- UDP ---- */

#define LARGEST 60000

static void fill(uint8_t *buf, size_t len, uint32_t number)
{
    uint64_t seed = number;

    memcpy(buf, &number, sizeof(number));
    for (size_t i = sizeof(number); i < len; i++) {
        buf[i] = i % 64 ? buf[i - 1] + 1u : (uint8_t)rnd(&seed);
    }
}

/* How long the datagram of that number is: all lengths, small ones mostly */
static size_t length(uint32_t number)
{
    return number % 16 ? 4 + number * 7 % 1469 : 4 + number * 997 % LARGEST;
}

static int udp_send(int sock, uint32_t count)
{
    static uint8_t buf[LARGEST + 4];

    for (uint32_t i = 0; i < count; i++) {
        fill(buf, length(i), i);
        if (send(sock, buf, length(i), 0) < 0) {
            return failed("send");
        }
        if (i % 8 == 7) {
            usleep(2000);       /* nobody tells us when it is too much */
        }
    }
    return 0;
}

/* Until nothing has come for five seconds */
static int udp_receive(int sock)
{
    static uint8_t buf[LARGEST + 8], want[LARGEST + 8];
    struct pollfd fd = { sock, POLLIN, 0 };
    unsigned good = 0, bad = 0;

    while (poll(&fd, 1, good ? 5000 : 60000) > 0) {
        ssize_t len = recv(sock, buf, sizeof(buf), 0);
        uint32_t number;

        if (len < (ssize_t)sizeof(number)) {
            bad++;
            continue;
        }
        memcpy(&number, buf, sizeof(number));
        fill(want, len, number);
        if (length(number) == (size_t)len && !memcmp(want, buf, len)) {
            good++;
        } else {
            bad++;
        }
    }
    printf("UDP %u good, %u bad\n", good, bad);
    return bad != 0;
}

/* udp send ADDRESS PORT COUNT, udp receive PORT */
int cmd_udp(int argc, char **argv)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    bool sends = argc == 5 && !strcmp(argv[1], "send");
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    int room = 4 << 20;

    if (!sends && argc != 3) {
        return 2;
    }
    to.sin_port = htons(atoi(argv[sends ? 3 : 2]));
    if (sends && !inet_aton(argv[2], &to.sin_addr)) {
        return 2;
    }
    setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    if ((sends ? connect : bind)(sock, (void *)&to, sizeof(to)) < 0) {
        return failed(sends ? "connect" : "bind");
    }
    return sends ? udp_send(sock, atoi(argv[4])) : udp_receive(sock);
}
