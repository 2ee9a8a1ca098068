/*
 * Records the file system calls of a process, in one order, for the power-loss test.
 *
 * Preloaded into the workload. Calls on paths below POWER_ROOT are written to POWER_TRACE as
 * `struct event` with its bytes behind it; what is written to the file POWER_MARKS becomes a mark at
 * its place in the order and is not written anywhere. One lock is held over each call and its event,
 * so the order of events is the order of effects; only syncs run outside it, between a begin and an
 * end.
 *
 * POWER_IGNORE names a sync that pretends to work: `fdatasync`, or `directory-fsync`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS_MAX = 4096, TRACE_FD = 3900 };
enum kind { UNTRACKED, TRACKED, MARKS };

struct event {
	char op;
	char unused[3];
	int32_t fd;
	int64_t a, b;
	int64_t bytes;
};

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static unsigned char kinds[FDS_MAX];
static const char *root, *marks, *ignored;
static int64_t syncs;

static void fail(const char *what)
{
	fprintf(stderr, "recorder: %s: %s\n", what, strerror(errno));
	_exit(70);
}

__attribute__((constructor)) static void start(void)
{
	const char *trace = getenv("POWER_TRACE");
	root = getenv("POWER_ROOT");
	marks = getenv("POWER_MARKS");
	ignored = getenv("POWER_IGNORE");
	if (!trace || !root || !marks)
		return;
	int fd = syscall(SYS_open, trace, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || syscall(SYS_dup3, fd, TRACE_FD, O_CLOEXEC) < 0)
		fail("cannot write the trace");
	syscall(SYS_close, fd);
}

/* Gives up the lock; events are written of calls that worked, so errno is still the call's. */
static ssize_t leave(ssize_t result)
{
	int error = errno;
	pthread_mutex_unlock(&order);
	errno = error;
	return result;
}

static void record(char op, int fd, int64_t a, int64_t b, const struct iovec *data, int count)
{
	struct event event = { .op = op, .fd = fd, .a = a, .b = b };
	struct iovec parts[9] = { { &event, sizeof event } };
	ssize_t all = sizeof event;
	if (count > 8)
		fail("too many parts");
	for (int i = 0; i < count; i++) {
		parts[i + 1] = data[i];
		event.bytes += data[i].iov_len;
		all += data[i].iov_len;
	}
	if (syscall(SYS_writev, TRACE_FD, parts, count + 1) != all)
		fail("cannot write an event");
}

static void record_bytes(char op, int fd, int64_t a, const void *bytes, size_t length)
{
	struct iovec data = { (void *)bytes, length };
	record(op, fd, a, 0, &data, 1);
}

static enum kind kind_of(int fd)
{
	return root && fd >= 0 && fd < FDS_MAX ? kinds[fd] : UNTRACKED;
}

/* Writes the absolute form of `path` to `full`; tells whether it lies below the root. */
static int below_root(int dir, const char *path, char full[PATH_MAX])
{
	char base[PATH_MAX] = "";
	if (!root)
		return 0;
	if (path[0] != '/' && dir == AT_FDCWD) {
		if (!getcwd(base, sizeof base))
			return 0;
	} else if (path[0] != '/') {
		char link[64];
		snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
		ssize_t length = readlink(link, base, sizeof base - 1);
		if (length < 0)
			return 0;
		base[length] = 0;
	}
	if (snprintf(full, PATH_MAX, "%s%s%s", base, base[0] ? "/" : "", path) >= PATH_MAX)
		return 0;
	size_t length = strlen(root);
	return !strncmp(full, root, length) && (full[length] == '/' || !full[length]);
}

/* ---- names ---- */

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
	char full[PATH_MAX];
	int wanted = below_root(dir, path, full) ? TRACKED : UNTRACKED;
	if (marks && !strcmp(path, marks))
		wanted = MARKS;
	pthread_mutex_lock(&order);
	int fd = syscall(SYS_openat, dir, path, flags, mode);
	if (fd >= FDS_MAX && wanted)
		fail("a file number is too high");
	if (fd >= 0 && fd < FDS_MAX) {
		kinds[fd] = wanted;
		if (wanted == TRACKED)
			record_bytes('O', fd, flags, full, strlen(full));
	}
	return leave(fd);
}

#define MODE(flags)                                          \
	mode_t mode = 0;                                     \
	if ((flags) & (O_CREAT | __O_TMPFILE)) {             \
		va_list rest;                                \
		va_start(rest, flags);                       \
		mode = va_arg(rest, mode_t);                 \
		va_end(rest);                                \
	}

