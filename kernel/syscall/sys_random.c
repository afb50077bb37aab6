/* The system call for random numbers. */
#include "klib/string.h"
#include "mm/usercopy.h"
#include "sched/thread.h"
#include "x86/random.h"
#include <syscall_table.h>

#define PIECE 224u /* bytes on the stack at a time; what a generator makes at once */

int64_t sys_random(struct user_out buf, size_t len)
{
    uint8_t piece[PIECE];
    size_t done = 0;
    status_t st = OK;
    if (len > USER_MAX)
        return -EFAULT;
    while (st == OK && done < len && !thread_killed(current_thread())) {
        size_t n = min_u64(len - done, sizeof piece);
        random_fill(piece, n);
        st = copy_to_user(user_out_at(buf, done), piece, n);
        done += n;
    }
    memset(piece, 0, sizeof piece);
    __asm__ volatile("" ::"r"(piece) : "memory"); /* the wipe stays */
    return st != OK ? st : (int64_t)done;
}
