/* Inside of a FILE. One buffer serves either reading or writing at a time. */
#ifndef LIB_FILE_STREAM_H
#define LIB_FILE_STREAM_H

#include <stddef.h>
#include <stdio.h>

enum {
    F_READ = 1,    /* may be read */
    F_WRITE = 2,   /* may be written */
    F_EOF = 4,
    F_ERR = 8,
    F_DIRTY = 16,  /* buf[0, end) waits to be written; else buf[pos, end) waits to be read */
    F_OWN = 32,    /* buf came from malloc */
    F_HEAP = 64,   /* so did the FILE */
    F_MODE = 128,  /* mode has been chosen */
    F_APPEND = 256,
};

struct FILE {
    int fd;
    int flags;
    int mode; /* _IOFBF, _IOLBF, _IONBF */
    unsigned char *buf;
    size_t size, pos, end;
    struct FILE *next; /* open streams, for exit */
};

extern struct FILE *__stdio_open; /* streams made by fopen */

/* Gives the stream its buffer and, at the first use, its mode. -1: out of memory. */
int __stdio_prepare(FILE *f);
/* Writes what is buffered; F_ERR on failure. */
int __stdio_write_out(FILE *f);
/* Forgets what was read ahead: the file's position becomes the reader's. */
void __stdio_drop_input(FILE *f);
/* Appends to the buffer, writing it out as the mode demands. The number of bytes taken. */
size_t __stdio_put(FILE *f, const char *text, size_t n);
/* fopen's mode string as O_ flags; -1 if it is none. */
int __stdio_mode(const char *mode);

#endif
