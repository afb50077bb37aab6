/* Line discipline (input.h). Makes no system calls. */
#include "services/console/input.h"

#include <string.h>

enum {
    KEY_INTERRUPT = 3,              /* Ctrl-C */
    KEY_EOF = 4,                    /* Ctrl-D */
    KEY_BACKSPACE = 8,
    KEY_KILL = 21,                  /* Ctrl-U */
    KEY_WORD = 23,                  /* Ctrl-W */
    KEY_DELETE = 127,
};

/* In the ring of cooked mode this byte is an end of file; typed as such it can't get there. */
#define EOF_MARK '\0'

static void echo(struct input *in, const char *text)
{
    in->echo(text, strlen(text));
}

static void push(struct input *in, char c)
{
    if (in->count == INPUT_MAX) {
        echo(in, "\a");
        return;
    }
    in->ring[(in->head + in->count++) % INPUT_MAX] = c;
    if (!in->raw && (c == '\n' || c == EOF_MARK))
        in->lines++;
}

/* The line being typed becomes readable. */
static void push_line(struct input *in)
{
    for (size_t i = 0; i < in->line_len; i++)
        push(in, in->line[i]);
    in->line_len = 0;
}

/* Erase one character, however many bytes UTF-8 takes for it. */
static void erase(struct input *in)
{
    unsigned char c;

    if (in->line_len == 0)
        return;
    do {
        c = (unsigned char)in->line[--in->line_len];
    } while ((c & 0xc0) == 0x80 && in->line_len > 0);
    echo(in, "\b \b");
}

static void erase_word(struct input *in)
{
    while (in->line_len > 0 && in->line[in->line_len - 1] == ' ')
        erase(in);
    while (in->line_len > 0 && in->line[in->line_len - 1] != ' ')
        erase(in);
}

static void add(struct input *in, char c)
{
    if (in->line_len == INPUT_LINE_MAX - 1) {
        echo(in, "\a");
        return;
    }
    in->line[in->line_len++] = c;
    if (c == '\t' || (unsigned char)c >= ' ')
        in->echo(&c, 1);
    else
        in->echo((char[]){ '^', (char)(c + '@') }, 2);
}

static void end_line(struct input *in)
{
    echo(in, "\n");
    in->line[in->line_len++] = '\n';
    push_line(in);
}

static void cook(struct input *in, char c)
{
    switch (c) {
    case KEY_BACKSPACE:
    case KEY_DELETE: erase(in); break;
    case KEY_KILL:
        while (in->line_len > 0)
            erase(in);
        break;
    case KEY_WORD: erase_word(in); break;
    case KEY_EOF:
        push_line(in);
        push(in, EOF_MARK);
        break;
    case '\r':
    case '\n': end_line(in); break;
    case '\0': break;
    default: add(in, c); break;
    }
}

void input_key(struct input *in, char c)
{
    if (c == KEY_INTERRUPT && (in->watched || !in->raw)) {
        echo(in, "^C\n");
        input_drop(in);
        in->interrupt();
    } else if (in->raw) {
        push(in, c);
    } else {
        cook(in, c);
    }
}

bool input_ready(const struct input *in)
{
    return in->raw ? in->count > 0 : in->lines > 0;
}

static char pop(struct input *in)
{
    char c = in->ring[in->head];

    in->head = (in->head + 1) % INPUT_MAX;
    in->count--;
    return c;
}

size_t input_peek(const struct input *in, char *buf, size_t max, size_t *used)
{
    size_t n = 0;

    *used = 0;
    while (n < max && *used < in->count) {
        char c = in->ring[(in->head + (*used)++) % INPUT_MAX];

        if (!in->raw && c == EOF_MARK)
            break;
        buf[n++] = c;
        if (c == '\n' || c == '\r')
            break;
    }
    return n;
}

void input_consume(struct input *in, size_t used)
{
    while (used-- > 0) {
        char c = pop(in);

        if (!in->raw && (c == '\n' || c == EOF_MARK))
            in->lines--;
    }
    if (in->count == 0)
        in->head = 0; /* a person's typing stays in one page */
}

void input_set_raw(struct input *in, bool raw)
{
    size_t left = in->count;

    if (raw == in->raw)
        return;
    in->raw = raw;
    in->lines = 0;
    if (raw) {
        /* Ends of file mean nothing to raw readers; all else is as it was typed. */
        while (left-- > 0) {
            char c = pop(in);

            if (c != EOF_MARK)
                push(in, c);
        }
        push_line(in);
    } else {
        while (left-- > 0 && in->count > 0)     /* the interrupt key empties the ring */
            input_key(in, pop(in));
    }
}

void input_drop(struct input *in)
{
    in->head = in->count = in->lines = in->line_len = 0;
}
