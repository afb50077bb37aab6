/*
 * The line editor (line.h). The terminal sends bytes; they are decoded here into keys, one byte at a
 * time, as a key's bytes may come in two reads. The line is UTF-8; the cursor is a byte offset in it
 * and always stands before a character.
 *
 * Output is collected and written when all bytes of a read have been dealt with. The line is expected
 * to fit into one row of the terminal; a longer one is read correctly but looks wrong when its middle
 * is edited.
 */
#include "apps/sh/line.h"

#include <errno.h>
#include <fcntl.h>
#include <rugo/proto_file.h>
#include <rugo/proto_tty.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/sh/width.h"

enum {
    EDIT_MAX = 4096,
    HISTORY_MAX = 100,
    RETRIES = 50,                   /* reads of a console that is being restarted, 100 ms apart */
    CTRL_A = 1,
    CTRL_B = 2,
    CTRL_C = 3,
    CTRL_D = 4,
    CTRL_E = 5,
    CTRL_F = 6,
    BACKSPACE = 8,
    CTRL_K = 11,
    CTRL_L = 12,
    CTRL_N = 14,
    CTRL_P = 16,
    CTRL_U = 21,
    CTRL_W = 23,
    ESC = 27,
    DELETE = 127,
};

/* How far an escape sequence has come. */
enum escape { ESC_NONE, ESC_START, ESC_CSI, ESC_SS3 };

static char line[EDIT_MAX];         /* not terminated while it is edited */
static size_t len, cursor;
static const char *prompt_text;

static char *history[HISTORY_MAX];  /* oldest first */
static size_t nhistory;
static size_t recalled;             /* the entry that is shown; nhistory: the new line */
static char *unfinished;            /* the new line, while an older one is shown */

static enum escape escape;
static unsigned parameter;          /* number in a CSI sequence */
static unsigned utf8_missing;       /* bytes that the character being typed still lacks */
static size_t utf8_have;            /* bytes of it that have come */

/* ---- output ------------------------------------------------------------------------------------ */

static char out[8192];
static size_t out_len;

static void flush(void)
{
    if (out_len > 0)
        (void)!write(STDOUT_FILENO, out, out_len);
    out_len = 0;
}

static void put(const char *text, size_t n)
{
    if (n > sizeof(out) - out_len)
        flush();
    if (n > sizeof(out)) {
        (void)!write(STDOUT_FILENO, text, n);
        return;
    }
    memcpy(out + out_len, text, n);
    out_len += n;
}

static void puts_out(const char *text)
{
    put(text, strlen(text));
}

static void move(size_t columns, char direction)
{
    char text[24];

    if (columns > 0)
        put(text, (size_t)snprintf(text, sizeof(text), "\x1b[%zu%c", columns, direction));
}

/* Print what is right of the cursor, clear what is behind it, and come back. */
static void redraw_tail(void)
{
    put(line + cursor, len - cursor);
    puts_out("\x1b[K");
    move(text_width(line + cursor, len - cursor), 'D');
}

/* ---- editing ------------------------------------------------------------------------------------- */

/* Start of the character before `at`, and behind the one at `at`. */
static size_t before(size_t at)
{
    while (at > 0 && ((unsigned char)line[--at] & 0xc0) == 0x80)
        ;
    return at;
}

static size_t behind(size_t at)
{
    while (at < len && ((unsigned char)line[++at] & 0xc0) == 0x80 && at < len)
        ;
    return at < len ? at : len;
}

static void go_to(size_t at)
{
    if (at < cursor)
        move(text_width(line + at, cursor - at), 'D');
    else
        move(text_width(line + cursor, at - cursor), 'C');
    cursor = at;
}

/* Take the bytes from `from` up to `to` out; the cursor is then at `from`. */
static void cut(size_t from, size_t to)
{
    if (from == to)
        return;
    go_to(from);
    memmove(line + from, line + to, len - to);
    len -= to - from;
    redraw_tail();
}

/* Put whole characters in at the cursor. */
static void insert(const char *text, size_t n)
{
    if (n > EDIT_MAX - 1 - len) {
        puts_out("\a");
        return;
    }
    memmove(line + cursor + n, line + cursor, len - cursor);
    memcpy(line + cursor, text, n);
    len += n;
    put(text, n);
    cursor += n;
    if (cursor < len)
        redraw_tail();
}

static void replace(const char *text)
{
    go_to(0);
    len = strlen(text);
    memcpy(line, text, len);
    cursor = len;
    put(line, len);
    puts_out("\x1b[K");
}

static size_t word_start(void)
{
    size_t at = cursor;

    while (at > 0 && line[at - 1] == ' ')
        at--;
    while (at > 0 && line[at - 1] != ' ')
        at--;
    return at;
}

static void clear_screen(void)
{
    size_t at = cursor;

    puts_out("\x1b[H\x1b[2J");
    puts_out(prompt_text);
    put(line, len);
    cursor = len;
    go_to(at);
}

/* ---- history -------------------------------------------------------------------------------------- */

static void remember(void)
{
    char *copy;

    if (len == 0 || (nhistory > 0 && strlen(history[nhistory - 1]) == len &&
                     memcmp(history[nhistory - 1], line, len) == 0))
        return;
    copy = strndup(line, len);
    if (copy == NULL)
        return;
    if (nhistory == HISTORY_MAX) {
        free(history[0]);
        memmove(history, history + 1, --nhistory * sizeof(history[0]));
    }
    history[nhistory++] = copy;
}

