/*
 * `test=svc.back`: a service is killed; how long until svcman has it back, from the kill to the first answer of the next
 * incarnation, in guest time, and for how much of it the CPU had something to do: waiting for a disk is the host's time. With
 * --icount on one CPU a nanosecond is an instruction.
 */
#include <rugo/names.h>
#include <rugo/processes.h>
#include <rugo/proto_file.h>
#include <rugo/proto_tty.h>

#include "tests/prog/test.h"

/* A handle to the process of that name. */
static handle_t process_named(const char *name)
{
    handle_t all = start_handle(START_ROOT_JOB);
    uint64_t *pids;
    int64_t n = NEED(job_pids(all, &pids));

    for (int64_t i = 0; i < n; i++) {
        struct process_info info;
        handle_t p = sys_process_open(all, pids[i], RIGHT_INSPECT | RIGHT_MANAGE);

        if (p >= 0 && sys_process_info(p, &info) == 0 && strcmp((char *)info.name, name) == 0) {
            free(pids);
            return p;
        }
        if (p >= 0)
            (void)sys_handle_close(p);
    }
    test_fail(__FILE__, __LINE__, name, -1, 0);
}

static int ask_fsd(void)
{
    struct statfs_probe {
        char room[256];
    } info;

    return file_statfs(start_handle(START_ROOT), &info, sizeof info);
}

static handle_t terminal = HANDLE_NONE;

static int ask_console(void)
{
    return tty_watch(terminal, 0);
}

/* [ns] for which the one CPU had nothing to do. */
static int64_t idle(void)
{
    struct cpu_stats cpu;

    NEED(sys_machine_cpus(start_handle(START_MACHINE), &cpu, 1));
    return (int64_t)cpu.idle_ns;
}

/* The question waits for the next incarnation, or is to be asked again when it was already with the dead one. */
static void measure(const char *name, int (*ask)(void))
{
    handle_t p = process_named(name);
    int st;

    NEED(ask());
    int64_t from = sys_time_now(CLOCK_MONOTONIC), idle_from = idle();
    NEED(sys_process_kill(p, 9));
    do
        st = ask();
    while (st == -ECONNRESET);
    int64_t took = sys_time_now(CLOCK_MONOTONIC) - from, worked = took - (idle() - idle_from);
    EXPECT(0, st);
    printf("SVC: %s is back after ns=%lld worked=%lld\n", name, (long long)took, (long long)worked);
    NEED(sys_handle_close(p));
}

int main(void)
{
    NEED(name_connect("console", &terminal));
    measure("fsd", ask_fsd);
    measure("console", ask_console);
    test_mark("SVC: back ok");
    return 0;
}
