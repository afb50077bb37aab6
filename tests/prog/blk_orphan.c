/*
 * Processes that end with requests under way (test=blk.orphan): nobody else gets their completions,
 * all memory comes back, and the disk goes on working.
 */
#include <rugo/spawn.h>

#include "services/initrd.h"
#include "tests/prog/blk.h"

#define SIZE (64 * PAGE_SIZE)

static struct spawn_handle gifts[] = {
    {START_BLK, 0, RIGHT_SAME}, {START_LOG, 0, RIGHT_SAME}, {START_MACHINE, 0, RIGHT_SAME}};

/* The child: fill the queue, then sleep until killed, or end at once. */
static int child(const char *how)
{
    unsigned n = 0;
    uint32_t count = SIZE / BLK_SECTOR < info.max_sectors ? SIZE / BLK_SECTOR : info.max_sectors;

    while (submit(BLK_READ, 0, 0, count, 0xdead) == 0)
        n++;
    EXPECT_TRUE(n > 1);
    if (strcmp(how, "sleep") == 0)
        (void)sys_thread_sleep(100000 * MS);
    return 0;
}

static handle_t start_child(const struct initrd_file *program, const char *how)
{
    char *argv[] = {(char *)"blk_orphan", (char *)how, NULL};
    struct spawn_args args = {
        .job = start_handle(START_JOB),
        .argv = argv,
        .handles = gifts,
        .nhandles = sizeof(gifts) / sizeof(gifts[0]),
        .fds = {HANDLE_NONE, HANDLE_NONE, HANDLE_NONE},
    };
    handle_t proc = HANDLE_NONE;

    EXPECT(0, spawn_image(&args, program->data, program->size, &proc));
    return proc;
}

/* A child's life; and a request of our own beside it, which must be the only one that comes back. */
static void round_of(const struct initrd_file *program, bool kill)
{
    handle_t proc = start_child(program, kill ? "sleep" : "end");
    int status;

    if (kill) {
        EXPECT(0, sys_thread_sleep(20 * MS));
        EXPECT(0, sys_process_kill(proc, 9));
    }
    EXPECT(0, transfer(BLK_READ, 0, 0, 8));
    EXPECT(0, process_wait(proc, &status, 10000 * MS));
    EXPECT(kill ? 9 : 0, status);
    EXPECT(0, sys_handle_close(proc));
    EXPECT(0, transfer(BLK_READ, PAGE_SIZE, 8, 8));
}

static struct machine_info totals(void)
{
    struct machine_info m;

    EXPECT(0, sys_machine_info(start_handle(START_MACHINE), &m));
    return m;
}

/* What is cleaned up behind a process is soon done, but nobody tells us when. */
static struct machine_info settled(uint64_t shms)
{
    struct machine_info now = totals();

    for (int i = 0; i < 500 && now.shms > shms; i++) {
        EXPECT(0, sys_thread_sleep(10 * MS));
        now = totals();
    }
    EXPECT(0, now.shms - shms);
    return now;
}

int main(int argc, char **argv)
{
    struct initrd initrd;
    struct initrd_file program;
    struct machine_info before, after;
    uint64_t shms;
    void *at;

    blk_begin(SIZE);
    if (argc > 1)
        return child(argv[1]);
    for (unsigned i = 0; i < sizeof(gifts) / sizeof(gifts[0]); i++)
        gifts[i].handle = start_handle(gifts[i].kind);
    EXPECT(0, shm_attach(start_handle(START_INITRD), VM_READ, &at, &initrd.size));
    initrd.data = at;
    EXPECT_TRUE(initrd_find(&initrd, "test/blk_orphan", &program));
    shms = totals().shms;
    for (int i = 0; i < 4; i++)
        round_of(&program, i % 2 == 0);
    before = settled(shms);
    for (int i = 0; i < 10; i++)
        round_of(&program, i % 2 == 0);
    after = settled(shms);
    EXPECT(0, after.processes - before.processes);
    EXPECT(0, after.handles - before.handles);
    EXPECT(0, (int64_t)(before.free_pages - after.free_pages));
    test_mark("BLK: orphan ok");
    return 0;
}
