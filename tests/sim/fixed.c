/* Preloaded into a simulation: randomness and time come from the seed, not from the machine.
 *
 * The standard library draws its hash keys, tokio the order of its branches and wakers, rand and
 * our own code everything else from getrandom(2); hyper dates its answers by the clock. Both are
 * asked by symbols of libc, so what stands here is asked instead. Every thread begins anew.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static __thread uint64_t state;
static __thread int begun;

static uint64_t next(void) {
    if (!begun) {
        const char *seed = getenv("SIM_SEED");
        state = seed ? strtoull(seed, NULL, 10) : 0;
        begun = 1;
    }
    uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

ssize_t getrandom(void *buffer, size_t bytes, unsigned flags) {
    (void)flags;
    unsigned char *at = buffer;
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(next() >> 32);
    return (ssize_t)bytes;
}

/* Whether a thread lives in the true time: the main one, which is the test runner's, and the one
 * that frees the blocks of removed files, which waits for hours in vain and is no part of a node. */
static int is_outside(void) {
    static __thread int known, outside;
    if (!known) {
        char name[16] = "";
        prctl(PR_GET_NAME, name);
        outside = getpid() == gettid() || strcmp(name, "store-dispose") == 0;
        known = 1;
    }
    return outside;
}

/* Time stands still: whoever wants it to pass asks tokio's clock, which the simulation moves. It
 * stands soon after the start of the machine, so that a wait for a later moment ends at once. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    if (is_outside())
        return (int)syscall(SYS_clock_gettime, clock, time);
    time->tv_sec = clock == CLOCK_REALTIME ? 1900000000 : 1;
    time->tv_nsec = 0;
    return 0;
}
