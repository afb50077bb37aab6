/*
 * Futexes under the explorer: no wake-up is missed or counted twice, whatever times out or is killed meanwhile.
 *
 * SOURCES: kernel/ipc/futex.c
 */
#include <string.h>

#include "explore.h"
#include "ipc/futex.h"
#include "mm/vm.h"
#include "x86/clock.h"

/* ---- what futex.c stands on: one address space, whose memory is that of this program ---- */

struct aspace *aspace_current(void)
{
    return (struct aspace *)&explore_process;
}
struct shm *vm_object_at(struct aspace *as, uintptr_t va, uint64_t *offset)
{
    (void)as, (void)va, (void)offset;
    return NULL;
}
status_t copy_from_user(void *dst, struct user_in src, size_t n)
{
    memcpy(dst, (const void *)src.addr, n);
    return OK;
}

/* ---- scenarios ---- */

static struct {
    uint32_t word;
    unsigned ended_well, timed_out, killed;
    int64_t woken;
} the;

static void clear(void)
{
    memset(&the, 0, sizeof the);
    futex_init();
}

/* Wait for the word to change, as a program does. */
static void wait_for_change(uint64_t deadline)
{
    int64_t timeout = deadline == WAIT_FOREVER ? -1 : (int64_t)(deadline - clock_ns());
    while (__atomic_load_n(&the.word, __ATOMIC_SEQ_CST) == 0) {
        int64_t st = futex_wait((uintptr_t)&the.word, 0, timeout, false);
        the.ended_well += st == OK;
        the.timed_out += st == -ETIMEDOUT;
        the.killed += st == -EINTR;
        EXPLORE_EXPECT(st == OK || st == -EAGAIN || st == -ETIMEDOUT || st == -EINTR);
        if (st == -ETIMEDOUT || st == -EINTR)
            return;
    }
}
static void wait_for_ever(void)
{
    wait_for_change(WAIT_FOREVER);
}
static void wait_a_while(void)
{
    wait_for_change(AT_ANY_TIME);
}

static void change_and_wake_one(void)
{
    __atomic_store_n(&the.word, 1, __ATOMIC_SEQ_CST);
    the.woken += futex_wake((uintptr_t)&the.word, 1, false);
}
static void change_and_wake_two(void)
{
    __atomic_store_n(&the.word, 1, __ATOMIC_SEQ_CST);
    the.woken += futex_wake((uintptr_t)&the.word, 2, false);
}
static void kill_first(void)
{
    thread_notify(explore_thread(0), WORK_KILL);
}

/* Who was woken knows it, and who was not is not counted. */
static void check(void)
{
    EXPLORE_EXPECT(the.woken == the.ended_well);
}

static void check_killed(void)
{
    EXPLORE_EXPECT(the.killed == 1);
}

static const struct explore_scenario scenarios[] = {
    { "futex: killed", clear, { wait_for_ever, kill_first }, check_killed },
    { "futex: one waits", clear, { wait_for_ever, change_and_wake_one }, check },
    { "futex: it may time out", clear, { wait_a_while, change_and_wake_one }, check },
    { "futex: two wait, one is killed",
      clear,
      { wait_for_ever, wait_for_ever, change_and_wake_two, kill_first },
      check },
    { "futex: one wake-up passes who timed out",
      clear,
      { wait_a_while, wait_a_while, change_and_wake_one, change_and_wake_one },
      check },
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scenarios, ARRAY_SIZE(scenarios));
}
