/*
 * The road between sites: packets that are late, lost, or held from one site to another.
 *
 *   router shape TUN ORDERS SEED SUBNET...  passes on what the kernel routes into the device TUN
 *   router echo ADDRESS PORT                answers each byte of each connection
 *   router ping ADDRESS PORT COUNT          prints round trips of one byte, in microseconds
 *
 * ORDERS names a file of `struct way`, eight times eight, that both sides map: the one at 8 * from +
 * to is for packets from one SUBNET (three octets, `10.64.7`) to another, by their order.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SITES 8
#define PACKET_MAX 2048
/* Packets under way; one more is lost, as in a router whose queue is full. */
#define UNDER_WAY_MAX 32768

/* In the order of `Way` in roads.rs. */
struct way {
	volatile int64_t delay_us;
	/* How many of a million packets are lost. */
	volatile int64_t loss_ppm;
	/* Not 0: all are. */
	volatile int64_t cut;
	/* What got through. */
	volatile int64_t bytes;
};

struct packet {
	int64_t due;
	uint32_t length;
	struct way *way;
	uint8_t bytes[PACKET_MAX];
};

/* A heap: the packet that is due first is the first. */
static struct packet *heap[UNDER_WAY_MAX];
static int under_way;
static uint8_t subnets[SITES][3];
static int sites;
static struct way *orders;
static uint64_t chance;

static void fail(const char *what)
{
	fprintf(stderr, "router: %s: %s\n", what, strerror(errno));
	exit(70);
}

static int64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static uint64_t draw(void)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return chance;
}

static int site(const uint8_t *address)
{
	for (int at = 0; at < sites; at++)
		if (!memcmp(subnets[at], address, 3))
			return at;
	return -1;
}

static int before(int a, int b)
{
	return heap[a]->due < heap[b]->due;
}

static void swap(int a, int b)
{
	struct packet *packet = heap[a];
	heap[a] = heap[b];
	heap[b] = packet;
}

static void push(struct packet *packet)
{
	int at = under_way++;
	heap[at] = packet;
	for (; at && before(at, (at - 1) / 2); at = (at - 1) / 2)
		swap(at, (at - 1) / 2);
}

static struct packet *pop(void)
{
	struct packet *first = heap[0];
	heap[0] = heap[--under_way];
	for (int at = 0, next; (next = 2 * at + 1) < under_way; at = next) {
		if (next + 1 < under_way && before(next + 1, next))
			next++;
		if (!before(next, at))
			break;
		swap(next, at);
	}
	return first;
}

/* Takes one packet from the device, if there is one; what is not between sites is dropped. */
static int take(int device)
{
	struct packet *packet = malloc(sizeof *packet);
	ssize_t length = read(device, packet->bytes, PACKET_MAX);
	if (length < 0) {
		free(packet);
		if (errno == EAGAIN)
			return 0;
		fail("read");
	}
	int from = -1, to = -1;
	if (length >= 20 && packet->bytes[0] >> 4 == 4) {
		from = site(packet->bytes + 12);
		to = site(packet->bytes + 16);
	}
	struct way *way = from < 0 || to < 0 ? NULL : orders + from * SITES + to;
	int is_lost = !way || under_way == UNDER_WAY_MAX || way->cut
		|| (int64_t)(draw() % 1000000) < way->loss_ppm;
	if (is_lost) {
		free(packet);
		return 1;
	}
	packet->way = way;
	packet->length = length;
	packet->due = now() + way->delay_us * 1000;
	push(packet);
	return 1;
}

static void give(int device)
{
	while (under_way && heap[0]->due <= now()) {
		struct packet *packet = pop();
		/* What is cut now is lost under way too. */
		if (!packet->way->cut && write(device, packet->bytes, packet->length) > 0)
			packet->way->bytes += packet->length;
		free(packet);
	}
}

static void shape(int count, char **arguments)
{
	int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	strncpy(request.ifr_name, arguments[0], IFNAMSIZ - 1);
	if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0)
		fail("/dev/net/tun");
	int fd = open(arguments[1], O_RDWR | O_CLOEXEC);
	orders = mmap(NULL, sizeof *orders * SITES * SITES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || orders == MAP_FAILED)
		fail(arguments[1]);
	chance = strtoull(arguments[2], NULL, 10) | 1;
	for (; sites < count - 3 && sites < SITES; sites++) {
		uint8_t *subnet = subnets[sites];
		sscanf(arguments[3 + sites], "%hhu.%hhu.%hhu", subnet, subnet + 1, subnet + 2);
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		int64_t wait = under_way ? heap[0]->due - now() : 1000000000LL;
		struct timespec time = { 0, wait < 0 ? 0 : wait > 999999999 ? 999999999 : wait };
		struct pollfd ready = { .fd = device, .events = POLLIN };
		ppoll(&ready, 1, &time, NULL);
		give(device);
		for (int taken = 0; taken < 64 && take(device); taken++)
			;
	}
}

static int dial(char **arguments, int is_server)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(arguments[1])) };
	inet_pton(AF_INET, arguments[0], &to.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (is_server && (bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || listen(fd, 8) < 0))
		fail("listen");
	if (!is_server && connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		fail("connect");
	return fd;
}

static void *answer(void *argument)
{
	int fd = (int)(intptr_t)argument, on = 1;
	char byte;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
		;
	close(fd);
	return NULL;
}

static void echo(char **arguments)
{
	int socket = dial(arguments, 1);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int fd = accept(socket, NULL, NULL);
		pthread_t thread;
		if (fd >= 0 && !pthread_create(&thread, NULL, answer, (void *)(intptr_t)fd))
			pthread_detach(thread);
	}
}

static void ping(char **arguments)
{
	int fd = dial(arguments, 0);
	char byte = 0;
	for (int left = atoi(arguments[2]); left > 0; left--) {
		int64_t began = now();
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			fail("ping");
		printf("%lld\n", (long long)(now() - began) / 1000);
		usleep(10000);
	}
}

int main(int count, char **arguments)
{
	if (count > 5 && !strcmp(arguments[1], "shape"))
		shape(count - 2, arguments + 2);
	else if (count == 4 && !strcmp(arguments[1], "echo"))
		echo(arguments + 2);
	else if (count == 5 && !strcmp(arguments[1], "ping"))
		ping(arguments + 2);
	else
		return 64;
	return 0;
}
