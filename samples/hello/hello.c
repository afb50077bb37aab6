/*
 * The smallest useful package: a C program with nothing but standard names. NONCE and SECRET, when the environment has them, come
 * back on the line, so that a test knows who printed it.
 */
#include <stdio.h>
#include <stdlib.h>

static void print_variable(const char *label, const char *name)
{
    const char *value = getenv(name);

    if (value)
        printf(" %s=%s", label, value);
}

int main(void)
{
    printf("APP: hello world");
    print_variable("nonce", "NONCE");
    print_variable("secret", "SECRET");
    printf("\n");
    return 0;
}