int open(const char *path, int flags, ...)
{
	MODE(flags)
	return open_at(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int openat(int dir, const char *path, int flags, ...)
{
	MODE(flags)
	return open_at(dir, path, flags, mode);
}
int openat64(int dir, const char *path, int flags, ...) __attribute__((alias("openat")));

int creat(const char *path, mode_t mode)
{
	return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) __attribute__((alias("creat")));

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	char source[PATH_MAX], target[PATH_MAX];
	int tracked = below_root(from_dir, from, source);
	tracked |= below_root(to_dir, to, target);
	pthread_mutex_lock(&order);
	int result = syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
	if (tracked && result == 0) {
		struct iovec names[2] = { { source, strlen(source) + 1 }, { target, strlen(target) } };
		record('R', -1, flags, 0, names, 2);
	}
	return leave(result);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return renameat2(from_dir, from, to_dir, to, 0);
}

int rename(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
	char full[PATH_MAX];
	int tracked = below_root(dir, path, full);
	pthread_mutex_lock(&order);
	int result = syscall(SYS_unlinkat, dir, path, flags);
	if (tracked && result == 0)
		record_bytes('U', -1, 0, full, strlen(full));
	return leave(result);
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	char full[PATH_MAX];
	int tracked = below_root(dir, path, full);
	pthread_mutex_lock(&order);
	int result = syscall(SYS_mkdirat, dir, path, mode);
	if (tracked && result == 0)
		record_bytes('K', -1, 0, full, strlen(full));
	return leave(result);
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

/* ---- file numbers ---- */

int close(int fd)
{
	pthread_mutex_lock(&order);
	if (kind_of(fd) == TRACKED)
		record('C', fd, 0, 0, NULL, 0);
	if (fd >= 0 && fd < FDS_MAX)
		kinds[fd] = UNTRACKED;
	int result = fd == TRACE_FD ? 0 : syscall(SYS_close, fd);
	return leave(result);
}

int fcntl(int fd, int command, ...)
{
	va_list rest;
	va_start(rest, command);
	void *argument = va_arg(rest, void *);
	va_end(rest);
	pthread_mutex_lock(&order);
	int result = syscall(SYS_fcntl, fd, command, argument);
	if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && result >= 0 && kind_of(fd)) {
		if (result >= FDS_MAX)
			fail("a file number is too high");
		kinds[result] = kinds[fd];
		if (kinds[fd] == TRACKED)
			record('D', fd, result, 0, NULL, 0);
	}
	return leave(result);
}
int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));

/* ---- contents ---- */

static ssize_t write_at(int fd, const struct iovec *parts, int count, off_t offset)
{
	enum kind kind = kind_of(fd);
	if (kind == UNTRACKED && offset < 0)
		return syscall(SYS_writev, fd, parts, count);
	if (kind == UNTRACKED)
		return syscall(SYS_pwritev, fd, parts, count, offset, 0);
	pthread_mutex_lock(&order);
	ssize_t written = 0;
	int error = 0;
	/* Part by part: an event then holds exactly what one call wrote. */
	for (int i = 0; i < count; i++) {
		const struct iovec *part = &parts[i];
		if (kind == MARKS) {
			record_bytes('M', -1, 0, part->iov_base, part->iov_len);
			written += part->iov_len;
			continue;
		}
		off_t at = offset + written;
		ssize_t result = offset < 0 ? syscall(SYS_write, fd, part->iov_base, part->iov_len) :
			syscall(SYS_pwrite64, fd, part->iov_base, part->iov_len, at);
		error = errno;
		if (result < 0) {
			written = written ? written : -1;
			break;
		}
		if (offset < 0)
			at = syscall(SYS_lseek, fd, 0, SEEK_CUR) - result;
		record_bytes('W', fd, at, part->iov_base, result);
		written += result;
		if ((size_t)result < part->iov_len)
			break;
	}
	errno = error;
	return leave(written);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
	struct iovec part = { (void *)bytes, length };
	return write_at(fd, &part, 1, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
	struct iovec part = { (void *)bytes, length };
	return write_at(fd, &part, 1, offset);
}
ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	return write_at(fd, parts, count, -1);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	return write_at(fd, parts, count, offset);
}
ssize_t pwritev64(int, const struct iovec *, int, off_t) __attribute__((alias("pwritev")));

int ftruncate(int fd, off_t length)
{
	pthread_mutex_lock(&order);
	int result = syscall(SYS_ftruncate, fd, length);
	if (result == 0 && kind_of(fd) == TRACKED)
		record('T', fd, length, 0, NULL, 0);
	return leave(result);
}
int ftruncate64(int, off_t) __attribute__((alias("ftruncate")));

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	pthread_mutex_lock(&order);
	int result = syscall(SYS_fallocate, fd, mode, offset, length);
	if (result == 0 && kind_of(fd) == TRACKED)
		record('A', fd, offset + length, mode, NULL, 0);
	return leave(result);
}
int fallocate64(int, int, off_t, off_t) __attribute__((alias("fallocate")));

int posix_fallocate(int fd, off_t offset, off_t length)
{
	return fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
}
int posix_fallocate64(int, off_t, off_t) __attribute__((alias("posix_fallocate")));

/* ---- durability ---- */

static int sync_file(int fd, long call, const char *name)
{
	struct stat status;
	if (kind_of(fd) != TRACKED)
		return syscall(call, fd);
	if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
		name = "directory-fsync";
	if (ignored && !strcmp(ignored, name))
		return 0;
	pthread_mutex_lock(&order);
	int64_t number = ++syncs;
	record('S', fd, number, 0, NULL, 0);
	pthread_mutex_unlock(&order);
	int result = syscall(call, fd);
	pthread_mutex_lock(&order);
	if (result == 0)
		record('E', fd, number, 0, NULL, 0);
	return leave(result);
}

int fsync(int fd)
{
	return sync_file(fd, SYS_fsync, "fsync");
}

int fdatasync(int fd)
{
	return sync_file(fd, SYS_fdatasync, "fdatasync");
}

/* Writes back pages but promises nothing: no event. It is here to be seen to be left out. */
int sync_file_range(int fd, off_t offset, off_t length, unsigned flags)
{
	return syscall(SYS_sync_file_range, fd, offset, length, flags);
}
