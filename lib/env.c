/* The environment. What setenv adds is never freed: a caller of getenv may still hold it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Index of name (len bytes) in environ, or of its end; -1 in *at never. */
static size_t find(const char *name, size_t len)
{
    size_t i = 0;

    while (environ[i] != NULL && !(strncmp(environ[i], name, len) == 0 && environ[i][len] == '='))
        i++;
    return i;
}

char *getenv(const char *name)
{
    size_t len = strlen(name), i = find(name, len);

    return environ[i] != NULL ? environ[i] + len + 1 : NULL;
}

/* Puts entry at index i, which is in use or the end. */
static int put(char *entry, size_t i)
{
    static char **own; /* environ once we have allocated it */

    if (environ[i] == NULL) {
        char **bigger = realloc(own == environ ? own : NULL, (i + 2) * sizeof *bigger);
        if (bigger == NULL)
            return -1;
        if (own != environ)
            memcpy(bigger, environ, i * sizeof *bigger);
        environ = own = bigger;
        environ[i + 1] = NULL;
    }
    environ[i] = entry;
    return 0;
}

int setenv(const char *name, const char *value, int overwrite)
{
    size_t len = strlen(name), i = find(name, len);
    char *entry;

    if (len == 0 || strchr(name, '=') != NULL) {
        errno = EINVAL;
        return -1;
    }
    if (environ[i] != NULL && !overwrite)
        return 0;
    entry = malloc(len + strlen(value) + 2);
    if (entry == NULL)
        return -1;
    memcpy(entry, name, len);
    entry[len] = '=';
    strcpy(entry + len + 1, value);
    return put(entry, i);
}

int unsetenv(const char *name)
{
    size_t i = find(name, strlen(name));

    while (environ[i] != NULL) {
        environ[i] = environ[i + 1];
        i++;
    }
    return 0;
}

int putenv(char *name_value)
{
    char *equals = strchr(name_value, '=');

    if (equals == NULL)
        return unsetenv(name_value);
    return put(name_value, find(name_value, (size_t)(equals - name_value)));
}
