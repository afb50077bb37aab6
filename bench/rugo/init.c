/*
 * The first program of a benchmark run, as init_linux.c is on Linux: says that the system is up, runs the
 * phases that `phases=` on the kernel's command line names, says DONE. Its exit ends the machine.
 *
 * Phases: boot core blk smp fs, and core1 to core9: core with that many batches. Others, which this system does
 * not have yet, are passed over.
 */
#include <rugo/spawn.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/initrd.h"
#include <rugo/shm.h>

#define SECOND INT64_C(1000000000)

static struct initrd initrd;
static bool failed;

static bool wanted(const char *phase)
{
    const char *list = getenv("phases"), *at = list;
    size_t len = strlen(phase);

    while (at != NULL && (at = strstr(at, phase)) != NULL) {
        if ((at == list || at[-1] == ',') && (at[len] == '\0' || at[len] == ','))
            return true;
        at += len;
    }
    return false;
}

/* Starts bench/NAME from the initrd with what this process was given. 0 or negative errno. */
static int start(char **argv, handle_t *proc)
{
    struct spawn_handle handles[SPAWN_HANDLE_MAX];
    struct spawn_args args = { .job = start_handle(START_JOB), .argv = argv, .handles = handles };
    struct initrd_file image;
    size_t n;
    const struct start_handle *table = start_table(&n);

    for (size_t i = 0; i < n && args.nhandles < SPAWN_HANDLE_MAX; i++) {
        uint32_t rights = (uint32_t)sys_handle_info(table[i].handle);

        if (rights & RIGHT_TRANSFER)
            handles[args.nhandles++] =
                (struct spawn_handle){ table[i].kind, table[i].handle, RIGHT_SAME };
    }
    args.fds[0] = args.fds[1] = args.fds[2] = HANDLE_NONE;
    if (!initrd_find(&initrd, argv[0], &image))
        return -ENOENT;
    return spawn_image(&args, image.data, image.size, proc);
}

static void run(const char *program, const char *a, const char *b)
{
    char path[64], *argv[] = { path, (char *)(uintptr_t)a, (char *)(uintptr_t)b, NULL };
    handle_t proc;
    int status = -1;

    snprintf(path, sizeof(path), "bench/%s", program);
    int st = start(argv, &proc);
    if (st == 0)
        st = process_wait(proc, &status, TIMEOUT_NEVER);
    if (st == 0 && status == 0)
        return;
    failed = true;
    printf("FAIL %s: %s, status %d\n", path, strerror(-st), status);
}

/* What the system takes of the machine's memory, whose size in KiB the command line may tell (mem_kib=),
 * and how much of the time so far it did nothing. */
static void tell_memory(void)
{
    const char *machine = getenv("mem_kib");
    uint64_t all = machine != NULL ? strtoull(machine, NULL, 10) : 262144;
    struct machine_info info;

    (void)sys_thread_sleep(SECOND);
    if (sys_machine_info(start_handle(START_MACHINE), &info) != 0) {
        failed = true;
        return;
    }
    uint64_t page = PAGE_SIZE / 1024;
    printf("BENCH name=mem_used_idle value=%llu unit=KiB n=1\n",
           (unsigned long long)((info.total_pages - info.free_pages) * page));
    printf("BENCH name=mem_total_idle value=%llu unit=KiB n=1\n",
           (unsigned long long)(all - info.free_pages * page));
    printf("NOTE kernel_kib=%llu\nNOTE modules_kib=%llu\n",
           (unsigned long long)(info.kernel_pages * page),
           (unsigned long long)(info.boot_pages * page));
}

int main(void)
{
    int64_t now = sys_time_now(CLOCK_MONOTONIC);
    void *data;

    printf("BENCH name=boot_guest_time value=%lld.%03lld unit=ms n=1\n", (long long)now / 1000000,
           (long long)now / 1000 % 1000);
    if (shm_attach(start_handle(START_INITRD), VM_READ, &data, &initrd.size) != 0)
        return 1;
    initrd.data = data;
    printf("READY boot\n");
    if (wanted("boot"))
        tell_memory();
    if (wanted("core"))
        run("core", NULL, NULL);
    for (char n = '1'; n <= '9'; n++) {
        const char phase[] = { 'c', 'o', 'r', 'e', n, '\0' };

        if (wanted(phase))
            run("core", phase + 4, NULL);
    }
    if (wanted("blk"))
        run("blk", NULL, NULL);
    if (wanted("smp"))
        run("smp", NULL, NULL);
    if (wanted("fs"))
        run("fs", "0", "ext2"); /* / must be the disk: it is, if the first one holds ext2 */
    printf("DONE\n");
    return failed;
}
