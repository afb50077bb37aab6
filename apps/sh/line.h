/* The line editor: typing, correcting and recalling a command line on a terminal. */
#ifndef SH_LINE_H
#define SH_LINE_H

enum line_result {
    LINE_DONE,                      /* Enter: the line is there */
    LINE_INTERRUPT,                 /* Ctrl-C: the line was given up */
    LINE_EOF,                       /* Ctrl-D on an empty line */
    LINE_ERROR,                     /* the terminal does not answer; errno */
};

/*
 * Print `prompt` and read a line from descriptor 0, a terminal, which is put into raw mode. *text is
 * terminated, without its end, and valid until the next call.
 */
enum line_result line_read(const char *prompt, char **text);

#endif
