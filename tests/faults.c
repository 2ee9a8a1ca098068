/*
 * Faults of the machine below one process, by orders that may change at any time.
 *
 * Preloaded into a node. FAULTS_ORDERS names a file of `struct orders` that both sides map;
 * FAULTS_ROOT the directory whose disk can fail; FAULTS_SOURCE an address of loopback that dials
 * come from, so that whoever takes them knows who it was. Without orders everything is as it is.
 *
 * Clocks: CLOCK_MONOTONIC and CLOCK_BOOTTIME run by a rate, without jumps when it changes, and waits
 * take as long by that clock; CLOCK_REALTIME is moved by an offset.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define NANOS 1000000000LL
#define MILLIS 1000000LL
/* What a wait by a changed clock takes at once, in nanoseconds. */
#define WAIT_MAX (50 * MILLIS)

/* In the order of `Order` in faults.rs. */
struct orders {
	/* What a sync waits before it begins, in microseconds. */
	volatile int64_t sync_delay_us;
	/* Not 0: what a sync answers, without one. */
	volatile int64_t sync_error;
	/* Not 0: what a write answers that needs space: ENOSPC. */
	volatile int64_t space_error;
	/* Not 0: what everything answers that changes the disk: ENOSPC, EROFS. */
	volatile int64_t change_error;
	/* The offset of the wall clock, in milliseconds. */
	volatile int64_t wall_ms;
	/* How much faster than the machine's the other clocks run, in millionths. */
	volatile int64_t rate_ppm;
};

static const struct orders none;
static const struct orders *orders = &none;
static const char *root;
static struct in_addr source;

#define REAL(type, name, parameters) static type (*real_##name) parameters
REAL(int, connect, (int, const struct sockaddr *, socklen_t));
REAL(int, clock_gettime, (clockid_t, struct timespec *));
REAL(int, epoll_wait, (int, struct epoll_event *, int, int));
REAL(long, syscall, (long, ...));
REAL(int, fdatasync, (int));
REAL(int, fsync, (int));
REAL(int, fallocate, (int, int, off_t, off_t));
REAL(int, ftruncate, (int, off_t));
REAL(ssize_t, write, (int, const void *, size_t));
REAL(ssize_t, writev, (int, const struct iovec *, int));
REAL(ssize_t, pwrite, (int, const void *, size_t, off_t));
REAL(int, openat, (int, const char *, int, ...));
REAL(int, mkdir, (const char *, mode_t));
REAL(int, rename, (const char *, const char *));
REAL(int, unlink, (const char *));
REAL(int, statvfs, (const char *, struct statvfs *));

#define FIND(name) (real_##name = dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void start(void)
{
	FIND(connect), FIND(clock_gettime), FIND(epoll_wait), FIND(syscall);
	FIND(fdatasync), FIND(fsync), FIND(fallocate), FIND(ftruncate);
	FIND(write), FIND(writev), FIND(pwrite), FIND(openat);
	FIND(mkdir), FIND(rename), FIND(unlink), FIND(statvfs);
	const char *path = getenv("FAULTS_ORDERS"), *address = getenv("FAULTS_SOURCE");
	root = getenv("FAULTS_ROOT");
	if (address)
		inet_pton(AF_INET, address, &source);
	if (!path || !root)
		return;
	int fd = real_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, sizeof *orders, PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || map == MAP_FAILED) {
		fprintf(stderr, "faults: no orders in %s\n", path);
		_exit(70);
	}
	close(fd);
	orders = map;
}

/* ---- network ---- */

int connect(int fd, const struct sockaddr *to, socklen_t length)
{
	if (source.s_addr && to->sa_family == AF_INET) {
		struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr = source };
		int late = 1;
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
		if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0)
			return -1;
	}
	return real_connect(fd, to, length);
}

/* ---- clocks ---- */

static pthread_mutex_t clocks = PTHREAD_MUTEX_INITIALIZER;
/* Ahead of the machine's clock by `drift` at `since`, and from there on by `rate`. */
static int64_t drift, since, rate;

static int64_t nanos(const struct timespec *time)
{
	return time->tv_sec * NANOS + time->tv_nsec;
}

static struct timespec spec(int64_t nanos)
{
	return (struct timespec){ .tv_sec = nanos / NANOS, .tv_nsec = nanos % NANOS };
}

/* How far ahead this process is now. */
static int64_t ahead(void)
{
	struct timespec now;
	if (!orders->rate_ppm && !rate && !drift)
		return 0;
	real_clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&clocks);
	int64_t at = nanos(&now);
	int64_t passed = at > since ? at - since : 0;
	int64_t result = drift + (since ? passed / 1000 * rate / 1000 : 0);
	if (rate != orders->rate_ppm) {
		drift = result;
		since = at;
		rate = orders->rate_ppm;
	}
	pthread_mutex_unlock(&clocks);
	return result;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
	int result = real_clock_gettime(clock, time);
	if (result < 0)
		return result;
	if (clock == CLOCK_REALTIME && orders->wall_ms)
		*time = spec(nanos(time) + orders->wall_ms * 1000000);
	else if (clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME)
		*time = spec(nanos(time) + ahead());
	return result;
}

static int64_t monotonic(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return nanos(&now);
}

/* What a wait until `until` by this process's clock takes by the machine's, or the first part of
 * it: begun on a slow clock, it would go on long after the clock is right again. */
