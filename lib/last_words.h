/* Text when little can be relied on any more. */
#ifndef LIB_LAST_WORDS_H
#define LIB_LAST_WORDS_H

/* Writes "program: text\n" to standard error, or to the system log if there is none. Allocates
 * nothing. */
void last_words(const char *text);

#endif
