/* Formatted text to anywhere: what all of printf is made of. Pure. */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* Takes the next n bytes of the text. */
typedef void (*format_sink)(void *where, const char *text, size_t n);

/* ISO C 7.21.6.1, without %n and %a. The number of bytes, or -1 if it exceeds INT_MAX or a
 * directive is unknown. */
int format_text(format_sink put, void *where, const char *fmt, va_list ap);

#define FORMAT_FLOAT_MAX \
    1600 /* bytes that format_float may need for any double, beside the padding of precision */

/*
 * Digits of |value| for conversion e, f or g (lower case), correctly rounded: the exact binary
 * value, ties to even. precision is not above 500; alt: the '#' flag. Fills out (FORMAT_FLOAT_MAX
 * bytes), returns the length. value is finite.
 */
size_t format_float(char *out, double value, char conversion, int precision, int alt);

#endif
