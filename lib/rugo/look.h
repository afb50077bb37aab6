/*
 * Looking at what runs: a snapshot of the processes of a job with their threads and handles, and of the jobs in it. Each is
 * looked at for itself, while all of them go on: the whole need not have been true at any one moment.
 */
#ifndef RUGO_LOOK_H
#define RUGO_LOOK_H

#include <stddef.h>
#include <rugo/abi.h>

struct look_process {
    struct process_info info;
    struct thread_info *threads; /* by number; NULL unless LOOK_THREADS */
    size_t nthreads;
    struct handle_record *handles; /* by position; NULL unless LOOK_HANDLES */
    size_t nhandles;
};

struct look_job {
    struct job_record record;
    struct job_info info;
};

struct look {
    struct look_process *processes; /* by pid */
    size_t n;
    struct look_job *jobs; /* by number, the one looked at first; NULL unless LOOK_JOBS */
    size_t njobs;
    uint64_t now_ns; /* CLOCK_MONOTONIC when it was begun */
};

#define LOOK_THREADS 1u
#define LOOK_HANDLES 2u
#define LOOK_JOBS    4u

/* Takes a snapshot of a job (RIGHT_INSPECT). Processes that end meanwhile are left out. 0 or negative errno. */
int look_take(handle_t job, unsigned what, struct look *l);
void look_free(struct look *l);

/* The process with that number, or NULL. */
const struct look_process *look_process(const struct look *l, uint64_t pid);
/* The job with that number (LOOK_JOBS), or NULL. */
const struct look_job *look_job(const struct look *l, uint64_t number);
/* Who receives on the endpoint with that number (LOOK_HANDLES): rather who serves than who only owns it. Or NULL. */
const struct look_process *look_server(const struct look *l, uint64_t endpoint);

/* Rights by letters, in the order of their bits, '-' for those that are missing. */
#define LOOK_RIGHTS 12
void look_rights(uint32_t rights, char text[LOOK_RIGHTS]);
/* A handle as people read it: a file descriptor's number, 0x… for others, SELF, NONE. */
#define LOOK_HANDLE 16
void look_handle(handle_t h, char text[LOOK_HANDLE]);
/* An argument of a system call by its type: flags by name, handles, sizes, addresses. Cut to what fits. */
struct abi_arg;
void look_argument(const struct abi_arg *a, uint64_t value, char *text, size_t size);
/* The system call a thread is blocked in, with its arguments, or what it does otherwise. */
void look_call(const struct thread_info *t, char *text, size_t size);

#endif
