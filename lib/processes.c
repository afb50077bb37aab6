/* Looking at processes of a job. */
#include <rugo/processes.h>

#include <errno.h>
#include <rugo/syscall.h>
#include <stdlib.h>

int64_t job_pids(handle_t job, uint64_t **pids)
{
    size_t room = 64;

    for (;;) {
        uint64_t *list = malloc(room * sizeof *list);
        int64_t n = list == NULL ? -ENOMEM : sys_job_list(job, list, room);
        if (n >= 0 && (size_t)n <= room) {
            *pids = list;
            return n;
        }
        free(list);
        if (n < 0)
            return n;
        room = (size_t)n + 16; /* some may come meanwhile */
    }
}
