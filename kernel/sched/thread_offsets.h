/* Offsets of struct thread that assembly uses; thread.h checks them. */
#define THREAD_WORK_OFFSET         88
#define THREAD_DIRECT_CALLS_OFFSET 96
/* WORK_UPCALL | WORK_RETURN, likewise. */
#define THREAD_WORK_FRAME 12
