/* Text when little can be relied on any more. */
#include "last_words.h"

#include <rugo/start.h>
#include <string.h>
#include <unistd.h>

void last_words(const char *text)
{
    char line[256];

    strlcpy(line, program_name, sizeof line / 2);
    strlcat(line, ": ", sizeof line);
    strlcat(line, text, sizeof line - 1);
    strlcat(line, "\n", sizeof line);
    (void)!write(STDERR_FILENO, line, strlen(line));
}
