/* The kernel's command line (cmdline.h). */
#include "klib/cmdline.h"
#include "klib/string.h"

static const char *next_word(const char *s, size_t *length)
{
    while (*s == ' ')
        s++;
    for (*length = 0; s[*length] && s[*length] != ' ';)
        ++*length;
    return *length ? s : NULL;
}

bool cmdline_get(const char *cmdline, const char *key, char *value, size_t size)
{
    size_t n, k = strlen(key);
    for (const char *w = cmdline; (w = next_word(w, &n)); w += n) {
        if (n <= k || strncmp(w, key, k) || w[k] != '=')
            continue;
        size_t length = min_u64(n - k - 1, size - 1);
        memcpy(value, w + k + 1, length);
        value[length] = 0;
        return true;
    }
    return false;
}

bool cmdline_has(const char *cmdline, const char *word)
{
    size_t n;
    for (const char *w = cmdline; (w = next_word(w, &n)); w += n)
        if (n == strlen(word) && !strncmp(w, word, n))
            return true;
    return false;
}
