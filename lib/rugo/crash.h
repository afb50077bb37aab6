/* Reports of programs that a fault has ended, with names of functions. */
#ifndef RUGO_CRASH_H
#define RUGO_CRASH_H

#include <stddef.h>
#include <stdint.h>
#include <rugo/abi.h>

/* A table of names as tools/usyms.py makes it, wherever it lies: read fills buf from offset, 0 if it can. */
struct symbols {
    int (*read)(const struct symbols *s, uint64_t offset, void *buf, size_t n);
    const void *data; /* for a reader of memory */
    size_t size;
    int fd; /* for a reader of a file */
};

/* The table of the system image, a file; 0 or negative errno. symbols_close afterwards. */
int symbols_open(struct symbols *s);
void symbols_close(struct symbols *s);
/* A table in memory. */
void symbols_in_memory(struct symbols *s, const void *data, size_t size);

/*
 * The function of a program that an address (relative to its image) lies in: its name and the offset in it. 0, or
 * -ENOENT (the table knows no such program or function), or why the table can't be read.
 */
int symbols_find(const struct symbols *s, const char *program, uint64_t address, char *name,
                 size_t size, uint64_t *offset);

/*
 * Describe the fault that ended a process, line by line: what happened, and who called whom. program is the name of
 * its file (NULL: that of the process), names come from s (NULL: no names). 0, or negative errno: -ENOENT if no fault
 * has ended it. proc: RIGHT_INSPECT.
 */
int crash_describe(handle_t proc, const char *program, const struct symbols *s,
                   void (*line)(const char *text));

#endif