static int64_t wait_time(int64_t until)
{
	int64_t ppm = orders->rate_ppm, left = until - monotonic();
	if (left <= 0 || !ppm)
		return left;
	int64_t wait = (int64_t)(left / (1 + ppm / 1e6));
	return wait < WAIT_MAX ? wait : WAIT_MAX;
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
	if (timeout <= 0)
		return real_epoll_wait(fd, events, count, timeout);
	int result;
	int64_t until = monotonic() + timeout * MILLIS;
	do {
		int64_t wait = wait_time(until);
		int part = wait > 0 ? (int)(wait / MILLIS) + 1 : 0;
		result = real_epoll_wait(fd, events, count, part);
	} while (result == 0 && monotonic() < until);
	return result;
}

/* The standard library waits with futex(2), until a moment of CLOCK_MONOTONIC. */
long syscall(long number, ...)
{
	long a[6];
	va_list rest;
	va_start(rest, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(rest, long);
	va_end(rest);
	if (number != SYS_futex || !a[3] || (a[1] & ~FUTEX_PRIVATE_FLAG) != FUTEX_WAIT_BITSET)
		return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	int64_t until = nanos((struct timespec *)a[3]);
	struct timespec now, end;
	long result;
	do {
		int64_t wait = wait_time(until);
		real_clock_gettime(CLOCK_MONOTONIC, &now);
		end = spec(nanos(&now) + (wait > 0 ? wait : 0));
		result = real_syscall(number, a[0], a[1], a[2], &end, a[4], a[5]);
	} while (result < 0 && errno == ETIMEDOUT && monotonic() < until);
	return result;
}

/* ---- disk ---- */

static int fails(int64_t error)
{
	errno = (int)error;
	return error != 0;
}

static int is_below(const char *path)
{
	return root && !strncmp(path, root, strlen(root));
}

static int is_file(int fd)
{
	char link[64], path[PATH_MAX];
	if (fd <= STDERR_FILENO)
		return 0;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	path[length < 0 ? 0 : length] = 0;
	return is_below(path);
}

/* Whether a write up to `end` fails; an end below 0 is that of what is appended. */
static int write_fails(int fd, int64_t end)
{
	struct stat status;
	if ((!orders->change_error && !orders->space_error) || !is_file(fd))
		return 0;
	if (orders->change_error)
		return fails(orders->change_error);
	if (fstat(fd, &status) < 0 || (end >= 0 && end <= status.st_size))
		return 0;
	return fails(orders->space_error);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
	return write_fails(fd, -1) ? -1 : real_write(fd, bytes, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	return write_fails(fd, -1) ? -1 : real_writev(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
	return write_fails(fd, offset + length) ? -1 : real_pwrite(fd, bytes, length, offset);
}
ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	return write_fails(fd, offset + length) ? -1 : real_fallocate(fd, mode, offset, length);
}
int fallocate64(int, int, off_t, off_t) __attribute__((alias("fallocate")));

int posix_fallocate(int fd, off_t offset, off_t length)
{
	return fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
}
int posix_fallocate64(int, off_t, off_t) __attribute__((alias("posix_fallocate")));

int ftruncate(int fd, off_t length)
{
	return write_fails(fd, length) ? -1 : real_ftruncate(fd, length);
}
int ftruncate64(int, off_t) __attribute__((alias("ftruncate")));

/* Whether it cannot be made, or opened for writing, on a disk that is full or read-only. */
static int open_fails(const char *path, int flags)
{
	if ((!orders->change_error && !orders->space_error) || !is_below(path))
		return 0;
	if ((flags & O_CREAT) && access(path, F_OK) < 0)
		return fails(orders->change_error ? orders->change_error : orders->space_error);
	return (flags & O_ACCMODE) != O_RDONLY && orders->change_error == EROFS && fails(EROFS);
}

#define MODE(flags)                              \
	mode_t mode = 0;                         \
	if ((flags) & (O_CREAT | __O_TMPFILE)) { \
		va_list rest;                    \
		va_start(rest, flags);           \
		mode = va_arg(rest, mode_t);     \
		va_end(rest);                    \
	}

int openat(int dir, const char *path, int flags, ...)
{
	MODE(flags)
	return open_fails(path, flags) ? -1 : real_openat(dir, path, flags, mode);
}
int openat64(int, const char *, int, ...) __attribute__((alias("openat")));

int open(const char *path, int flags, ...)
{
	MODE(flags)
	return openat(AT_FDCWD, path, flags, mode);
}
int open64(const char *, int, ...) __attribute__((alias("open")));

int mkdir(const char *path, mode_t mode)
{
	return open_fails(path, O_CREAT) ? -1 : real_mkdir(path, mode);
}

int rename(const char *from, const char *to)
{
	int read_only = orders->change_error == EROFS && is_below(to);
	return read_only && fails(EROFS) ? -1 : real_rename(from, to);
}

int unlink(const char *path)
{
	int read_only = orders->change_error == EROFS && is_below(path);
	return read_only && fails(EROFS) ? -1 : real_unlink(path);
}

static int sync_fails(int fd)
{
	if ((!orders->sync_error && !orders->sync_delay_us) || !is_file(fd))
		return 0;
	struct timespec wait = spec(orders->sync_delay_us * 1000);
	nanosleep(&wait, NULL);
	return orders->sync_error && fails(orders->sync_error);
}

int fsync(int fd)
{
	return sync_fails(fd) ? -1 : real_fsync(fd);
}

int fdatasync(int fd)
{
	return sync_fails(fd) ? -1 : real_fdatasync(fd);
}

int statvfs(const char *path, struct statvfs *space)
{
	int result = real_statvfs(path, space);
	int full = orders->space_error || orders->change_error == ENOSPC;
	if (result == 0 && full && is_below(path))
		space->f_bavail = space->f_bfree = 0;
	return result;
}
int statvfs64(const char *path, struct statvfs64 *space)
{
	return statvfs(path, (struct statvfs *)space);
}