static void recall(int step)
{
    size_t wanted = recalled + (size_t)step;

    if (wanted > nhistory || (step < 0 && recalled == 0)) {
        puts_out("\a");
        return;
    }
    if (recalled == nhistory) {
        free(unfinished);
        unfinished = strndup(line, len);
    }
    recalled = wanted;
    replace(wanted < nhistory ? history[wanted] : unfinished != NULL ? unfinished : "");
}

/* ---- keys ------------------------------------------------------------------------------------------ */

/* The last byte of an escape sequence. */
static void escape_key(char c)
{
    if (c == '~')
        c = "?H?XF??HF"[parameter < 9 ? parameter : 0];
    switch (c) {
    case 'A': recall(-1); break;
    case 'B': recall(1); break;
    case 'C': go_to(behind(cursor)); break;
    case 'D': go_to(before(cursor)); break;
    case 'H': go_to(0); break;
    case 'F': go_to(len); break;
    case 'X': cut(cursor, behind(cursor)); break;
    default: break;
    }
}

/* A byte after ESC. */
static void escape_byte(char c)
{
    if (escape == ESC_START) {
        parameter = 0;
        escape = c == '[' ? ESC_CSI : c == 'O' ? ESC_SS3 : ESC_NONE;
    } else if (escape == ESC_CSI && ((c >= '0' && c <= '9') || c == ';')) {
        parameter = c == ';' ? 0 : (parameter * 10 + (unsigned)(c - '0')) % 1000;
    } else {
        escape = ESC_NONE;
        escape_key(c);
    }
}

/* A control character that edits. */
static void control_key(char c)
{
    switch (c) {
    case CTRL_A: go_to(0); break;
    case CTRL_B: go_to(before(cursor)); break;
    case CTRL_D: cut(cursor, behind(cursor)); break;
    case CTRL_E: go_to(len); break;
    case CTRL_F: go_to(behind(cursor)); break;
    case BACKSPACE:
    case DELETE: cut(before(cursor), cursor); break;
    case CTRL_K: cut(cursor, len); break;
    case CTRL_L: clear_screen(); break;
    case CTRL_N: recall(1); break;
    case CTRL_P: recall(-1); break;
    case CTRL_U: cut(0, cursor); break;
    case CTRL_W: cut(word_start(), cursor); break;
    case ESC: escape = ESC_START; break;
    default: break;
    }
}

/* A byte of text. A character goes into the line when its last byte is there; a broken one is dropped. */
static void text_byte(char byte)
{
    static char character[4];
    unsigned char c = (unsigned char)byte;

    if ((c & 0xc0) == 0x80 && utf8_missing > 0) {
        character[utf8_have++] = byte;
        if (--utf8_missing == 0)
            insert(character, utf8_have);
        return;
    }
    utf8_missing = c >= 0xf0 && c < 0xf8 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : 0;
    if (c < 0x80) {
        insert(&byte, 1);
    } else if (utf8_missing > 0 && c < 0xf8) {
        character[0] = byte;
        utf8_have = 1;
    } else {
        utf8_missing = 0;
        puts_out("\a");
    }
}

/* One byte. True: the line has ended, *result says how. */
static bool take_byte(char c, enum line_result *result)
{
    if (escape != ESC_NONE) {
        escape_byte(c);
        return false;
    }
    if (c == '\r' || c == '\n') {
        *result = LINE_DONE;
    } else if (c == CTRL_C) {
        puts_out("^C");
        *result = LINE_INTERRUPT;
    } else if (c == CTRL_D && len == 0) {
        *result = LINE_EOF;
    } else {
        if ((unsigned char)c >= ' ' && c != DELETE)
            text_byte(c);
        else
            control_key(c);
        return false;
    }
    puts_out("\n");
    return true;
}

/* ---- reading ------------------------------------------------------------------------------------- */

/* Raw mode, and the interrupt key as a byte. */
static int take_terminal(void)
{
    uint32_t flags;
    int st = tty_set_mode(STDIN_FILENO, TTY_RAW);

    (void)file_flags(STDIN_FILENO, O_NONBLOCK, 0, &flags); /* a program may have left it so */
    return st == 0 ? tty_watch(STDIN_FILENO, 0) : st;
}

/* Bytes from the terminal; a console that died and is started again is waited for. */
static ssize_t read_bytes(char *buf, size_t size)
{
    for (int i = 0; i < RETRIES; i++) {
        ssize_t n = read(STDIN_FILENO, buf, size);

        if (n > 0)
            return n;
        if (n == 0 || (errno != ECONNRESET && errno != EPIPE && errno != EINTR && errno != EAGAIN))
            return -1;
        if (errno != EINTR)
            usleep(100 * 1000);
        (void)take_terminal();
    }
    return -1;
}

enum line_result line_read(const char *prompt, char **text)
{
    enum line_result result = LINE_ERROR;
    bool ended = false;

    prompt_text = prompt;
    len = cursor = 0;
    recalled = nhistory;
    escape = ESC_NONE;
    utf8_missing = 0;
    (void)take_terminal();
    puts_out(prompt);
    while (!ended) {
        char buf[256];
        ssize_t n;

        flush();
        n = read_bytes(buf, sizeof(buf));
        if (n < 0)
            return LINE_ERROR;
        /* The console ends a read at a line's end: behind it nothing is left in buf. */
        for (ssize_t i = 0; i < n && !ended; i++)
            ended = take_byte(buf[i], &result);
    }
    flush();
    if (result == LINE_DONE)
        remember();
    line[len] = '\0';
    *text = line;
    return result;
}
