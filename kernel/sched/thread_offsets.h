/* Offsets of struct thread that assembly uses; thread.h checks them. */
#define THREAD_WORK_OFFSET 88
