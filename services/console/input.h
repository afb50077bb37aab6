/*
 * What was typed, on its way from the serial line to readers.
 *
 * Bytes become readable at once in raw mode; in cooked mode line by line, after erasing has been done
 * and with echo. Changing the mode loses nothing: a line begun in cooked mode becomes raw bytes, and
 * raw bytes nobody read are cooked as if they were typed then.
 */
#ifndef CONSOLE_INPUT_H
#define CONSOLE_INPUT_H

#include <stdbool.h>
#include <stddef.h>

enum {
    INPUT_MAX = 64 * 1024, /* bytes waiting to be read; what is typed beyond is lost, with a bell */
    INPUT_LINE_MAX = 4096, /* bytes of a line being typed in cooked mode */
};

struct input {
    char ring[INPUT_MAX]; /* readable */
    size_t head, count; /* first byte, number of bytes */
    size_t lines; /* ends (newline, end of file) among them, in cooked mode */
    char line[INPUT_LINE_MAX]; /* being typed */
    size_t line_len;
    bool raw;
    void (*echo)(const char *text, size_t len);
    void (*interrupt)(void); /* the interrupt key in cooked mode, or with `watched` */
    bool watched; /* the interrupt key is a signal in raw mode too */
};

/* A key has been pressed. */
void input_key(struct input *in, char c);

/* Whether input_peek() would give something, or an end of file. */
bool input_ready(const struct input *in);

/*
 * Copy at most `max` bytes without taking them: in cooked mode at most a line; in raw mode nothing
 * behind a carriage return or newline, so that a shell leaves to the program it starts what was typed
 * after the command. 0: end of file (cooked mode only). Only when input_ready(). *used is for
 * input_consume(), once the bytes have reached their reader.
 */
size_t input_peek(const struct input *in, char *buf, size_t max, size_t *used);
void input_consume(struct input *in, size_t used);

void input_set_raw(struct input *in, bool raw);

/* Forget what was typed and not read. */
void input_drop(struct input *in);

#endif
