/* Buffered streams and formatted text, as in ISO C and POSIX. Streams are not locked: one thread
 * per stream. */
#ifndef LIB_STDIO_H
#define LIB_STDIO_H

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>
#include <rugo/cdefs.h>

#define EOF          (-1)
#define BUFSIZ       4096
#define SEEK_SET     0
#define SEEK_CUR     1
#define SEEK_END     2
#define _IOFBF       0
#define _IOLBF       1
#define _IONBF       2
#define FILENAME_MAX 4096

typedef struct FILE FILE;
extern FILE *const stdin;
extern FILE *const stdout;
extern FILE *const stderr;

FILE *fopen(const char *restrict path, const char *restrict mode);
FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict f);
FILE *fdopen(int fd, const char *mode);
int fclose(FILE *f);
int fflush(FILE *f);
int fileno(FILE *f);
int feof(FILE *f);
int ferror(FILE *f);
void clearerr(FILE *f);
int setvbuf(FILE *restrict f, char *restrict buf, int mode, size_t size);
void setbuf(FILE *restrict f, char *restrict buf);
int fseek(FILE *f, long offset, int whence);
int fseeko(FILE *f, off_t offset, int whence);
long ftell(FILE *f);
off_t ftello(FILE *f);
void rewind(FILE *f);

size_t fread(void *restrict buf, size_t size, size_t n, FILE *restrict f);
size_t fwrite(const void *restrict buf, size_t size, size_t n, FILE *restrict f);
int fgetc(FILE *f);
int getc(FILE *f);
int getchar(void);
int ungetc(int c, FILE *f);
char *fgets(char *restrict buf, int size, FILE *restrict f);
ssize_t getline(char **restrict line, size_t *restrict size, FILE *restrict f);
ssize_t getdelim(char **restrict line, size_t *restrict size, int delim, FILE *restrict f);
int fputc(int c, FILE *f);
int putc(int c, FILE *f);
int putchar(int c);
int fputs(const char *restrict s, FILE *restrict f);
int puts(const char *s);
/* "text: No such file or directory" on stderr, from errno. */
void perror(const char *text);

int printf(const char *restrict fmt, ...) __printf(1, 2);
int fprintf(FILE *restrict f, const char *restrict fmt, ...) __printf(2, 3);
int dprintf(int fd, const char *restrict fmt, ...) __printf(2, 3);
int sprintf(char *restrict buf, const char *restrict fmt, ...) __printf(2, 3);
int snprintf(char *restrict buf, size_t size, const char *restrict fmt, ...) __printf(3, 4);
int asprintf(char **out, const char *restrict fmt, ...) __printf(2, 3);
int vprintf(const char *restrict fmt, va_list ap) __printf(1, 0);
int vfprintf(FILE *restrict f, const char *restrict fmt, va_list ap) __printf(2, 0);
int vsprintf(char *restrict buf, const char *restrict fmt, va_list ap) __printf(2, 0);
int vsnprintf(char *restrict buf, size_t size, const char *restrict fmt, va_list ap) __printf(3, 0);
int vasprintf(char **out, const char *restrict fmt, va_list ap) __printf(2, 0);

int scanf(const char *restrict fmt, ...) __scanf(1, 2);
int fscanf(FILE *restrict f, const char *restrict fmt, ...) __scanf(2, 3);
int sscanf(const char *restrict s, const char *restrict fmt, ...) __scanf(2, 3);
int vfscanf(FILE *restrict f, const char *restrict fmt, va_list ap) __scanf(2, 0);
int vsscanf(const char *restrict s, const char *restrict fmt, va_list ap) __scanf(2, 0);

int remove(const char *path);
int rename(const char *from, const char *to);

#endif
